//! From counts to a health report.

use webhook_backoff::{Breaker, BreakerPolicy, BreakerState};

use crate::{EndpointFigures, EndpointHealth, NamedEndpoint, endpoint_health};

/// When something is the matter, and how often that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertPolicy {
    /// `WEBHOOK_ALERTS`: whether alerts are sent at all. What is unhealthy does not depend on it.
    pub is_on: bool,
    /// `WEBHOOK_ALERT_FAILURE_RATE`: more than so many per cent of the last hour's finished deliveries failed.
    pub failure_percent: u64,
    /// `WEBHOOK_ALERT_LEAST_FINISHED`: a failure rate means nothing below this number of finished deliveries.
    pub least_finished: u64,
    /// `WEBHOOK_ALERT_PENDING`: more than so many are owed.
    pub most_pending: u64,
    /// `WEBHOOK_ALERT_OVERDUE`: a delivery has been due for longer, in milliseconds: no dispatcher runs.
    pub longest_due_ms: u64,
    /// `WEBHOOK_ALERT_REMINDER`: how often an alert is repeated that goes on, in milliseconds.
    pub reminder_ms: u64,
}

/// What health is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthPolicy {
    /// The thresholds.
    pub alerts: AlertPolicy,
    /// When breakers open.
    pub breaker: BreakerPolicy,
}

impl Default for AlertPolicy {
    /// Over half of at least five, more than 100 pending, five minutes; a reminder an hour.
    fn default() -> Self {
        AlertPolicy {
            is_on: true,
            failure_percent: 50,
            least_finished: 5,
            most_pending: 100,
            longest_due_ms: 5 * 60_000,
            reminder_ms: 3_600_000,
        }
    }
}

impl AlertPolicy {
    /// Whether too many of a window's deliveries failed.
    pub(crate) fn is_failing(&self, window: &Window) -> bool {
        let finished = window.finished();
        finished >= self.least_finished && window.failed * 100 > finished * self.failure_percent
    }
}

impl HealthPolicy {
    /// Endpoints whose breaker is not closed, and in how many milliseconds a probe is sent.
    pub(crate) fn open_breakers<'a>(
        &self,
        facts: &'a HealthFacts,
    ) -> impl Iterator<Item = (&'a FailingEndpoint, u64)> {
        let policy = self.breaker;
        facts.failing.iter().filter_map(move |endpoint| Some((endpoint, probe_in_ms(endpoint, &policy)?)))
    }
}

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

impl Window {
    /// Those that nobody owes any more.
    pub fn finished(&self) -> u64 {
        self.delivered + self.failed
    }
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
    /// The earliest of them that a row still tells: ISO 8601.
    pub first_failure_at: String,
    /// All that it failed to take were alerts. They are no reason for alarm: it could not be delivered.
    pub is_alerts_only: bool,
}

/// An endpoint whose breaker is not closed: the dispatcher sees the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBreaker {
    /// Whose.
    pub endpoint: FailingEndpoint,
    /// In how many milliseconds a probe is sent; 0 where it is half open and one may be sent now.
    pub probe_in_ms: u64,
}

/// What the tables say. Tests and alerts are left out, but for the endpoints that fail.
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
    /// Endpoints that have answered 410 within the last hour and are switched off.
    pub switched_off: Vec<NamedEndpoint>,
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
    /// How each endpoint fares; for authorised callers only.
    pub endpoints: Option<Vec<EndpointHealth>>,
}

/// The codes of all [`Reason`]s, in their order.
pub(crate) const REASON_CODES: [&str; 4] = [FAILURE_RATE, PENDING, DISPATCHER_NOT_RUNNING, CIRCUIT_BREAKER];

const FAILURE_RATE: &str = "failure_rate";
const PENDING: &str = "pending";
const DISPATCHER_NOT_RUNNING: &str = "dispatcher_not_running";
const CIRCUIT_BREAKER: &str = "circuit_breaker";

impl HealthReport {
    /// The report for callers with a key: each endpoint's figures beside its breaker. `facts` and `policy` are those that
    /// the report was judged by.
    pub fn with_endpoints(
        mut self,
        figures: Vec<EndpointFigures>,
        facts: &HealthFacts,
        policy: &HealthPolicy,
    ) -> HealthReport {
        self.endpoints = Some(endpoint_health::endpoints(figures, facts, &policy.breaker));
        self
    }

    /// The report for callers without a key: numbers, and no endpoint's name or id.
    pub fn without_names(mut self) -> HealthReport {
        self.circuit_breakers.configs.clear();
        self.endpoints = None;
        self
    }
}

/// Judges by the policy's thresholds: too many of the last hour's finished deliveries failed, too many are pending,
/// deliveries are due for too long (no dispatcher runs), an endpoint's breaker is not closed.
pub fn judge_health(facts: &HealthFacts, policy: &HealthPolicy) -> HealthReport {
    let mut reasons = Vec::new();
    let mut add = |code, message| reasons.push(Reason { code, message });
    let HealthPolicy { alerts, breaker } = policy;
    let (failed, finished) = (facts.last_hour.failed, facts.last_hour.finished());
    if alerts.is_failing(&facts.last_hour) {
        add(FAILURE_RATE, format!("{failed} of {finished} deliveries failed in the last hour"));
    }
    if facts.pending > alerts.most_pending {
        let (pending, most) = (facts.pending, alerts.most_pending);
        add(PENDING, format!("{pending} deliveries are pending, more than {most}"));
    }
    if let Some(due_ms) = facts.due_for_ms.filter(|due_ms| *due_ms > alerts.longest_due_ms) {
        let seconds = due_ms / 1_000;
        add(DISPATCHER_NOT_RUNNING, format!("a delivery has been due for {seconds} s and nobody took it"));
    }
    let breakers = policy.open_breakers(facts);
    let configs: Vec<OpenBreaker> = breakers
        .map(|(endpoint, probe_in_ms)| OpenBreaker { endpoint: endpoint.clone(), probe_in_ms })
        .collect();
    let alarming = configs.iter().filter(|open| !open.endpoint.is_alerts_only).count();
    if alarming > 0 {
        let failures = breaker.failures;
        add(CIRCUIT_BREAKER, format!("endpoints that failed {failures} or more times in a row: {alarming}"));
    }
    HealthReport {
        healthy: reasons.is_empty(),
        reasons,
        last_hour: facts.last_hour,
        last_24_hours: facts.last_24_hours,
        circuit_breakers: BreakerReport { open: configs.len() as u64, configs },
        endpoints: None,
    }
}

/// In how many milliseconds an endpoint whose breaker is not closed is tried; 0 where it is half open.
pub(crate) fn probe_in_ms(endpoint: &FailingEndpoint, policy: &BreakerPolicy) -> Option<u64> {
    // Only the distance between the two times counts.
    let now_ms = endpoint.last_failure_ago_ms;
    match Breaker::rebuilt(endpoint.failures_in_a_row, 0).state(policy, now_ms) {
        BreakerState::Closed => None,
        BreakerState::Open { until_ms } => Some(until_ms.saturating_sub(now_ms)),
        BreakerState::HalfOpen => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(facts: &HealthFacts) -> HealthReport {
        judge_health(facts, &HealthPolicy::default())
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
                first_failure_at: String::new(),
                is_alerts_only: false,
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

    #[test]
    fn a_receiver_of_alerts_that_is_down_is_shown_and_no_reason_for_alarm() {
        let mut facts = HealthFacts {
            failing: vec![FailingEndpoint {
                endpoint_id: "e".to_owned(),
                name: "n".to_owned(),
                failures_in_a_row: 5,
                last_failure_ago_ms: 0,
                first_failure_at: String::new(),
                is_alerts_only: true,
            }],
            ..HealthFacts::default()
        };
        assert!(codes(&facts).is_empty());
        assert_eq!(judge(&facts).circuit_breakers.open, 1);
        facts.failing[0].is_alerts_only = false;
        assert_eq!(codes(&facts), ["circuit_breaker"]);
    }

    #[test]
    fn thresholds_are_the_policys() {
        let alerts = AlertPolicy {
            failure_percent: 10,
            least_finished: 100,
            most_pending: 3,
            longest_due_ms: 1_000,
            ..AlertPolicy::default()
        };
        let policy = HealthPolicy { alerts, breaker: BreakerPolicy::default() };
        let facts = HealthFacts { pending: 4, due_for_ms: Some(1_001), ..finished(89, 11) };
        let codes: Vec<&str> =
            judge_health(&facts, &policy).reasons.iter().map(|reason| reason.code).collect();
        assert_eq!(codes, ["failure_rate", "pending", "dispatcher_not_running"]);
        let facts = HealthFacts { pending: 3, due_for_ms: Some(1_000), ..finished(90, 10) };
        assert!(judge_health(&facts, &policy).healthy);
        assert!(judge_health(&finished(0, 99), &policy).healthy);
    }
}
