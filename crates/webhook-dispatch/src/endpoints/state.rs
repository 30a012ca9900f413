//! What is known of one endpoint, and what it may get.

use webhook_backoff::{Breaker, BreakerState, Bucket, Outcome, Rate};

use super::pace::{Level, Pace};
use crate::Settings;

/// An endpoint's first window: as much as nobody minds, before it has shown what it can do.
const FIRST_WINDOW: u32 = 12;

/// How many deliveries are claimed at once for an endpoint that does not exist or is switched off: they are refused
/// without being sent.
const REFUSED_AT_ONCE: u32 = 500;

#[derive(Clone, Debug)]
pub(super) struct EndpointState {
    pub(super) is_active: bool,
    pub(super) due: u64,
    pub(super) next_due_ms: Option<u64>,
    /// Our requests, from plan to settle.
    pub(super) under_way: u32,
    /// The deliveries that we have claimed and not yet settled.
    pub(super) rows_under_way: u64,
    /// Those of them that no request carries yet.
    pub(super) waiting: u32,
    /// All others' deliveries.
    pub(super) under_way_elsewhere: u64,
    /// How many deliveries may travel in one request.
    pub(super) batch: u32,
    pub(super) breaker: Breaker,
    pub(super) bucket: Option<Bucket>,
    /// What others have sent before is in the bucket.
    pub(super) has_heeded: bool,
    pub(super) paused_until_ms: u64,
    /// Somebody wants to know now whether it works again: an open breaker lets its probe through.
    pub(super) is_asked_for: bool,
    /// How many requests are under way at most, between 1 and `concurrency`: it grows with each success that is not much
    /// slower than the endpoint can be, and halves with each failure.
    pub(super) window: u32,
    pub(super) concurrency: u32,
    /// How long its answers take.
    pub(super) pace: Pace,
}

/// What an endpoint may get now.
#[derive(Default)]
pub(super) struct Turn {
    /// So many deliveries may be claimed.
    pub(super) most: u32,
    /// How much it could have if nothing were under way.
    pub(super) full: u32,
    /// So many deliveries are worth claiming before there is a slot for them.
    pub(super) ahead: u32,
    /// So many requests may begin.
    pub(super) slots: u32,
    /// When time gives it more.
    pub(super) wait_until_ms: Option<u64>,
    /// When its rate does.
    pub(super) pace_until_ms: Option<u64>,
    pub(super) quiet_ms: Option<u64>,
}

impl Turn {
    /// Whether the endpoint is at least half idle. A claim costs the same for one row as for many, and one that
    /// waited for a full batch would leave it idle.
    pub(super) fn is_worth_a_claim(&self, room: u32, batch: u32) -> bool {
        self.most >= room.saturating_mul(batch).min(self.full.div_ceil(2))
    }
}

impl EndpointState {
    pub(super) fn new() -> EndpointState {
        EndpointState {
            is_active: true,
            due: 0,
            next_due_ms: None,
            under_way: 0,
            rows_under_way: 0,
            waiting: 0,
            under_way_elsewhere: 0,
            batch: 1,
            breaker: Breaker::default(),
            bucket: None,
            has_heeded: false,
            paused_until_ms: 0,
            is_asked_for: false,
            window: FIRST_WINDOW,
            concurrency: u32::MAX,
            pace: Pace::default(),
        }
    }

    pub(super) fn limit(&mut self, rate: Option<Rate>, now_ms: u64) {
        if self.bucket.map(|bucket| bucket.rate()) != rate {
            self.bucket = rate.map(|rate| Bucket::new(rate, now_ms));
            self.has_heeded = false;
        }
    }

    pub(super) fn tell_breaker(&mut self, outcomes: &[&Outcome], now_ms: u64) {
        for _ in outcomes.iter().filter(|outcome| outcome.is_failure()) {
            self.breaker.failed(now_ms);
        }
        // Whoever took some of a request's deliveries is there.
        if outcomes.iter().any(|outcome| outcome.is_success()) {
            self.breaker.succeeded();
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.due > 0 || self.waiting > 0 || self.under_way > 0
    }

    pub(super) fn turn(&self, level: &Level, settings: &Settings, now_ms: u64) -> Turn {
        let nothing = |wait_until_ms| Turn { wait_until_ms, ..Turn::default() };
        let due = u32::try_from(self.due).unwrap_or(u32::MAX);
        if !self.is_active {
            let most = due.min(REFUSED_AT_ONCE);
            return Turn {
                most,
                full: most,
                slots: self.waiting,
                wait_until_ms: self.next_due_ms,
                ..Turn::default()
            };
        }
        let elsewhere = u32::try_from(self.under_way_elsewhere).unwrap_or(u32::MAX);
        let (window, elsewhere, quiet_ms) = match self.breaker.state(&settings.breaker, now_ms) {
            BreakerState::Open { .. } if self.is_asked_for => (1, elsewhere, None),
            BreakerState::Open { until_ms } => return nothing(Some(until_ms)),
            // Two clocks may differ a little about the end of the pause.
            BreakerState::HalfOpen => (1, elsewhere, Some(settings.breaker.pause_ms / 10 * 9)),
            BreakerState::Closed => (level.window(self), 0, None),
        };
        if due == 0 && self.waiting == 0 {
            return nothing(self.next_due_ms.map(|at_ms| at_ms.max(self.paused_until_ms)));
        }
        if now_ms < self.paused_until_ms {
            return nothing(Some(self.paused_until_ms));
        }
        let slots = window.saturating_sub(self.under_way).saturating_sub(elsewhere);
        // A probe is one delivery, whatever travels in a request.
        let is_probe = quiet_ms.is_some() || self.is_asked_for;
        let batch = if is_probe { 1 } else { self.batch };
        let ahead = if is_probe || self.bucket.is_some() { 0 } else { level.ahead(self) };
        let full = window.saturating_mul(batch).saturating_add(ahead).min(due.saturating_add(self.waiting));
        let free = slots.saturating_mul(batch).saturating_add(ahead).saturating_sub(self.waiting);
        let Some(bucket) = &self.bucket else {
            return Turn { most: free.min(due), full, ahead, slots, quiet_ms, ..Turn::default() };
        };
        // As with the window, half of what it lets go at once is worth a claim.
        let most = free.min(due).min(bucket.capacity());
        let worth = most.div_ceil(2);
        let available = bucket.available(now_ms);
        if available < worth {
            let pace_until_ms = Some(now_ms.saturating_add(bucket.wait_ms(worth, now_ms)));
            return Turn { slots, pace_until_ms, ..Turn::default() };
        }
        let most = most.min(available);
        Turn { most, full: most, slots, quiet_ms, ..Turn::default() }
    }
}
