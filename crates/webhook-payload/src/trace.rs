//! Trace context: W3C Trace Context level 1, <https://www.w3.org/TR/trace-context/>.

use std::fmt;

use sha2::{Digest, Sha256};

/// A trace id: 16 bytes, not all zero. All deliveries of one event share it. Displays as 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// A span id: 8 bytes, not all zero. Each attempt has its own. Displays as 16 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// Reads 32 lower-case hex digits; `None` for anything else and for all zeros, as the specification has it.
    pub fn parse(text: &str) -> Option<TraceId> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        hex16(text).filter(|bytes| *bytes != [0; 16]).map(TraceId)
    }

    /// The trace of a seed: the digits of a UUID, as they are, or else the start of the seed's SHA-256.
    pub fn derive(seed: &str) -> TraceId {
        if let Some(bytes) = uuid_bytes(seed).filter(|bytes| *bytes != [0; 16]) {
            return TraceId(bytes);
        }
        TraceId(digest_prefix(&[seed]))
    }
}

impl SpanId {
    /// The span of one attempt at a delivery: the same inputs give the same span. `attempt` counts from 1.
    pub fn derive(delivery_id: &str, attempt: u32) -> SpanId {
        SpanId(digest_prefix(&[delivery_id, "/", &attempt.to_string()]))
    }
}

/// The `traceparent` header: version 00, flags 01 (sampled).
pub fn traceparent(trace: TraceId, span: SpanId) -> String {
    format!("00-{trace}-{span}-01")
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first `N` bytes of a SHA-256. That they are all zero is as likely as guessing a key; then the last is set.
fn digest_prefix<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
    }
    let mut prefix = [0; N];
    for (to, from) in prefix.iter_mut().zip(hasher.finalize()) {
        *to = from;
    }
    if prefix == [0; N]
        && let Some(last) = prefix.last_mut()
    {
        *last = 1;
    }
    prefix
}

/// Whether a text is a UUID in its usual form, 8-4-4-4-12 hex digits in either case.
pub fn is_uuid(text: &str) -> bool {
    uuid_bytes(text).is_some()
}

/// The bytes of a UUID in its usual form, 8-4-4-4-12, in either case.
pub(crate) fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let groups: Vec<&str> = text.split('-').collect();
    if !groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) {
        return None;
    }
    hex16(&groups.concat())
}

fn hex16(digits: &str) -> Option<[u8; 16]> {
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_gives_its_own_digits() {
        let trace = TraceId::derive("4BF92F35-77B3-4DA6-A3CE-929D0E0E4736");
        assert_eq!(trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn anything_else_gives_a_stable_digest() {
        // Oracle: printf order-7 | sha256sum
        assert_eq!(TraceId::derive("order-7").to_string(), "df8cf80227ec3237922df0ecd88385c5");
        assert_ne!(TraceId::derive("00000000-0000-0000-0000-000000000000").to_string(), "0".repeat(32));
    }

    #[test]
    fn only_valid_trace_ids_are_read() {
        assert!(TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736").is_some());
        for wrong in ["", "4bf92f3577b34da6a3ce929d0e0e473", &"0".repeat(32), &"+".repeat(32)] {
            assert_eq!(TraceId::parse(wrong), None, "{wrong}");
        }
        assert_eq!(TraceId::parse("4BF92F3577B34DA6A3CE929D0E0E4736"), None);
    }

    #[test]
    fn each_attempt_has_its_own_span() {
        let first = SpanId::derive("a", 1);
        assert_eq!(first, SpanId::derive("a", 1));
        assert_ne!(first, SpanId::derive("a", 2));
        let header = traceparent(TraceId::derive("x"), first);
        assert_eq!(header.len(), 55);
        assert!(header.starts_with("00-") && header.ends_with("-01"));
    }
}
