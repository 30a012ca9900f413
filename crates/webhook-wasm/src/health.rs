//! Health facts in, report out.

use serde::{Deserialize, Serialize};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_dispatch as dispatch;

use crate::{
    alerts::NamedEndpoint,
    endpoint_health::{EndpointHealth, EndpointsFigures, seconds_until},
    error::{js_error, shape_error},
    settings::Settings,
};

/// Deliveries that were made in a window of time, by status.
#[derive(Serialize, Deserialize, Tsify)]
pub struct Window {
    total: f64,
    pending: f64,
    delivered: f64,
    failed: f64,
}

/// An endpoint that has failed since it last took a delivery.
#[derive(Deserialize, Tsify)]
pub struct FailingEndpoint {
    endpoint_id: String,
    name: String,
    failures_in_a_row: f64,
    /// Since the last failure, in milliseconds.
    last_failure_ago_ms: f64,
    /// The earliest failure since the last success that a row still tells; ISO 8601.
    first_failure_at: String,
    /// All that it failed to take were alerts.
    is_alerts_only: bool,
}

/// An endpoint that is left alone after failures in a row.
#[derive(Serialize, Tsify)]
pub struct OpenBreaker {
    endpoint_id: String,
    name: String,
    #[tsify(type = "\"open\" | \"half_open\"")]
    state: &'static str,
    failures_in_a_row: u32,
    /// In how many seconds a probe is sent; 0 where it may be sent now.
    probe_in_s: f64,
}

/// What the tables say.
#[derive(Deserialize, Tsify)]
pub struct HealthFacts {
    last_hour: Window,
    last_24_hours: Window,
    /// All that are owed, of any age.
    pending: f64,
    /// How long the delivery that is due longest has been due, in milliseconds.
    #[tsify(type = "number | null")]
    due_for_ms: Option<f64>,
    failing: Vec<FailingEndpoint>,
    /// Endpoints that have answered 410 within the last hour and are switched off.
    switched_off: Vec<NamedEndpoint>,
}

/// Why a system is not healthy.
#[derive(Serialize, Tsify)]
pub struct Reason {
    /// A stable name.
    code: String,
    /// For people. Names no endpoint.
    message: String,
}

/// Deliveries by window.
#[derive(Serialize, Tsify)]
pub struct HealthStats {
    last_hour: Window,
    last_24_hours: Window,
}

/// Endpoints in trouble.
#[derive(Serialize, Tsify)]
pub struct CircuitBreakers {
    open: f64,
    /// For authorised callers only.
    configs: Vec<OpenBreaker>,
}

/// The answer to "is it well?".
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct HealthReport {
    healthy: bool,
    /// Which version of the functions this is.
    version: &'static str,
    reasons: Vec<Reason>,
    stats: HealthStats,
    circuit_breakers: CircuitBreakers,
    /// How long ago the deliveries were made at most that the endpoints' figures are of, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[tsify(optional)]
    endpoints_window_s: Option<f64>,
    /// For authorised callers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[tsify(optional)]
    endpoints: Option<Vec<EndpointHealth>>,
}

/// In which form health is shown.
#[derive(Serialize, Tsify)]
#[serde(transparent)]
pub struct HealthFormat(#[tsify(type = "\"json\" | \"prometheus\"")] &'static str);

/// Which version of the functions this is.
#[wasm_bindgen]
pub fn version() -> String {
    dispatch::VERSION.to_owned()
}

/// Reads the parameter `format`, which may be missing.
///
/// @throws {Error} `HealthFormatError` with the code `invalid_format`.
#[wasm_bindgen(js_name = readHealthFormat)]
pub fn read_health_format(format: Option<String>) -> Result<Ts<HealthFormat>, JsValue> {
    let format = dispatch::HealthFormat::parse(format.as_deref())
        .map_err(|error| js_error("HealthFormatError", "invalid_format", &error.to_string()))?;
    HealthFormat(format.as_str()).into_ts().map_err(shape_error)
}

/// Judges by the documented thresholds. `endpoints`, and all names, are for callers with a key: others have none.
#[wasm_bindgen(js_name = judgeHealth)]
pub fn judge_health(
    facts: Ts<HealthFacts>,
    settings: Ts<Settings>,
    endpoints: Option<Ts<EndpointsFigures>>,
) -> Result<Ts<HealthReport>, JsValue> {
    let (_, report) = judge(facts, settings, endpoints)?;
    HealthReport::from(report).into_ts().map_err(shape_error)
}

/// The same as metrics, in Prometheus' text exposition format 0.0.4.
#[wasm_bindgen(js_name = healthMetrics)]
pub fn health_metrics(
    facts: Ts<HealthFacts>,
    settings: Ts<Settings>,
    endpoints: Option<Ts<EndpointsFigures>>,
) -> Result<String, JsValue> {
    let (facts, report) = judge(facts, settings, endpoints)?;
    Ok(dispatch::metrics(&report, &facts))
}

/// The value of `content-type` for `healthMetrics`.
#[wasm_bindgen(js_name = healthMetricsType)]
pub fn health_metrics_type() -> String {
    dispatch::METRICS_TYPE.to_owned()
}

fn judge(
    facts: Ts<HealthFacts>,
    settings: Ts<Settings>,
    endpoints: Option<Ts<EndpointsFigures>>,
) -> Result<(dispatch::HealthFacts, dispatch::HealthReport), JsValue> {
    let facts = facts.to_rust().map_err(shape_error)?.into();
    let settings: dispatch::Settings = settings.to_rust().map_err(shape_error)?.try_into()?;
    let policy = settings.health();
    let report = dispatch::judge_health(&facts, &policy);
    let report = match endpoints {
        Some(figures) => {
            report.with_endpoints(figures.to_rust().map_err(shape_error)?.into(), &facts, &policy)
        }
        None => report.without_names(),
    };
    Ok((facts, report))
}

impl From<dispatch::HealthReport> for HealthReport {
    fn from(report: dispatch::HealthReport) -> Self {
        HealthReport {
            healthy: report.healthy,
            version: dispatch::VERSION,
            reasons: report
                .reasons
                .into_iter()
                .map(|reason| Reason { code: reason.code.to_owned(), message: reason.message })
                .collect(),
            stats: HealthStats {
                last_hour: report.last_hour.into(),
                last_24_hours: report.last_24_hours.into(),
            },
            circuit_breakers: CircuitBreakers {
                open: report.circuit_breakers.open as f64,
                configs: report.circuit_breakers.configs.into_iter().map(OpenBreaker::from).collect(),
            },
            endpoints_window_s: report.endpoints.is_some().then_some(dispatch::FIGURES_WINDOW_S as f64),
            endpoints: report
                .endpoints
                .map(|endpoints| endpoints.into_iter().map(EndpointHealth::from).collect()),
        }
    }
}

impl From<HealthFacts> for dispatch::HealthFacts {
    fn from(facts: HealthFacts) -> Self {
        dispatch::HealthFacts {
            last_hour: facts.last_hour.into(),
            last_24_hours: facts.last_24_hours.into(),
            pending: facts.pending as u64,
            due_for_ms: facts.due_for_ms.map(|ms| ms as u64),
            failing: facts.failing.into_iter().map(dispatch::FailingEndpoint::from).collect(),
            switched_off: facts.switched_off.into_iter().map(dispatch::NamedEndpoint::from).collect(),
        }
    }
}

impl From<Window> for dispatch::Window {
    fn from(window: Window) -> Self {
        dispatch::Window {
            total: window.total as u64,
            pending: window.pending as u64,
            delivered: window.delivered as u64,
            failed: window.failed as u64,
        }
    }
}

impl From<dispatch::Window> for Window {
    fn from(window: dispatch::Window) -> Self {
        Window {
            total: window.total as f64,
            pending: window.pending as f64,
            delivered: window.delivered as f64,
            failed: window.failed as f64,
        }
    }
}

impl From<FailingEndpoint> for dispatch::FailingEndpoint {
    fn from(endpoint: FailingEndpoint) -> Self {
        dispatch::FailingEndpoint {
            endpoint_id: endpoint.endpoint_id,
            name: endpoint.name,
            failures_in_a_row: endpoint.failures_in_a_row as u32,
            last_failure_ago_ms: endpoint.last_failure_ago_ms as u64,
            first_failure_at: endpoint.first_failure_at,
            is_alerts_only: endpoint.is_alerts_only,
        }
    }
}

impl From<dispatch::OpenBreaker> for OpenBreaker {
    fn from(breaker: dispatch::OpenBreaker) -> Self {
        let dispatch::OpenBreaker { endpoint, probe_in_ms } = breaker;
        OpenBreaker {
            endpoint_id: endpoint.endpoint_id,
            name: endpoint.name,
            state: if probe_in_ms == 0 { "half_open" } else { "open" },
            failures_in_a_row: endpoint.failures_in_a_row,
            probe_in_s: seconds_until(probe_in_ms),
        }
    }
}
