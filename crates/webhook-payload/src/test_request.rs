//! What the test tool is asked for, and the envelope that comes of it.

mod error;

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::value::RawValue;

pub use error::TestRequestError;

use crate::{EventType, TraceId, envelope::json_string, sample::sample_data};

/// What a request may have, and what errors name.
const FIELDS: [&str; 9] = [
    "event_type",
    "event_data",
    "event_data_override",
    "endpoint_id",
    "endpoint",
    "url",
    "secret",
    "dry_run",
    "tamper",
];

/// A request to send a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRequest {
    /// One of the application's nine events, `webhook.test` or `webhook.alert`.
    pub event_type: EventType,
    /// JSON text of an object: `event_data` as the caller wrote it, or a sample where the caller gave none or an empty
    /// one, with the keys of `event_data_override` in the place of its own.
    pub data: String,
    /// Whom to test.
    pub receiver: Receiver,
    /// Nothing is stored and nothing is sent.
    pub dry_run: bool,
    /// What is to be wrong with the request.
    pub tamper: Option<Tamper>,
}

/// Whom to test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// All active endpoints that are subscribed.
    Subscribers,
    /// The endpoint with this id, a UUID.
    Id(String),
    /// The endpoint with this name.
    Name(String),
    /// No endpoint at all.
    AdHoc(AdHoc),
}

/// A receiver that is tried before there is an endpoint. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct AdHoc {
    /// Its URL, of any protocol; not checked here.
    pub url: String,
    /// As an endpoint's `secret_key`; `None` for unsigned requests. Secret.
    pub secret: Option<String>,
}

/// What is wrong with a request on purpose, so that a person sees whether the receiver notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tamper {
    /// `signature`: all signatures are of the right form and wrong.
    Signature,
    /// `timestamp`: all is signed as it should be, ten minutes ago.
    Timestamp,
    /// `body`: a byte of the body was changed after it was signed.
    Body,
    /// `missing`: there is no signature.
    Missing,
}

impl Tamper {
    /// All of them.
    pub const ALL: [Tamper; 4] = [Tamper::Signature, Tamper::Timestamp, Tamper::Body, Tamper::Missing];

    /// The name in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Tamper::Signature => "signature",
            Tamper::Timestamp => "timestamp",
            Tamper::Body => "body",
            Tamper::Missing => "missing",
        }
    }

    /// The one with this name.
    pub fn parse(name: &str) -> Option<Tamper> {
        Tamper::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

impl TestRequest {
    /// Reads a request's body; an empty one asks for a `webhook.test` to all that are subscribed to it.
    ///
    /// # Errors
    /// A [`TestRequestError`] that names the field.
    pub fn parse(body: &str) -> Result<TestRequest, TestRequestError> {
        let body = if body.trim().is_empty() { "{}" } else { body };
        let fields = fields_of(body).ok_or(TestRequestError::Body)?;
        // A misspelt field must not send a test to everybody.
        if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(TestRequestError::UnknownField { name: name.chars().take(64).collect() });
        }
        let field = |name: &str| field_of(&fields, name);
        let event_type = match field("event_type") {
            Some(raw) => testable(raw)?,
            None => EventType::WebhookTest,
        };
        let data = match field("event_data").map(RawValue::get) {
            Some(text) if !text.starts_with('{') => return Err(TestRequestError::EventData),
            // The admin pages send an empty object for "no data of mine".
            Some(text) if !is_empty_object(text) => text.to_owned(),
            _ => sample_data(&event_type),
        };
        let data = match field("event_data_override") {
            Some(raw) => overridden(&data, raw)?,
            None => data,
        };
        let dry_run = match field("dry_run") {
            Some(raw) => match raw.get() {
                "true" => true,
                "false" => false,
                _ => return Err(TestRequestError::DryRun { got: cut(raw) }),
            },
            None => false,
        };
        let tamper = field("tamper").map(|raw| {
            let known = read(raw).and_then(|name| Tamper::parse(&name));
            known.ok_or_else(|| TestRequestError::Tamper { got: cut(raw) })
        });
        Ok(TestRequest { event_type, data, receiver: receiver(field)?, dry_run, tamper: tamper.transpose()? })
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

impl fmt::Debug for AdHoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdHoc(redacted)")
    }
}

/// Raw values: their texts are kept, and never read as numbers.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

fn testable(raw: &RawValue) -> Result<EventType, TestRequestError> {
    match read(raw).as_deref().map(EventType::from) {
        None | Some(EventType::Other(_)) => {
            let (application, own) = (EventType::APPLICATION, EventType::OWN);
            let known: Vec<&str> = application.iter().chain(&own).map(EventType::as_str).collect();
            Err(TestRequestError::EventType { known: known.join(", "), got: cut(raw) })
        }
        Some(event_type) => Ok(event_type),
    }
}

fn is_empty_object(text: &str) -> bool {
    text.trim_matches(['{', '}', ' ', '\t', '\n', '\r']).is_empty()
}

/// Null is as good as nothing.
fn field_of<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a RawValue> {
    fields.get(name).copied().filter(|raw| raw.get() != "null")
}

/// An object's keys; `None` for anything else.
fn fields_of(text: &str) -> Option<Fields<'_>> {
    serde_json::from_str(text).ok()
}

/// The object with the other one's keys in the place of its own or beside them, each value as it was written.
fn overridden(data: &str, raw: &RawValue) -> Result<String, TestRequestError> {
    let others = fields_of(raw.get()).ok_or(TestRequestError::EventDataOverride)?;
    let own = fields_of(data).ok_or(TestRequestError::EventData)?;
    let kept = own.iter().filter(|(key, _)| !others.contains_key(*key));
    let mut text = "{".to_owned();
    for (key, value) in kept.chain(&others) {
        let separator = if text.len() > 1 { "," } else { "" };
        text.push_str(&format!("{separator}{}:{}", json_string(key), value.get()));
    }
    text.push('}');
    Ok(text)
}

/// At most one of the three ways to name a receiver.
fn receiver<'a>(field: impl Fn(&str) -> Option<&'a RawValue>) -> Result<Receiver, TestRequestError> {
    let secret = field("secret");
    match (field("endpoint_id"), field("endpoint"), field("url")) {
        (_, _, None) if secret.is_some() => Err(TestRequestError::SecretWithoutUrl),
        (None, None, None) => Ok(Receiver::Subscribers),
        (Some(raw), None, None) => uuid(raw).map(Receiver::Id),
        (None, Some(raw), None) => {
            // PostgreSQL has no name with a NUL in it.
            let name = text(raw).filter(|name| !name.contains('\0'));
            name.map(Receiver::Name).ok_or_else(|| TestRequestError::Endpoint { got: cut(raw) })
        }
        (None, None, Some(raw)) => {
            let url = text(raw).ok_or(TestRequestError::Url)?;
            let secret = secret.map(|raw| read(raw).ok_or(TestRequestError::Secret)).transpose()?;
            Ok(Receiver::AdHoc(AdHoc { url, secret }))
        }
        _ => Err(TestRequestError::SeveralReceivers),
    }
}

fn uuid(raw: &RawValue) -> Result<String, TestRequestError> {
    text(raw)
        .filter(|text| crate::trace::uuid_bytes(text).is_some())
        .ok_or_else(|| TestRequestError::EndpointId { got: cut(raw) })
}

/// A text that is not blank.
fn text(raw: &RawValue) -> Option<String> {
    read(raw).filter(|text| !text.trim().is_empty())
}

fn read(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn cut(raw: &RawValue) -> String {
    raw.get().chars().take(64).collect()
}

#[cfg(test)]
mod tests;
