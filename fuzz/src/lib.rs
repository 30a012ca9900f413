//! What must hold for every text that comes from outside: a subscriber's target URL, a receiver's `Retry-After` and
//! its whole answer, a stored payload, what gets into a request.
//!
//! Each function is a property: it takes what a fuzzer or the corpus gives it and panics where a promise is broken.
//! `fuzz_targets` hands them to libFuzzer, `tests/corpus.rs` runs them on the committed seeds with the stable toolchain.

mod envelope;
mod http_answer;
mod http_request;
mod retry_after;
mod target_url;

use std::borrow::Cow;

pub use envelope::envelope;
pub use http_answer::http_answer;
pub use http_request::http_request;
pub use retry_after::retry_after;
pub use target_url::target_url;

/// Most take texts. Bytes that are none become U+FFFD instead of a wasted run.
fn text(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// Messages go into rows, answers and logs: they must stay short however long the input is.
///
/// They show at most 64 characters of it, each of which takes ten bytes at most when it is escaped (`\u{10ffff}`); our
/// own words, a URL's form or the names of all events among them, take no more than 400.
fn assert_short(message: &str) {
    assert!(message.len() <= 64 * 10 + 400, "a message of {} bytes: {message}", message.len());
}

/// The same, and a message that stays on its line.
fn assert_showable(message: &str) {
    assert_short(message);
    assert!(!message.contains(unprintable), "a message with unprintable characters: {message:?}");
}

/// Control characters, and those that break a line or turn the direction of what follows them.
fn unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
