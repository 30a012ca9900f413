//! How long answers take, and what follows from it: how many requests an endpoint gets at once, and how much is claimed
//! before there is a slot for it.

use super::state::EndpointState;
use crate::Settings;

/// What is claimed ahead lasts so long, at the pace at which the endpoint takes it: long enough for several claims, and
/// much shorter than a lease. In milliseconds.
const AHEAD_MS: f64 = 250.0;

/// More requests at once are of no use to an endpoint whose answers take so many times as long as they could, and so much
/// longer: it queues them.
const QUEUEING: f64 = 4.0;
const QUEUEING_MS: f64 = 20.0;

/// An endpoint is slow whose answers take so long, and so many times as long as those of the quickest.
const SLOW_MS: f64 = 500.0;
const SLOWER: f64 = 8.0;

/// How long an endpoint's answers take, in milliseconds; infinite as long as there was none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    typical_ms: f64,
    least_ms: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { typical_ms: f64::INFINITY, least_ms: f64::INFINITY }
    }
}

impl Pace {
    /// Takes in how long an answer took; says whether more at once would be taken, too.
    pub(super) fn note(&mut self, duration_ms: f64) -> bool {
        // What was once possible counts for less with time: a receiver may have moved.
        self.least_ms = (self.least_ms * 1.002).min(duration_ms);
        let before = if self.typical_ms.is_finite() { self.typical_ms } else { duration_ms };
        self.typical_ms = before + (duration_ms - before) / 8.0;
        self.typical_ms <= self.least_ms * QUEUEING + QUEUEING_MS
    }
}

/// How all endpoints fare together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    concurrency: u32,
    /// Endpoints that are owed something or have something under way.
    busy: u32,
    /// The typical time of the quickest.
    least_ms: f64,
    /// Requests to slow ones.
    slow_under_way: u32,
}

impl Level {
    pub(super) fn of<'a>(
        endpoints: impl Iterator<Item = &'a EndpointState> + Clone,
        settings: &Settings,
    ) -> Level {
        let busy = || endpoints.clone().filter(|state| state.is_busy());
        let mut level =
            Level { concurrency: settings.concurrency, busy: 0, least_ms: f64::INFINITY, slow_under_way: 0 };
        for state in busy() {
            level.busy += 1;
            level.least_ms = level.least_ms.min(state.pace.typical_ms);
        }
        level.slow_under_way = busy().filter(|state| level.is_slow(state)).map(|state| state.under_way).sum();
        level
    }

    /// The endpoint's window. Slow ones together hold no more than half of the slots while a quick one may need them.
    pub(super) fn window(&self, state: &EndpointState) -> u32 {
        if !self.is_slow(state) {
            return state.window;
        }
        state.window.min(state.under_way.saturating_add(self.left_for_slow())).max(1)
    }

    /// How many slots the slow ones together may have beside those that they have.
    pub(super) fn left_for_slow(&self) -> u32 {
        (self.concurrency / 2).saturating_sub(self.slow_under_way)
    }

    /// How many deliveries are worth claiming before there is a slot for them. None for an endpoint that has not answered
    /// yet, and none where a request carries many.
    pub(super) fn ahead(&self, state: &EndpointState) -> u32 {
        if state.batch > 1 || !state.pace.typical_ms.is_finite() {
            return 0;
        }
        let share = self.concurrency.div_ceil(self.busy.max(1)).min(state.window);
        (f64::from(share) * AHEAD_MS / state.pace.typical_ms.max(1.0)) as u32
    }

    pub(super) fn is_slow(&self, state: &EndpointState) -> bool {
        let typical_ms = state.pace.typical_ms;
        typical_ms.is_finite() && typical_ms >= SLOW_MS && typical_ms >= self.least_ms * SLOWER
    }
}
