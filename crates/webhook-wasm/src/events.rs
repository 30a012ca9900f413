//! Test requests and their envelopes.

use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_payload as payload;

use crate::error::{js_error, shape_error};

/// A test that was asked for.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct TestRequest {
    /// `webhook.test` or one of the application's nine events.
    event_type: String,
    /// The text to store in `payload`.
    payload: String,
    /// The endpoint to test; null for all active ones that are subscribed.
    endpoint_id: Option<String>,
}

/// Reads a test request's body and makes its envelope. `timestamp` is ISO 8601, `requestId` a UUID, `traceparent` the
/// caller's header, if there is one: a valid one says the test's trace.
///
/// @throws {Error} `TestRequestError` with a code: `invalid_body`, `unknown_field`, `invalid_event_type`, `invalid_event_data`,
/// `invalid_endpoint_id`.
#[wasm_bindgen(js_name = readTestRequest)]
pub fn read_test_request(
    body: &str,
    timestamp: &str,
    #[wasm_bindgen(js_name = requestId)] request_id: &str,
    traceparent: Option<String>,
) -> Result<Ts<TestRequest>, JsValue> {
    let request = payload::TestRequest::parse(body)
        .map_err(|error| js_error("TestRequestError", error.code(), &error.to_string()))?;
    let parent = traceparent.as_deref().and_then(payload::TraceParent::parse);
    let trace_id = parent.map(|parent| parent.trace_id);
    let request = TestRequest {
        event_type: request.event_type.as_str().to_owned(),
        payload: request.envelope(timestamp, request_id, trace_id),
        endpoint_id: request.endpoint_id,
    };
    request.into_ts().map_err(shape_error)
}
