//! Reading values out of environment variables and URL options.

use webhook_backoff::{Rate, Schedule};

use crate::SettingError;

/// Reads variables and collects what is wrong with them.
pub struct Reader<F> {
    variable: F,
    /// What is wrong so far.
    pub errors: Vec<SettingError>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// `variable` gives a variable's value, if it is set.
    pub fn new(variable: F) -> Self {
        Reader { variable, errors: Vec::new() }
    }

    /// An empty variable counts as not set: that is how dashboards clear one.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The variable's value as `parse` reads it. Where it is not set it is the default; where it is wrong, too, and
    /// an error shows what was `expected`.
    pub fn value<T>(
        &mut self,
        name: &'static str,
        default: (T, &str),
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let (default, shown) = default;
        let Some(text) = self.text(name) else { return default };
        parse(&text).unwrap_or_else(|| {
            self.wrong(name, &text, expected.to_owned(), shown.to_owned());
            default
        })
    }

    /// A whole number within these bounds.
    pub fn number(&mut self, name: &'static str, default: u32, least: u32, most: u32) -> u32 {
        let expected = format!("a whole number from {least} to {most}");
        self.value(name, (default, &default.to_string()), &expected, |text| {
            text.parse().ok().filter(|number| (least..=most).contains(number))
        })
    }

    /// As [`Reader::number`], for what is counted in 64 bits.
    pub(crate) fn count(&mut self, name: &'static str, default: u64, least: u32, most: u32) -> u64 {
        u64::from(self.number(name, u32::try_from(default).unwrap_or(u32::MAX), least, most))
    }

    pub(crate) fn switch(&mut self, name: &'static str, default: bool) -> bool {
        let shown = if default { "on" } else { "off" };
        self.value(name, (default, shown), "on or off", |text| match text {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })
    }

    pub(crate) fn time(&mut self, name: &'static str, default_ms: u64, least_ms: u64, most_ms: u64) -> u64 {
        let (least, most) = (time_text(least_ms), time_text(most_ms));
        let expected = format!("a time like 500ms, 10s, 5m, 2h or 1d, from {least} to {most}");
        self.value(name, (default_ms, &time_text(default_ms)), &expected, |text| {
            parse_time_ms(text).filter(|time| (least_ms..=most_ms).contains(time))
        })
    }

    /// Notes that a variable is wrong: what was expected, what it holds, and what is used instead.
    pub fn wrong(&mut self, name: &'static str, got: &str, expected: String, used: String) {
        self.errors.push(SettingError { name, expected, got: got.chars().take(64).collect(), used });
    }
}

/// A whole number and its unit.
fn parse_quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, size) = units.iter().find(|(known, _)| *known == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// `500ms`, `10s`, `5m`, `2h` or `1d`, in milliseconds.
pub(crate) fn parse_time_ms(text: &str) -> Option<u64> {
    parse_quantity(text, &TIMES)
}

/// A time as [`parse_time_ms`] reads it, in the largest unit that it is a multiple of.
pub(crate) fn time_text(ms: u64) -> String {
    let fits = TIMES.iter().rev().find(|(_, size)| ms > 0 && ms.is_multiple_of(*size));
    fits.map_or("0s".to_owned(), |(unit, size)| format!("{}{unit}", ms / size))
}

/// `500B`, `256KiB` or `1MiB`, in bytes.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    parse_quantity(text, &[("B", 1), ("KiB", 1_024), ("MiB", 1_048_576)])
}

/// What [`parse_rate`] takes, for messages.
pub(crate) const RATE_FORM: &str = "a rate like 10/s, 600/m or 1000/h, from 1 to 1000000";

/// `10/s`, `600/m` or `1000/h`.
pub(crate) fn parse_rate(text: &str) -> Option<Rate> {
    let (count, unit) = text.split_once('/')?;
    let is_decimal = count.bytes().all(|byte| byte.is_ascii_digit());
    let count: u32 = is_decimal.then(|| count.parse().ok()).flatten()?;
    let per_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    (1..=1_000_000).contains(&count).then_some(Rate { count, per_ms })
}

/// The longest delay of a list and its most entries.
const MOST_DELAY_MS: u64 = 7 * 86_400_000;
const MOST_DELAYS: usize = 100;

/// `exponential`, `none`, or delays separated by commas.
pub(crate) fn parse_schedule(text: &str) -> Option<Schedule> {
    match text {
        "exponential" => return Some(Schedule::exponential()),
        "none" => return Some(Schedule::none()),
        _ => {}
    }
    let delays: Option<Vec<u64>> = text
        .split(',')
        .map(|delay| parse_time_ms(delay.trim()).filter(|ms| (1..=MOST_DELAY_MS).contains(ms)))
        .collect();
    delays.filter(|delays| delays.len() <= MOST_DELAYS).map(Schedule::list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, ms) in [("0s", 0), ("500ms", 500), ("7s", 7_000), ("2h", 7_200_000), ("2d", 172_800_000)] {
            assert_eq!(parse_time_ms(text), Some(ms), "{text}");
        }
        for wrong in ["", "5", "s", "-5s", "5 s", "1.5s", "5S", "99999999999999999999s"] {
            assert_eq!(parse_time_ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_shown_in_their_largest_unit() {
        for text in ["0s", "500ms", "1500ms", "7s", "90s", "5m", "2h", "7d"] {
            assert_eq!(time_text(parse_time_ms(text).unwrap()), text);
        }
        assert_eq!([60_000, 3_600_000, 172_800_000].map(time_text), ["1m", "1h", "2d"]);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_bytes("256KiB"), Some(262_144));
        assert_eq!(parse_bytes("1MiB"), Some(1_048_576));
        for wrong in ["1MB", "1", "1kib", "MiB"] {
            assert_eq!(parse_bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rates_are_counts_by_time() {
        assert_eq!(parse_rate("10/s"), Some(Rate { count: 10, per_ms: 1_000 }));
        assert_eq!(parse_rate("600/m"), Some(Rate { count: 600, per_ms: 60_000 }));
        assert_eq!(parse_rate("1000/h"), Some(Rate { count: 1_000, per_ms: 3_600_000 }));
        for wrong in ["10", "10/", "/s", "0/s", "1.5/s", "-1/s", "+1/s", "10/d", "10/sec", "1000001/s"] {
            assert_eq!(parse_rate(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn schedules_are_a_name_or_a_list() {
        assert_eq!(parse_schedule("exponential"), Some(Schedule::exponential()));
        assert_eq!(parse_schedule("none"), Some(Schedule::none()));
        let list = parse_schedule("5s, 5m,30m,2h,5h,10h,10h").unwrap();
        assert_eq!(list.attempts(), 8);
        assert_eq!(list.delays_ms().first(), Some(&5_000));
        for wrong in ["linear", "5s,,5m", "5", "0s", "8d", ",", &"1s,".repeat(101)] {
            assert_eq!(parse_schedule(wrong), None, "{wrong}");
        }
    }
}
