//! Deliveries from claim to row as the dispatcher's loop carries them: claimed ahead, begun when there is a slot, their
//! answers read here, and their results written together. What crosses to the loop are numbers and bytes.

use std::{collections::VecDeque, fmt};

use webhook_backoff::Outcome;
use webhook_protocol::{Answer, AnswerError, HttpRequest, HttpUrlParser, read_answer};

use crate::{
    AttemptRef, BatchOutcome, Carrier, ClaimedDelivery, Dispatcher, End, RowUpdate, Settled,
    small_map::SmallMap,
};

/// For how long a claimed delivery may wait for its slot, in milliseconds. Every time-out ends ten seconds before the lease:
/// what has waited so long can still be answered, and its row be written.
pub const MOST_WAIT_MS: u64 = 5_000;

/// What is between claim and row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    /// Claimed and not begun, by endpoint, each in the order in which they were claimed.
    waiting: SmallMap<String, VecDeque<Waiting>>,
    /// Under way, by number. A number is given again when its request has ended.
    under_way: Vec<Option<UnderWay>>,
    free_numbers: Vec<u32>,
    peers: Vec<Peer>,
    ended: Vec<BatchOutcome>,
    refused: Vec<RowUpdate>,
    opened: Vec<String>,
}

#[derive(Clone)]
struct Waiting {
    row: ClaimedDelivery,
    since_ms: u64,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("id", &self.row.id).field("since_ms", &self.since_ms).finish()
    }
}

impl Waiting {
    /// It is not to begin any longer: it has waited for too long, or its endpoint, which is off now, was on when it was claimed.
    fn is_over(&self, is_off: bool, now_ms: u64) -> bool {
        let was_on = || self.row.endpoint.as_ref().is_some_and(|endpoint| endpoint.is_active);
        self.since_ms.saturating_add(MOST_WAIT_MS) <= now_ms || is_off && was_on()
    }
}

/// A batch whose end is to come.
#[derive(Clone, Debug)]
struct UnderWay {
    endpoint_id: String,
    attempts: Vec<AttemptRef>,
    most_answer_bytes: usize,
}

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// As a URL writes it: IPv6 in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether the connection is encrypted; the certificate has to be `host`'s.
    pub tls: bool,
}

/// A batch that has begun: it is to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Names it until it has ended.
    pub number: u32,
    /// How to send it.
    pub carrier: BegunCarrier,
    /// How long to wait for the whole answer, in milliseconds.
    pub timeout_ms: u64,
}

/// How a batch that has begun is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BegunCarrier {
    /// One request, whose answer [`Dispatcher::received`] reads.
    Request {
        /// To whom: for [`Dispatcher::peer`].
        peer: u32,
        /// The request.
        request: HttpRequest,
    },
    /// What [`Dispatcher::next`] says under this number, until it says the end, which is for [`Dispatcher::end`].
    Steps(u32),
}

/// What has come in of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More is to come.
    Partial,
    /// That was it.
    Over {
        /// The connection can carry another request.
        reusable: bool,
    },
}

/// A claimed delivery that was not begun: its row is to be as it was before the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenBack {
    /// The delivery.
    pub id: String,
    /// The attempt that was none. A row that has been claimed again since is not to be touched.
    pub attempt: u32,
    /// As [`ClaimedDelivery::before`] said it.
    pub before: Option<String>,
}

impl<U: HttpUrlParser> Dispatcher<U> {
    /// Takes claimed deliveries in: they wait for [`Dispatcher::begin`]. `now_ms` is in milliseconds since 1970, here and
    /// below.
    pub fn take_in(&mut self, rows: Vec<ClaimedDelivery>, now_ms: u64) {
        for row in rows {
            self.endpoints.claimed(&row.endpoint_id, row.bytes(), now_ms);
            let waiting = self.lane.waiting.get_or_insert_with(row.endpoint_id.clone(), VecDeque::new);
            waiting.push_back(Waiting { row, since_ms: now_ms });
        }
    }

    /// How many deliveries wait.
    pub fn waiting(&self) -> usize {
        self.lane.waiting.values().map(VecDeque::len).sum()
    }

    /// Begins as many batches as there are free slots for, each endpoint in turn. Also says which deliveries were refused: that
    /// is in their updates, too.
    pub fn begin(&mut self, free: u32, now_ms: u64) -> (Vec<Begun>, Vec<String>) {
        let rows = self.next_rows(free, now_ms);
        if rows.is_empty() {
            return Default::default();
        }
        let plan = self.plan_claimed(&rows, None, now_ms);
        let refused = plan.refused.iter().map(|update| update.id.clone()).collect();
        self.lane.refused.extend(plan.refused);
        let mut begun = Vec::with_capacity(plan.batches.len());
        for batch in plan.batches {
            let most_answer_bytes = match &batch.carrier {
                Carrier::Request(request) => request.most_answer_bytes,
                Carrier::Steps(_) => 0,
            };
            let carrier = match batch.carrier {
                Carrier::Request(request) => {
                    BegunCarrier::Request { peer: self.lane.number_of_peer(&request), request }
                }
                Carrier::Steps(steps) => BegunCarrier::Steps(steps),
            };
            let (endpoint_id, attempts) = (batch.endpoint_id, batch.attempts);
            let number = self.lane.put(UnderWay { endpoint_id, attempts, most_answer_bytes });
            begun.push(Begun { number, carrier, timeout_ms: batch.timeout_ms });
        }
        (begun, refused)
    }

    /// Takes the rows out that are to begin.
    fn next_rows(&mut self, free: u32, now_ms: u64) -> Vec<ClaimedDelivery> {
        let Dispatcher { lane, endpoints, settings, .. } = self;
        // What is not to begin any longer waits at the front, to be given back.
        let over = |id: &str, rows: &VecDeque<Waiting>| {
            let is_off = endpoints.is_off(id);
            rows.iter().take_while(|waiting| waiting.is_over(is_off, now_ms)).count()
        };
        let counts =
            lane.waiting.iter().map(|(id, rows)| (id.as_str(), (rows.len() - over(id, rows)) as u32));
        let slots = endpoints.slots(counts, free, settings, now_ms);
        let mut next = Vec::new();
        for ((id, rows), slots) in lane.waiting.iter_mut().zip(slots) {
            let first = over(id, rows);
            let most = slots.unwrap_or(0).saturating_mul(endpoints.batch(id)) as usize;
            let end = first.saturating_add(most).min(rows.len());
            next.extend(rows.drain(first..end).map(|waiting| waiting.row));
        }
        lane.waiting.retain(|rows| !rows.is_empty());
        next
    }

    /// The peer with this number, which stays the same.
    pub fn peer(&self, number: u32) -> Option<&Peer> {
        self.lane.peers.get(number as usize)
    }

    /// Whose deliveries a batch under way carries, and which.
    pub fn under_way(&self, number: u32) -> Option<(&str, &[AttemptRef])> {
        let batch = self.lane.under_way.get(number as usize)?.as_ref()?;
        Some((&batch.endpoint_id, &batch.attempts))
    }

    /// Takes in all that has come in of an answer; with `is_closed` there will be no more. `duration_ms` is how long it has
    /// taken so far.
    ///
    /// # Errors
    /// An [`AnswerError`] where it is none: then the batch is still to be ended by [`Dispatcher::end`].
    pub fn received(
        &mut self,
        number: u32,
        bytes: &[u8],
        is_closed: bool,
        duration_ms: f64,
        now_ms: u64,
    ) -> Result<Progress, AnswerError> {
        let slot = self.lane.under_way.get(number as usize).and_then(Option::as_ref);
        let Some(most) = slot.map(|batch| batch.most_answer_bytes) else {
            return Ok(Progress::Over { reusable: false });
        };
        let Some(answer) = read_answer(bytes, is_closed, most)? else { return Ok(Progress::Partial) };
        let Answer { status, location, retry_after, body, reusable, .. } = answer;
        let outcome = Outcome::Answered { status, location, retry_after };
        self.end(number, vec![End { outcome, response_body: Some(body) }], duration_ms, now_ms);
        Ok(Progress::Over { reusable })
    }

    /// A batch has ended: an end for each attempt, or one for all.
    pub fn end(&mut self, number: u32, ends: Vec<End>, duration_ms: f64, now_ms: u64) {
        let Some(UnderWay { endpoint_id, attempts, .. }) = self.lane.take(number) else { return };
        let batch = BatchOutcome { endpoint_id, attempts, ends, duration_ms };
        if self.note(&batch, now_ms) {
            self.lane.opened.push(batch.endpoint_id.clone());
        }
        self.lane.ended.push(batch);
    }

    /// How many batches have ended, or rows were refused, since the last [`Dispatcher::conclude_ended`].
    pub fn unwritten(&self) -> usize {
        self.lane.ended.len() + self.lane.refused.len()
    }

    /// What follows from all that has ended since the last time.
    pub fn conclude_ended(&mut self, now_ms: u64) -> Settled {
        let opened = std::mem::take(&mut self.lane.opened);
        let updates = std::mem::take(&mut self.lane.refused);
        let mut settled = Settled { updates, opened, ..Settled::default() };
        for batch in std::mem::take(&mut self.lane.ended) {
            self.conclude(&batch, now_ms, &mut settled);
        }
        settled
    }

    /// Takes out what is not to wait any longer: what has waited for [`MOST_WAIT_MS`], what belongs to an endpoint that is to
    /// get nothing for a while or was switched off, or, with `all`, everything.
    pub fn give_back(&mut self, all: bool, now_ms: u64) -> Vec<GivenBack> {
        let Dispatcher { lane, endpoints, settings, .. } = self;
        let counts = lane.waiting.iter().map(|(id, rows)| (id.as_str(), rows.len() as u32));
        let slots = endpoints.slots(counts, 0, settings, now_ms);
        let mut given_back = Vec::new();
        for ((id, rows), slots) in lane.waiting.iter_mut().zip(slots) {
            let is_off = endpoints.is_off(id);
            let is_held = all || slots.is_none();
            while rows.front().is_some_and(|waiting| is_held || waiting.is_over(is_off, now_ms)) {
                let Some(Waiting { row, .. }) = rows.pop_front() else { break };
                endpoints.given_back(id);
                given_back.push(GivenBack { id: row.id, attempt: row.attempt, before: row.before });
            }
        }
        lane.waiting.retain(|rows| !rows.is_empty());
        given_back
    }
}

impl Lane {
    /// What has ended and is not being written yet.
    pub(crate) fn ended(&self) -> &[BatchOutcome] {
        &self.ended
    }

    fn put(&mut self, batch: UnderWay) -> u32 {
        if let Some(number) = self.free_numbers.pop()
            && let Some(slot) = self.under_way.get_mut(number as usize)
        {
            *slot = Some(batch);
            return number;
        }
        self.under_way.push(Some(batch));
        self.under_way.len() as u32 - 1
    }

    fn take(&mut self, number: u32) -> Option<UnderWay> {
        let batch = self.under_way.get_mut(number as usize)?.take()?;
        self.free_numbers.push(number);
        Some(batch)
    }

    fn number_of_peer(&mut self, HttpRequest { host, port, tls, .. }: &HttpRequest) -> u32 {
        let is_it = |known: &Peer| known.port == *port && known.tls == *tls && known.host == *host;
        let at = self.peers.iter().position(is_it).unwrap_or_else(|| {
            self.peers.push(Peer { host: host.clone(), port: *port, tls: *tls });
            self.peers.len() - 1
        });
        at as u32
    }
}

#[cfg(test)]
mod tests;
