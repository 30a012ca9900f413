//! AsyncAPI 3 for receivers: what comes to their endpoint, and what their answers mean.

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::events::Described;

const DESCRIPTION: &str = "\
What an endpoint of `webhook_configurations` gets: a POST request for each delivery, its body the JSON envelope. \
Written for the receiver, who is the application described here. Over SQS, Pub/Sub and Kafka the body is the same text, and the \
headers are attributes or headers of the message.

Verify `webhook-signature` by a library of Standard Webhooks over the bytes of the body, or `X-Webhook-Signature` where you know \
it already. A delivery may arrive twice, with the same `webhook-id`: ignore an id that you have seen. The order is not strict.

| answer | what follows |
|---|---|
| 2xx within 10 seconds | delivered |
| 408, 425, 429, 5xx, 3xx, none | tried again: 16 attempts within 31 hours by default |
| `Retry-After` with 429 or 503 | not before that, an hour at most; the whole endpoint waits |
| another 4xx | given up after 5 attempts |
| 410 | the endpoint is switched off |";

pub(super) fn document(described: &Described) -> anyhow::Result<Value> {
    let (mut messages, mut schemas, mut in_channel) = (Map::new(), Map::new(), Map::new());
    let mut in_operation = Vec::new();
    for event in &described.events {
        let name = &event.name;
        let message = json!({
            "name": name,
            "title": name,
            "summary": event.description,
            "contentType": "application/json",
            "traits": [{ "$ref": "#/components/messageTraits/signed" }],
            "payload": { "$ref": format!("#/components/schemas/{name}") },
            "examples": [{ "payload": event.example }],
        });
        messages.insert(name.clone(), message);
        schemas.insert(name.clone(), Value::Object(described.body_schema(event)?));
        in_channel.insert(name.clone(), json!({ "$ref": format!("#/components/messages/{name}") }));
        in_operation.push(json!({ "$ref": format!("#/channels/endpoint/messages/{name}") }));
    }
    let mut document = json!({
        "asyncapi": "3.0.0",
        "info": { "title": "Webhooks, for receivers", "version": env!("CARGO_PKG_VERSION"), "description": DESCRIPTION },
        "defaultContentType": "application/json",
        "channels": {
            "endpoint": {
                "address": null,
                "title": "Your endpoint",
                "description": "The `url` of a row of `webhook_configurations`. Its `events` say which messages come.",
            },
        },
        "operations": {
            "receive": {
                "action": "receive",
                "channel": { "$ref": "#/channels/endpoint" },
                "summary": "Take a delivery: verify it, remember its id, answer with 2xx.",
                "bindings": { "http": { "method": "POST", "bindingVersion": "0.3.0" } },
                "messages": in_operation,
            },
        },
        "components": { "messageTraits": { "signed": signed() } },
    });
    let mut put = |pointer: &str, key: &str, value: Map<String, Value>| {
        let parent = document.pointer_mut(pointer).and_then(Value::as_object_mut);
        parent.map(|parent| parent.insert(key.to_owned(), Value::Object(value))).context(pointer.to_owned())
    };
    put("/channels/endpoint", "messages", in_channel)?;
    put("/components", "messages", messages)?;
    put("/components", "schemas", schemas)?;
    Ok(document)
}

/// The headers of all messages. An endpoint without a secret gets no signatures, and the newer headers can be switched off.
fn signed() -> Value {
    let header = |description: &str, pattern: &str| json!({ "type": "string", "description": description, "pattern": pattern });
    json!({
        "headers": {
            "type": "object",
            "properties": {
                "content-type": { "type": "string", "const": "application/json" },
                "webhook-id": header("The delivery's id, the same at every attempt.", "^[0-9a-f-]{36}$"),
                "webhook-timestamp": header("The time of this attempt, in seconds since 1970.", "^[0-9]+$"),
                "webhook-signature": header(
                    "Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. Several, separated by \
                     blanks, while a secret is rotated; none where the endpoint has no secret.",
                    "^v1,[A-Za-z0-9+/=]+( v1,[A-Za-z0-9+/=]+)*$",
                ),
                "x-webhook-signature": header(
                    "`sha256=` and the hex of HMAC-SHA256 over the body, its key the text of `secret_key`. It knows no time: \
                     it does not tell a replay.",
                    "^sha256=[0-9a-f]{64}$",
                ),
                "idempotency-key": header("As webhook-id.", "^[0-9a-f-]{36}$"),
                "traceparent": header(
                    "W3C trace context: the event's trace, and the attempt's span.",
                    "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
                ),
                "user-agent": { "type": "string", "description": "supabase-webhooks and its version." },
            },
            "required": ["content-type"],
        },
        "bindings": { "http": { "bindingVersion": "0.3.0" } },
    })
}
