//! From claimed rows to requests.

mod ready;
mod refusal;
mod test;

use std::rc::Rc;

use webhook_backoff::Outcome;
use webhook_payload::{Sampler, Tamper, TraceId, TraceParent};
use webhook_protocol::{AddressPolicy, HttpRequest, HttpUrlParser, Target};

use crate::{
    ClaimOrder, ClaimedDelivery, Endpoint, EndpointFacts, RateWindow, RowUpdate, Settings,
    carry::{Carried, UnderWay},
    endpoints::Endpoints,
    journal::{FailedAttempt, Journal, Served},
    lane::Lane,
    small_map::SmallMap,
};

pub(crate) use ready::Ready;
pub use refusal::Refusal;
pub use test::{SEEN_THROUGH, saw_through};

use ready::{Draft, ReadEndpoint};
use refusal::refused;

/// Says what to claim, plans attempts and settles their outcomes. It remembers how its endpoints fare.
#[derive(Clone, Debug)]
pub struct Dispatcher<U> {
    pub(crate) settings: Settings,
    pub(crate) endpoints: Endpoints,
    /// The batches that are more than one request over HTTP.
    pub(crate) under_way: UnderWay,
    pub(crate) http_urls: U,
    pub(crate) journal: Journal,
    pub(crate) lane: Lane,
    addresses: AddressPolicy,
    sampler: Sampler,
    /// Endpoints as they were read last, by their ids.
    read: SmallMap<String, (Endpoint, Rc<ReadEndpoint>)>,
}

/// What is to be done with the rows of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// To be sent.
    pub batches: Vec<Batch>,
    /// Rows that cannot be sent at all, each with its reason.
    pub refused: Vec<RowUpdate>,
}

/// The attempts that travel in one request: over HTTP always one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whose deliveries they are.
    pub endpoint_id: String,
    /// The attempts, in the order of the request's entries.
    pub attempts: Vec<AttemptRef>,
    /// How to send them.
    pub carrier: Carrier,
    /// How long to wait for the whole answer, in milliseconds.
    pub timeout_ms: u64,
}

/// How a batch is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// One request, whose answer's status says it all.
    Request(HttpRequest),
    /// What [`Dispatcher::next`] says under this number, until it says the end.
    Steps(u32),
}

/// Names one attempt at one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRef {
    /// The delivery.
    pub delivery_id: String,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The event's trace, which the row's reason and the logs name.
    pub trace_id: TraceId,
    /// What the event came of, where its envelope says so.
    pub parent: Option<TraceParent>,
}

/// What the wire did with a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOutcome {
    /// Whose deliveries they are.
    pub endpoint_id: String,
    /// The attempts that travelled in it.
    pub attempts: Vec<AttemptRef>,
    /// How each of them ended, in their order; one end alone is that of all.
    pub ends: Vec<End>,
    /// How long that took, in milliseconds.
    pub duration_ms: f64,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What happened.
    pub outcome: Outcome,
    /// The start of the answer's body, if there was an answer.
    pub response_body: Option<String>,
}

/// Messages for one endpoint that are still to become a batch.
struct Open {
    target: Rc<Target>,
    timeout_ms: u64,
    bytes: usize,
    messages: Vec<Ready>,
}

impl<U: HttpUrlParser> Dispatcher<U> {
    /// A dispatcher that knows of no endpoint and of no variable yet.
    pub fn new(settings: Settings, http_urls: U) -> Self {
        let addresses = AddressPolicy::new(settings.allowed_addresses.clone());
        Dispatcher {
            settings,
            endpoints: Endpoints::default(),
            under_way: UnderWay::default(),
            journal: Journal::default(),
            lane: Lane::default(),
            addresses,
            sampler: Sampler::default(),
            read: SmallMap::default(),
            http_urls,
        }
    }

    /// Looks credentials up among these environment variables.
    pub fn with_variables(mut self, variable: impl Fn(&str) -> Option<String> + 'static) -> Self {
        self.under_way.variable = Rc::new(variable).into();
        self
    }

    /// Tells receivers by this sampler whether an attempt is recorded.
    pub fn with_sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = sampler;
        self
    }

    /// Takes in what the tables say of all endpoints that are owed something. `now_ms` is in milliseconds since 1970,
    /// here and below.
    pub fn observe(&mut self, facts: &[EndpointFacts], now_ms: u64) {
        self.endpoints.observe(facts, &self.settings, &self.http_urls, now_ms);
        // What has ended and is not in the tables yet.
        for batch in self.lane.ended() {
            self.endpoints.ended_before(&batch.endpoint_id, &batch.outcomes(), now_ms);
        }
    }

    /// The endpoints with a rate, whose recent attempts [`Dispatcher::heed`] wants to know.
    pub fn rate_windows(&self) -> Vec<RateWindow> {
        self.endpoints.rate_windows()
    }

    /// Takes in how many attempts an endpoint has had within its rate's window, whoever made them.
    pub fn heed(&mut self, endpoint_id: &str, recent: u32, now_ms: u64) {
        self.endpoints.heed(endpoint_id, recent, now_ms);
    }

    /// Lets the probe of an endpoint with an open breaker through now: somebody says that it works again.
    pub fn probe(&mut self, endpoint_id: &str) {
        self.endpoints.probe(endpoint_id);
    }

    /// What to claim next, with `free` slots left.
    pub fn claim_order(&mut self, free: u32, now_ms: u64) -> ClaimOrder {
        self.endpoints.claim_order(free, &self.settings, now_ms)
    }

    /// The attempts that failed since the last time, as far as there is room for them.
    pub fn take_failed(&mut self) -> Vec<FailedAttempt> {
        self.journal.take_failed()
    }

    /// What endpoints got since the last time: `most` of them by themselves, the rest as one.
    pub fn take_served(&mut self, most: usize) -> Vec<Served> {
        self.journal.take_served(most)
    }

    /// Turns claimed rows into batches. `now_ms` is the attempts' time.
    pub fn plan(&mut self, rows: &[ClaimedDelivery], now_ms: u64) -> Plan {
        self.plan_rows(rows, None, now_ms)
    }

    fn plan_rows(&mut self, rows: &[ClaimedDelivery], tamper: Option<Tamper>, now_ms: u64) -> Plan {
        for row in rows {
            self.endpoints.claimed(&row.endpoint_id, row.bytes(), now_ms);
        }
        self.plan_claimed(rows, tamper, now_ms)
    }

    /// The same for rows that are known to be claimed.
    pub(crate) fn plan_claimed(
        &mut self,
        rows: &[ClaimedDelivery],
        tamper: Option<Tamper>,
        now_ms: u64,
    ) -> Plan {
        let mut open: SmallMap<&str, Open> = SmallMap::default();
        let mut plan = Plan { batches: Vec::with_capacity(rows.len()), refused: Vec::new() };
        let mut drafts = Vec::with_capacity(rows.len());
        let mut refuse = |dispatcher: &mut Self, row: &ClaimedDelivery, refusal: Refusal| {
            dispatcher.endpoints.planned(&row.endpoint_id, false);
            let (update, trace_id) = refused(row, &refusal);
            dispatcher.journal.note(&row.endpoint_id, &update, "refused", trace_id, None);
            plan.refused.push(update);
        };
        for row in rows {
            match self.draft(row, tamper, now_ms) {
                Ok(draft) => drafts.push(draft),
                Err(refusal) => refuse(self, row, refusal),
            }
        }
        self.sign(&mut drafts);
        for mut draft in drafts {
            if let Some(tamper) = tamper {
                draft.ready.tamper(tamper);
            }
            let row = draft.row;
            match self.add(draft, &mut open, &mut plan.batches) {
                Ok(()) => self.endpoints.planned(&row.endpoint_id, true),
                Err(refusal) => refuse(self, row, refusal),
            }
        }
        for (endpoint_id, open) in open.into_pairs() {
            plan.batches.push(self.steps(endpoint_id, open));
        }
        plan
    }

    /// Makes a batch of a message, or adds it to the open one of its endpoint.
    fn add<'a>(
        &mut self,
        Draft { row, read, ready }: Draft<'a>,
        open: &mut SmallMap<&'a str, Open>,
        batches: &mut Vec<Batch>,
    ) -> Result<(), Refusal> {
        let id = &row.endpoint_id;
        let (target, options) = read.target.as_ref().map_err(Clone::clone)?;
        let timeout_ms = options.timeout_ms;
        if let Target::Http(http) = &**target {
            let request = HttpRequest::new(http, &ready.message())?;
            self.endpoints.sent(id);
            batches.push(Batch {
                endpoint_id: id.clone(),
                attempts: vec![ready.attempt],
                carrier: Carrier::Request(request),
                timeout_ms,
            });
            return Ok(());
        }
        let adapter = target.adapter();
        let bytes = adapter.weigh(&ready.message())?;
        let limits = adapter.limits();
        let new = || Open { target: Rc::clone(target), timeout_ms, bytes: 0, messages: Vec::new() };
        let current = open.get_or_insert_with(id, new);
        let is_full = u32::try_from(current.messages.len()).is_ok_and(|messages| messages >= limits.messages)
            || current.bytes.saturating_add(bytes) > limits.bytes;
        if is_full && !current.messages.is_empty() {
            let full = std::mem::replace(current, new());
            batches.push(self.steps(id, full));
        }
        let current = open.get_or_insert_with(id, new);
        current.bytes = current.bytes.saturating_add(bytes);
        current.messages.push(ready);
        Ok(())
    }

    fn steps(&mut self, endpoint_id: &str, open: Open) -> Batch {
        let Open { target, timeout_ms, messages, .. } = open;
        self.endpoints.sent(endpoint_id);
        Batch {
            endpoint_id: endpoint_id.to_owned(),
            attempts: messages.iter().map(|ready| ready.attempt.clone()).collect(),
            carrier: Carrier::Steps(self.under_way.begin(Carried::new(target, messages))),
            timeout_ms,
        }
    }
}

#[cfg(test)]
mod tests;
