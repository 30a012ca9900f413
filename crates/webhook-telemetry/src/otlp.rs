//! Spans as OTLP/HTTP takes them in JSON.
//!
//! Source: OpenTelemetry Protocol 1.5, "JSON Protobuf Encoding": ids in lower-case hex, 64-bit numbers as text, enums as
//! numbers, names in camel case. Written by hand: each structure that serde writes costs kilobytes of WASM.

use webhook_payload::{SpanId, TraceId};

/// Something that took time. Times are in microseconds since 1970, as fine as a runtime's clock is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace that it belongs to.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// What it came of; `None` for a trace's first span.
    pub parent: Option<Parent>,
    /// Names what is done, not what it is done to: few spans have one of their own.
    pub name: String,
    /// Which end of a conversation it is.
    pub kind: Kind,
    /// When it began.
    pub start_us: u64,
    /// When it ended.
    pub end_us: u64,
    /// What is known of it, by the names of OpenTelemetry's semantic conventions.
    pub attributes: Vec<(&'static str, Value)>,
    /// Spans of other traces that it has to do with.
    pub links: Vec<Link>,
    /// Why it failed.
    pub error: Option<String>,
}

/// What a span came of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub span_id: SpanId,
    /// It was made by somebody else.
    pub is_remote: bool,
}

/// Another span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
}

/// Which end of a conversation a span is. The numbers are those of the protocol's `SpanKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None.
    Internal = 1,
    /// Somebody called.
    Server = 2,
    /// Somebody is called.
    Client = 3,
    /// A message is handed over.
    Producer = 4,
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(u64),
}

const SCOPE: &str = "supabase-webhooks";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `STATUS_CODE_ERROR`
const ERROR: u32 = 2;

/// Flags of W3C trace context: sampled, as all are that are written.
const SAMPLED: u32 = 0x1;
/// The next bit says something.
const KNOWS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The body of an export: an `ExportTraceServiceRequest`. `resource` says who we are.
pub fn traces(resource: &[(String, String)], spans: &[Span]) -> String {
    let resource = list(resource, |(key, value)| attribute(key, &string_value(value)));
    let spans = list(spans, span);
    format!(
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":{resource}}},\"scopeSpans\":[{{\"scope\":\
         {{\"name\":{},\"version\":{}}},\"spans\":{spans}}}]}}]}}",
        json(SCOPE),
        json(VERSION)
    )
}

/// How many spans a collector says that it has not taken, in the body of its answer with status 200.
///
/// Source: OpenTelemetry Protocol 1.5, "Partial Success".
pub fn rejected(answer: &str) -> u64 {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap_or_default();
    let rejected = answer.get("partialSuccess").and_then(|partial| partial.get("rejectedSpans"));
    // 64 bits are a text, and some write a number all the same.
    rejected.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok())).unwrap_or_default()
}

fn span(span: &Span) -> String {
    let parent = span
        .parent
        .map_or(String::new(), |Parent { span_id, .. }| format!("\"parentSpanId\":\"{span_id}\","));
    let is_remote = span.parent.is_some_and(|parent| parent.is_remote);
    let flags = SAMPLED | KNOWS_IS_REMOTE | if is_remote { IS_REMOTE } else { 0 };
    let attributes = list(&span.attributes, |(key, value)| attribute(key, &any_value(value)));
    let links =
        if span.links.is_empty() { String::new() } else { format!(",\"links\":{}", list(&span.links, link)) };
    let status = span.error.as_ref().map_or(String::new(), |message| {
        format!(",\"status\":{{\"code\":{ERROR},\"message\":{}}}", json(message))
    });
    format!(
        "{{\"traceId\":\"{}\",\"spanId\":\"{}\",{parent}\"flags\":{flags},\"name\":{},\"kind\":{},\
         \"startTimeUnixNano\":\"{}000\",\"endTimeUnixNano\":\"{}000\",\"attributes\":{attributes}{links}{status}}}",
        span.trace_id,
        span.span_id,
        json(&span.name),
        span.kind as u32,
        span.start_us,
        span.end_us,
    )
}

fn link(Link { trace_id, span_id }: &Link) -> String {
    let flags = SAMPLED | KNOWS_IS_REMOTE;
    format!("{{\"traceId\":\"{trace_id}\",\"spanId\":\"{span_id}\",\"flags\":{flags}}}")
}

fn attribute(key: &str, value: &str) -> String {
    format!("{{\"key\":{},\"value\":{value}}}", json(key))
}

fn any_value(value: &Value) -> String {
    match value {
        Value::Text(text) => string_value(text),
        Value::Number(number) => format!("{{\"intValue\":\"{number}\"}}"),
    }
}

fn string_value(text: &str) -> String {
    format!("{{\"stringValue\":{}}}", json(text))
}

fn list<T>(items: &[T], write: impl Fn(&T) -> String) -> String {
    let mut written = String::from("[");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            written.push(',');
        }
        written.push_str(&write(item));
    }
    written.push(']');
    written
}

/// A text as JSON writes it.
fn json(text: &str) -> String {
    // Text always has a JSON form.
    serde_json::to_string(text).unwrap_or_default()
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Number(number.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_span_is_written_as_the_protocol_has_it() {
        let trace_id = TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736").unwrap();
        let span_id = SpanId::parse("00f067aa0ba902b7").unwrap();
        let plain = Span {
            trace_id,
            span_id,
            parent: None,
            name: "plan".to_owned(),
            kind: Kind::Internal,
            start_us: 1_769_680_800_000_001,
            end_us: 1_769_680_800_000_250,
            attributes: vec![],
            links: vec![],
            error: None,
        };
        let full = Span {
            parent: Some(Parent { span_id, is_remote: true }),
            kind: Kind::Producer,
            attributes: vec![("text", "a\"é\u{1}".into()), ("number", Value::Number(u64::MAX / 2))],
            links: vec![Link { trace_id, span_id }],
            error: Some("HTTP 500".to_owned()),
            ..plain.clone()
        };
        let resource = [("service.name".to_owned(), "a\nb".to_owned())];
        let body: serde_json::Value = serde_json::from_str(&traces(&resource, &[plain, full])).unwrap();
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        assert_eq!(
            body,
            json!({"resourceSpans": [{
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "a\nb"}}]},
                "scopeSpans": [{
                    "scope": {"name": "supabase-webhooks", "version": VERSION},
                    "spans": [
                        {
                            "traceId": trace, "spanId": span, "flags": 0x101, "name": "plan", "kind": 1,
                            "startTimeUnixNano": "1769680800000001000",
                            "endTimeUnixNano": "1769680800000250000",
                            "attributes": [],
                        },
                        {
                            "traceId": trace, "spanId": span, "parentSpanId": span, "flags": 0x301,
                            "name": "plan", "kind": 4,
                            "startTimeUnixNano": "1769680800000001000",
                            "endTimeUnixNano": "1769680800000250000",
                            "attributes": [
                                {"key": "text", "value": {"stringValue": "a\"é\u{1}"}},
                                {"key": "number", "value": {"intValue": "9223372036854775807"}},
                            ],
                            "links": [{"traceId": trace, "spanId": span, "flags": 0x101}],
                            "status": {"code": 2, "message": "HTTP 500"},
                        },
                    ],
                }],
            }]})
        );
    }

    #[test]
    fn what_a_collector_rejects_is_read() {
        for (answer, count) in [
            ("", 0),
            ("{}", 0),
            (r#"{"partialSuccess":{}}"#, 0),
            (r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedSpans":7}}"#, 7),
            ("<html>", 0),
        ] {
            assert_eq!(rejected(answer), count, "{answer}");
        }
    }

    #[test]
    fn nothing_is_an_empty_list() {
        assert!(traces(&[], &[]).contains(r#""spans":[]"#));
    }
}
