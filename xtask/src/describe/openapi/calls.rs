//! `webhook-dispatcher` and `close-expired-discussions`.

use serde_json::{Value, json};
use webhook_dispatch::{Call, Replay};

use super::{answers, boolean, closed_object, count, json_of, or_null, text, trace_parameter};

/// No zone is farther from UTC than 14 hours.
const OFFSET: &str = "([Zz]|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)$";

pub(super) fn dispatch() -> Value {
    json!({
        "operationId": "dispatch",
        "summary": "Deliver what is due",
        "description": "Delivers until nothing is due or its time is spent. It may put failed deliveries back first, and it may answer at once and go on.",
        "parameters": [trace_parameter()],
        "requestBody": {
            "description": "None, or any JSON object: schedulers send bodies of their own.",
            "content": {
                "application/json": {
                    "schema": { "$ref": "#/components/schemas/Call" },
                    "examples": {
                        "nothing in particular": { "value": {} },
                        "how many failed": { "value": { "replay": { "from": "2026-01-29T10:00:00Z", "dry_run": true } } },
                        "put back": { "value": { "replay": { "event_type": "user.joined_community", "limit": 100 } } },
                        "linger": { "value": { "linger_s": 1 } },
                    },
                },
            },
        },
        "responses": answers(json!({
            "200": { "description": "What the run did.", "content": json_of("Dispatched") },
            "202": { "description": "It lingers: it goes on after this answer.", "content": json_of("Lingering") },
        }), &[("400", "BadRequest"), ("401", "Unauthorized"), ("413", "TooLarge")]),
    })
}

pub(super) fn close() -> Value {
    json!({
        "operationId": "closeExpiredDiscussions",
        "summary": "Announce the discussions that have expired",
        "description": "Emits discussion.auto_closed once for each expiry, however often it runs. It changes no discussion, and looks at no body.",
        "parameters": [trace_parameter()],
        "responses": answers(json!({
            "200": { "description": "What was announced.", "content": json_of("Closed") },
        }), &[("401", "Unauthorized")]),
    })
}

/// `not`: a dry run delivers nothing, so that there is nothing to linger for.
pub(super) fn request() -> Value {
    let dry = json!({
        "type": "object", "required": ["dry_run"], "properties": { "dry_run": { "const": true } },
    });
    json!({
        "type": "object",
        "properties": {
            "replay": replay(),
            "linger_s": or_null(json!({
                "description": "Answer at once with 202, and look for due deliveries for so many seconds.",
                "type": "integer",
                "minimum": 1,
                "maximum": Call::MOST_LINGER_S,
            })),
        },
        "not": {
            "required": ["linger_s", "replay"],
            "properties": { "linger_s": { "type": "integer" }, "replay": dry },
        },
    })
}

fn replay() -> Value {
    let time = |description: &str| {
        or_null(
            json!({ "description": description, "type": "string", "format": "date-time", "pattern": OFFSET }),
        )
    };
    let uuid = json!({ "type": "string", "format": "uuid" });
    // One that is null says nothing.
    let says =
        |name: &str, kind: &str| json!({ "required": [name], "properties": { name: { "type": kind } } });
    json!({
        "description": "Failed deliveries to put back first. They must fit all that is given, and something must be.",
        "type": ["object", "null"],
        "properties": {
            "ids": {
                "description": "Their ids.", "type": ["array", "null"], "items": uuid, "minItems": 1, "maxItems": Replay::MOST,
            },
            "endpoint_id": or_null(json!({ "description": "Their endpoint.", "type": "string", "format": "uuid" })),
            "event_type": or_null(json!({ "description": "Their event type.", "type": "string", "pattern": "^[^\\u0000]*$" })),
            "from": time("They were made at this time or later."),
            "to": time("They were made before this time."),
            "limit": or_null(json!({
                "description": "How many at most, the oldest first.",
                "type": "integer", "minimum": 1, "maximum": Replay::MOST, "default": Replay::LIMIT,
            })),
            "dry_run": or_null(json!({
                "description": "Count, and change and send nothing.", "type": "boolean", "default": false,
            })),
        },
        "additionalProperties": false,
        "anyOf": [
            says("ids", "array"),
            says("endpoint_id", "string"),
            says("event_type", "string"),
            says("from", "string"),
            says("to", "string"),
        ],
    })
}

pub(super) fn replayed() -> Value {
    closed_object(
        json!({
            "matched": count("How many fit."),
            "switched_off": count("How many more would, if their endpoint were on."),
            "replayed": count("How many were put back."),
            "dry_run": boolean("As it was asked for."),
        }),
        &[],
    )
}

pub(super) fn dispatched() -> Value {
    closed_object(
        json!({
            "processed": count("Deliveries that a receiver took in this run."),
            "failed": count("Attempts that failed: retrying and exhausted together."),
            "total": count("All attempts of this run."),
            "retrying": count("Failed attempts whose delivery waits for the next one."),
            "exhausted": count("Deliveries that failed for good."),
            "remaining": count("Deliveries that are still pending."),
            "due": count("Those of them that could be taken now: call again if it is not zero."),
            "duration_ms": count("Milliseconds."),
            "replay": { "$ref": "#/components/schemas/Replayed" },
        }),
        &["replay"],
    )
}

pub(super) fn lingering() -> Value {
    closed_object(
        json!({
            "lingering": { "const": true },
            "linger_s": { "description": "For how long it looks, in seconds.", "type": "integer", "minimum": 1 },
            "replay": { "$ref": "#/components/schemas/Replayed" },
        }),
        &["replay"],
    )
}

pub(super) fn closed() -> Value {
    closed_object(
        json!({
            "closed": count("How many expiries were announced."),
            "discussion_ids": {
                "description": "Their discussions.", "type": "array", "items": text("A UUID."),
            },
            "subscribers": count("Active endpoints that are subscribed; without one there is nothing to announce."),
            "more": boolean("Whether there may be more: call again."),
        }),
        &[],
    )
}
