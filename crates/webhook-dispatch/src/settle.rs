//! From outcomes to rows.

use webhook_backoff::{Attempt, Outcome, Verdict};

use crate::{
    AttemptRef, BatchOutcome, Dispatcher, Disposition, End, RowUpdate,
    rows::{ERROR_MESSAGE_CHARS, RESPONSE_BODY_CHARS, column_text},
};

/// What follows from some outcomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// One for each attempt.
    pub updates: Vec<RowUpdate>,
    /// Endpoints whose receiver answered 410: they are to be switched off, and what they are owed ends.
    pub gone: Vec<String>,
    /// Endpoints whose breaker has opened.
    pub opened: Vec<String>,
    /// Endpoints that wait for something of ours, credentials most often, and for what: once each.
    pub not_ready: Vec<(String, String)>,
}

/// Why the deliveries of an endpoint end that has answered 410.
pub const GONE_REASON: &str =
    "not sent: endpoint: answered HTTP 410 Gone and was switched off; set is_active, then replay";

/// How much of a row's `error_message` the outcome may take: what comes behind it must always fit.
const OUTCOME_CHARS: usize = 340;

/// Delays from this on are shown, and so kept, in whole seconds.
const WHOLE_SECONDS_FROM_MS: u64 = 10_000;

impl BatchOutcome {
    /// An end for each attempt: the last one is that of all that are not named.
    fn ends(&self) -> impl Iterator<Item = &End> {
        self.ends.iter().chain(self.ends.last().into_iter().cycle())
    }

    pub(crate) fn outcomes(&self) -> Vec<&Outcome> {
        self.attempts.iter().zip(self.ends()).map(|(_, end)| &end.outcome).collect()
    }
}

impl<U> Dispatcher<U> {
    /// Turns outcomes into row updates. `now_ms` is in milliseconds since 1970.
    pub fn settle(&mut self, outcomes: &[BatchOutcome], now_ms: u64) -> Settled {
        let mut settled = Settled::default();
        for batch in outcomes {
            if self.note(batch, now_ms) {
                settled.opened.push(batch.endpoint_id.clone());
            }
            self.conclude(batch, now_ms, &mut settled);
        }
        settled
    }

    /// Takes in how a request has ended, for the endpoint's sake. Says whether that opened its breaker.
    pub(crate) fn note(&mut self, batch: &BatchOutcome, now_ms: u64) -> bool {
        let outcomes: Vec<&Outcome> =
            batch.attempts.iter().zip(batch.ends()).map(|(_, end)| &end.outcome).collect();
        self.endpoints.ended(&batch.endpoint_id, &outcomes, batch.duration_ms, &self.settings, now_ms)
    }

    /// Adds what follows for the rows.
    pub(crate) fn conclude(&mut self, batch: &BatchOutcome, now_ms: u64, settled: &mut Settled) {
        let id = &batch.endpoint_id;
        self.endpoints.written(id, batch.attempts.len());
        for (attempt, end) in batch.attempts.iter().zip(batch.ends()) {
            let update = self.update(id, attempt, end, now_ms);
            let (name, trace_id) = (end.outcome.name(), Some(attempt.trace_id));
            self.journal.note(id, &update, name, trace_id, Some(batch.duration_ms as u64));
            settled.updates.push(update);
            if let Outcome::NotReady { reason } = &end.outcome {
                let known = |(known, why): &(String, String)| known == id && why == reason;
                if !settled.not_ready.iter().any(known) {
                    settled.not_ready.push((id.clone(), reason.clone()));
                }
            }
            if end.outcome.is_gone() && !settled.gone.contains(id) {
                settled.gone.push(id.clone());
            }
        }
    }

    fn update(&mut self, endpoint_id: &str, attempt: &AttemptRef, end: &End, now_ms: u64) -> RowUpdate {
        let outcome = &end.outcome;
        let policy = &self.settings.retry;
        let number = attempt.attempt;
        let judged = Attempt { delivery_id: &attempt.delivery_id, number, outcome };
        let said = column_text(&outcome.to_string(), OUTCOME_CHARS);
        let trace = attempt.trace_id;
        let (disposition, reason) = match policy.verdict(&judged, now_ms) {
            Verdict::Delivered => (Disposition::Delivered, None),
            Verdict::RetryAt { at_ms } => {
                let most = policy.attempts_for(outcome);
                let wait = seconds(at_ms.saturating_sub(now_ms));
                let asked = outcome.asked_pause_ms(now_ms).filter(|ms| *ms > 0);
                let asked = asked.map_or(String::new(), asked_to_wait);
                self.endpoints.waits(endpoint_id, at_ms);
                // The claim reads both numbers: what the row says is what happens.
                let reason =
                    format!("{said}{asked}; trace {trace}; attempt {number} of {most}, next in {wait} s");
                (Disposition::Retrying, Some(reason))
            }
            Verdict::EndpointGone => {
                let reason = format!("{said}; trace {trace}; the receiver wants no more deliveries");
                (Disposition::Exhausted, Some(reason))
            }
            Verdict::Exhausted => {
                let reason = format!("{said}; trace {trace}; gave up after attempt {number}");
                (Disposition::Exhausted, Some(reason))
            }
        };
        let answer = match outcome {
            Outcome::Accepted { note } => Some(note.as_str()),
            _ => end.response_body.as_deref(),
        };
        RowUpdate {
            id: attempt.delivery_id.clone(),
            attempt: number,
            disposition,
            response_status: outcome.status(),
            response_body: answer.map(|body| column_text(body, RESPONSE_BODY_CHARS)),
            error_message: reason.map(|reason| column_text(&reason, ERROR_MESSAGE_CHARS)),
        }
    }
}

/// Seconds as they are shown.
fn seconds(ms: u64) -> String {
    if ms >= WHOLE_SECONDS_FROM_MS || ms.is_multiple_of(1_000) {
        return ms.div_ceil(1_000).to_string();
    }
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

fn asked_to_wait(pause_ms: u64) -> String {
    format!(", asked to wait {} s", pause_ms.div_ceil(1_000))
}

#[cfg(test)]
mod tests {
    use webhook_backoff::{Fault, RetryPolicy};
    use webhook_payload::TraceId;
    use webhook_protocol::NativeUrlParser;

    use super::*;
    use crate::Settings;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn attempt_at(delivery_id: &str, attempt: u32) -> AttemptRef {
        let trace_id = TraceId::parse(TRACE).unwrap();
        AttemptRef { delivery_id: delivery_id.to_owned(), attempt, trace_id, parent: None }
    }

    fn settle(outcome: Outcome, attempt: u32, response_body: Option<&str>) -> RowUpdate {
        let retry = RetryPolicy { max_attempts: 3, jitter_percent: 0, ..RetryPolicy::default() };
        let settings = Settings { retry, ..Settings::default() };
        let mut dispatcher = Dispatcher::new(settings, NativeUrlParser);
        let batch = BatchOutcome {
            endpoint_id: "e".to_owned(),
            attempts: vec![attempt_at("d", attempt)],
            ends: vec![End { outcome, response_body: response_body.map(str::to_owned) }],
            duration_ms: 7.0,
        };
        let is_gone = batch.ends[0].outcome.is_gone();
        let Settled { mut updates, gone, opened, .. } = dispatcher.settle(&[batch], 0);
        assert_eq!((updates.len(), gone.len(), opened.len()), (1, usize::from(is_gone), 0));
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
        let reason = format!("HTTP 500; trace {TRACE}; attempt 2 of 3, next in 4 s");
        assert_eq!(update.error_message, Some(reason));
    }

    #[test]
    fn the_last_failure_ends_the_delivery_with_a_reason() {
        let timed_out = settle(Outcome::TimedOut { after_ms: 10_000 }, 3, None);
        assert_eq!((timed_out.disposition, timed_out.response_status), (Disposition::Exhausted, None));
        let reason = format!("timed out after 10000 ms; trace {TRACE}; gave up after attempt 3");
        assert_eq!(timed_out.error_message, Some(reason));
        let gone = settle(answered(410), 1, None);
        assert_eq!(gone.disposition, Disposition::Exhausted);
        let reason = format!("HTTP 410; trace {TRACE}; the receiver wants no more deliveries");
        assert_eq!(gone.error_message, Some(reason));
    }

    #[test]
    fn a_wish_to_be_left_alone_is_shown() {
        let asked = |retry_after: &str| {
            let outcome =
                Outcome::Answered { status: 429, location: None, retry_after: Some(retry_after.to_owned()) };
            settle(outcome, 1, None).error_message.unwrap().replace(&format!("; trace {TRACE}"), "")
        };
        assert_eq!(asked("7"), "HTTP 429, asked to wait 7 s; attempt 1 of 3, next in 7 s");
        assert_eq!(asked("soon"), "HTTP 429; attempt 1 of 3, next in 2 s");
        assert_eq!(asked("0"), "HTTP 429; attempt 1 of 3, next in 2 s");
    }

    #[test]
    fn delays_are_shown_to_the_millisecond_while_that_matters() {
        for (ms, text) in [(0, "0"), (200, "0.200"), (1_873, "1.873"), (2_000, "2"), (31_337, "32")] {
            assert_eq!(seconds(ms), text);
        }
    }

    #[test]
    fn five_failures_open_the_breaker_once() {
        let mut dispatcher = Dispatcher::new(Settings::default(), NativeUrlParser);
        dispatcher.endpoints.claimed("e", 2, 0);
        dispatcher.endpoints.planned("e", true);
        dispatcher.endpoints.sent("e");
        let batch = |n: u32| BatchOutcome {
            endpoint_id: "e".to_owned(),
            attempts: vec![attempt_at(&n.to_string(), 1)],
            ends: vec![End::of(answered(500))],
            duration_ms: 7.0,
        };
        let outcomes: Vec<BatchOutcome> = (0..7).map(batch).collect();
        let settled = dispatcher.settle(&outcomes, 0);
        assert_eq!((settled.updates.len(), settled.opened), (7, vec!["e".to_owned()]));
    }

    #[test]
    fn each_attempt_of_a_batch_has_its_own_end() {
        let mut dispatcher = Dispatcher::new(Settings::default(), NativeUrlParser);
        dispatcher.endpoints.sent("e");
        let rejected = |fault| End::of(Outcome::Rejected { fault, reason: "SQS: no".to_owned() });
        let settled = dispatcher.settle(
            &[
                BatchOutcome {
                    endpoint_id: "e".to_owned(),
                    attempts: ["a", "b", "c"].map(|id| attempt_at(id, 1)).to_vec(),
                    ends: vec![
                        End::of(Outcome::Accepted { note: "n".to_owned() }),
                        rejected(Fault::Permanent),
                        rejected(Fault::Throttled),
                    ],
                    duration_ms: 7.0,
                },
                BatchOutcome {
                    endpoint_id: "f".to_owned(),
                    attempts: ["d", "e"].map(|id| attempt_at(id, 1)).to_vec(),
                    ends: vec![End::of(Outcome::NotReady { reason: "no key".to_owned() })],
                    duration_ms: 7.0,
                },
            ],
            0,
        );
        let seen: Vec<_> = settled
            .updates
            .iter()
            .map(|update| (update.id.as_str(), update.disposition, update.response_status))
            .collect();
        assert_eq!(
            seen,
            [
                ("a", Disposition::Delivered, None),
                ("b", Disposition::Retrying, None),
                ("c", Disposition::Retrying, Some(429)),
                ("d", Disposition::Retrying, None),
                ("e", Disposition::Retrying, None),
            ]
        );
        assert_eq!(settled.updates[0].response_body.as_deref(), Some("n"));
        let message = settled.updates[3].error_message.as_deref().unwrap();
        assert!(
            message.starts_with("not sent: no key; trace ")
                && message.contains("; attempt 1 of 16, next in "),
            "{message}"
        );
        assert_eq!(settled.not_ready, [("f".to_owned(), "no key".to_owned())]);
    }

    #[test]
    fn texts_fit_their_columns() {
        let reason = "x\0".repeat(600);
        let end = format!("; trace {TRACE}; attempt 1 of 3, next in 2 s");
        let update = settle(Outcome::ConnectionFailed { reason }, 1, Some(&"é\0".repeat(600)));
        let body = update.response_body.unwrap();
        let message = update.error_message.unwrap();
        assert_eq!(body.chars().count(), 1_000);
        assert!(message.chars().count() <= 500 && message.ends_with(&end));
        assert!(!body.contains('\0') && !message.contains('\0'));
    }
}
