//! `test-webhook`.

use serde_json::{Value, json};
use webhook_payload::{EventType, Tamper};

use super::{answers, boolean, closed_object, count, json_of, or_null, text, trace_parameter};

/// At least one character that is none of Unicode's White_Space.
const NOT_BLANK: &str = "[^\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
/// And no NUL, which no name in PostgreSQL has.
const NAME: &str = "^[^\\u0000]*[^\\u0000\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000][^\\u0000]*$";

pub(super) fn post() -> Value {
    json!({
        "operationId": "testWebhook",
        "summary": "Send a test",
        "description": "Sends a test through the dispatcher's own code and shows request and answer. Without a receiver it goes to all active endpoints that subscribe to the event. Pages of any origin may call.",
        "parameters": [trace_parameter()],
        "requestBody": {
            "description": "None asks for webhook.test to all that subscribe to it.",
            "content": {
                "application/json": {
                    "schema": { "$ref": "#/components/schemas/TestRequest" },
                    "examples": {
                        "to all that subscribe": { "value": { "event_type": "webhook.test", "event_data": {} } },
                        "to one endpoint": {
                            "value": { "event_type": "user.joined_community", "endpoint": "my receiver" },
                        },
                        "what a receiver would get": {
                            "value": { "url": "https://example.com/webhook", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "dry_run": true },
                        },
                        "with a wrong signature": { "value": { "endpoint": "my receiver", "tamper": "signature" } },
                    },
                },
            },
        },
        "responses": answers(json!({
            "200": { "description": "What became of it.", "content": json_of("Tested") },
        }), &[("400", "BadRequest"), ("401", "Unauthorized"), ("404", "NotFound"), ("413", "TooLarge")]),
    })
}

fn event_types() -> Vec<String> {
    let known = EventType::APPLICATION.into_iter().chain(EventType::OWN);
    known.map(|known| known.as_str().to_owned()).collect()
}

pub(super) fn request() -> Value {
    let object = |description: &str| json!({ "description": description, "type": ["object", "null"] });
    let name = |description: &str, pattern: &str| {
        or_null(json!({ "description": description, "type": "string", "pattern": pattern }))
    };
    let is_text = |name: &str| json!({ "required": [name], "properties": { name: { "type": "string" } } });
    let both = |one: &str, other: &str| json!({ "allOf": [is_text(one), is_text(other)] });
    json!({
        "type": "object",
        "properties": {
            "event_type": or_null(json!({
                "description": "What is sent.", "type": "string", "enum": event_types(), "default": EventType::WebhookTest.as_str(),
            })),
            "event_data": object("With keys, it replaces the sample."),
            "event_data_override": object("Its keys replace those of the data, each as a whole."),
            "endpoint_id": or_null(json!({
                "description": "One endpoint, on or off.", "type": "string", "format": "uuid",
            })),
            "endpoint": name("The same by its name.", NAME),
            "url": name("A URL of any protocol that is no endpoint yet.", NOT_BLANK),
            "secret": or_null(text("Signs what goes to `url`, as an endpoint's `secret_key`.")),
            "dry_run": or_null(json!({
                "description": "Store nothing, send nothing, resolve no name.", "type": "boolean", "default": false,
            })),
            "tamper": or_null(json!({
                "description": "What is to be wrong with the request, to see whether the receiver notices.",
                "type": "string",
                "enum": Tamper::ALL.map(Tamper::as_str),
            })),
        },
        "additionalProperties": false,
        // One receiver at most, and a secret belongs to a URL.
        "not": { "anyOf": [both("endpoint_id", "endpoint"), both("endpoint_id", "url"), both("endpoint", "url")] },
        "anyOf": [{ "properties": { "secret": { "type": "null" } } }, is_text("url")],
    })
}

pub(super) fn tested() -> Value {
    closed_object(
        json!({
            "event_type": { "type": "string", "enum": event_types() },
            "total": count("How many deliveries."),
            "delivered": count("How many of them a receiver took."),
            "dry_run": { "const": true, "description": "In a dry run." },
            "tamper": { "type": "string", "enum": Tamper::ALL.map(Tamper::as_str) },
            "expected": text("With tamper: what a good receiver does."),
            "passed": passed(),
            "deliveries": {
                "type": "array", "items": { "$ref": "#/components/schemas/TestedDelivery" }, "minItems": 1,
            },
        }),
        &["dry_run", "tamper", "expected", "passed"],
    )
}

/// A delivery of a test.
pub(super) fn delivery() -> Value {
    let pair = json!({ "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2 });
    let pairs = json!({ "type": "array", "items": pair });
    let request = closed_object(
        json!({
            "url": text("Without credentials."),
            "method": text("`PRODUCE` for Kafka."),
            "headers": pairs,
            "body": text("To the byte."),
        }),
        &[],
    );
    let response = closed_object(
        json!({
            "status": or_null(json!({ "description": "HTTP's; null where there is none.", "type": "integer" })),
            "headers": { "type": "object", "additionalProperties": { "type": "string" } },
            "body": text("Cut."),
        }),
        &[],
    );
    let message = closed_object(json!({ "body": text("To the byte."), "attributes": pairs }), &[]);
    let secret = closed_object(
        json!({
            "fingerprint": text("`sha256:` and the first 8 hex digits of SHA-256 over the key's bytes."),
            "kind": { "type": "string", "enum": ["whsec", "plain"] },
        }),
        &[],
    );
    closed_object(
        json!({
            "delivery_id": { "type": "string", "format": "uuid" },
            "endpoint_id": or_null(json!({ "description": "Null for a URL.", "type": "string", "format": "uuid" })),
            "stored": boolean("Whether there is a row with this id."),
            "status": { "type": "string", "enum": ["pending", "delivered", "failed", "planned"] },
            "error": or_null(text("What the row says.")),
            "secrets": { "description": "What signs, in the order of the signatures.", "type": "array", "items": secret },
            "request": or_null(request),
            "response": or_null(response),
            "duration_ms": count("Milliseconds."),
            "message": or_null(message),
            "found_out_first": or_null(text("In a dry run: what has to be found out before the request can be made.")),
            "expected": text("With tamper: what a good receiver does."),
            "passed": passed(),
        }),
        &["message", "found_out_first", "expected", "passed"],
    )
}

fn passed() -> Value {
    or_null(boolean("With tamper: whether the receiver refused it; null where that does not show."))
}
