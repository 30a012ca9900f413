//! What an outcome means for the delivery.

use crate::{Outcome, RetryPolicy};

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// It is tried again.
    RetryAt {
        /// Not before this time, in milliseconds since 1970.
        at_ms: u64,
    },
    /// It was tried as often as the policy allows.
    Exhausted,
    /// The receiver said that it wants no more (410 Gone): trying again is of no use.
    EndpointGone,
}

/// Judges an attempt. `attempt` counts from 1; `now_ms` is in milliseconds since 1970.
pub fn verdict(policy: &RetryPolicy, outcome: &Outcome, attempt: u32, now_ms: u64) -> Verdict {
    if outcome.is_success() {
        return Verdict::Delivered;
    }
    if matches!(outcome, Outcome::Answered { status: 410, .. }) {
        return Verdict::EndpointGone;
    }
    match policy.delay_ms(attempt) {
        Some(delay_ms) => Verdict::RetryAt { at_ms: now_ms.saturating_add(delay_ms) },
        None => Verdict::Exhausted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { max_attempts: 3 };

    fn answered(status: u16) -> Outcome {
        Outcome::Answered { status, location: None, retry_after: None }
    }

    #[test]
    fn any_2xx_is_delivered_even_on_the_last_attempt() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(verdict(&POLICY, &answered(status), 3, 0), Verdict::Delivered);
        }
    }

    #[test]
    fn everything_else_is_tried_again_until_the_attempts_are_used_up() {
        let others = [
            answered(199),
            answered(302),
            answered(400),
            answered(429),
            answered(500),
            Outcome::TimedOut { after_ms: 10_000 },
            Outcome::ConnectionFailed { reason: "refused".to_owned() },
        ];
        for outcome in others {
            assert_eq!(verdict(&POLICY, &outcome, 1, 5_000), Verdict::RetryAt { at_ms: 7_000 });
            assert_eq!(verdict(&POLICY, &outcome, 2, 5_000), Verdict::RetryAt { at_ms: 9_000 });
            assert_eq!(verdict(&POLICY, &outcome, 3, 5_000), Verdict::Exhausted);
        }
    }

    #[test]
    fn gone_is_not_tried_again() {
        assert_eq!(verdict(&POLICY, &answered(410), 1, 0), Verdict::EndpointGone);
    }

    #[test]
    fn outcomes_say_what_happened() {
        let redirect = Outcome::Answered {
            status: 302,
            location: Some("https://b.example/".to_owned()),
            retry_after: None,
        };
        assert_eq!(redirect.to_string(), "HTTP 302: redirects are not followed; it names https://b.example/");
        assert_eq!(answered(500).to_string(), "HTTP 500");
        assert_eq!(Outcome::TimedOut { after_ms: 250 }.to_string(), "timed out after 250 ms");
    }
}
