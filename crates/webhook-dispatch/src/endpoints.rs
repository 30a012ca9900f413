//! How much each endpoint may get: breaker, rate, pause, window, and its fair share of a claim.
//!
//! The tables are the truth: an observation replaces what was known of an endpoint. Between two observations, what
//! this dispatcher sees itself is counted on top.

use std::collections::BTreeMap;

use webhook_backoff::{Breaker, BreakerState, Bucket, Outcome, Rate};
use webhook_protocol::{HttpUrlParser, Target};

use crate::{Settings, options::EndpointOptions};

/// What the tables say of an endpoint that is owed something. All times are relative to the observation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointFacts {
    /// `webhook_configurations.id`
    pub id: String,
    /// Its URL; `None` where deliveries name an endpoint that does not exist.
    pub url: Option<String>,
    /// Whether it is switched on.
    pub is_active: bool,
    /// Deliveries that could be claimed now.
    pub due: u64,
    /// In how many milliseconds the next of the others is due.
    pub next_due_in_ms: Option<u64>,
    /// Deliveries under way, whoever has claimed them.
    pub under_way: u64,
    /// Failed attempts since the last success.
    pub failures: u32,
    /// How long ago the last of them was, in milliseconds.
    pub last_failure_ago_ms: u64,
    /// How long the receiver wants to be left alone still, in milliseconds.
    pub paused_for_ms: u64,
}

/// How many deliveries a claim may take for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Which endpoint.
    pub id: String,
    /// So many at most.
    pub most: u32,
    /// So many travel in one request.
    pub batch: u32,
    /// So many requests are under way: an endpoint with fewer comes first.
    pub under_way: u32,
    /// It is a probe: only where nobody has made an attempt within this time, in milliseconds.
    pub quiet_ms: Option<u64>,
}

/// What to claim next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimOrder {
    /// For whom; empty where it is not worth a claim now.
    pub allowances: Vec<Allowance>,
    /// How many rows altogether, at most.
    pub rows: u32,
    /// In how many milliseconds time alone changes that; `None` where it does not.
    pub wait_ms: Option<u64>,
    /// In how many milliseconds a rate lets the next delivery go that is due; `None` where none waits for that.
    pub pace_ms: Option<u64>,
}

/// An endpoint whose rate counts what everybody sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateWindow {
    /// Which endpoint.
    pub id: String,
    /// The attempts of how long, in milliseconds.
    pub window_ms: u64,
}

#[derive(Clone, Debug)]
struct EndpointState {
    is_active: bool,
    due: u64,
    next_due_ms: Option<u64>,
    /// Our requests, from plan to settle.
    under_way: u32,
    /// The deliveries in them.
    rows_under_way: u64,
    /// All others' deliveries.
    under_way_elsewhere: u64,
    /// How many deliveries may travel in one request.
    batch: u32,
    breaker: Breaker,
    bucket: Option<Bucket>,
    /// What others have sent before is in the bucket.
    has_heeded: bool,
    paused_until_ms: u64,
    /// Somebody wants to know now whether it works again: an open breaker lets its probe through.
    is_asked_for: bool,
    /// How many requests are under way at most, between 1 and `concurrency`: it grows with each success and halves with
    /// each failure. A slow endpoint takes few slots before it has shown what it can do.
    window: u32,
    concurrency: u32,
}

/// An endpoint's first window.
const FIRST_WINDOW: u32 = 8;

/// How many deliveries are claimed at once for an endpoint that does not exist or is switched off: they are refused
/// without being sent.
const REFUSED_AT_ONCE: u32 = 500;

/// How many deliveries are claimed at once at the most: their envelopes are made before the first is sent.
const MOST_ROWS: u32 = 1_000;

/// All endpoints that are owed something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoints(BTreeMap<String, EndpointState>);

impl Endpoints {
    /// Takes in what the tables say; endpoints that are not in `facts` are owed nothing.
    pub(crate) fn observe(
        &mut self,
        facts: &[EndpointFacts],
        settings: &Settings,
        http_urls: &impl HttpUrlParser,
        now_ms: u64,
    ) {
        for state in self.0.values_mut() {
            state.due = 0;
            state.next_due_ms = None;
            state.breaker = Breaker::default();
        }
        for fact in facts {
            let options = fact.url.as_deref().map(|url| EndpointOptions::read(url, settings));
            let options = options.and_then(Result::ok).unwrap_or_else(|| EndpointOptions::of(settings));
            let state = self.0.entry(fact.id.clone()).or_insert_with(EndpointState::new);
            state.is_active = fact.is_active && fact.url.is_some();
            state.due = fact.due;
            state.next_due_ms = fact.next_due_in_ms.map(|ms| now_ms.saturating_add(ms));
            state.under_way_elsewhere = fact.under_way.saturating_sub(state.rows_under_way);
            let target = fact.url.as_deref().map(|url| Target::parse(url, http_urls));
            state.batch =
                target.and_then(Result::ok).map_or(1, |target| target.adapter().limits().messages.max(1));
            state.breaker = Breaker::rebuilt(fact.failures, now_ms.saturating_sub(fact.last_failure_ago_ms));
            state.paused_until_ms = state.paused_until_ms.max(now_ms.saturating_add(fact.paused_for_ms));
            state.concurrency = options.concurrency;
            state.window = state.window.min(options.concurrency);
            state.limit(options.rate, now_ms);
        }
        // Windows are worth keeping for the next call; of endpoints that are gone, nothing is.
        if self.0.len() > facts.len() + MOST_IDLE {
            self.0.retain(|id, state| state.under_way > 0 || facts.iter().any(|fact| fact.id == *id));
        }
    }

    /// The endpoints whose recent attempts are to be counted: limited ones, when they are new here. Attempts are noted
    /// when they have ended, a little after they were paid for, so the window is a little shorter than the rate's.
    pub(crate) fn rate_windows(&self) -> Vec<RateWindow> {
        let is_new = |state: &EndpointState| state.due > 0 && !state.has_heeded;
        let limited = self.0.iter().filter(|(_, state)| is_new(state));
        let window = |bucket: &Bucket| (bucket.rate().per_ms / 10 * 9).max(1);
        limited
            .filter_map(|(id, state)| {
                Some(RateWindow { id: id.clone(), window_ms: state.bucket.as_ref().map(window)? })
            })
            .collect()
    }

    /// Takes in how many attempts an endpoint has had within its rate's time.
    pub(crate) fn heed(&mut self, id: &str, recent: u32, now_ms: u64) {
        let Some(state) = self.0.get_mut(id) else { return };
        state.has_heeded = true;
        if let Some(bucket) = &mut state.bucket {
            bucket.heed(recent, now_ms);
        }
    }

    /// Lets an open breaker's probe through before its time.
    pub(crate) fn probe(&mut self, id: &str) {
        self.0.entry(id.to_owned()).or_insert_with(EndpointState::new).is_asked_for = true;
    }

    /// What to claim, with `free` slots left.
    pub(crate) fn claim_order(&mut self, free: u32, settings: &Settings, now_ms: u64) -> ClaimOrder {
        let mut order = ClaimOrder::default();
        let mut is_worth_it = false;
        for (id, state) in &mut self.0 {
            if state.next_due_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                // At least one; how many there are, an observation tells.
                state.due = state.due.max(1);
                state.next_due_ms = None;
            }
            let turn = state.turn(settings, now_ms);
            sooner(&mut order.wait_ms, turn.wait_until_ms, now_ms);
            sooner(&mut order.pace_ms, turn.pace_until_ms, now_ms);
            if turn.most > 0 && free > 0 {
                // Whoever has nothing under way has nothing better to do.
                is_worth_it |= turn.is_worth_a_claim(free, state.batch) || free >= settings.concurrency;
                order.allowances.push(Allowance {
                    id: id.clone(),
                    most: turn.most,
                    batch: state.batch,
                    under_way: state.under_way,
                    quiet_ms: turn.quiet_ms,
                });
            }
        }
        if !is_worth_it {
            order.allowances.clear();
        }
        order.rows = share_out(&mut order.allowances, free);
        order
    }

    /// A delivery was claimed, and is sent or refused.
    pub(crate) fn claimed(&mut self, id: &str, is_sent: bool, now_ms: u64) {
        let state = self.0.entry(id.to_owned()).or_insert_with(EndpointState::new);
        state.due = state.due.saturating_sub(1);
        if is_sent {
            state.rows_under_way += 1;
            if let Some(bucket) = &mut state.bucket {
                bucket.take(1, now_ms);
            }
        }
    }

    /// A request with claimed deliveries is sent.
    pub(crate) fn sent(&mut self, id: &str) {
        self.0.entry(id.to_owned()).or_insert_with(EndpointState::new).under_way += 1;
    }

    /// A request has ended, so for each of its deliveries. Says whether that opened the breaker.
    pub(crate) fn ended(
        &mut self,
        id: &str,
        outcomes: &[&Outcome],
        settings: &Settings,
        now_ms: u64,
    ) -> bool {
        let Some(state) = self.0.get_mut(id) else { return false };
        state.under_way = state.under_way.saturating_sub(1);
        state.rows_under_way = state.rows_under_way.saturating_sub(outcomes.len() as u64);
        state.is_asked_for = false;
        state.window = if outcomes.iter().any(|outcome| outcome.is_success()) {
            state.window.saturating_add(1).min(state.concurrency)
        } else {
            (state.window / 2).max(1)
        };
        let is_closed =
            |state: &EndpointState| state.breaker.state(&settings.breaker, now_ms) == BreakerState::Closed;
        let was_closed = is_closed(state);
        for outcome in outcomes {
            if let Some(pause_ms) = outcome.endpoint_pause_ms(now_ms) {
                state.paused_until_ms = state.paused_until_ms.max(now_ms.saturating_add(pause_ms));
            }
            if outcome.is_failure() {
                state.breaker.failed(now_ms);
            }
        }
        // Whoever took some of a request's deliveries is there.
        if outcomes.iter().any(|outcome| outcome.is_success()) {
            state.breaker.succeeded();
        }
        was_closed && !is_closed(state)
    }

    /// A delivery waits for its next attempt.
    pub(crate) fn waits(&mut self, id: &str, at_ms: u64) {
        if let Some(state) = self.0.get_mut(id) {
            state.next_due_ms = Some(state.next_due_ms.map_or(at_ms, |known| known.min(at_ms)));
        }
    }
}

/// Sees to it that what is claimed makes no more requests than there are free slots, each endpoint in turn; those with
/// the fewest under way come first. Says how many rows that makes. Where all requests carry one delivery, the claim
/// itself shares the slots out, by how old the rows are.
fn share_out(allowances: &mut Vec<Allowance>, free: u32) -> u32 {
    if allowances.iter().all(|allowance| allowance.batch == 1) {
        return free.min(MOST_ROWS);
    }
    let requests = |allowance: &Allowance| allowance.most.div_ceil(allowance.batch);
    let mut slots = vec![0_u32; allowances.len()];
    let mut left = free;
    // So many are under way at an endpoint that gets another one in this round.
    for level in 0_u32.. {
        let mut waiting = false;
        for (allowance, slots) in allowances.iter().zip(&mut slots) {
            let is_owed = *slots < requests(allowance);
            if is_owed && left > 0 && allowance.under_way + *slots <= level {
                *slots += 1;
                left -= 1;
            }
            waiting |= *slots < requests(allowance);
        }
        if left == 0 || !waiting {
            break;
        }
    }
    let mut rows = 0_u32;
    for (allowance, slots) in allowances.iter_mut().zip(slots) {
        allowance.most = allowance.most.min(slots.saturating_mul(allowance.batch)).min(MOST_ROWS - rows);
        rows += allowance.most;
    }
    allowances.retain(|allowance| allowance.most > 0);
    rows
}

fn sooner(wait_ms: &mut Option<u64>, until_ms: Option<u64>, now_ms: u64) {
    if let Some(until_ms) = until_ms {
        let new_ms = until_ms.saturating_sub(now_ms);
        *wait_ms = Some(wait_ms.map_or(new_ms, |known| known.min(new_ms)));
    }
}

/// How many endpoints that are owed nothing are remembered.
const MOST_IDLE: usize = 1_000;

/// What an endpoint may get now.
#[derive(Default)]
struct Turn {
    most: u32,
    /// How much it could have if nothing were under way.
    full: u32,
    /// When time gives it more.
    wait_until_ms: Option<u64>,
    /// When its rate does.
    pace_until_ms: Option<u64>,
    quiet_ms: Option<u64>,
}

impl Turn {
    /// Whether the endpoint is at least half idle. A claim costs the same for one row as for many, and one that
    /// waited for a full batch would leave it idle.
    fn is_worth_a_claim(&self, free: u32, batch: u32) -> bool {
        self.most >= free.saturating_mul(batch).min(self.full.div_ceil(2))
    }
}

impl EndpointState {
    fn new() -> EndpointState {
        EndpointState {
            is_active: true,
            due: 0,
            next_due_ms: None,
            under_way: 0,
            rows_under_way: 0,
            under_way_elsewhere: 0,
            batch: 1,
            breaker: Breaker::default(),
            bucket: None,
            has_heeded: false,
            paused_until_ms: 0,
            is_asked_for: false,
            window: FIRST_WINDOW,
            concurrency: u32::MAX,
        }
    }

    fn limit(&mut self, rate: Option<Rate>, now_ms: u64) {
        if self.bucket.map(|bucket| bucket.rate()) != rate {
            self.bucket = rate.map(|rate| Bucket::new(rate, now_ms));
            self.has_heeded = false;
        }
    }

    fn turn(&self, settings: &Settings, now_ms: u64) -> Turn {
        let nothing = |wait_until_ms| Turn { wait_until_ms, ..Turn::default() };
        let due = u32::try_from(self.due).unwrap_or(u32::MAX);
        if !self.is_active {
            let most = due.min(REFUSED_AT_ONCE);
            return Turn { most, full: most, wait_until_ms: self.next_due_ms, ..Turn::default() };
        }
        let elsewhere = u32::try_from(self.under_way_elsewhere).unwrap_or(u32::MAX);
        let (window, elsewhere, quiet_ms) = match self.breaker.state(&settings.breaker, now_ms) {
            BreakerState::Open { .. } if self.is_asked_for => (1, elsewhere, None),
            BreakerState::Open { until_ms } => return nothing(Some(until_ms)),
            // Two clocks may differ a little about the end of the pause.
            BreakerState::HalfOpen => (1, elsewhere, Some(settings.breaker.pause_ms / 10 * 9)),
            BreakerState::Closed => (self.window, 0, None),
        };
        if due == 0 {
            return nothing(self.next_due_ms.map(|at_ms| at_ms.max(self.paused_until_ms)));
        }
        if now_ms < self.paused_until_ms {
            return nothing(Some(self.paused_until_ms));
        }
        // A probe is one delivery, whatever travels in a request.
        let (free, full) = if quiet_ms.is_some() || self.is_asked_for {
            (window.saturating_sub(self.under_way).saturating_sub(elsewhere), window)
        } else {
            let free = window.saturating_sub(self.under_way).saturating_sub(elsewhere);
            (free.saturating_mul(self.batch), window.saturating_mul(self.batch))
        };
        let Some(bucket) = &self.bucket else {
            return Turn { most: free.min(due), full: full.min(due), quiet_ms, ..Turn::default() };
        };
        // As with the window, half of what it lets go at once is worth a claim.
        let most = free.min(due).min(bucket.capacity());
        let worth = most.div_ceil(2);
        let available = bucket.available(now_ms);
        if available < worth {
            let pace_until_ms = Some(now_ms.saturating_add(bucket.wait_ms(worth, now_ms)));
            return Turn { pace_until_ms, ..Turn::default() };
        }
        let most = most.min(available);
        Turn { most, full: most, quiet_ms, ..Turn::default() }
    }
}

#[cfg(test)]
mod tests;
