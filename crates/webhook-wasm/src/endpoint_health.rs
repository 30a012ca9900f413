//! An endpoint's figures in, its health out.

use serde::{Deserialize, Serialize};
use tsify::Tsify;
use webhook_dispatch as dispatch;

/// What the tables say of an endpoint.
#[derive(Deserialize, Tsify)]
pub struct EndpointFigures {
    endpoint_id: String,
    name: String,
    /// Of it only the protocol is shown.
    url: String,
    is_active: bool,
    attempts: f64,
    delivered: f64,
    failed: f64,
    /// All that are owed, of any age.
    pending: f64,
    #[tsify(type = "Latency | null")]
    latency_ms: Option<Latency>,
    #[tsify(type = "number | null")]
    oldest_pending_ms: Option<f64>,
    /// When the first of what is owed is due, in milliseconds; 0 for now.
    #[tsify(type = "number | null")]
    next_due_in_ms: Option<f64>,
}

/// What the tables say of the endpoints.
#[derive(Deserialize, Tsify)]
#[serde(transparent)]
pub struct EndpointsFigures(Vec<EndpointFigures>);

/// Percentiles in milliseconds.
#[derive(Serialize, Deserialize, Tsify)]
pub struct Latency {
    p50: f64,
    p95: f64,
    p99: f64,
}

/// Percentiles in milliseconds; null where nothing was delivered.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct Latencies {
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

/// How an endpoint fares. Null is what there is nothing to tell of.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct EndpointHealth {
    endpoint_id: String,
    name: String,
    protocol: &'static str,
    is_active: bool,
    attempts: f64,
    delivered: f64,
    failed: f64,
    /// All that are owed, of any age.
    pending: f64,
    /// From 0 to 1.
    success_rate: Option<f64>,
    latency_ms: Latencies,
    oldest_pending_s: Option<f64>,
    next_attempt_in_s: Option<f64>,
    breaker: EndpointBreaker,
}

/// An endpoint's breaker.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct EndpointBreaker {
    #[tsify(type = "\"closed\" | \"open\" | \"half_open\"")]
    state: &'static str,
    /// The earliest failure since the last success that a row still tells; ISO 8601.
    since: Option<String>,
    failures_in_a_row: u32,
    probe_in_s: Option<f64>,
}

impl From<EndpointsFigures> for Vec<dispatch::EndpointFigures> {
    fn from(figures: EndpointsFigures) -> Self {
        figures.0.into_iter().map(dispatch::EndpointFigures::from).collect()
    }
}

impl From<EndpointFigures> for dispatch::EndpointFigures {
    fn from(figures: EndpointFigures) -> Self {
        dispatch::EndpointFigures {
            protocol: dispatch::protocol_name(&figures.url),
            endpoint_id: figures.endpoint_id,
            name: figures.name,
            is_active: figures.is_active,
            attempts: figures.attempts as u64,
            delivered: figures.delivered as u64,
            failed: figures.failed as u64,
            pending: figures.pending as u64,
            latency: figures.latency_ms.map(|Latency { p50, p95, p99 }| dispatch::Latency {
                p50_ms: p50.round() as u64,
                p95_ms: p95.round() as u64,
                p99_ms: p99.round() as u64,
            }),
            oldest_pending_ms: figures.oldest_pending_ms.map(|ms| ms as u64),
            next_due_in_ms: figures.next_due_in_ms.map(|ms| ms.ceil() as u64),
        }
    }
}

impl From<dispatch::EndpointHealth> for EndpointHealth {
    fn from(health: dispatch::EndpointHealth) -> Self {
        let dispatch::EndpointHealth { figures, breaker, next_attempt_in_ms } = health;
        let latency = figures.latency;
        EndpointHealth {
            success_rate: figures.success_rate(),
            endpoint_id: figures.endpoint_id,
            name: figures.name,
            protocol: figures.protocol,
            is_active: figures.is_active,
            attempts: figures.attempts as f64,
            delivered: figures.delivered as f64,
            failed: figures.failed as f64,
            pending: figures.pending as f64,
            latency_ms: Latencies {
                p50: latency.map(|latency| latency.p50_ms as f64),
                p95: latency.map(|latency| latency.p95_ms as f64),
                p99: latency.map(|latency| latency.p99_ms as f64),
            },
            oldest_pending_s: figures.oldest_pending_ms.map(|ms| (ms as f64 / 1_000.0).floor()),
            next_attempt_in_s: next_attempt_in_ms.map(seconds_until),
            breaker: EndpointBreaker {
                state: breaker.state.as_str(),
                since: breaker.since,
                failures_in_a_row: breaker.failures_in_a_row,
                probe_in_s: breaker.probe_in_ms.map(seconds_until),
            },
        }
    }
}

/// Whole seconds: in so many, it is surely time.
pub(crate) fn seconds_until(ms: u64) -> f64 {
    (ms as f64 / 1_000.0).ceil()
}
