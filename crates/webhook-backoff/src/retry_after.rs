//! The `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date in one of HTTP's three forms.

use std::time::SystemTime;

/// The longest wait that a receiver can ask for, in milliseconds: an hour. A broken clock over there must not park
/// a delivery for years, and asking again after an hour costs nobody anything.
pub const MOST_RETRY_AFTER_MS: u64 = 3_600_000;

/// How long a receiver asks to be left alone, in milliseconds and clamped to [`MOST_RETRY_AFTER_MS`]; `None` for a
/// text that is neither form. A date in the past is zero. `now_ms` is in milliseconds since 1970.
pub fn retry_after_ms(text: &str, now_ms: u64) -> Option<u64> {
    let text = text.trim();
    let wait_ms = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time, too.
        text.parse().unwrap_or(u64::MAX).saturating_mul(1_000)
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        let since_epoch = date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX).saturating_sub(now_ms)
    };
    Some(wait_ms.min(MOST_RETRY_AFTER_MS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the RFC's example.
    const EXAMPLE_MS: u64 = 784_111_777_000;

    #[test]
    fn seconds_are_read() {
        for (text, ms) in [("0", 0), ("7", 7_000), (" 120 ", 120_000), ("0005", 5_000)] {
            assert_eq!(retry_after_ms(text, EXAMPLE_MS), Some(ms), "{text}");
        }
    }

    #[test]
    fn all_three_forms_of_a_date_are_read() {
        let forms =
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
        for text in forms {
            assert_eq!(retry_after_ms(text, EXAMPLE_MS - 90_000), Some(90_000), "{text}");
            assert_eq!(retry_after_ms(text, EXAMPLE_MS + 1), Some(0), "{text}");
        }
    }

    #[test]
    fn long_waits_are_clamped() {
        for text in ["3601", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(retry_after_ms(text, EXAMPLE_MS), Some(MOST_RETRY_AFTER_MS), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_retry_after() {
        let others = [
            "",
            " ",
            "-1",
            "1.5",
            "soon",
            "7s",
            "+7",
            "0x7",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 08:49:37 PST",
        ];
        for text in others {
            assert_eq!(retry_after_ms(text, EXAMPLE_MS), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_none_passes_the_clamp(text: String, now_ms: u64) {
            prop_assert!(retry_after_ms(&text, now_ms).is_none_or(|ms| ms <= MOST_RETRY_AFTER_MS));
        }
    }
}
