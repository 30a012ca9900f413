//! What the test tool is asked for, and the envelope that comes of it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{Event, EventType, TraceId};

/// What a `webhook.test` without data of the caller's says.
const TEST_DATA: &str = r#"{"message":"This is a test."}"#;

const FIELDS: [&str; 3] = ["event_type", "event_data", "endpoint_id"];

/// A request to send a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRequest {
    /// `webhook.test` or one of the application's nine events.
    pub event_type: EventType,
    /// JSON text of an object, as the caller wrote it; a sample where the caller gave none or an empty one.
    pub data: String,
    /// The endpoint to test, a UUID; `None` for all active ones that are subscribed.
    pub endpoint_id: Option<String>,
}

/// Why a test request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TestRequestError {
    /// The body is not a JSON object.
    #[error("body: expected a JSON object like {{\"event_type\": \"webhook.test\"}}")]
    Body,
    /// The body has a field that is none of ours.
    #[error("body: unknown field {name:?}; known: event_type, event_data, endpoint_id")]
    UnknownField {
        /// Its name, cut after 64 characters.
        name: String,
    },
    /// `event_type` is none that can be tested.
    #[error("event_type: expected one of {known}, got {got}")]
    EventType {
        /// The names that can be tested.
        known: String,
        /// What the request has, as JSON, cut after 64 characters.
        got: String,
    },
    /// `event_data` is not an object.
    #[error("event_data: expected a JSON object, or none for a sample")]
    EventData,
    /// `endpoint_id` is not a UUID.
    #[error("endpoint_id: expected the UUID of an endpoint, got {got}")]
    EndpointId {
        /// What the request has, as JSON, cut after 64 characters.
        got: String,
    },
}

impl TestRequestError {
    /// A stable name to branch on.
    pub fn code(&self) -> &'static str {
        match self {
            TestRequestError::Body => "invalid_body",
            TestRequestError::UnknownField { .. } => "unknown_field",
            TestRequestError::EventType { .. } => "invalid_event_type",
            TestRequestError::EventData => "invalid_event_data",
            TestRequestError::EndpointId { .. } => "invalid_endpoint_id",
        }
    }
}

impl TestRequest {
    /// Reads a request's body; an empty one asks for a `webhook.test` to all that are subscribed to it.
    ///
    /// # Errors
    /// A [`TestRequestError`] that names the field.
    pub fn parse(body: &str) -> Result<TestRequest, TestRequestError> {
        let body = if body.trim().is_empty() { "{}" } else { body };
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(body).map_err(|_| TestRequestError::Body)?;
        // A misspelt field must not send a test to everybody.
        if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(TestRequestError::UnknownField { name: name.chars().take(64).collect() });
        }
        // Null is as good as nothing.
        let field = |name: &str| fields.get(name).copied().filter(|raw| raw.get() != "null");
        let event_type = match field("event_type") {
            Some(raw) => testable(raw)?,
            None => EventType::WebhookTest,
        };
        let data = match field("event_data").map(RawValue::get) {
            Some(text) if !text.starts_with('{') => return Err(TestRequestError::EventData),
            // The admin pages send an empty object for "no data of mine".
            Some(text) if !is_empty_object(text) => text.to_owned(),
            _ => sample(&event_type),
        };
        let endpoint_id = field("endpoint_id").map(uuid).transpose()?;
        Ok(TestRequest { event_type, data, endpoint_id })
    }

    /// The text to store in `payload`: the shape that `dispatch_webhook` gives an event, and `"test": true`, by which
    /// receivers, health figures and the closing of discussions tell a test from the real thing.
    ///
    /// `timestamp` is ISO 8601; `request_id` is a UUID that all deliveries of this test share; `trace_id` is the
    /// caller's trace, which the test belongs to.
    pub fn envelope(&self, timestamp: &str, request_id: &str, trace_id: Option<TraceId>) -> String {
        #[derive(Serialize)]
        struct Fields<'a> {
            event: &'a str,
            timestamp: &'a str,
            actor_user_id: Option<&'a str>,
            request_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            trace_id: Option<String>,
            test: bool,
        }
        let fields = Fields {
            event: self.event_type.as_str(),
            timestamp,
            actor_user_id: None,
            request_id,
            trace_id: trace_id.map(|trace_id| trace_id.to_string()),
            test: true,
        };
        #[expect(clippy::expect_used, reason = "texts and booleans always have a JSON form")]
        let rest = serde_json::to_string(&fields).expect("a struct of texts has a JSON form");
        let open = rest.strip_suffix('}').unwrap_or_default();
        format!("{open},\"data\":{}}}", self.data)
    }
}

fn testable(raw: &RawValue) -> Result<EventType, TestRequestError> {
    let name: Option<String> = serde_json::from_str(raw.get()).ok();
    match name.as_deref().map(EventType::from) {
        None | Some(EventType::Other(_)) => {
            let application = EventType::APPLICATION;
            let known: Vec<&str> =
                application.iter().chain([&EventType::WebhookTest]).map(EventType::as_str).collect();
            Err(TestRequestError::EventType { known: known.join(", "), got: cut(raw) })
        }
        Some(event_type) => Ok(event_type),
    }
}

fn is_empty_object(text: &str) -> bool {
    text.trim_matches(['{', '}', ' ', '\t', '\n', '\r']).is_empty()
}

fn sample(event_type: &EventType) -> String {
    Event::sample(event_type).map_or_else(|| TEST_DATA.to_owned(), |event| event.data_text())
}

fn uuid(raw: &RawValue) -> Result<String, TestRequestError> {
    serde_json::from_str::<String>(raw.get())
        .ok()
        .filter(|text| crate::trace::uuid_bytes(text).is_some())
        .ok_or_else(|| TestRequestError::EndpointId { got: cut(raw) })
}

fn cut(raw: &RawValue) -> String {
    raw.get().chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const ID: &str = "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f";

    #[test]
    fn nothing_asks_for_a_test_of_all() {
        let nulls = r#"{"event_type":null,"event_data":null,"endpoint_id":null}"#;
        for body in ["", "  ", "{}", nulls, r#"{"event_type":"webhook.test","event_data":{ }}"#] {
            let request = TestRequest::parse(body).unwrap();
            assert_eq!(request.event_type, EventType::WebhookTest);
            assert_eq!(request.data, TEST_DATA);
            assert_eq!(request.endpoint_id, None);
        }
    }

    #[test]
    fn each_application_event_has_a_sample_and_takes_data_of_the_callers() {
        for event_type in EventType::APPLICATION {
            let body = format!(r#"{{"event_type": "{}", "endpoint_id": "{ID}"}}"#, event_type.as_str());
            let request = TestRequest::parse(&body).unwrap();
            assert_eq!(request.data, Event::sample(&event_type).unwrap().data_text());
            assert_eq!(request.event_type, event_type);
            assert_eq!(request.endpoint_id.as_deref(), Some(ID));
        }
        let own = r#"{"event_data": {"n": 12345678901234567890, "d": 1.10}}"#;
        assert_eq!(TestRequest::parse(own).unwrap().data, r#"{"n": 12345678901234567890, "d": 1.10}"#);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |body: &str| TestRequest::parse(body).unwrap_err();
        for body in ["[]", "null", "1", "{", "text", r#"["webhook.test", {}, null]"#] {
            assert_eq!(wrong(body), TestRequestError::Body, "{body}");
        }
        assert_eq!(
            wrong(r#"{"event_type": 7}"#).to_string(),
            "event_type: expected one of user.joined_platform, user.joined_community, user.registered_event, \
             user.cancelled_registration, user.posted_comment, user.flagged_comment, user.referred_user, \
             discussion.auto_closed, discussion.extended, webhook.test, got 7"
        );
        assert_eq!(
            wrong(r#"{"event_typ": "user.joined_community"}"#).to_string(),
            r#"body: unknown field "event_typ"; known: event_type, event_data, endpoint_id"#
        );
        assert!(matches!(wrong(r#"{"event_type": "user.exploded"}"#), TestRequestError::EventType { .. }));
        for data in ["[]", "\"text\"", "7"] {
            assert_eq!(wrong(&format!(r#"{{"event_data": {data}}}"#)), TestRequestError::EventData);
        }
        let got = "\"7\"".to_owned();
        assert_eq!(wrong(r#"{"endpoint_id": "7"}"#), TestRequestError::EndpointId { got });
    }

    #[test]
    fn the_envelope_is_that_of_an_event_and_says_that_it_is_a_test() {
        let request = TestRequest::parse(r#"{"event_data": {"n": 1.10}}"#).unwrap();
        let text = request.envelope("2026-01-29T10:00:00.000Z", "r", None);
        assert_eq!(
            text,
            r#"{"event":"webhook.test","timestamp":"2026-01-29T10:00:00.000Z","actor_user_id":null,"request_id":"r","test":true,"data":{"n": 1.10}}"#
        );
        assert!(serde_json::from_str::<Value>(&text).is_ok());
    }

    #[test]
    fn the_envelope_belongs_to_the_callers_trace() {
        let trace_id = TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736");
        let text = TestRequest::parse("").unwrap().envelope("2026-01-29T10:00:00.000Z", "r", trace_id);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    }
}
