//! From outcomes to rows.

use webhook_backoff::{Outcome, Verdict, verdict};

use crate::{
    AttemptRef, BatchOutcome, Dispatcher, Disposition, RowUpdate,
    rows::{ERROR_MESSAGE_CHARS, RESPONSE_BODY_CHARS, column_text},
};

impl<U> Dispatcher<U> {
    /// Turns outcomes into row updates, one for each attempt. `now_ms` is in milliseconds since 1970.
    pub fn settle(&self, outcomes: &[BatchOutcome], now_ms: u64) -> Vec<RowUpdate> {
        outcomes
            .iter()
            .flat_map(|batch| batch.attempts.iter().map(move |attempt| self.update(attempt, batch, now_ms)))
            .collect()
    }

    fn update(&self, attempt: &AttemptRef, batch: &BatchOutcome, now_ms: u64) -> RowUpdate {
        let outcome = &batch.outcome;
        let tries = attempt.attempt;
        let (disposition, reason) = match verdict(&self.policy, outcome, tries, now_ms) {
            Verdict::Delivered => (Disposition::Delivered, None),
            Verdict::RetryAt { at_ms } => {
                let seconds = at_ms.saturating_sub(now_ms) / 1_000;
                let most = self.policy.max_attempts;
                let reason = format!("{outcome}; attempt {tries} of {most}, next in {seconds} s");
                (Disposition::Retrying, Some(reason))
            }
            Verdict::EndpointGone => {
                (Disposition::Exhausted, Some(format!("{outcome}; the receiver wants no more deliveries")))
            }
            Verdict::Exhausted => {
                (Disposition::Exhausted, Some(format!("{outcome}; gave up after attempt {tries}")))
            }
        };
        RowUpdate {
            id: attempt.delivery_id.clone(),
            attempt: tries,
            disposition,
            response_status: match outcome {
                Outcome::Answered { status, .. } => Some(*status),
                _ => None,
            },
            response_body: batch.response_body.as_deref().map(|body| column_text(body, RESPONSE_BODY_CHARS)),
            error_message: reason.map(|reason| column_text(&reason, ERROR_MESSAGE_CHARS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use webhook_backoff::RetryPolicy;
    use webhook_protocol::NativeUrlParser;

    use super::*;

    fn settle(outcome: Outcome, attempt: u32, response_body: Option<&str>) -> RowUpdate {
        let dispatcher = Dispatcher::new(RetryPolicy { max_attempts: 3 }, 10_000, NativeUrlParser);
        let batch = BatchOutcome {
            attempts: vec![AttemptRef { delivery_id: "d".to_owned(), attempt }],
            outcome,
            response_body: response_body.map(str::to_owned),
        };
        let mut updates = dispatcher.settle(&[batch], 0);
        assert_eq!(updates.len(), 1);
        updates.remove(0)
    }

    fn answered(status: u16) -> Outcome {
        Outcome::Answered { status, location: None, retry_after: None }
    }

    #[test]
    fn a_2xx_answer_delivers_and_leaves_no_error() {
        let update = settle(answered(204), 3, Some("ok"));
        assert_eq!(update.disposition, Disposition::Delivered);
        assert_eq!(update.response_status, Some(204));
        assert_eq!(update.response_body.as_deref(), Some("ok"));
        assert_eq!(update.error_message, None);
    }

    #[test]
    fn a_failure_waits_for_its_next_attempt_with_a_reason() {
        let update = settle(answered(500), 2, Some("oops"));
        assert_eq!((update.disposition, update.attempt), (Disposition::Retrying, 2));
        assert_eq!(update.error_message.as_deref(), Some("HTTP 500; attempt 2 of 3, next in 4 s"));
    }

    #[test]
    fn the_last_failure_ends_the_delivery_with_a_reason() {
        let timed_out = settle(Outcome::TimedOut { after_ms: 10_000 }, 3, None);
        assert_eq!((timed_out.disposition, timed_out.response_status), (Disposition::Exhausted, None));
        assert_eq!(
            timed_out.error_message.as_deref(),
            Some("timed out after 10000 ms; gave up after attempt 3")
        );
        let gone = settle(answered(410), 1, None);
        assert_eq!(gone.disposition, Disposition::Exhausted);
        assert_eq!(gone.error_message.as_deref(), Some("HTTP 410; the receiver wants no more deliveries"));
    }

    #[test]
    fn texts_fit_their_columns() {
        let reason = "x\0".repeat(600);
        let update = settle(Outcome::ConnectionFailed { reason }, 1, Some(&"é\0".repeat(600)));
        let body = update.response_body.unwrap();
        let message = update.error_message.unwrap();
        assert_eq!((body.chars().count(), message.chars().count()), (1_000, 500));
        assert!(!body.contains('\0') && !message.contains('\0'));
    }
}
