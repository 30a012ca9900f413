//! Envelopes and samples.

use serde::Deserialize;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;
use webhook_payload::{EnvelopeError, Event, EventType};

use crate::error::{js_error, shape_error};

/// What a new envelope is made of.
#[derive(Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct NewEnvelope {
    /// The event type.
    event_type: String,
    /// ISO 8601.
    timestamp: String,
    /// Whose doing the event is, if anybody's.
    #[tsify(optional)]
    actor_user_id: Option<String>,
    /// JSON text.
    data: String,
    /// A UUID.
    request_id: String,
}

/// The text to store in `payload` for a new event.
///
/// @throws {Error} `EnvelopeError` with the code `not_json` where `data` is not JSON.
#[wasm_bindgen(js_name = composeEnvelope)]
pub fn compose_envelope(envelope: Ts<NewEnvelope>) -> Result<String, JsValue> {
    let envelope = envelope.to_rust().map_err(shape_error)?;
    webhook_payload::compose(&webhook_payload::NewEnvelope {
        event_type: &envelope.event_type,
        timestamp: &envelope.timestamp,
        actor_user_id: envelope.actor_user_id.as_deref(),
        data: &envelope.data,
        request_id: &envelope.request_id,
    })
    .map_err(|error| {
        let code = match error {
            EnvelopeError::NotJson { .. } => "not_json",
            _ => "envelope",
        };
        js_error("EnvelopeError", code, &error.to_string())
    })
}

/// The names of the application's nine events.
#[wasm_bindgen(js_name = applicationEventTypes)]
pub fn application_event_types() -> Vec<String> {
    EventType::APPLICATION.iter().map(|event_type| event_type.as_str().to_owned()).collect()
}

/// Sample data of one of the application's nine events, as JSON text; `undefined` for any other name.
#[wasm_bindgen(js_name = sampleData)]
pub fn sample_data(event_type: &str) -> Option<String> {
    Event::sample(&EventType::from(event_type)).and_then(|event| event.data_text().ok())
}
