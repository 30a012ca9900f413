//! `Retry-After`: what [`webhook_backoff::retry_after_ms`] promises.

use webhook_backoff::{MOST_RETRY_AFTER_MS, retry_after_ms};

use crate::text;

/// The epoch, the RFC's example, a day in 2026 and the last millisecond that there is.
const CLOCKS_MS: [u64; 4] = [0, 784_111_777_000, 1_790_000_000_000, u64::MAX];

/// An IMF-fixdate, an asctime, and an RFC 850 date from `Sunday` to `Wednesday`.
const LENGTHS_OF_DATES: [usize; 6] = [29, 24, 30, 31, 32, 33];

/// The first second of the year 10000, which no form of a date can write.
const AFTER_ALL_DATES_MS: u64 = 253_402_300_800_000;

/// What holds for every text of a `Retry-After` header.
///
/// # Panics
/// Where it does not hold.
pub fn retry_after(data: &[u8]) {
    let text = text(data);
    let trimmed = text.trim();
    let waits = CLOCKS_MS.map(|now_ms| retry_after_ms(&text, now_ms));
    for wait_ms in waits.into_iter().flatten() {
        assert!(wait_ms <= MOST_RETRY_AFTER_MS, "{text:?} passes the clamp: {wait_ms}");
    }
    assert_eq!(
        waits,
        CLOCKS_MS.map(|now_ms| retry_after_ms(trimmed, now_ms)),
        "blanks around {text:?} have a meaning"
    );
    if let Some(seconds_ms) = digits(trimmed) {
        assert_eq!(waits, [Some(seconds_ms); 4], "{text:?} is a number, whatever the clock says");
    } else if waits.iter().any(Option::is_some) {
        assert!(waits.iter().all(Option::is_some), "the clock decides whether {text:?} is a date: {waits:?}");
        date(trimmed);
    }
}

/// The wait that a text of digits asks for, worked out without a number that could overflow.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = text.trim_start_matches('0');
    if significant.len() > 4 {
        return Some(MOST_RETRY_AFTER_MS);
    }
    let seconds: u64 = significant.bytes().fold(0, |all, digit| all * 10 + u64::from(digit - b'0'));
    Some((seconds * 1_000).min(MOST_RETRY_AFTER_MS))
}

fn date(text: &str) {
    assert!(text.is_ascii() && LENGTHS_OF_DATES.contains(&text.len()), "{text:?} is none of the three forms");
    let wait_ms = |now_ms| retry_after_ms(text, now_ms).unwrap_or_else(|| panic!("{text:?} at {now_ms}"));

    // The date is the first clock at which there is nothing left to wait for.
    let (mut waits_at, mut done_at) = (0, AFTER_ALL_DATES_MS);
    assert_eq!(wait_ms(done_at), 0, "{text:?} is after the year 9999");
    if wait_ms(0) == 0 {
        done_at = 0;
    }
    while done_at > waits_at + 1 {
        let middle = waits_at.midpoint(done_at);
        if wait_ms(middle) == 0 { done_at = middle } else { waits_at = middle }
    }
    let date_ms = done_at;
    assert_eq!(date_ms % 1_000, 0, "{text:?} is no whole second: {date_ms}");
    for before_ms in [0, 1, 999, 90_000, MOST_RETRY_AFTER_MS, MOST_RETRY_AFTER_MS + 1] {
        if let Some(now_ms) = date_ms.checked_sub(before_ms) {
            assert_eq!(wait_ms(now_ms), before_ms.min(MOST_RETRY_AFTER_MS), "{text:?} at {now_ms}");
        }
    }
    // The clock's time stands in the text, in all three forms, in these digits.
    let second = date_ms / 1_000;
    let time = format!("{:02}:{:02}:{:02}", second / 3_600 % 24, second / 60 % 60, second % 60);
    assert!(text.contains(&time), "{text:?} is read as one at {time}");
    let (year, month, day) = civil(second / 86_400);
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = names.get(month - 1).copied().unwrap_or_default();
    // `httpdate` takes any character between an RFC 850 year and the time, which does no harm.
    let year = if text.len() > 29 { format!("-{:02}", year % 100) } else { format!(" {year}") };
    // asctime pads the day with a blank, or with a zero as some C libraries do.
    let days = [format!(" {day:02}"), format!(" {day:2}")];
    assert!(
        text.contains(month) && text.contains(&year) && days.iter().any(|day| text.contains(day)),
        "{text:?} is read as {year}, {month}, {day}"
    );
}

/// Year, month and day of a number of days since 1970. Counted, not computed: it must not share an error with the
/// parser's arithmetic.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}
