use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::message::tests::UNSIGNED;

/// A delivery, and what it is told as: `tests/vectors/notices.json`.
#[derive(Deserialize)]
pub(crate) struct Vector {
    pub(crate) name: String,
    event_type: String,
    delivery_id: String,
    traceparent: String,
    envelope: Value,
    pub(crate) slack: Value,
    pub(crate) discord: Value,
    pub(crate) teams: Value,
    pub(crate) mail: Value,
}

impl Vector {
    pub(crate) fn all() -> Vec<Vector> {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../../../../tests/vectors/notices.json")).unwrap();
        assert_eq!(vectors.len(), 5);
        vectors
    }

    /// Calls with the delivery's message.
    pub(crate) fn with_message<T>(&self, body: impl FnOnce(&Message<'_>) -> T) -> T {
        body(&Message {
            body: &self.envelope.to_string(),
            delivery_id: &self.delivery_id,
            event_type: &self.event_type,
            actor: self.envelope["actor_user_id"].as_str(),
            request_id: self.envelope["request_id"].as_str(),
            traceparent: &self.traceparent,
            ..UNSIGNED
        })
    }
}

/// Envelopes that somebody may have queued: alerts with anything in them, other events, and no envelopes at all.
pub(crate) fn any_envelope() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        ".{0,40}",
        "[<>&`*\"\\\\\\n🎲é]{0,1500}",
        "\\PC{0,1500}",
        Just("🎲".repeat(5_000)),
        // Three bytes a code unit.
        Just("漢".repeat(5_000)),
        Just("<".repeat(10_000)),
        Just(" \u{0}\u{7}\t\n".to_owned()),
    ];
    let value = prop_oneof![
        text.prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let figures = prop::collection::btree_map(".{0,300}", value.clone(), 0..30)
        .prop_map(|members| Value::Object(members.into_iter().collect()));
    let states = prop_oneof![Just("firing"), Just("reminder"), Just("resolved"), Just("odd")];
    let alert = (
        prop::collection::vec(value.clone(), 7),
        prop_oneof![figures.clone(), value.clone()],
        states,
        any::<bool>(),
    );
    let alert = alert.prop_map(|(mut values, figures, state, is_of_endpoint)| {
        let mut next = || values.pop().unwrap_or_default();
        let endpoint =
            if is_of_endpoint { serde_json::json!({"id": next(), "name": next()}) } else { next() };
        serde_json::json!({
            "state": state, "title": next(), "summary": next(), "action": next(), "since": next(),
            "severity": next(), "endpoint": endpoint, "figures": figures,
        })
    });
    let data =
        prop_oneof![alert, figures, value, prop::collection::vec(any::<u8>(), 0..3000).prop_map(Value::from)];
    let envelope = (data, ".{0,40}", any::<bool>()).prop_map(|(data, timestamp, test)| {
        serde_json::json!({"event": "x", "timestamp": timestamp, "data": data, "test": test}).to_string()
    });
    prop_oneof![9 => envelope, 1 => ".{0,200}", 1 => Just("[".repeat(300) + &"]".repeat(300))]
}

/// A message with such an envelope, for an event of this type.
pub(crate) fn message<'a>(body: &'a str, event_type: &'a str) -> Message<'a> {
    Message {
        body,
        event_type,
        actor: Some("🎲<&>\r\n"),
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ..UNSIGNED
    }
}

#[test]
fn what_is_no_alert_is_told_by_its_type() {
    for (event_type, data) in [
        ("webhook.alert", r#"{"title": 7}"#),
        ("webhook.alert", r#"{"title": " \n "}"#),
        ("webhook.alert", "null"),
        ("order.paid", r#"{"title": "hidden"}"#),
    ] {
        let body = format!(r#"{{"data": {data}, "timestamp": "then"}}"#);
        let notice = Notice::of(&Message { body: &body, event_type, ..UNSIGNED });
        assert_eq!((notice.mark, notice.headline()), (Mark::Event, event_type.to_owned()));
        assert!(notice.data.is_some());
        assert_eq!(notice.facts, [("When", "then".to_owned()), ("Delivery", "d".to_owned())]);
    }
    let notice = Notice::of(&Message { event_type: " ", ..UNSIGNED });
    // An envelope without `data` is shown as a whole.
    assert_eq!((notice.title.as_str(), notice.data.as_deref()), ("webhook", Some("{\n  \"é\": 1\n}")));
}

#[test]
fn what_is_told_is_the_same_at_every_attempt() {
    let facts = |traceparent| Notice::of(&Message { traceparent, ..UNSIGNED }).facts;
    assert_eq!(facts("00-t-1-01"), facts("00-t-2-01"));
}

#[test]
fn json_is_laid_out_and_no_value_is_changed() {
    let cases = [
        ("{}", "{}"),
        ("[ ]", "[]"),
        ("7", "7"),
        (
            r#"{"a":[1.10,12345678901234567890], "b" : {}}"#,
            "{\n  \"a\": [\n    1.10,\n    12345678901234567890\n  ],\n  \"b\": {}\n}",
        ),
        (r#"{"a": "{,}: \" \\", "b": "\\"}"#, "{\n  \"a\": \"{,}: \\\" \\\\\",\n  \"b\": \"\\\\\"\n}"),
    ];
    for (json, lines) in cases {
        assert_eq!(indented(json), lines);
    }
}

#[test]
fn a_text_is_cut_where_it_stays_whole() {
    fn angle(c: char) -> Option<&'static str> {
        (c == '<').then_some("&lt;")
    }
    let cases = [
        ("", 0, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("a<", 5, "a&lt;"),
        ("a<b", 5, "a…"),
        ("<<", 7, "&lt;…"),
        ("🎲", 2, "🎲"),
        ("🎲🎲", 3, "🎲…"),
        ("a🎲", 2, "a…"),
    ];
    for (text, most, fitting) in cases {
        assert_eq!(fitted(text, most, angle), fitting, "{text} {most}");
    }
}

proptest! {
    // Long texts, in whatever is told of them.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn laid_out_json_is_the_same_json(text in any_envelope()) {
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            let lines = indented(&text);
            if lines.len() <= 64 * 1024 {
                prop_assert_eq!(serde_json::from_str::<Value>(&lines).unwrap(), value);
            }
        }
    }

    #[test]
    fn every_text_is_there_and_fits(body in any_envelope(), alert: bool) {
        let notice = Notice::of(&message(&body, if alert { "webhook.alert" } else { "order.paid" }));
        let lines = [&notice.title].into_iter().chain(notice.facts.iter().map(|(_, value)| value));
        let lines = lines.chain(notice.figures.iter().flat_map(|(name, value)| [name, value]));
        for line in lines {
            prop_assert!(!line.is_empty() && !line.contains(char::is_control), "{:?}", line);
            prop_assert!(line.encode_utf16().count() <= MOST_TITLE);
        }
        prop_assert!(notice.figures.len() <= 10 && notice.facts.len() <= 7);
    }
}
