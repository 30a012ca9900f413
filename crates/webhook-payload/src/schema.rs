//! The shapes of the events and of their envelope as JSON Schema 2020-12, made of the Rust types. For `cargo xtask
//! describe` only: without the feature `schema` there is none of this.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Serialize;
use serde_json::Value;

use crate::Event;

/// The schema of [`Event`]: `oneOf` has an object for each event, with its name as the `const` of `event`, its `data`, and
/// the description of its variant.
pub fn events_schema() -> Value {
    schema_of::<Event>()
}

/// The schema of the envelope, whatever its event.
pub fn envelope_schema() -> Value {
    schema_of::<EnvelopeShape>()
}

/// As values are written: a null that is always written is required.
fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// What receivers get. It is described here and made elsewhere: the stored text is kept to the byte, and [`crate::render`]
/// adds to its end. More keys may come beside these.
#[derive(Serialize, JsonSchema)]
struct EnvelopeShape {
    /// The event's type.
    event: String,
    /// When it happened.
    #[schemars(extend("format" = "date-time"))]
    timestamp: String,
    /// The user who did it, a UUID; null where nobody in particular did.
    actor_user_id: Option<String>,
    /// What happened: an object for the events that are described here.
    data: Value,
    /// The event itself, a UUID: the same in all its deliveries.
    request_id: String,
    /// The delivery's id, as in `webhook-id`: the same at every attempt. Missing where it is switched off.
    #[serde(skip_serializing_if = "String::is_empty")]
    idempotency_key: String,
    /// The event's trace, 32 lower-case hex digits, as in `traceparent`. Missing where it is switched off; an envelope's own is
    /// passed on as it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    trace_id: String,
    /// True for what the test tool sent; missing otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    test: Option<bool>,
    /// True for the alerts of the dispatcher itself; missing otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    alert: Option<bool>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Additions, EventType, StoredPayload, TestRequest, render};

    fn keys(object: &Value) -> BTreeSet<&str> {
        object.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn every_sample_has_the_keys_of_its_schema_and_all_are_required() {
        let schema = events_schema();
        let shapes = schema["oneOf"].as_array().unwrap();
        assert_eq!(shapes.len(), EventType::APPLICATION.len());
        for (shape, event_type) in shapes.iter().zip(EventType::APPLICATION) {
            let properties = &shape["properties"];
            assert_eq!(properties["event"]["const"], event_type.as_str());
            let data = &properties["data"];
            let text = Event::sample(&event_type).unwrap().data_text();
            let sample: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(keys(&sample), keys(&data["properties"]), "{event_type:?}");
            assert_eq!(data["required"].as_array().unwrap().len(), keys(&sample).len(), "{event_type:?}");
        }
    }

    #[test]
    fn the_envelopes_schema_knows_each_key_that_is_sent() {
        let schema = envelope_schema();
        let test = TestRequest::parse("").unwrap();
        let stored = StoredPayload {
            delivery_id: "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f",
            event_type: test.event_type.as_str(),
            created_at: "2026-01-29T10:00:00.000Z",
            text: &test.envelope("2026-01-29T10:00:00.000Z", "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e60", None),
            additions: Additions::ALL,
        };
        let body: Value = serde_json::from_str(&render(&stored).unwrap().body).unwrap();
        let mut known = keys(&schema["properties"]);
        // A test is no alert of the dispatcher's.
        assert!(known.remove("alert"));
        assert_eq!(keys(&body), known);
        assert_eq!(
            schema["required"],
            serde_json::json!(["event", "timestamp", "actor_user_id", "data", "request_id"])
        );
    }
}
