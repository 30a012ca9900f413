//! What is to be logged, and how much of it.

use serde::Serialize;
use tsify::Tsify;
use wasm_bindgen::prelude::*;
use webhook_dispatch as dispatch;

use crate::error::whole;

/// An attempt that did not deliver, by the names that the log gives its fields.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct FailedAttempt {
    delivery_id: String,
    endpoint: String,
    attempt: u32,
    /// The event's trace; null where the payload was not read.
    trace_id: Option<String>,
    /// What the wire did.
    #[tsify(
        type = "\"answered\" | \"timed_out\" | \"connection_failed\" | \"address_refused\" | \"accepted\" | \"rejected\" | \"not_ready\" | \"refused\""
    )]
    outcome: &'static str,
    /// `pending` where another attempt follows.
    #[tsify(type = "\"pending\" | \"delivered\" | \"failed\"")]
    status: &'static str,
    http_status: Option<u16>,
    /// Null where nothing was sent.
    duration_ms: Option<f64>,
    /// What the row says.
    error: String,
}

/// Attempts that did not deliver.
#[derive(Serialize, Tsify)]
#[serde(transparent)]
#[tsify(missing_as_null)]
pub struct FailedAttempts(pub(crate) Vec<FailedAttempt>);

/// What an endpoint got, by the names that the log gives its fields.
#[derive(Serialize, Tsify)]
#[tsify(missing_as_null)]
pub struct Served {
    /// Null for all endpoints that are not listed by themselves.
    endpoint: Option<String>,
    /// How many endpoints these are.
    endpoints: u32,
    delivered: u32,
    /// Attempts whose delivery waits for the next one.
    retrying: u32,
    /// Attempts whose delivery failed for good.
    exhausted: u32,
    /// Those that failed and were not kept to be logged one by one.
    not_listed: u32,
    /// The longest request.
    longest_ms: f64,
}

/// What endpoints got.
#[derive(Serialize, Tsify)]
#[serde(transparent)]
#[tsify(missing_as_null)]
pub struct AllServed(pub(crate) Vec<Served>);

/// How many lines may be logged: fewer than 100 in any ten seconds, which is what the platform keeps.
#[wasm_bindgen]
#[derive(Default)]
pub struct LogBudget(dispatch::LogBudget);

#[wasm_bindgen]
impl LogBudget {
    /// A budget of which nothing is spent.
    #[wasm_bindgen(constructor)]
    pub fn new() -> LogBudget {
        LogBudget::default()
    }

    /// Whether a line may be written now; one that may not is counted. A detail is one of many: room is kept for others.
    pub fn admit(
        &mut self,
        #[wasm_bindgen(js_name = isDetail)] is_detail: bool,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<bool, JsValue> {
        let weight = if is_detail { dispatch::Weight::Detail } else { dispatch::Weight::Ordinary };
        Ok(self.0.admit(weight, whole(now_ms, "nowMs")?))
    }

    /// How many lines were left out since the last time, if there is room for the line that says it; 0 for none.
    #[wasm_bindgen(js_name = takeOmitted)]
    pub fn take_omitted(&mut self, #[wasm_bindgen(js_name = nowMs)] now_ms: f64) -> Result<u32, JsValue> {
        Ok(self.0.take_omitted(whole(now_ms, "nowMs")?))
    }
}

impl From<dispatch::FailedAttempt> for FailedAttempt {
    fn from(failed: dispatch::FailedAttempt) -> Self {
        FailedAttempt {
            delivery_id: failed.delivery_id,
            endpoint: failed.endpoint_id,
            attempt: failed.attempt,
            trace_id: failed.trace_id.map(|trace_id| trace_id.to_string()),
            outcome: failed.outcome,
            status: failed.disposition.status(),
            http_status: failed.status,
            duration_ms: failed.duration_ms.map(|ms| ms as f64),
            error: failed.error,
        }
    }
}

impl From<dispatch::Served> for Served {
    fn from(served: dispatch::Served) -> Self {
        Served {
            endpoint: served.endpoint_id,
            endpoints: served.endpoints,
            delivered: served.delivered,
            retrying: served.retrying,
            exhausted: served.exhausted,
            not_listed: served.not_listed,
            longest_ms: served.longest_ms as f64,
        }
    }
}
