//! What an outcome means for the delivery.

use crate::{Fault, Outcome, Schedule, jitter::jittered, jitter_seed, retry_after_ms};

/// How often and how long a delivery is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The delays between attempts.
    pub schedule: Schedule,
    /// How many attempts a delivery gets before it fails for good; at least 1.
    pub max_attempts: u32,
    /// The same for answers that trying again seldom changes: 4xx but for 408, 425 and 429, and targets whose
    /// address may not be called.
    pub client_error_attempts: u32,
    /// By how many per cent a delay is made longer or shorter, so that what failed together does not come back
    /// together.
    pub jitter_percent: u32,
}

impl Default for RetryPolicy {
    /// The default schedule with all of its attempts, 5 for client errors, ±20 %.
    fn default() -> Self {
        let schedule = Schedule::default();
        RetryPolicy {
            max_attempts: schedule.attempts(),
            schedule,
            client_error_attempts: 5,
            jitter_percent: 20,
        }
    }
}

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

/// An attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Whose.
    pub delivery_id: &'a str,
    /// Its number, from 1.
    pub number: u32,
    /// How it ended.
    pub outcome: &'a Outcome,
}

impl RetryPolicy {
    /// Judges an attempt. `now_ms` is in milliseconds since 1970.
    pub fn verdict(&self, attempt: &Attempt<'_>, now_ms: u64) -> Verdict {
        let outcome = attempt.outcome;
        if outcome.is_success() {
            return Verdict::Delivered;
        }
        if outcome.is_gone() {
            return Verdict::EndpointGone;
        }
        if attempt.number >= self.attempts_for(outcome) {
            return Verdict::Exhausted;
        }
        let seed = jitter_seed(attempt.delivery_id, attempt.number);
        let scheduled = jittered(self.schedule.delay_ms(attempt.number), self.jitter_percent, seed);
        // Never sooner than the schedule: a receiver that always asks for one second would use up all attempts.
        let delay_ms = scheduled.max(outcome.asked_pause_ms(now_ms).unwrap_or_default());
        Verdict::RetryAt { at_ms: now_ms.saturating_add(delay_ms) }
    }

    /// How many attempts a delivery gets whose last one ended so.
    pub fn attempts_for(&self, outcome: &Outcome) -> u32 {
        if outcome.is_client_error() {
            self.max_attempts.min(self.client_error_attempts)
        } else {
            self.max_attempts
        }
    }
}

/// How long an endpoint is left alone after a 429 that does not say for how long, in milliseconds.
const UNSAID_PAUSE_MS: u64 = 1_000;

impl Outcome {
    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Outcome::Answered { status, .. } => Some(*status),
            Outcome::Rejected { fault: Fault::Throttled, .. } => Some(429),
            _ => None,
        }
    }

    /// Any 2xx, or a broker's word: the receiver took the delivery.
    pub fn is_success(&self) -> bool {
        matches!(self, Outcome::Answered { status: 200..=299, .. } | Outcome::Accepted { .. })
    }

    /// 410: the receiver wants no more.
    pub fn is_gone(&self) -> bool {
        matches!(self, Outcome::Answered { status: 410, .. })
    }

    /// Whether it speaks against the endpoint's health. A 429 does not: there is a receiver, and it is at work. Nor does
    /// what was not sent, nor a 410, which ends the endpoint by itself.
    pub fn is_failure(&self) -> bool {
        let is_sent = !matches!(self, Outcome::AddressRefused { .. } | Outcome::NotReady { .. });
        is_sent && !self.is_success() && !matches!(self.status(), Some(410 | 429))
    }

    /// For how long the endpoint as a whole is to be left alone, in milliseconds.
    pub fn endpoint_pause_ms(&self, now_ms: u64) -> Option<u64> {
        let unsaid = (self.status() == Some(429)).then_some(UNSAID_PAUSE_MS);
        self.asked_pause_ms(now_ms).or(unsaid)
    }

    /// `Retry-After` where it counts, on 429 and 503, in milliseconds.
    pub fn asked_pause_ms(&self, now_ms: u64) -> Option<u64> {
        match self {
            Outcome::Answered { status: 429 | 503, retry_after: Some(text), .. } => {
                retry_after_ms(text, now_ms)
            }
            _ => None,
        }
    }

    fn is_client_error(&self) -> bool {
        match self {
            Outcome::Answered { status, .. } => {
                (400..=499).contains(status) && !matches!(status, 408 | 425 | 429)
            }
            Outcome::AddressRefused { .. } | Outcome::Rejected { fault: Fault::Permanent, .. } => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy { jitter_percent: 0, ..RetryPolicy::default() }
    }

    fn answered(status: u16) -> Outcome {
        Outcome::Answered { status, location: None, retry_after: None }
    }

    fn asked(status: u16, retry_after: &str) -> Outcome {
        Outcome::Answered { status, location: None, retry_after: Some(retry_after.to_owned()) }
    }

    fn verdict(outcome: &Outcome, number: u32) -> Verdict {
        policy().verdict(&Attempt { delivery_id: "d", number, outcome }, 5_000)
    }

    fn timed_out() -> Outcome {
        Outcome::TimedOut { after_ms: 10_000 }
    }

    #[test]
    fn any_2xx_is_delivered_even_on_the_last_attempt() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(verdict(&answered(status), 16), Verdict::Delivered);
        }
    }

    #[test]
    fn what_may_pass_is_tried_by_the_whole_schedule() {
        let failed = Outcome::ConnectionFailed { reason: "refused".to_owned() };
        let others = [199, 302, 408, 425, 429, 500, 502, 503, 504, 599, 700].map(answered);
        for outcome in others.into_iter().chain([timed_out(), failed]) {
            assert_eq!(verdict(&outcome, 1), Verdict::RetryAt { at_ms: 7_000 }, "{outcome}");
            assert_eq!(verdict(&outcome, 2), Verdict::RetryAt { at_ms: 9_000 }, "{outcome}");
            assert_eq!(verdict(&outcome, 15), Verdict::RetryAt { at_ms: 5_000 + 8 * 3_600_000 }, "{outcome}");
            assert_eq!(verdict(&outcome, 16), Verdict::Exhausted, "{outcome}");
        }
    }

    #[test]
    fn client_errors_and_refused_addresses_are_permanent_after_a_few_tries() {
        let refused = Outcome::AddressRefused { reason: "private".to_owned() };
        for outcome in
            [400, 401, 403, 404, 405, 413, 422, 451, 499].map(answered).into_iter().chain([refused])
        {
            assert_eq!(verdict(&outcome, 4), Verdict::RetryAt { at_ms: 21_000 }, "{outcome}");
            assert_eq!(verdict(&outcome, 5), Verdict::Exhausted, "{outcome}");
        }
    }

    #[test]
    fn a_brokers_word_counts_as_an_answer_does() {
        let accepted = Outcome::Accepted { note: "{}".to_owned() };
        assert_eq!(verdict(&accepted, 16), Verdict::Delivered);
        let rejected = |fault| Outcome::Rejected { fault, reason: "no".to_owned() };
        assert_eq!(verdict(&rejected(Fault::Permanent), 5), Verdict::Exhausted);
        for fault in [Fault::Passing, Fault::Throttled] {
            assert_ne!(verdict(&rejected(fault), 15), Verdict::Exhausted);
            assert_eq!(verdict(&rejected(fault), 16), Verdict::Exhausted);
        }
        assert!(rejected(Fault::Passing).is_failure() && rejected(Fault::Permanent).is_failure());
        assert!(!rejected(Fault::Throttled).is_failure());
        assert_eq!(rejected(Fault::Throttled).endpoint_pause_ms(0), Some(UNSAID_PAUSE_MS));
        assert_eq!(rejected(Fault::Throttled).status(), Some(429));
    }

    #[test]
    fn what_waits_for_its_operator_is_tried_by_the_whole_schedule() {
        let waits = Outcome::NotReady { reason: "credentials: X is not set".to_owned() };
        assert_ne!(verdict(&waits, 15), Verdict::Exhausted);
        assert_eq!(verdict(&waits, 16), Verdict::Exhausted);
        assert!(!waits.is_failure() && !waits.is_success());
    }

    #[test]
    fn gone_is_not_tried_again() {
        assert_eq!(verdict(&answered(410), 1), Verdict::EndpointGone);
    }

    #[test]
    fn retry_after_lengthens_a_delay_and_never_shortens_it() {
        assert_eq!(verdict(&asked(429, "7"), 1), Verdict::RetryAt { at_ms: 12_000 });
        assert_eq!(verdict(&asked(503, "7"), 1), Verdict::RetryAt { at_ms: 12_000 });
        assert_eq!(
            verdict(&asked(429, "Thu, 01 Jan 1970 00:00:20 GMT"), 1),
            Verdict::RetryAt { at_ms: 20_000 }
        );
        assert_eq!(verdict(&asked(429, "1"), 1), Verdict::RetryAt { at_ms: 7_000 });
        assert_eq!(verdict(&asked(429, "999999"), 1), Verdict::RetryAt { at_ms: 3_605_000 });
        // Elsewhere it means something else, or nothing.
        assert_eq!(verdict(&asked(500, "7"), 1), Verdict::RetryAt { at_ms: 7_000 });
        assert_eq!(verdict(&asked(429, "soon"), 1), Verdict::RetryAt { at_ms: 7_000 });
    }

    #[test]
    fn a_429_pauses_the_endpoint_and_does_not_speak_against_it() {
        assert_eq!(asked(429, "7").endpoint_pause_ms(0), Some(7_000));
        assert_eq!(asked(503, "7").endpoint_pause_ms(0), Some(7_000));
        assert_eq!(answered(429).endpoint_pause_ms(0), Some(UNSAID_PAUSE_MS));
        assert_eq!(answered(503).endpoint_pause_ms(0), None);
        let refused = Outcome::AddressRefused { reason: "private".to_owned() };
        assert!(!answered(429).is_failure() && !answered(410).is_failure() && !refused.is_failure());
        assert!(answered(503).is_failure() && timed_out().is_failure());
    }

    proptest! {
        #[test]
        fn retries_come_within_the_jitter_of_their_delay(number in 1_u32..16, id: String) {
            let policy = RetryPolicy::default();
            let delay = policy.schedule.delay_ms(number);
            let outcome = answered(500);
            let attempt = Attempt { delivery_id: &id, number, outcome: &outcome };
            let verdict = policy.verdict(&attempt, 1_000_000);
            let Verdict::RetryAt { at_ms } = verdict else { panic!("{verdict:?}") };
            let waited = at_ms - 1_000_000;
            prop_assert!(waited >= delay * 80 / 100 && waited <= delay * 120 / 100);
            prop_assert_eq!(policy.verdict(&attempt, 1_000_000), verdict);
        }

        #[test]
        fn every_delivery_survives_a_day_of_its_receiver_being_down(id: String) {
            let policy = RetryPolicy::default();
            let mut now_ms = 0;
            let mut number = 1;
            while let Verdict::RetryAt { at_ms } =
                policy.verdict(&Attempt { delivery_id: &id, number, outcome: &timed_out() }, now_ms)
            {
                prop_assert!(at_ms > now_ms);
                now_ms = at_ms;
                number += 1;
            }
            prop_assert_eq!(number, 16);
            prop_assert!((24 * 3_600_000..40 * 3_600_000).contains(&now_ms), "{}", now_ms);
        }
    }
}
