//! What a span says of how an attempt ended. No text of a receiver or broker is shown: it may repeat what it was sent.

use webhook_backoff::{Fault, Outcome};

use crate::{Span, Value};

/// Adds how an attempt ended.
pub(crate) fn ended(span: &mut Span, outcome: &Outcome) {
    let (kind, status) = match outcome {
        Outcome::Answered { status, .. } => ("answered", Some(*status)),
        Outcome::TimedOut { .. } => ("timed_out", None),
        Outcome::ConnectionFailed { .. } => ("connection_failed", None),
        Outcome::AddressRefused { .. } => ("address_refused", None),
        Outcome::Accepted { .. } => ("accepted", None),
        Outcome::Rejected { .. } => ("rejected", None),
        Outcome::NotReady { .. } => ("not_ready", None),
    };
    span.attributes.push(("webhook.outcome", kind.into()));
    if let Some(status) = status {
        span.attributes.push(("http.response.status_code", u32::from(status).into()));
    }
    if let Outcome::Accepted { note } = outcome {
        span.attributes.extend(acknowledged(note));
    }
    if let Some((error, said)) = fault(outcome) {
        span.attributes.push(("error.type", error.into()));
        span.error = Some(said);
    }
}

/// What kind of a failure it is, and how that is said; `None` for a success.
pub(crate) fn fault(outcome: &Outcome) -> Option<(String, String)> {
    let (error, said) = match outcome {
        Outcome::Accepted { .. } | Outcome::Answered { status: 200..=299, .. } => return None,
        Outcome::Answered { status, .. } => return Some((status.to_string(), format!("HTTP {status}"))),
        Outcome::TimedOut { after_ms } => {
            return Some(("timeout".to_owned(), format!("timed out after {after_ms} ms")));
        }
        Outcome::ConnectionFailed { .. } => ("connection_failed", "the connection failed"),
        Outcome::AddressRefused { .. } => ("address_refused", "the address is not called"),
        Outcome::Rejected { fault: Fault::Passing, .. } => ("rejected", "rejected, which may pass"),
        Outcome::Rejected { fault: Fault::Permanent, .. } => ("rejected", "rejected"),
        Outcome::Rejected { fault: Fault::Throttled, .. } => ("throttled", "rejected as too much at once"),
        Outcome::NotReady { .. } => ("not_ready", "not sent: something of ours is missing"),
    };
    Some((error.to_owned(), said.to_owned()))
}

/// What a broker calls the message: `MessageId` of SQS, `messageId` of Pub/Sub, `partition` and `offset` of Kafka.
fn acknowledged(note: &str) -> Vec<(&'static str, Value)> {
    let note: serde_json::Value = serde_json::from_str(note).unwrap_or_default();
    let text = |name: &str| note.get(name)?.as_str().map(str::to_owned);
    // Kafka's offset is a text, as its 64 bits are more than a number of JavaScript's has.
    let offset = text("offset").and_then(|offset| offset.parse().ok());
    let id = text("MessageId").or_else(|| text("messageId"));
    let partition = note.get("partition").and_then(serde_json::Value::as_u64);
    [
        id.map(|id| ("messaging.message.id", Value::Text(id))),
        partition.map(|id| ("messaging.destination.partition.id", Value::Text(id.to_string()))),
        offset.map(|offset| ("messaging.kafka.offset", Value::Number(offset))),
    ]
    .into_iter()
    .flatten()
    .collect()
}
