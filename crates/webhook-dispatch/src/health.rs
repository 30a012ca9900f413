//! From counts to a health report.

use webhook_backoff::{Breaker, BreakerPolicy, BreakerState};

/// Deliveries that were made in a window of time, by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// All of them.
    pub total: u64,
    /// Owed still.
    pub pending: u64,
    /// Taken by the receiver.
    pub delivered: u64,
    /// Given up.
    pub failed: u64,
}

/// An endpoint that has failed since it last took a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingEndpoint {
    /// `webhook_configurations.id`
    pub endpoint_id: String,
    /// Its name.
    pub name: String,
    /// Failed attempts since the last success.
    pub failures_in_a_row: u32,
    /// How long ago the last of them was, in milliseconds.
    pub last_failure_ago_ms: u64,
}

/// An endpoint whose breaker is not closed: the dispatcher sees the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBreaker {
    /// Whose.
    pub endpoint: FailingEndpoint,
    /// In how many milliseconds a probe is sent; 0 where it is half open and one may be sent now.
    pub probe_in_ms: u64,
}

/// What the tables say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthFacts {
    /// Made within the last hour.
    pub last_hour: Window,
    /// Made within the last 24 hours.
    pub last_24_hours: Window,
    /// All that are owed, of any age.
    pub pending: u64,
    /// How long the delivery that is due longest has been due, in milliseconds; `None` where none is due.
    pub due_for_ms: Option<u64>,
    /// Endpoints that have failed since they last took a delivery.
    pub failing: Vec<FailingEndpoint>,
}

/// Why a system is not healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A stable name.
    pub code: &'static str,
    /// For people. Names no endpoint.
    pub message: String,
}

/// Endpoints that are left alone after failures in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BreakerReport {
    /// How many.
    pub open: u64,
    /// Which. Names are for authorised callers only.
    pub configs: Vec<OpenBreaker>,
}

/// The answer to "is it well?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// Whether there is no reason against it.
    pub healthy: bool,
    /// What is wrong.
    pub reasons: Vec<Reason>,
    /// Made within the last hour.
    pub last_hour: Window,
    /// Made within the last 24 hours.
    pub last_24_hours: Window,
    /// Endpoints in trouble.
    pub circuit_breakers: BreakerReport,
}

/// A failure rate means nothing below this number of finished deliveries.
const LEAST_FINISHED: u64 = 5;
const MOST_PENDING: u64 = 100;
const LONGEST_DUE_MS: u64 = 5 * 60_000;

impl HealthReport {
    /// The report for callers without a key: numbers, and no endpoint's name or id.
    pub fn without_names(mut self) -> HealthReport {
        self.circuit_breakers.configs.clear();
        self
    }
}

/// Judges by the thresholds: over half of the last hour's finished deliveries failed, more than 100 pending,
/// deliveries due for over 5 minutes (no dispatcher runs), an endpoint whose breaker is not closed.
pub fn judge_health(facts: &HealthFacts, policy: &BreakerPolicy) -> HealthReport {
    let mut reasons = Vec::new();
    let mut add = |code, message| reasons.push(Reason { code, message });
    let Window { delivered, failed, .. } = facts.last_hour;
    let finished = delivered + failed;
    if finished >= LEAST_FINISHED && failed * 2 > finished {
        add("failure_rate", format!("{failed} of {finished} deliveries failed in the last hour"));
    }
    if facts.pending > MOST_PENDING {
        add("pending", format!("{} deliveries are pending, more than {MOST_PENDING}", facts.pending));
    }
    if let Some(due_ms) = facts.due_for_ms.filter(|due_ms| *due_ms > LONGEST_DUE_MS) {
        let seconds = due_ms / 1_000;
        add("dispatcher_not_running", format!("a delivery has been due for {seconds} s and nobody took it"));
    }
    let configs: Vec<OpenBreaker> =
        facts.failing.iter().filter_map(|endpoint| open_breaker(endpoint, policy)).collect();
    let open = configs.len() as u64;
    if open > 0 {
        let failures = policy.failures;
        add("circuit_breaker", format!("endpoints that failed {failures} or more times in a row: {open}"));
    }
    HealthReport {
        healthy: reasons.is_empty(),
        reasons,
        last_hour: facts.last_hour,
        last_24_hours: facts.last_24_hours,
        circuit_breakers: BreakerReport { open, configs },
    }
}

fn open_breaker(endpoint: &FailingEndpoint, policy: &BreakerPolicy) -> Option<OpenBreaker> {
    // Only the distance between the two times counts.
    let now_ms = endpoint.last_failure_ago_ms;
    let probe_in_ms = match Breaker::rebuilt(endpoint.failures_in_a_row, 0).state(policy, now_ms) {
        BreakerState::Closed => return None,
        BreakerState::Open { until_ms } => until_ms.saturating_sub(now_ms),
        BreakerState::HalfOpen => 0,
    };
    Some(OpenBreaker { endpoint: endpoint.clone(), probe_in_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(facts: &HealthFacts) -> HealthReport {
        judge_health(facts, &BreakerPolicy::default())
    }

    fn codes(facts: &HealthFacts) -> Vec<&'static str> {
        let report = judge(facts);
        assert_eq!(report.healthy, report.reasons.is_empty());
        report.reasons.iter().map(|reason| reason.code).collect()
    }

    fn finished(delivered: u64, failed: u64) -> HealthFacts {
        let window = Window { total: delivered + failed, pending: 0, delivered, failed };
        HealthFacts { last_hour: window, ..HealthFacts::default() }
    }

    #[test]
    fn an_idle_system_is_healthy() {
        assert!(codes(&HealthFacts::default()).is_empty());
    }

    #[test]
    fn over_half_failed_is_unhealthy_and_half_is_not() {
        assert!(codes(&finished(5, 5)).is_empty());
        assert_eq!(codes(&finished(5, 6)), ["failure_rate"]);
        // Too few to tell.
        assert!(codes(&finished(0, 4)).is_empty());
        assert_eq!(codes(&finished(0, 5)), ["failure_rate"]);
    }

    #[test]
    fn more_than_a_hundred_pending_is_unhealthy() {
        assert!(codes(&HealthFacts { pending: 100, ..HealthFacts::default() }).is_empty());
        assert_eq!(codes(&HealthFacts { pending: 101, ..HealthFacts::default() }), ["pending"]);
    }

    #[test]
    fn deliveries_that_nobody_takes_for_five_minutes_are_unhealthy() {
        let due = |due_ms| HealthFacts { due_for_ms: Some(due_ms), ..HealthFacts::default() };
        assert!(codes(&due(300_000)).is_empty());
        assert_eq!(codes(&due(300_001)), ["dispatcher_not_running"]);
    }

    #[test]
    fn five_failures_in_a_row_name_the_endpoint() {
        let failing = |failures_in_a_row, last_failure_ago_ms| HealthFacts {
            failing: vec![FailingEndpoint {
                endpoint_id: "e".to_owned(),
                name: "n".to_owned(),
                failures_in_a_row,
                last_failure_ago_ms,
            }],
            ..HealthFacts::default()
        };
        assert!(codes(&failing(4, 0)).is_empty());
        assert_eq!(codes(&failing(5, 0)), ["circuit_breaker"]);
        let report = judge(&failing(5, 60_000));
        assert_eq!(report.circuit_breakers.open, 1);
        assert_eq!(report.circuit_breakers.configs[0].probe_in_ms, 240_000);
        assert_eq!(judge(&failing(5, 300_000)).circuit_breakers.configs[0].probe_in_ms, 0);
        let open = report.without_names().circuit_breakers;
        assert_eq!((open.open, open.configs), (1, vec![]));
    }
}
