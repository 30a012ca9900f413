//! Trace context: W3C Trace Context level 2, <https://www.w3.org/TR/trace-context-2/>.

use std::fmt;

use sha2::{Digest, Sha256};

/// A trace id: 16 bytes, not all zero. All deliveries of one event share it. Displays as 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// A span id: 8 bytes, not all zero. Each attempt has its own. Displays as 16 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// What a `traceparent` header says: a span, and whether its trace is recorded. Displays as the header, version 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// The span that whatever follows is a child of.
    pub span_id: SpanId,
    /// The flag `sampled`: who made the span may have recorded it.
    pub is_sampled: bool,
}

impl TraceId {
    /// Reads 32 lower-case hex digits; `None` for anything else and for all zeros, as the specification has it.
    pub fn parse(text: &str) -> Option<TraceId> {
        hex16(lower_hex(text, 32)?).filter(|bytes| *bytes != [0; 16]).map(TraceId)
    }

    /// The trace of a seed: the digits of a UUID, as they are, or else the start of the seed's SHA-256.
    pub fn derive(seed: &str) -> TraceId {
        if let Some(bytes) = uuid_bytes(seed).filter(|bytes| *bytes != [0; 16]) {
            return TraceId(bytes);
        }
        TraceId(digest_prefix(&[seed]))
    }

    /// The last seven bytes, which are random where a trace id is: ratios are taken by them. Source: W3C Trace Context
    /// level 2, "Considerations for trace-id field generation".
    pub(crate) fn randomness(self) -> u64 {
        u128::from_be_bytes(self.0) as u64 & 0x00ff_ffff_ffff_ffff
    }
}

impl SpanId {
    /// Reads 16 lower-case hex digits; `None` for anything else and for all zeros.
    pub fn parse(text: &str) -> Option<SpanId> {
        let id = u64::from_str_radix(lower_hex(text, 16)?, 16).ok()?;
        (id != 0).then(|| SpanId(id.to_be_bytes()))
    }

    /// The span of one attempt at a delivery: the same inputs give the same span. `attempt` counts from 1.
    pub fn derive(delivery_id: &str, attempt: u32) -> SpanId {
        SpanId(digest_prefix(&[delivery_id, "/", &attempt.to_string()]))
    }
}

impl TraceParent {
    /// Reads the header; `None` where it is not valid, and is to be ignored. Of a version that is not known yet the
    /// fields are read that it has in common with version 00. Source: section 3.2, "Traceparent Header".
    pub fn parse(header: &str) -> Option<TraceParent> {
        let mut fields = header.split('-');
        let mut field = |digits| lower_hex(fields.next()?, digits);
        let (version, trace_id, span_id, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        if version == "ff" || (version == "00" && fields.next().is_some()) {
            return None;
        }
        Some(TraceParent {
            trace_id: TraceId::parse(trace_id)?,
            span_id: SpanId::parse(span_id)?,
            is_sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-0{}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// In lower case. Formatting each byte would take ten times as long, and each delivery shows several ids.
fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
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

/// The text, if it is so many lower-case hex digits.
fn lower_hex(text: &str, digits: usize) -> Option<&str> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(is_digit)).then_some(text)
}

fn hex16(digits: &str) -> Option<[u8; 16]> {
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    }

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_header_is_read_and_written() {
        // The specification's own examples.
        for (flags, is_sampled) in [("01", true), ("00", false)] {
            let header = format!("00-{TRACE}-{SPAN}-{flags}");
            let parsed = TraceParent::parse(&header).unwrap();
            assert_eq!(
                (parsed.trace_id.to_string().as_str(), parsed.span_id.to_string().as_str()),
                (TRACE, SPAN)
            );
            assert_eq!((parsed.is_sampled, parsed.to_string()), (is_sampled, header));
        }
        // Flags that have no meaning yet, and versions to come with what they may bring.
        for header in
            ["00-T-S-ff", "00-T-S-03", "01-T-S-01", "cc-T-S-01-what-the-future-will-be-like", "01-T-S-01-"]
        {
            let header = header.replace('T', TRACE).replace('S', SPAN);
            assert!(TraceParent::parse(&header).unwrap().is_sampled, "{header}");
        }
    }

    #[test]
    fn a_header_that_is_not_valid_is_none() {
        let zeros = (&"0".repeat(32), &"0".repeat(16));
        let upper = TRACE.to_uppercase();
        for header in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("0G-{TRACE}-{SPAN}-01"),
            format!("00-{upper}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", zeros.0),
            format!("00-{TRACE}-{}-01", zeros.1),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("01-{TRACE}-{SPAN}-01more"),
            format!("00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01"),
            format!("00_{TRACE}_{SPAN}_01"),
        ] {
            assert_eq!(TraceParent::parse(&header), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(header: String) {
            let _ = TraceParent::parse(&header);
        }

        #[test]
        fn what_is_read_of_version_00_is_what_is_written(header in "00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]") {
            if let Some(parsed) = TraceParent::parse(&header) {
                prop_assert_eq!(parsed.to_string(), header);
            }
        }
    }
}
