//! What the test tool is asked for, and what it alone may do.

use serde::Serialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_dispatch as dispatch;
use webhook_payload as payload;

use crate::{
    carry::Outcome,
    dispatcher::{ClaimedRows, Dispatcher, Plan},
    error::{js_error, shape_error, whole},
};

/// A test that was asked for.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct TestRequest {
    /// `webhook.test`, `webhook.alert` or one of the application's nine events.
    event_type: String,
    /// The text to store in `payload`.
    payload: String,
    receiver: Receiver,
    /// Nothing is to be stored and nothing to be sent.
    dry_run: bool,
    /// What is to be wrong with the request.
    #[tsify(type = "\"signature\" | \"timestamp\" | \"body\" | \"missing\" | null")]
    tamper: Option<&'static str>,
}

/// Whom to test.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[tsify(missing_as_null)]
pub enum Receiver {
    /// All active endpoints that are subscribed.
    Subscribers,
    /// The endpoint with this id.
    Id(String),
    /// The endpoint with this name.
    Name(String),
    /// No endpoint at all.
    AdHoc {
        /// Of any protocol; not checked yet.
        url: String,
        /// As an endpoint's. Secret.
        secret_key: Option<String>,
    },
}

/// Reads a test request's body and makes its envelope. `timestamp` is ISO 8601, `requestId` a UUID, `traceparent` the
/// caller's header, if there is one: a valid one says the test's trace.
///
/// @throws {Error} `TestRequestError` with a code: `invalid_body`, `unknown_field`, `several_receivers`, and `invalid_` with the
/// field's name.
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
        receiver: request.receiver.into(),
        dry_run: request.dry_run,
        tamper: request.tamper.map(payload::Tamper::as_str),
    };
    request.into_ts().map_err(shape_error)
}

/// A message as it is shown: its body, and what stands beside it in attributes or headers.
#[derive(Serialize, Tsify)]
pub struct ShownMessage {
    body: String,
    attributes: Vec<(&'static str, String)>,
}

#[wasm_bindgen]
impl Dispatcher {
    /// As `plan`, for the test tool: `tamper` says what is to be wrong with every request.
    #[wasm_bindgen(js_name = planTest)]
    pub fn plan_test(
        &mut self,
        rows: Ts<ClaimedRows>,
        tamper: Option<String>,
        #[wasm_bindgen(js_name = nowMs)] now_ms: f64,
    ) -> Result<Ts<Plan>, JsValue> {
        let rows: Vec<dispatch::ClaimedDelivery> = rows.to_rust().map_err(shape_error)?.into();
        let tamper = tamper.map(|name| payload::Tamper::parse(&name).ok_or_else(|| shape_error("tamper")));
        let plan = self.core.plan_test(rows, tamper.transpose()?, whole(now_ms, "nowMs")?);
        Plan::from(plan).into_ts().map_err(shape_error)
    }

    /// The first message of a batch that goes by steps, as long as it is under way.
    pub fn message(&self, batch: u32) -> Result<Option<Ts<ShownMessage>>, JsValue> {
        let message = self.core.message(batch).map(|(body, attributes)| ShownMessage { body, attributes });
        message.map(|message| message.into_ts().map_err(shape_error)).transpose()
    }
}

/// Whether a receiver has seen through a request that was wrong on purpose; `undefined` where that does not show.
/// `isReceivers`: the answer is the receiver's own and no broker's.
#[wasm_bindgen(js_name = sawThrough)]
pub fn saw_through(
    end: Ts<Outcome>,
    #[wasm_bindgen(js_name = isReceivers)] is_receivers: bool,
) -> Result<Option<bool>, JsValue> {
    let end: dispatch::End = end.to_rust().map_err(shape_error)?.try_into()?;
    Ok(dispatch::saw_through(&end.outcome, is_receivers))
}

/// What a receiver should do with a request that is wrong on purpose.
#[wasm_bindgen(js_name = seenThrough)]
pub fn seen_through() -> String {
    dispatch::SEEN_THROUGH.to_owned()
}

impl From<payload::Receiver> for Receiver {
    fn from(receiver: payload::Receiver) -> Self {
        match receiver {
            payload::Receiver::Subscribers => Receiver::Subscribers,
            payload::Receiver::Id(id) => Receiver::Id(id),
            payload::Receiver::Name(name) => Receiver::Name(name),
            payload::Receiver::AdHoc(ad_hoc) => {
                Receiver::AdHoc { url: ad_hoc.url, secret_key: ad_hoc.secret }
            }
        }
    }
}
