//! The envelope: what [`webhook_payload::render`] promises.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use webhook_payload::{Additions, Envelope, EnvelopeError, StoredPayload, TestRequest, TraceId, render};

use crate::{assert_short, assert_showable, text};

const ID: &str = "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f";
const EVENT: &str = "user.joined_platform";
const CREATED_AT: &str = "2026-01-29T10:00:00.000Z";

/// The envelope's own keys, in the order in which they are added.
const OWN: [&str; 2] = ["idempotency_key", "trace_id"];

/// What holds for every text in a stored payload's place; and for the same bytes as the body of a test request, which
/// becomes a stored payload.
///
/// # Panics
/// Where it does not hold.
pub fn envelope(data: &[u8]) {
    let text = text(data);
    stored(&text);
    tested(&text);
}

fn stored(text: &str) {
    let rendered = render_with(text, EVENT);
    let is_json = serde_json::from_str::<IgnoredAny>(text);
    match &rendered {
        Ok(envelope) => {
            assert!(is_json.is_ok(), "{text:?} is no JSON and gives {}", envelope.body);
            trace(text, envelope);
            let text = trimmed(text);
            // A key with half a surrogate pair is no text. A jsonb column holds none, and such an object goes as `data`.
            if text.starts_with('{') && serde_json::from_str::<Pairs<'_>>(text).is_ok() {
                object(text, envelope);
            } else {
                anything_else(text, envelope);
            }
            // What has been through once goes through again as it is.
            let again = render_with(&envelope.body, EVENT);
            assert_eq!(again.as_ref(), Ok(envelope), "{text:?} changes at every pass");
        }
        Err(error) => {
            assert!(is_json.is_err(), "{text:?} is JSON: {error}");
            assert_showable(&error.to_string());
        }
    }
}

/// A text that can be anything takes the row's other places, too: it must not break out of its quotes.
fn render_with(text: &str, event_type: &str) -> Result<Envelope, EnvelopeError> {
    render(&StoredPayload {
        delivery_id: ID,
        event_type,
        created_at: CREATED_AT,
        text,
        additions: Additions::ALL,
    })
}

/// Without the blanks that JSON allows around a value.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

fn trace(text: &str, envelope: &Envelope) {
    let trace_id = envelope.trace_id.to_string();
    assert_eq!(TraceId::parse(&trace_id), Some(envelope.trace_id), "{text:?} gives the trace {trace_id:?}");
    if let Some(parent) = envelope.parent {
        assert_eq!(parent.trace_id, envelope.trace_id, "{text:?} comes of another trace");
    }
}

/// An object keeps every byte but the nulls of our two names, and has both keys in the end.
fn object(text: &str, envelope: &Envelope) {
    let body = &envelope.body;
    let before = pairs(text);
    let after = pairs(body);
    let mut as_stored = String::new();
    let mut copied = 0;
    for (at, (key, raw)) in before.0.iter().enumerate() {
        let (new_key, new_raw) = after.0.get(at).unwrap_or_else(|| panic!("{text:?} loses {key:?}: {body}"));
        assert_eq!(key, new_key, "{text:?} has other keys than {body}");
        if raw.get() == new_raw.get() {
            continue;
        }
        assert!(raw.get() == "null" && OWN.contains(&key.as_str()), "{text:?} has another {key:?} in {body}");
        // The value is a part of the text: their addresses tell where it stands.
        let place = new_raw.get().as_ptr().addr() - body.as_ptr().addr();
        as_stored.push_str(body.get(copied..place).unwrap_or_default());
        as_stored.push_str("null");
        copied = place + new_raw.get().len();
    }
    as_stored.push_str(body.get(copied..).unwrap_or_default());
    let kept =
        text.strip_suffix('}').unwrap_or_else(|| panic!("{text:?} ends with something else than a brace"));
    assert!(as_stored.starts_with(kept), "{text:?} is not kept to the byte in {body}");

    let added: Vec<&str> = after.0.iter().skip(before.0.len()).map(|(key, _)| key.as_str()).collect();
    let missing: Vec<&str> = OWN.into_iter().filter(|key| before.last(key).is_none()).collect();
    assert_eq!(added, missing, "{text:?} gives {body}");
    for (key, value) in OWN.into_iter().zip([ID, &envelope.trace_id.to_string()]) {
        let own = before.last(key).filter(|own| *own != "null");
        let now = after.last(key).unwrap_or_else(|| panic!("{text:?} gives no {key}: {body}"));
        match own {
            Some(own) => assert_eq!(now, own, "{text:?} loses its own {key}"),
            None => assert_eq!(now, format!("\"{value}\""), "{text:?} gives another {key}"),
        }
    }
}

/// Anything but an object is `data` of a new envelope.
fn anything_else(text: &str, envelope: &Envelope) {
    let trace_id = envelope.trace_id.to_string();
    let expected = |event: &str, timestamp: &str| {
        format!(
            r#"{{"event": {event}, "timestamp": {timestamp}, "data": {text}, "idempotency_key": "{ID}", "trace_id": "{trace_id}"}}"#
        )
    };
    let quoted = |text: &str| format!("\"{text}\"");
    assert_eq!(envelope.body, expected(&quoted(EVENT), &quoted(CREATED_AT)));
    assert_eq!(envelope.trace_id, TraceId::derive(ID), "{text:?} has no trace of its own");

    // The same text in the place of the row's other texts: it must not break out of its quotes.
    let odd = StoredPayload {
        delivery_id: text,
        event_type: text,
        created_at: text,
        text,
        additions: Additions::ALL,
    };
    let odd = render(&odd).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let keys = pairs(&odd.body);
    let names: Vec<&str> = keys.0.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(names, ["event", "timestamp", "data", "idempotency_key", "trace_id"], "{}", odd.body);
    for key in ["event", "timestamp", "idempotency_key"] {
        let value: Option<String> = keys.last(key).and_then(|raw| serde_json::from_str(raw).ok());
        assert_eq!(value.as_deref(), Some(text), "{key} in {}", odd.body);
    }
}

/// A test request that is taken gives a text that is stored and sent like any other.
fn tested(body: &str) {
    match TestRequest::parse(body) {
        Ok(request) => {
            let text = request.envelope(CREATED_AT, "r", None);
            let keys = pairs(&text);
            let names: Vec<&str> = keys.0.iter().map(|(key, _)| key.as_str()).collect();
            let expected = ["event", "timestamp", "actor_user_id", "request_id", "test", "data"];
            assert_eq!(names, expected, "{body:?} gives {text}");
            assert_eq!(keys.last("test"), Some("true"), "{body:?} gives {text}");
            assert_eq!(keys.last("data"), Some(request.data.as_str()), "{body:?} gives {text}");
            assert!(request.data.starts_with('{'), "{body:?} gives the data {}", request.data);
            stored(&text);
        }
        Err(error) => {
            // Only the caller's own answer shows it, escaped as JSON, so it may be on more than one line.
            assert_short(&error.to_string());
            assert!(!error.code().is_empty(), "{body:?} gives {error:?}");
        }
    }
}

/// An object's keys and the texts of its values, in their order and with those that are there twice.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl Pairs<'_> {
    /// The value that counts where a key is there twice: the last.
    fn last(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == key).map(|(_, raw)| raw.get())
    }
}

fn pairs(text: &str) -> Pairs<'_> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text:?} is no JSON object: {error}"))
}

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
