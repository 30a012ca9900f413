//! How much each endpoint may get: breaker, rate, pause, window, and its fair share of a claim.
//!
//! The tables are the truth: an observation replaces what was known of an endpoint. Between two observations, what
//! this dispatcher sees itself is counted on top.

mod pace;
mod share;
mod state;

use std::collections::BTreeMap;

use webhook_backoff::{Breaker, BreakerState, Bucket, Outcome};
use webhook_protocol::{HttpUrlParser, Target};

use crate::{Settings, options::EndpointOptions};

use pace::Level;
use share::{Share, share, share_out};
use state::{EndpointState, Turn};

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
    /// With so many deliveries waiting, or fewer, it is worth asking again.
    pub refill_at: u32,
}

/// An endpoint whose rate counts what everybody sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateWindow {
    /// Which endpoint.
    pub id: String,
    /// The attempts of how long, in milliseconds.
    pub window_ms: u64,
}

/// How many deliveries are claimed at once at the most: their envelopes are made before the first is sent.
const MOST_ROWS: u32 = 1_000;

/// How many deliveries wait for a slot at the most, and of how many bytes: this many at the usual size of a payload.
const MOST_AHEAD: u32 = 2_000;
const MOST_AHEAD_BYTES: f64 = 4_000_000.0;

/// By so many requests each success widens an endpoint's window: threefold each time that all of it was answered.
const WINDOW_GROWTH: u32 = 2;

/// How many endpoints that are owed nothing are remembered.
const MOST_IDLE: usize = 1_000;

/// All endpoints that are owed something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoints {
    known: BTreeMap<String, EndpointState>,
    /// The usual size of a payload, in bytes.
    typical_bytes: f64,
}

impl Endpoints {
    /// Takes in what the tables say; endpoints that are not in `facts` are owed nothing.
    pub(crate) fn observe(
        &mut self,
        facts: &[EndpointFacts],
        settings: &Settings,
        http_urls: &impl HttpUrlParser,
        now_ms: u64,
    ) {
        for state in self.known.values_mut() {
            state.due = 0;
            state.next_due_ms = None;
            state.breaker = Breaker::default();
        }
        for fact in facts {
            let options = fact.url.as_deref().map(|url| EndpointOptions::read(url, settings));
            let options = options.and_then(Result::ok).unwrap_or_else(|| EndpointOptions::of(settings));
            let state = self.known.entry(fact.id.clone()).or_insert_with(EndpointState::new);
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
        if self.known.len() > facts.len() + MOST_IDLE {
            self.known
                .retain(|id, state| state.rows_under_way > 0 || facts.iter().any(|fact| fact.id == *id));
        }
    }

    /// The endpoints whose recent attempts are to be counted: limited ones, when they are new here. Attempts are noted
    /// when they have ended, a little after they were paid for, so the window is a little shorter than the rate's.
    pub(crate) fn rate_windows(&self) -> Vec<RateWindow> {
        let is_new = |state: &EndpointState| state.due > 0 && !state.has_heeded;
        let limited = self.known.iter().filter(|(_, state)| is_new(state));
        let window = |bucket: &Bucket| (bucket.rate().per_ms / 10 * 9).max(1);
        limited
            .filter_map(|(id, state)| {
                Some(RateWindow { id: id.clone(), window_ms: state.bucket.as_ref().map(window)? })
            })
            .collect()
    }

    /// Takes in how many attempts an endpoint has had within its rate's time.
    pub(crate) fn heed(&mut self, id: &str, recent: u32, now_ms: u64) {
        let Some(state) = self.known.get_mut(id) else { return };
        state.has_heeded = true;
        if let Some(bucket) = &mut state.bucket {
            bucket.heed(recent, now_ms);
        }
    }

    /// Lets an open breaker's probe through before its time.
    pub(crate) fn probe(&mut self, id: &str) {
        self.known.entry(id.to_owned()).or_insert_with(EndpointState::new).is_asked_for = true;
    }

    /// What to claim, with `free` slots left: what fills them, and what is worth having ready when the next are free.
    pub(crate) fn claim_order(&mut self, free: u32, settings: &Settings, now_ms: u64) -> ClaimOrder {
        let mut order = ClaimOrder::default();
        for state in self.known.values_mut() {
            if state.next_due_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                // At least one; how many there are, an observation tells.
                state.due = state.due.max(1);
                state.next_due_ms = None;
            }
        }
        let level = Level::of(self.known.values(), settings);
        let turns: Vec<(&String, &EndpointState, Turn)> =
            self.known.iter().map(|(id, state)| (id, state, state.turn(&level, settings, now_ms))).collect();
        let ahead =
            turns.iter().map(|(_, _, turn)| turn.ahead).fold(0, u32::saturating_add).min(self.most_ahead());
        let waiting = turns.iter().map(|(_, state, _)| state.waiting).fold(0, u32::saturating_add);
        let room = free.saturating_add(ahead).saturating_sub(waiting);
        let mut is_worth_it = false;
        for (id, state, turn) in &turns {
            sooner(&mut order.wait_ms, turn.wait_until_ms, now_ms);
            sooner(&mut order.pace_ms, turn.pace_until_ms, now_ms);
            if turn.most > 0 && room > 0 {
                is_worth_it |= turn.is_worth_a_claim(room, state.batch);
                order.allowances.push(Allowance {
                    id: (*id).clone(),
                    most: turn.most,
                    batch: state.batch,
                    under_way: state.under_way.saturating_add(state.waiting),
                    quiet_ms: turn.quiet_ms,
                });
            }
        }
        // A claim costs much the same for one row as for hundreds. Whoever has nothing under way has nothing better to do.
        let is_idle = free >= settings.concurrency && waiting == 0;
        is_worth_it &= room.saturating_mul(2) >= ahead;
        if !(is_idle || is_worth_it) {
            order.allowances.clear();
        }
        order.refill_at = ahead / 2;
        order.rows = share_out(&mut order.allowances, room, MOST_ROWS);
        order
    }

    fn most_ahead(&self) -> u32 {
        if self.typical_bytes > 0.0 {
            MOST_AHEAD.min((MOST_AHEAD_BYTES / self.typical_bytes) as u32)
        } else {
            0
        }
    }

    /// A delivery was claimed; it has so many bytes.
    pub(crate) fn claimed(&mut self, id: &str, bytes: usize, now_ms: u64) {
        self.typical_bytes +=
            (bytes as f64 - self.typical_bytes) / if self.typical_bytes > 0.0 { 16.0 } else { 1.0 };
        let state = self.known.entry(id.to_owned()).or_insert_with(EndpointState::new);
        state.due = state.due.saturating_sub(1);
        state.waiting += 1;
        state.rows_under_way += 1;
        if let Some(bucket) = &mut state.bucket {
            bucket.take(1, now_ms);
        }
    }

    /// A delivery that was claimed is in a request, or refused.
    pub(crate) fn planned(&mut self, id: &str, is_sent: bool) {
        if let Some(state) = self.known.get_mut(id) {
            state.waiting = state.waiting.saturating_sub(1);
            if !is_sent {
                state.rows_under_way = state.rows_under_way.saturating_sub(1);
            }
        }
    }

    /// A delivery that was claimed goes back to the table as it was.
    pub(crate) fn given_back(&mut self, id: &str) {
        self.planned(id, false);
        if let Some(state) = self.known.get_mut(id) {
            state.due += 1;
        }
    }

    /// A request with claimed deliveries is sent.
    pub(crate) fn sent(&mut self, id: &str) {
        self.known.entry(id.to_owned()).or_insert_with(EndpointState::new).under_way += 1;
    }

    /// How many requests may begin for each of these, which have so many deliveries waiting, with `free` slots left. None for
    /// one that is to get nothing for a while: its breaker is open, or it wants to be left alone.
    pub(crate) fn slots<'a>(
        &self,
        waiting: impl Iterator<Item = (&'a str, u32)>,
        free: u32,
        settings: &Settings,
        now_ms: u64,
    ) -> Vec<Option<u32>> {
        let level = Level::of(self.known.values(), settings);
        let (mut is_held, mut is_slow) = (Vec::new(), Vec::new());
        let mut shares: Vec<Share> = waiting
            .map(|(id, rows)| {
                let Some(state) = self.known.get(id) else {
                    is_held.push(false);
                    is_slow.push(false);
                    return Share { under_way: 0, wanted: rows, slots: 0 };
                };
                let turn = state.turn(&level, settings, now_ms);
                is_held.push(turn.slots == 0 && turn.wait_until_ms.is_some());
                is_slow.push(level.is_slow(state));
                let wanted = rows.div_ceil(state.batch).min(turn.slots);
                Share { under_way: state.under_way, wanted, slots: 0 }
            })
            .collect();
        // Each slow one wants all that is left for the slow ones: that is for all of them together.
        let mut slow: Vec<&mut Share> =
            shares.iter_mut().zip(is_slow).filter_map(|(share, is_slow)| is_slow.then_some(share)).collect();
        let mut together: Vec<Share> = slow.iter().map(|share| **share).collect();
        share(&mut together, level.left_for_slow());
        for (share, Share { slots, .. }) in slow.iter_mut().zip(together) {
            share.wanted = share.wanted.min(slots.max(u32::from(share.under_way == 0)));
        }
        share(&mut shares, free);
        shares.iter().zip(is_held).map(|(share, is_held)| (!is_held).then_some(share.slots)).collect()
    }

    /// Whether it is known to be switched off, or gone.
    pub(crate) fn is_off(&self, id: &str) -> bool {
        self.known.get(id).is_some_and(|state| !state.is_active)
    }

    /// How many deliveries a request to this endpoint may carry.
    pub(crate) fn batch(&self, id: &str) -> u32 {
        self.known.get(id).map_or(1, |state| state.batch)
    }

    /// A request has ended, so for each of its deliveries, after so long. Says whether that opened the breaker.
    pub(crate) fn ended(
        &mut self,
        id: &str,
        outcomes: &[&Outcome],
        duration_ms: f64,
        settings: &Settings,
        now_ms: u64,
    ) -> bool {
        let Some(state) = self.known.get_mut(id) else { return false };
        state.under_way = state.under_way.saturating_sub(1);
        state.is_asked_for = false;
        if outcomes.iter().any(|outcome| outcome.is_success()) {
            if state.pace.note(duration_ms) {
                state.window = state.window.saturating_add(WINDOW_GROWTH).min(state.concurrency);
            }
        } else {
            state.window = (state.window / 2).max(1);
        }
        for outcome in outcomes {
            if let Some(pause_ms) = outcome.endpoint_pause_ms(now_ms) {
                state.paused_until_ms = state.paused_until_ms.max(now_ms.saturating_add(pause_ms));
            }
        }
        let is_closed =
            |state: &EndpointState| state.breaker.state(&settings.breaker, now_ms) == BreakerState::Closed;
        let was_closed = is_closed(state);
        state.tell_breaker(outcomes, now_ms);
        was_closed && !is_closed(state)
    }

    /// Takes in again how a request has ended, on top of an observation that does not know it yet.
    pub(crate) fn ended_before(&mut self, id: &str, outcomes: &[&Outcome], now_ms: u64) {
        if let Some(state) = self.known.get_mut(id) {
            state.tell_breaker(outcomes, now_ms);
        }
    }

    /// What became of so many claimed deliveries is being written: they are nobody's any longer.
    pub(crate) fn written(&mut self, id: &str, rows: usize) {
        if let Some(state) = self.known.get_mut(id) {
            state.rows_under_way = state.rows_under_way.saturating_sub(rows as u64);
        }
    }

    /// A delivery waits for its next attempt.
    pub(crate) fn waits(&mut self, id: &str, at_ms: u64) {
        if let Some(state) = self.known.get_mut(id) {
            state.next_due_ms = Some(state.next_due_ms.map_or(at_ms, |known| known.min(at_ms)));
        }
    }
}

fn sooner(wait_ms: &mut Option<u64>, until_ms: Option<u64>, now_ms: u64) {
    if let Some(until_ms) = until_ms {
        let new_ms = until_ms.saturating_sub(now_ms);
        *wait_ms = Some(wait_ms.map_or(new_ms, |known| known.min(new_ms)));
    }
}

#[cfg(test)]
mod tests;
