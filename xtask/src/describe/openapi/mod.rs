//! OpenAPI 3.1 for those who call the four functions.

mod calls;
mod health;
mod test_webhook;

use serde_json::{Value, json};

const DESCRIPTION: &str = "\
The four edge functions. They check the caller themselves: present a secret key of the project in `apikey`, or the service \
role key as bearer token. In a request's body a field that is null counts as one that is missing.";

/// `health`: the schema of that function's answer.
pub(super) fn document(health: &Value) -> anyhow::Result<Value> {
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "supabase-webhooks",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [
            {
                "url": "https://{project}.supabase.co/functions/v1",
                "variables": { "project": { "default": "YOUR_PROJECT_REF", "description": "The project's reference." } },
            },
            { "url": "http://127.0.0.1:54321/functions/v1", "description": "npm start" },
        ],
        "security": [{ "apikey": [] }, { "bearer": [] }],
        "paths": {
            "/webhook-dispatcher": { "post": calls::dispatch() },
            "/webhook-health": { "get": health::get(), "head": health::head() },
            "/test-webhook": { "post": test_webhook::post() },
            "/close-expired-discussions": { "post": calls::close() },
        },
        "components": {
            "securitySchemes": {
                "apikey": { "type": "apiKey", "in": "header", "name": "apikey", "description": "`sb_secret_…`" },
                "bearer": { "type": "http", "scheme": "bearer", "description": "The service role key." },
            },
            "parameters": { "traceparent": traceparent() },
            "schemas": {
                "Error": error(),
                "Call": calls::request(),
                "Replayed": calls::replayed(),
                "Dispatched": calls::dispatched(),
                "Lingering": calls::lingering(),
                "Closed": calls::closed(),
                "TestRequest": test_webhook::request(),
                "Tested": test_webhook::tested(),
                "TestedDelivery": test_webhook::delivery(),
                "Health": health::report(health)?,
            },
            "responses": {
                "BadRequest": failed("A field of the request is wrong; the message names it.", "invalid_field", "replay.limit: expected a whole number from 1 to 10000, got 0"),
                "Unauthorized": with_header(failed("There is no key, or another one.", "unauthorized", "Send a secret key of the project in the apikey header, or the service role key as bearer token."), "www-authenticate", "Always `Bearer`."),
                "NotFound": failed("Nobody to send a test to.", "no_subscriber", "no active endpoint is subscribed to webhook.test: subscribe one, or name one by endpoint_id"),
                "MethodNotAllowed": with_header(failed("Another method.", "method_not_allowed", "Use POST."), "allow", "The methods that there are."),
                "TooLarge": failed("The body is too large.", "body_too_large", "body: has more than 1000000 bytes"),
                "Internal": failed("The function is not set up, or failed; its log says how.", "internal", "Something went wrong; see the log."),
                "Unavailable": failed("The database did not answer.", "database", "The database did not answer as expected; see the log."),
            },
        },
    }))
}

/// The answers that an operation has beside its own: `names` are statuses that not all have.
fn answers(own: Value, others: &[(&str, &str)]) -> Value {
    let always = [("405", "MethodNotAllowed"), ("500", "Internal"), ("503", "Unavailable")];
    let mut all = own;
    if let Some(all) = all.as_object_mut() {
        for (status, name) in others.iter().chain(&always) {
            let answer = || json!({ "$ref": format!("#/components/responses/{name}") });
            all.entry(*status).or_insert_with(answer);
        }
    }
    all
}

/// What is JSON.
fn json_of(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

fn failed(description: &str, code: &str, message: &str) -> Value {
    let mut content = json_of("Error");
    if let Some(json) = content.get_mut("application/json").and_then(Value::as_object_mut) {
        json.insert("example".to_owned(), json!({ "error": { "code": code, "message": message } }));
    }
    json!({ "description": description, "content": content })
}

fn with_header(mut response: Value, name: &str, description: &str) -> Value {
    if let Some(response) = response.as_object_mut() {
        let header = json!({ "description": description, "required": true, "schema": { "type": "string" } });
        response.insert("headers".to_owned(), json!({ name: header }));
    }
    response
}

fn error() -> Value {
    json!({
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "code": { "description": "A stable name, to branch on.", "type": "string", "pattern": "^[a-z_]+$" },
                    "message": { "description": "For people: what is wrong, and what to do.", "type": "string" },
                },
                "required": ["code", "message"],
                "additionalProperties": false,
            },
        },
        "required": ["error"],
        "additionalProperties": false,
    })
}

fn traceparent() -> Value {
    json!({
        "name": "traceparent",
        "in": "header",
        "description": "W3C trace context: the run goes on with the caller's trace. One that is malformed is left out of account.",
        "schema": { "type": "string" },
        "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    })
}

fn trace_parameter() -> Value {
    json!({ "$ref": "#/components/parameters/traceparent" })
}

/// An object with all of these and nothing else.
fn closed_object(properties: Value, optional: &[&str]) -> Value {
    let keys = properties.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let mut required: Vec<&str> = keys.filter(|key| !optional.contains(key)).collect();
    required.sort_unstable();
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}

fn count(description: &str) -> Value {
    json!({ "description": description, "type": "integer", "minimum": 0 })
}

fn boolean(description: &str) -> Value {
    json!({ "description": description, "type": "boolean" })
}

fn text(description: &str) -> Value {
    json!({ "description": description, "type": "string" })
}

/// A schema with a `type`, for a value that may be null.
fn or_null(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        if let Some(kind) = schema.get_mut("type") {
            *kind = json!([kind, "null"]);
        }
        if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            values.push(Value::Null);
        }
    }
    schema
}
