//! The envelope: the JSON that receivers get, made from the text that the row holds.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use thiserror::Error;

use crate::{TraceId, TraceParent};

/// A delivery's stored payload and what the envelope needs beside it.
#[derive(Clone, Copy, Debug)]
pub struct StoredPayload<'a> {
    /// The delivery's id, which becomes the idempotency key.
    pub delivery_id: &'a str,
    /// The row's event type.
    pub event_type: &'a str,
    /// When the row was made, ISO 8601.
    pub created_at: &'a str,
    /// The payload as `payload::text` gives it.
    pub text: &'a str,
}

/// What a receiver gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The body: these bytes are signed and sent.
    pub body: String,
    /// The event's trace: the envelope's own `trace_id` where it holds a valid one, or else that of its `traceparent`,
    /// or else derived from its `request_id`, or else, where it has none, from the delivery's id.
    pub trace_id: TraceId,
    /// What the event came of: the envelope's `traceparent`, where it is valid and of this trace.
    pub parent: Option<TraceParent>,
    /// Who did it: `actor_user_id`, where it is a text.
    pub actor: Option<String>,
    /// The event, shared by its deliveries: `request_id`, where it is a text.
    pub request_id: Option<String>,
}

/// Why no envelope could be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The text is not JSON. A jsonb column cannot hold such a text.
    #[error("payload: expected JSON, got a syntax error at line {line}, column {column}")]
    NotJson {
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, from 1.
        column: usize,
    },
}

/// Makes the envelope of a stored payload.
///
/// An object is kept to the byte, and `idempotency_key` and `trace_id` are added at its end where it has none of its
/// own; nulls of these names count as none. Anything else is delivered as `data` of a new envelope.
///
/// # Errors
/// [`EnvelopeError::NotJson`] if the text is not JSON.
pub fn render(stored: &StoredPayload<'_>) -> Result<Envelope, EnvelopeError> {
    let text = stored.text.trim_matches([' ', '\t', '\n', '\r']);
    // A map of raw values: their texts are looked at where needed and never read as numbers.
    let Ok(keys) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else {
        return wrap(stored, text);
    };
    let parent = text_of(&keys, "traceparent").and_then(|text| TraceParent::parse(&text));
    let trace_id = trace_of(&keys, parent.as_ref(), stored.delivery_id);
    let parent = parent.filter(|parent| parent.trace_id == trace_id);
    let own = [
        ("idempotency_key", json_string(stored.delivery_id)),
        ("trace_id", json_string(&trace_id.to_string())),
    ];
    let nulls = own.iter().filter_map(|(key, value)| {
        let raw = keys.get(*key)?.get();
        // The value is a part of the text: their addresses tell where it stands.
        (raw == "null").then(|| (raw.as_ptr() as usize - text.as_ptr() as usize, value.as_str()))
    });
    let mut body = text.to_owned();
    let mut nulls: Vec<(usize, &str)> = nulls.collect();
    // From the end, so that the earlier place stays where it is. There are two at most: a sort of the library's would be
    // 3 KB of WASM.
    if nulls.is_sorted() {
        nulls.reverse();
    }
    for (at, value) in nulls {
        body.replace_range(at..at + "null".len(), value);
    }
    // An object's text ends with its closing brace.
    body.pop();
    let mut separator = if keys.is_empty() { "" } else { ", " };
    for (key, value) in own.iter().filter(|(key, _)| !keys.contains_key(*key)) {
        body.push_str(&format!("{separator}\"{key}\": {value}"));
        separator = ", ";
    }
    body.push('}');
    let (actor, request_id) = (text_of(&keys, "actor_user_id"), text_of(&keys, "request_id"));
    Ok(Envelope { body, trace_id, parent, actor, request_id })
}

fn wrap(stored: &StoredPayload<'_>, text: &str) -> Result<Envelope, EnvelopeError> {
    let data: &RawValue = serde_json::from_str(text)
        .map_err(|error| EnvelopeError::NotJson { line: error.line(), column: error.column() })?;
    let trace_id = TraceId::derive(stored.delivery_id);
    let body = format!(
        r#"{{"event": {}, "timestamp": {}, "data": {}, "idempotency_key": {}, "trace_id": "{trace_id}"}}"#,
        json_string(stored.event_type),
        json_string(stored.created_at),
        data.get(),
        json_string(stored.delivery_id),
    );
    Ok(Envelope { body, trace_id, parent: None, actor: None, request_id: None })
}

/// A key's value, where it is a text that is not empty.
fn text_of(keys: &BTreeMap<String, &RawValue>, key: &str) -> Option<String> {
    serde_json::from_str::<String>(keys.get(key)?.get()).ok().filter(|text| !text.is_empty())
}

fn trace_of(keys: &BTreeMap<String, &RawValue>, parent: Option<&TraceParent>, delivery_id: &str) -> TraceId {
    if let Some(own) = text_of(keys, "trace_id").and_then(|text| TraceId::parse(&text)) {
        return own;
    }
    if let Some(parent) = parent {
        return parent.trace_id;
    }
    // A request id that is not text (a number, say) still names the event: its JSON text is the seed.
    let request_id = text_of(keys, "request_id").or_else(|| {
        keys.get("request_id").map(|raw| raw.get().to_owned()).filter(|raw| raw != "null" && raw != "\"\"")
    });
    TraceId::derive(request_id.as_deref().unwrap_or(delivery_id))
}

/// A text as JSON writes it.
pub(crate) fn json_string(text: &str) -> String {
    #[expect(clippy::expect_used, reason = "a text always has a JSON form")]
    serde_json::to_string(text).expect("a text has a JSON form")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const ID: &str = "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f";

    fn render_text(text: &str) -> Envelope {
        render(&StoredPayload {
            delivery_id: ID,
            event_type: "user.joined_platform",
            created_at: "2026-01-29T10:00:00.000Z",
            text,
        })
        .unwrap()
    }

    #[test]
    fn the_stored_text_is_kept_to_the_byte_and_two_keys_are_added() {
        let stored = r#"{"data": {"n": 12345678901234567890, "d": 1.10, "e": 1E+2, "u": "\u00e9é🎲"}, "event": "x", "request_id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"}"#;
        let envelope = render_text(stored);
        let kept = stored.strip_suffix('}').unwrap();
        assert_eq!(
            envelope.body,
            format!(r#"{kept}, "idempotency_key": "{ID}", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}}"#)
        );
    }

    #[test]
    fn an_empty_object_gets_just_the_two_keys() {
        let body = render_text(" {} ").body;
        let value: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 2);
    }

    #[test]
    fn the_rows_own_keys_win() {
        let own = r#"{"idempotency_key": "mine", "trace_id": "0123456789abcdef0123456789abcdef"}"#;
        let envelope = render_text(own);
        assert_eq!(envelope.body, own);
        assert_eq!(envelope.trace_id.to_string(), "0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn who_did_what_is_known_where_the_envelope_says_it() {
        let full = render_text(r#"{"actor_user_id": "a\u00e9", "request_id": "r", "data": {}}"#);
        assert_eq!((full.actor.as_deref(), full.request_id.as_deref()), (Some("a\u{e9}"), Some("r")));
        for text in [r#"{"actor_user_id": null, "request_id": ""}"#, r#"{"actor_user_id": 7}"#, "[]"] {
            let envelope = render_text(text);
            assert_eq!((envelope.actor, envelope.request_id), (None, None), "{text}");
        }
    }

    #[test]
    fn nulls_of_these_names_are_filled_in() {
        let stored = r#"{"trace_id" : null, "a": [null], "idempotency_key":null, "request_id": "r"}"#;
        let envelope = render_text(stored);
        let trace_id = envelope.trace_id;
        assert_eq!(
            envelope.body,
            format!(
                r#"{{"trace_id" : "{trace_id}", "a": [null], "idempotency_key":"{ID}", "request_id": "r"}}"#
            )
        );
        assert_eq!(trace_id, TraceId::derive("r"));
    }

    #[test]
    fn deliveries_of_one_event_share_a_trace_and_others_have_their_own() {
        let event = r#"{"request_id": "order-7"}"#;
        let of = |id| {
            render(&StoredPayload { delivery_id: id, event_type: "x", created_at: "", text: event }).unwrap()
        };
        assert_eq!(of("a").trace_id, of("b").trace_id);
        assert_eq!(render_text("{}").trace_id, TraceId::derive(ID));
        assert_eq!(render_text(r#"{"request_id": null}"#).trace_id, TraceId::derive(ID));
        assert_eq!(render_text(r#"{"request_id": ""}"#).trace_id, TraceId::derive(ID));
        assert_eq!(render_text(r#"{"request_id": 7}"#).trace_id, TraceId::derive("7"));
        // A trace id that no tracing system would take is passed on, and not used.
        let odd = render_text(r#"{"trace_id": "0", "request_id": "r"}"#);
        assert_eq!(odd.trace_id, TraceId::derive("r"));
        assert!(odd.body.contains(r#""trace_id": "0""#));
    }

    #[test]
    fn an_envelopes_traceparent_says_the_trace_where_no_trace_id_does() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let header = format!("00-{TRACE}-00f067aa0ba902b7-00");
        for trace_id in ["", r#""trace_id": null, "#, r#""trace_id": "0", "#] {
            let text = format!(r#"{{{trace_id}"request_id": "r", "traceparent": "{header}"}}"#);
            let envelope = render_text(&text);
            assert_eq!(envelope.trace_id.to_string(), TRACE, "{text}");
            assert_eq!(envelope.parent.map(|parent| parent.to_string()), Some(header.clone()));
            assert!(trace_id.contains('0') || envelope.body.contains(&format!(r#""trace_id": "{TRACE}""#)));
        }
        let other = r#""trace_id": "0123456789abcdef0123456789abcdef""#;
        let envelope = render_text(&format!(r#"{{{other}, "traceparent": "{header}"}}"#));
        assert_eq!(envelope.trace_id.to_string(), "0123456789abcdef0123456789abcdef");
        assert_eq!(envelope.parent, None);
        for odd in [r#""00-0-0-00""#, "7", "null"] {
            let envelope = render_text(&format!(r#"{{"request_id": "r", "traceparent": {odd}}}"#));
            assert_eq!((envelope.trace_id, envelope.parent), (TraceId::derive("r"), None), "{odd}");
        }
    }

    #[test]
    fn anything_but_an_object_is_delivered_as_data() {
        for text in ["[1.10, 2]", "\"text\"", "12345678901234567890", "null", "true"] {
            let body = render_text(text).body;
            assert!(body.contains(&format!("\"data\": {text}, ")), "{body}");
            let value: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(value["event"], "user.joined_platform");
            assert_eq!(value["timestamp"], "2026-01-29T10:00:00.000Z");
            assert_eq!(value["idempotency_key"], ID);
        }
    }

    #[test]
    fn what_is_not_json_is_an_error_with_its_place() {
        for (text, line, column) in [("", 1, 0), ("{\"a\": 1", 1, 7), ("{}\n{}", 2, 1), ("nul", 1, 3)] {
            let stored = StoredPayload { delivery_id: ID, event_type: "x", created_at: "", text };
            assert_eq!(render(&stored), Err(EnvelopeError::NotJson { line, column }), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_no_error() {
        let deep = format!(r#"{{"data": {}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert!(render_text(&deep).body.starts_with(deep.strip_suffix('}').unwrap()));
    }

    /// JSON texts with odd numbers and spacing, as a jsonb column never writes them and a json column may.
    fn json_text() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5)
                    .prop_map(|items| format!("[{}]", items.join(" ,"))),
                object(inner),
            ]
        })
    }

    fn object(values: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        prop::collection::vec((any::<String>(), values), 0..5).prop_map(|pairs| {
            let pairs: Vec<String> = pairs
                .into_iter()
                .map(|(key, value)| format!("{} :{value}", serde_json::to_string(&key).unwrap()))
                .collect();
            format!("{{ {} }}", pairs.join(","))
        })
    }

    proptest! {
        #[test]
        fn every_object_is_kept_to_the_byte(text in object(json_text())) {
            let body = render_text(&text).body;
            let kept = body.starts_with(text.strip_suffix('}').unwrap());
            prop_assert!(kept, "{body}");
            prop_assert!(serde_json::from_str::<BTreeMap<String, &RawValue>>(&body).is_ok(), "{body}");
        }

        #[test]
        fn every_other_json_text_is_delivered_as_data(text in json_text()) {
            let body = render_text(&text).body;
            let data = format!("\"data\": {text}, ");
            let kept = text.starts_with('{') || body.contains(&data);
            prop_assert!(kept, "{body}");
            prop_assert!(serde_json::from_str::<BTreeMap<String, &RawValue>>(&body).is_ok(), "{body}");
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let stored = StoredPayload { delivery_id: ID, event_type: "x", created_at: "", text: &text };
            let _ = render(&stored);
        }
    }
}
