//! `webhook-health`.

use anyhow::Context;
use serde_json::{Value, json};
use webhook_dispatch::HealthFormat;

use super::{answers, json_of, trace_parameter};

pub(super) fn get() -> Value {
    operation(
        "health",
        json!({
            "200": { "description": "Healthy; as metrics always.", "content": content() },
            "503": {
                "description": "Unhealthy, or the database did not answer.",
                "content": {
                    "application/json": {
                        "schema": { "anyOf": [
                            { "$ref": "#/components/schemas/Health" },
                            { "$ref": "#/components/schemas/Error" },
                        ] },
                    },
                },
            },
        }),
    )
}

pub(super) fn head() -> Value {
    operation(
        "headOfHealth",
        json!({
            "200": { "description": "Healthy; as metrics always." },
            "400": { "description": "There is no such format." },
            "405": { "description": "Another method." },
            "500": { "description": "The function is not set up, or failed; its log says how." },
            "503": { "description": "Unhealthy, or the database did not answer." },
        }),
    )
}

fn operation(id: &str, own: Value) -> Value {
    let formats = [HealthFormat::Json, HealthFormat::Prometheus].map(HealthFormat::as_str);
    json!({
        "operationId": id,
        "summary": "Is it well?",
        "description": "The numbers need no key; names and the endpoints are for callers with one. Without a key an answer may be 5 seconds old. Pages of any origin may call.",
        "security": [{}, { "apikey": [] }, { "bearer": [] }],
        "parameters": [
            {
                "name": "format",
                "in": "query",
                "description": "JSON, or Prometheus' text exposition format.",
                "schema": { "type": "string", "enum": formats, "default": HealthFormat::Json.as_str() },
            },
            trace_parameter(),
        ],
        "responses": answers(own, &[("400", "BadRequest")]),
    })
}

fn content() -> Value {
    let mut content = json_of("Health");
    if let Some(content) = content.as_object_mut() {
        content.insert("text/plain".to_owned(), json!({ "schema": { "type": "string" } }));
    }
    content
}

/// The schema of `docs/webhook-health.schema.json`, its references led to where it stands in the document.
pub(super) fn report(schema: &Value) -> anyhow::Result<Value> {
    let text = schema.to_string().replace("\"#/$defs/", "\"#/components/schemas/Health/$defs/");
    let mut report: Value = serde_json::from_str(&text)?;
    report.as_object_mut().context("a schema is an object")?.remove("$schema");
    Ok(report)
}
