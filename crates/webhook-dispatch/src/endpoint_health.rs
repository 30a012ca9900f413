//! How single endpoints fare: for callers with a key.

use webhook_backoff::BreakerPolicy;
use webhook_protocol::Protocol;

use crate::{FailingEndpoint, HealthFacts, health::probe_in_ms};

/// The time within which deliveries were made that an endpoint's figures are of, in seconds.
pub const FIGURES_WINDOW_S: u64 = 86_400;

/// What the tables say of an endpoint. It holds no URL, which may hold a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointFigures {
    /// `webhook_configurations.id`
    pub endpoint_id: String,
    /// Its name.
    pub name: String,
    /// See [`protocol_name`].
    pub protocol: &'static str,
    /// Whether it is switched on.
    pub is_active: bool,
    /// Of the deliveries that were made within the window.
    pub attempts: u64,
    /// Made within the window, and taken.
    pub delivered: u64,
    /// Made within the window, and given up.
    pub failed: u64,
    /// Owed still, of any age.
    pub pending: u64,
    /// Of `delivered`; `None` where there are none.
    pub latency: Option<Latency>,
    /// How long ago the oldest of `pending` was made, in milliseconds.
    pub oldest_pending_ms: Option<u64>,
    /// When the first of `pending` is due as its row says, in milliseconds; 0 for now.
    pub next_due_in_ms: Option<u64>,
}

/// From a delivery's insertion to its delivery: percentiles in milliseconds, to half a per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half are as fast.
    pub p50_ms: u64,
    /// 95 per cent are as fast.
    pub p95_ms: u64,
    /// 99 per cent are as fast.
    pub p99_ms: u64,
}

/// How an endpoint fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointHealth {
    /// What the tables say.
    pub figures: EndpointFigures,
    /// What the dispatcher makes of it.
    pub breaker: EndpointBreaker,
    /// In how many milliseconds it is sent something: not before its breaker lets a probe through.
    pub next_attempt_in_ms: Option<u64>,
}

/// An endpoint's breaker, as the tables tell it. That of an endpoint that is switched off is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointBreaker {
    /// Whether it lets everything through, nothing, or one probe.
    pub state: EndpointBreakerState,
    /// The earliest failure since the last success that a row still tells, where the breaker is not closed; ISO 8601. A row
    /// keeps its last attempt only, so that the first failure may have been before.
    pub since: Option<String>,
    /// Failed attempts since the last success. Below the breaker's threshold successes are not looked at: at most so many.
    pub failures_in_a_row: u32,
    /// In how many milliseconds a probe is sent, where the breaker is not closed; 0 for now.
    pub probe_in_ms: Option<u64>,
}

/// What an endpoint's breaker lets through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndpointBreakerState {
    /// Everything.
    #[default]
    Closed,
    /// Nothing.
    Open,
    /// One probe.
    HalfOpen,
}

/// The protocol's name of a target URL; `unknown` for a URL without one.
pub fn protocol_name(url: &str) -> &'static str {
    Protocol::from_url(url).map_or("unknown", Protocol::as_str)
}

/// Joins each endpoint's figures with its breaker.
pub(crate) fn endpoints(
    figures: Vec<EndpointFigures>,
    facts: &HealthFacts,
    policy: &BreakerPolicy,
) -> Vec<EndpointHealth> {
    figures.into_iter().map(|figures| EndpointHealth::new(figures, &facts.failing, policy)).collect()
}

impl EndpointFigures {
    /// The delivered ones' share of the finished ones, from 0 to 1; `None` where none is finished.
    pub fn success_rate(&self) -> Option<f64> {
        let finished = self.delivered + self.failed;
        (finished > 0).then(|| self.delivered as f64 / finished as f64)
    }
}

impl EndpointHealth {
    fn new(figures: EndpointFigures, failing: &[FailingEndpoint], policy: &BreakerPolicy) -> EndpointHealth {
        let breaker = failing
            .iter()
            .find(|endpoint| endpoint.endpoint_id == figures.endpoint_id)
            .map_or_else(EndpointBreaker::default, |endpoint| EndpointBreaker::of(endpoint, policy));
        let next_attempt_in_ms =
            figures.next_due_in_ms.map(|due_in_ms| due_in_ms.max(breaker.probe_in_ms.unwrap_or_default()));
        EndpointHealth { figures, breaker, next_attempt_in_ms }
    }
}

impl EndpointBreaker {
    fn of(endpoint: &FailingEndpoint, policy: &BreakerPolicy) -> EndpointBreaker {
        let probe_in_ms = probe_in_ms(endpoint, policy);
        EndpointBreaker {
            state: match probe_in_ms {
                None => EndpointBreakerState::Closed,
                Some(0) => EndpointBreakerState::HalfOpen,
                Some(_) => EndpointBreakerState::Open,
            },
            since: probe_in_ms.map(|_| endpoint.first_failure_at.clone()),
            failures_in_a_row: endpoint.failures_in_a_row,
            probe_in_ms,
        }
    }
}

impl EndpointBreakerState {
    /// All of them.
    pub(crate) const ALL: [EndpointBreakerState; 3] =
        [EndpointBreakerState::Closed, EndpointBreakerState::Open, EndpointBreakerState::HalfOpen];

    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            EndpointBreakerState::Closed => "closed",
            EndpointBreakerState::Open => "open",
            EndpointBreakerState::HalfOpen => "half_open",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(
        failures_in_a_row: u32,
        last_failure_ago_ms: u64,
        next_due_in_ms: Option<u64>,
    ) -> EndpointHealth {
        let figures = |id: &str| EndpointFigures {
            endpoint_id: id.to_owned(),
            next_due_in_ms,
            ..EndpointFigures::default()
        };
        let failing = FailingEndpoint {
            endpoint_id: "e".to_owned(),
            name: "n".to_owned(),
            failures_in_a_row,
            last_failure_ago_ms,
            first_failure_at: "2026-01-29T10:00:00.000000Z".to_owned(),
            is_alerts_only: false,
        };
        let facts = HealthFacts { failing: vec![failing], ..HealthFacts::default() };
        let mut all = endpoints(vec![figures("other"), figures("e")], &facts, &BreakerPolicy::default());
        let mine = all.pop().unwrap();
        // Another endpoint's failures are not this one's.
        assert_eq!(all.pop().unwrap().breaker, EndpointBreaker::default());
        mine
    }

    #[test]
    fn a_breaker_that_is_open_says_since_when_and_until_when() {
        let open = health(5, 60_000, Some(0));
        assert_eq!(open.breaker.state, EndpointBreakerState::Open);
        assert_eq!(open.breaker.since.as_deref(), Some("2026-01-29T10:00:00.000000Z"));
        assert_eq!(open.breaker.probe_in_ms, Some(240_000));
        // What is due waits for the probe, and the probe for what is due.
        assert_eq!(open.next_attempt_in_ms, Some(240_000));
        assert_eq!(health(5, 60_000, Some(250_000)).next_attempt_in_ms, Some(250_000));
        assert_eq!(health(5, 60_000, None).next_attempt_in_ms, None);
    }

    #[test]
    fn a_breaker_is_half_open_after_its_pause_and_closed_below_the_threshold() {
        let half_open = health(5, 300_000, Some(0)).breaker;
        assert_eq!((half_open.state, half_open.probe_in_ms), (EndpointBreakerState::HalfOpen, Some(0)));
        let closed = health(4, 0, Some(7)).breaker;
        assert_eq!(
            (closed.state, closed.probe_in_ms, closed.since),
            (EndpointBreakerState::Closed, None, None)
        );
        assert_eq!(closed.failures_in_a_row, 4);
    }

    #[test]
    fn a_success_rate_is_of_what_is_finished() {
        let rate = |delivered, failed| {
            EndpointFigures { delivered, failed, pending: 9, ..EndpointFigures::default() }.success_rate()
        };
        assert_eq!(
            [rate(0, 0), rate(0, 2), rate(3, 1), rate(4, 0)],
            [None, Some(0.0), Some(0.75), Some(1.0)]
        );
    }

    #[test]
    fn only_the_protocol_of_a_url_is_shown() {
        assert_eq!(protocol_name("https://a.example/?token=secret"), "http");
        assert_eq!(protocol_name("kafkas://b:9092/topic"), "kafka");
        assert_eq!(protocol_name("ftp://user:secret@a.example/"), "unknown");
        assert_eq!(protocol_name("secret"), "unknown");
    }
}
