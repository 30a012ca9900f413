//! What the log says of attempts: failures one by one as far as there is room, all of them as figures by endpoint.

use webhook_payload::TraceId;

use crate::{Disposition, RowUpdate, small_map::SmallMap};

/// An attempt that did not deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// The delivery.
    pub delivery_id: String,
    /// Whose it is.
    pub endpoint_id: String,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The event's trace, where the payload was read.
    pub trace_id: Option<TraceId>,
    /// What the wire did, by a stable name: [`webhook_backoff::Outcome::name`], or `refused` where a row cannot be sent.
    pub outcome: &'static str,
    /// What became of it.
    pub disposition: Disposition,
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// From the start of its request to the answer, in milliseconds; `None` where nothing was sent.
    pub duration_ms: Option<u64>,
    /// What the row says; of what a service said when it refused, the beginning alone, since such a text may repeat what it was
    /// sent.
    pub error: String,
}

/// What an endpoint got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// `None` for all that are not listed by themselves.
    pub endpoint_id: Option<String>,
    /// How many endpoints these are.
    pub endpoints: u32,
    /// Attempts that delivered.
    pub delivered: u32,
    /// Attempts whose delivery waits for the next one.
    pub retrying: u32,
    /// Attempts whose delivery failed for good.
    pub exhausted: u32,
    /// Those that failed and were not kept to be logged one by one.
    pub not_listed: u32,
    /// The longest request, in milliseconds.
    pub longest_ms: u64,
}

/// What is to be logged still.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    failed: Vec<FailedAttempt>,
    served: SmallMap<String, Served>,
}

/// How many failures are kept until they are logged. The platform drops what is beyond 100 lines in 10 seconds, whatever it
/// is.
const MOST_FAILED: usize = 50;

impl Journal {
    /// Takes in what became of an attempt.
    pub(crate) fn note(
        &mut self,
        endpoint_id: &str,
        update: &RowUpdate,
        outcome: &'static str,
        trace_id: Option<TraceId>,
        duration_ms: Option<u64>,
    ) {
        let new = || Served { endpoint_id: Some(endpoint_id.to_owned()), endpoints: 1, ..Served::default() };
        let served = self.served.get_or_insert_with(endpoint_id.to_owned(), new);
        served.longest_ms = served.longest_ms.max(duration_ms.unwrap_or_default());
        match update.disposition {
            Disposition::Delivered => {
                served.delivered += 1;
                return;
            }
            Disposition::Retrying => served.retrying += 1,
            Disposition::Exhausted => served.exhausted += 1,
        }
        if self.failed.len() >= MOST_FAILED {
            served.not_listed += 1;
            return;
        }
        self.failed.push(FailedAttempt {
            delivery_id: update.id.clone(),
            endpoint_id: endpoint_id.to_owned(),
            attempt: update.attempt,
            trace_id,
            outcome,
            disposition: update.disposition,
            status: update.response_status,
            duration_ms,
            error: shown(update.error_message.as_deref().unwrap_or_default(), outcome),
        });
    }

    /// The failures since the last time, as far as they were kept.
    pub(crate) fn take_failed(&mut self) -> Vec<FailedAttempt> {
        std::mem::take(&mut self.failed)
    }

    /// What endpoints got since the last time: `most` of them by themselves, those first that failed most, and then
    /// those that got most; the rest as one.
    pub(crate) fn take_served(&mut self, most: usize) -> Vec<Served> {
        let mut rest: Vec<Served> =
            std::mem::take(&mut self.served).into_pairs().into_iter().map(|(_, served)| served).collect();
        let mut taken = Vec::new();
        // A few out of many: no sort, which would be kilobytes of WASM.
        while taken.len() < most {
            let weight = |served: &Served| (served.exhausted, served.retrying, served.delivered);
            let Some((at, _)) = rest.iter().enumerate().max_by_key(|(_, served)| weight(served)) else {
                break;
            };
            taken.push(rest.swap_remove(at));
        }
        if !rest.is_empty() {
            taken.push(rest.into_iter().fold(Served::default(), |sum, one| Served {
                endpoint_id: None,
                endpoints: sum.endpoints + one.endpoints,
                delivered: sum.delivered + one.delivered,
                retrying: sum.retrying + one.retrying,
                exhausted: sum.exhausted + one.exhausted,
                not_listed: sum.not_listed + one.not_listed,
                longest_ms: sum.longest_ms.max(one.longest_ms),
            }));
        }
        taken
    }
}

/// `SQS: AccessDenied: Access to …` up to the second colon.
fn shown(message: &str, outcome: &str) -> String {
    let parts = if outcome == "rejected" { 2 } else { usize::MAX };
    message.split(": ").take(parts).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(disposition: Disposition) -> RowUpdate {
        RowUpdate {
            id: "d".to_owned(),
            attempt: 2,
            disposition,
            response_status: Some(500),
            response_body: None,
            error_message: Some("HTTP 500".to_owned()),
        }
    }

    fn note(journal: &mut Journal, endpoint_id: &str, disposition: Disposition, count: usize) {
        for ms in 0..count {
            let trace_id = Some(TraceId::derive("t"));
            journal.note(endpoint_id, &update(disposition), "answered", trace_id, Some(ms as u64));
        }
    }

    #[test]
    fn failures_are_listed_and_successes_are_not() {
        let mut journal = Journal::default();
        note(&mut journal, "e", Disposition::Delivered, 3);
        note(&mut journal, "e", Disposition::Retrying, 1);
        assert_eq!(
            journal.take_failed(),
            [FailedAttempt {
                delivery_id: "d".to_owned(),
                endpoint_id: "e".to_owned(),
                attempt: 2,
                trace_id: Some(TraceId::derive("t")),
                outcome: "answered",
                disposition: Disposition::Retrying,
                status: Some(500),
                duration_ms: Some(0),
                error: "HTTP 500".to_owned(),
            }]
        );
        assert_eq!(journal.take_failed(), []);
    }

    #[test]
    fn what_a_service_says_is_cut() {
        let said = "SQS: InvalidMessage: your text was s3cret: no; trace t; attempt 1 of 5, next in 2 s";
        assert_eq!(shown(said, "rejected"), "SQS: InvalidMessage");
        assert_eq!(shown(said, "answered"), said);
    }

    #[test]
    fn what_is_too_much_to_list_is_counted() {
        let mut journal = Journal::default();
        note(&mut journal, "e", Disposition::Exhausted, MOST_FAILED + 7);
        assert_eq!(journal.take_failed().len(), MOST_FAILED);
        let served = &journal.take_served(9)[0];
        assert_eq!((served.exhausted, served.not_listed), (MOST_FAILED as u32 + 7, 7));
    }

    #[test]
    fn endpoints_that_fail_most_are_listed_and_the_rest_is_one() {
        let mut journal = Journal::default();
        note(&mut journal, "well", Disposition::Delivered, 9);
        note(&mut journal, "bad", Disposition::Exhausted, 1);
        note(&mut journal, "slow", Disposition::Retrying, 2);
        note(&mut journal, "idle", Disposition::Delivered, 1);
        note(&mut journal, "bad", Disposition::Delivered, 4);
        let served = journal.take_served(2);
        let ids: Vec<Option<&str>> = served.iter().map(|one| one.endpoint_id.as_deref()).collect();
        assert_eq!(ids, [Some("bad"), Some("slow"), None]);
        assert_eq!((served[0].delivered, served[0].exhausted, served[0].longest_ms), (4, 1, 3));
        let rest = Served { endpoints: 2, delivered: 10, longest_ms: 8, ..Served::default() };
        assert_eq!(served[2], rest);
        assert_eq!(journal.take_served(2), []);
    }
}
