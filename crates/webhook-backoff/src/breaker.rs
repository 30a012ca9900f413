//! The circuit breaker of an endpoint.

/// When a breaker opens and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it; 0 for never.
    pub failures: u32,
    /// From the last failure to the next probe, in milliseconds.
    pub pause_ms: u64,
}

impl Default for BreakerPolicy {
    /// Five failures, five minutes.
    fn default() -> Self {
        BreakerPolicy { failures: 5, pause_ms: 300_000 }
    }
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing.
    Open {
        /// Until this time, in milliseconds since 1970.
        until_ms: u64,
    },
    /// One probe at a time: its success closes the breaker, its failure opens it again.
    HalfOpen,
}

/// How an endpoint has fared. That is all a breaker is, so that it can be rebuilt from a table of deliveries: the
/// state is a function of the failures since the last success and of the time of the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    last_failure_ms: u64,
}

impl Breaker {
    /// A breaker with this past: failures since the last success, and when the last one was, in milliseconds since 1970.
    pub fn rebuilt(failures: u32, last_failure_ms: u64) -> Breaker {
        Breaker { failures, last_failure_ms }
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The last failure's time in milliseconds since 1970; of no meaning without failures.
    pub fn last_failure_ms(&self) -> u64 {
        self.last_failure_ms
    }

    /// An attempt succeeded: whatever was before is over.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// An attempt failed at `now_ms`.
    pub fn failed(&mut self, now_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure_ms = self.last_failure_ms.max(now_ms);
    }

    /// Its state at `now_ms`.
    pub fn state(&self, policy: &BreakerPolicy, now_ms: u64) -> BreakerState {
        if policy.failures == 0 || self.failures < policy.failures {
            return BreakerState::Closed;
        }
        let until_ms = self.last_failure_ms.saturating_add(policy.pause_ms);
        if now_ms < until_ms { BreakerState::Open { until_ms } } else { BreakerState::HalfOpen }
    }
}
