//! Facts and open alerts in, alerts to send out.

use serde::{Deserialize, Serialize};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_dispatch as dispatch;

use crate::{error::shape_error, health::HealthFacts, settings::Settings};

/// An endpoint, as an alert names it.
#[derive(Serialize, Deserialize, Tsify)]
pub struct NamedEndpoint {
    id: String,
    name: String,
}

/// An alert that was sent and has not been resolved.
#[derive(Deserialize, Tsify)]
pub struct OpenAlert {
    cause: String,
    #[tsify(type = "NamedEndpoint | null")]
    endpoint: Option<NamedEndpoint>,
    /// When it began: ISO 8601.
    since: String,
    /// The same, in milliseconds ago.
    since_ago_ms: f64,
    /// How long ago it was last sent, in milliseconds.
    sent_ago_ms: f64,
    /// Whether the endpoint is switched on now; null where there is no such endpoint.
    #[tsify(type = "boolean | null")]
    is_active: Option<bool>,
}

/// Alerts that were sent and have not been resolved.
#[derive(Deserialize, Tsify)]
#[serde(transparent)]
pub struct OpenAlerts(Vec<OpenAlert>);

/// Which causes are looked at.
#[derive(Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub enum AlertScope {
    /// All of them: at the end of a run.
    All,
    /// Those of single endpoints: in the middle of a run.
    Endpoints,
    /// Whether the dispatcher runs.
    Dispatcher,
}

/// An alert to send.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct Alert {
    #[tsify(
        type = "\"failure_rate\" | \"pending\" | \"circuit_breaker\" | \"dispatcher_not_running\" | \"endpoint_switched_off\""
    )]
    cause: &'static str,
    #[tsify(type = "\"firing\" | \"reminder\" | \"resolved\"")]
    state: &'static str,
    endpoint: Option<NamedEndpoint>,
    /// The event's data: JSON text.
    data: String,
}

/// Alerts to send.
#[derive(Serialize, Tsify)]
#[serde(transparent)]
#[tsify(missing_as_null)]
pub struct Alerts(Vec<Alert>);

/// The alerts that are to be sent now. `now` is ISO 8601.
#[wasm_bindgen(js_name = alertsDue)]
pub fn alerts_due(
    facts: Ts<HealthFacts>,
    open: Ts<OpenAlerts>,
    settings: Ts<Settings>,
    scope: Ts<AlertScope>,
    now: &str,
) -> Result<Ts<Alerts>, JsValue> {
    let facts = facts.to_rust().map_err(shape_error)?.into();
    let open: Vec<dispatch::OpenAlert> =
        open.to_rust().map_err(shape_error)?.0.into_iter().map(dispatch::OpenAlert::from).collect();
    let settings: dispatch::Settings = settings.to_rust().map_err(shape_error)?.try_into()?;
    let scope = match scope.to_rust().map_err(shape_error)? {
        AlertScope::All => dispatch::Scope::All,
        AlertScope::Endpoints => dispatch::Scope::Endpoints,
        AlertScope::Dispatcher => dispatch::Scope::Dispatcher,
    };
    let alerts = dispatch::alerts_due(&facts, &open, &settings.health(), scope, now);
    Alerts(alerts.into_iter().map(Alert::from).collect()).into_ts().map_err(shape_error)
}

/// The type of the event that an alert is.
#[wasm_bindgen(js_name = alertEvent)]
pub fn alert_event() -> String {
    dispatch::ALERT_EVENT.to_owned()
}

impl From<NamedEndpoint> for dispatch::NamedEndpoint {
    fn from(endpoint: NamedEndpoint) -> Self {
        dispatch::NamedEndpoint { id: endpoint.id, name: endpoint.name }
    }
}

impl From<OpenAlert> for dispatch::OpenAlert {
    fn from(open: OpenAlert) -> Self {
        dispatch::OpenAlert {
            cause: open.cause,
            endpoint: open.endpoint.map(dispatch::NamedEndpoint::from),
            since: open.since,
            since_ago_ms: open.since_ago_ms as u64,
            sent_ago_ms: open.sent_ago_ms as u64,
            is_active: open.is_active,
        }
    }
}

impl From<dispatch::Alert> for Alert {
    fn from(alert: dispatch::Alert) -> Self {
        Alert {
            cause: alert.cause.as_str(),
            state: alert.state.as_str(),
            endpoint: alert.endpoint.map(|endpoint| NamedEndpoint { id: endpoint.id, name: endpoint.name }),
            data: alert.data,
        }
    }
}
