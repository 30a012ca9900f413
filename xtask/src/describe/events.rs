//! What receivers get: a JSON schema for each event, and one for the envelope of any.

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};
use webhook_dispatch::{AlertState, Cause};
use webhook_payload::{
    Additions, Event, EventType, StoredPayload, TestRequest, envelope_schema, events_schema, render,
};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

const DELIVERY: &str = "0d9ff8b1-40d2-4b0a-9a3c-51a7f1c2e3d4";
const REQUEST: &str = "7b3c1a52-9e0f-4c6d-8b21-3f4a5b6c7d8e";
const ACTOR: &str = "5b0c2b1e-6a55-4b8e-9d3f-2f4f7f0a1c01";
const TIME: &str = "2026-01-29T18:00:00.000Z";

/// The envelope and all events that have a name here.
pub(super) struct Described {
    envelope: Map<String, Value>,
    pub(super) events: Vec<DescribedEvent>,
}

/// An event as it is described.
pub(super) struct DescribedEvent {
    /// `user.joined_community`
    pub(super) name: String,
    /// The application emits it; others are about the webhooks themselves.
    pub(super) is_applications: bool,
    /// When it happens, in a sentence.
    pub(super) description: String,
    /// The schema of its `data`.
    pub(super) data: Value,
    /// A whole body, as the core makes it.
    pub(super) example: Value,
}

impl Described {
    pub(super) fn new() -> anyhow::Result<Described> {
        let Value::Object(mut envelope) = unwrapped(envelope_schema()) else {
            anyhow::bail!("the envelope's schema is an object");
        };
        envelope.remove("$schema");
        envelope.remove("title");
        let schema = unwrapped(events_schema());
        let shapes = schema.get("oneOf").and_then(Value::as_array).context("events are told apart")?;
        ensure!(shapes.len() == EventType::APPLICATION.len(), "each event of the application has a schema");
        let mut events = shapes.iter().map(application_event).collect::<anyhow::Result<Vec<_>>>()?;
        events.push(own_event(EventType::WebhookTest, "Sent by the test tool alone.", test_data())?);
        let alert = "Something is the matter with the webhooks, still is, or is no more.";
        events.push(own_event(EventType::WebhookAlert, alert, alert_data())?);
        Ok(Described { envelope, events })
    }

    /// Of any event: what `dispatch_webhook` does not promise of rows that others make is not required.
    pub(super) fn envelope_schema(&self) -> anyhow::Result<Value> {
        let mut schema = self.envelope.clone();
        schema.insert("$schema".to_owned(), DRAFT.into());
        schema.insert("title".to_owned(), "The body of a webhook, whatever its event".into());
        schema.insert("required".to_owned(), json!(["event", "timestamp", "data"]));
        schema.insert("additionalProperties".to_owned(), true.into());
        let properties = properties(&mut schema)?;
        // Whatever the table holds is delivered.
        properties.insert("data".to_owned(), json!({ "description": "What happened." }));
        Ok(Value::Object(schema))
    }

    /// The whole body of an event.
    pub(super) fn event_schema(&self, event: &DescribedEvent) -> anyhow::Result<Value> {
        let mut schema = self.body_schema(event)?;
        schema.insert("$schema".to_owned(), DRAFT.into());
        schema.insert("title".to_owned(), event.name.clone().into());
        Ok(Value::Object(schema))
    }

    /// The same, for a document that has schemas in it.
    pub(super) fn body_schema(&self, event: &DescribedEvent) -> anyhow::Result<Map<String, Value>> {
        let mut schema = self.envelope.clone();
        schema.insert("description".to_owned(), event.description.clone().into());
        schema.insert("additionalProperties".to_owned(), true.into());
        schema.insert("examples".to_owned(), json!([event.example]));
        let properties = properties(&mut schema)?;
        properties.insert("event".to_owned(), json!({ "const": event.name }));
        properties.insert("data".to_owned(), event.data.clone());
        Ok(schema)
    }
}

/// Descriptions without the line ends of the source.
fn unwrapped(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(text) if key == "description" => (key, text.replace('\n', " ").into()),
                value => (key, unwrapped(value)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(unwrapped).collect(),
        other => other,
    }
}

fn properties(schema: &mut Map<String, Value>) -> anyhow::Result<&mut Map<String, Value>> {
    schema.get_mut("properties").and_then(Value::as_object_mut).context("an object's schema has properties")
}

fn application_event(shape: &Value) -> anyhow::Result<DescribedEvent> {
    let text = |pointer: &str| shape.pointer(pointer).and_then(Value::as_str).context(pointer.to_owned());
    let name = text("/properties/event/const")?.to_owned();
    let mut data = shape.pointer("/properties/data").cloned().context("an event has data")?;
    let described = data.as_object_mut().context("data is an object")?;
    described.insert("additionalProperties".to_owned(), true.into());
    for property in properties(described)?.values_mut().filter_map(Value::as_object_mut) {
        // How Rust keeps a number is nobody else's business.
        if property.get("type").is_some_and(|kind| kind == "integer") {
            property.remove("format");
        }
    }
    let sample = Event::sample(&EventType::from(name.as_str())).context("each event has a sample")?;
    let example = example(&name, &sample.data_text(), false)?;
    let description = text("/description")?.to_owned();
    Ok(DescribedEvent { name, is_applications: true, description, data, example })
}

fn own_event(event_type: EventType, description: &str, data: Value) -> anyhow::Result<DescribedEvent> {
    let name = event_type.as_str().to_owned();
    let request = TestRequest::parse(&json!({ "event_type": name }).to_string())?;
    let example = example(&name, &request.data, event_type == EventType::WebhookTest)?;
    Ok(DescribedEvent { name, is_applications: false, description: description.to_owned(), data, example })
}

/// The body that the core makes of a row.
fn example(name: &str, data: &str, is_test: bool) -> anyhow::Result<Value> {
    let actor = if name.starts_with("user.") { json!(ACTOR) } else { Value::Null };
    let data: Value = serde_json::from_str(data)?;
    let mut stored = json!({
        "event": name, "timestamp": TIME, "actor_user_id": actor, "data": data, "request_id": REQUEST,
    });
    if let Some(stored) = stored.as_object_mut().filter(|_| is_test) {
        stored.insert("test".to_owned(), true.into());
    }
    let text = stored.to_string();
    let additions = Additions::ALL;
    let stored =
        StoredPayload { delivery_id: DELIVERY, event_type: name, created_at: TIME, text: &text, additions };
    Ok(serde_json::from_str(&render(&stored)?.body)?)
}

/// The test tool sends what its caller says.
fn test_data() -> Value {
    json!({ "description": "What the test tool was given; a message by default.", "type": "object", "additionalProperties": true })
}

fn alert_data() -> Value {
    json!({
        "description": "Data of `webhook.alert`.",
        "type": "object",
        "properties": {
            "cause": { "description": "A stable name.", "type": "string", "enum": Cause::ALL.map(Cause::as_str) },
            "state": {
                "description": "Whether it begins, goes on or has ended.",
                "type": "string",
                "enum": AlertState::ALL.map(AlertState::as_str),
            },
            "severity": { "type": "string", "enum": ["warning", "critical"] },
            "endpoint": {
                "description": "Whom it speaks of; null where it is no single endpoint.",
                "type": ["object", "null"],
                "properties": { "id": { "type": "string", "format": "uuid" }, "name": { "type": "string" } },
                "required": ["id", "name"],
                "additionalProperties": true,
            },
            "title": { "description": "The same from beginning to end.", "type": "string" },
            "summary": { "description": "What is the matter, in a sentence or two.", "type": "string" },
            "action": { "description": "What to do next.", "type": "string" },
            "figures": {
                "description": "The numbers behind it, by name.",
                "type": "object",
                "additionalProperties": { "type": "integer", "minimum": 0 },
            },
            "since": { "description": "When it began.", "type": "string", "format": "date-time" },
        },
        "required": ["cause", "state", "severity", "endpoint", "title", "summary", "action", "figures", "since"],
        "additionalProperties": true,
    })
}
