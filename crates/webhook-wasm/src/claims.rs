//! What the tables say of endpoints, and what is to be claimed for them.

use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen::prelude::*;
use webhook_dispatch as dispatch;

/// What the tables say of an endpoint that is owed something. Times are relative to the query.
#[derive(Deserialize, Tsify)]
pub struct EndpointFacts {
    id: String,
    /// Null where deliveries name an endpoint that does not exist.
    #[tsify(type = "string | null")]
    url: Option<String>,
    #[tsify(type = "boolean | null")]
    is_active: Option<bool>,
    /// Deliveries that could be claimed now.
    due: f64,
    /// Until the next of the others is due, in milliseconds.
    #[tsify(type = "number | null")]
    next_due_in_ms: Option<f64>,
    /// Deliveries under way, whoever has claimed them.
    under_way: f64,
    /// Failed attempts since the last success.
    failures: f64,
    /// Since the last of them, in milliseconds.
    last_failure_ago_ms: f64,
    /// How long the receiver wants to be left alone still, in milliseconds.
    paused_for_ms: f64,
}

/// What the tables say of all endpoints that are owed something.
#[derive(Deserialize, Tsify)]
#[serde(transparent)]
pub struct AllEndpointFacts(pub(crate) Vec<EndpointFacts>);

/// How many deliveries a claim may take for an endpoint.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct Allowance {
    id: String,
    /// So many at most.
    most: u32,
    /// So many travel in one request.
    batch: u32,
    /// So many requests are under way: an endpoint with fewer comes first.
    under_way: u32,
    /// It is a probe: only where nobody has made an attempt within this time, in milliseconds.
    quiet_ms: Option<f64>,
}

/// What to claim next.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct ClaimOrder {
    /// For whom; empty where it is not worth a claim now.
    allowances: Vec<Allowance>,
    /// How many rows altogether, at most.
    rows: u32,
    /// In how many milliseconds time alone changes that.
    wait_ms: Option<f64>,
    /// In how many milliseconds a rate lets the next delivery go that is due.
    pace_ms: Option<f64>,
    /// With so many rows waiting, or fewer, it is worth asking again.
    refill_at: u32,
}

/// An endpoint whose rate counts what everybody sends.
#[derive(Serialize, Tsify)]
pub struct RateWindow {
    id: String,
    /// The attempts of how long, in milliseconds.
    window_ms: f64,
}

/// All of them.
#[derive(Serialize, Tsify)]
#[serde(transparent)]
pub struct RateWindows(pub(crate) Vec<RateWindow>);

impl From<EndpointFacts> for dispatch::EndpointFacts {
    fn from(facts: EndpointFacts) -> Self {
        // `as` saturates: a clock that goes backwards makes no harm.
        dispatch::EndpointFacts {
            id: facts.id,
            url: facts.url,
            is_active: facts.is_active.unwrap_or_default(),
            due: facts.due as u64,
            next_due_in_ms: facts.next_due_in_ms.map(|ms| ms.ceil() as u64),
            under_way: facts.under_way as u64,
            failures: facts.failures as u32,
            last_failure_ago_ms: facts.last_failure_ago_ms as u64,
            paused_for_ms: facts.paused_for_ms.ceil() as u64,
        }
    }
}

impl From<dispatch::ClaimOrder> for ClaimOrder {
    fn from(order: dispatch::ClaimOrder) -> Self {
        let allowance = |allowance: dispatch::Allowance| Allowance {
            id: allowance.id,
            most: allowance.most,
            batch: allowance.batch,
            under_way: allowance.under_way,
            quiet_ms: allowance.quiet_ms.map(|ms| ms as f64),
        };
        ClaimOrder {
            allowances: order.allowances.into_iter().map(allowance).collect(),
            rows: order.rows,
            wait_ms: order.wait_ms.map(|ms| ms as f64),
            pace_ms: order.pace_ms.map(|ms| ms as f64),
            refill_at: order.refill_at,
        }
    }
}

impl From<dispatch::RateWindow> for RateWindow {
    fn from(window: dispatch::RateWindow) -> Self {
        RateWindow { id: window.id, window_ms: window.window_ms as f64 }
    }
}
