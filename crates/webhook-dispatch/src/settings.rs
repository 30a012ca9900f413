//! The settings of the functions, read from environment variables.

use thiserror::Error;
use webhook_backoff::RetryPolicy;

/// How the functions work. All times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `WEBHOOK_MAX_ATTEMPTS`: how often a delivery is tried before it fails for good.
    pub max_attempts: u32,
    /// `WEBHOOK_CONCURRENCY`: how many requests are under way at once.
    pub concurrency: u32,
    /// `WEBHOOK_REQUEST_TIMEOUT`: how long a receiver may take for its whole answer.
    pub request_timeout_ms: u64,
    /// `WEBHOOK_LEASE`: how long a claimed delivery belongs to the dispatcher that claimed it.
    pub lease_ms: u64,
    /// `WEBHOOK_TIME_BUDGET`: how long one call goes on claiming.
    pub time_budget_ms: u64,
    /// `WEBHOOK_CLOSE_LOOKBACK`: how old an expiry may be to be closed still.
    pub close_lookback_ms: u64,
}

/// A variable that is not as it should be. The setting keeps the value that `used` shows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}: expected {expected}, got {got:?}; using {used}")]
pub struct SettingError {
    /// The variable.
    pub name: &'static str,
    /// What it takes.
    pub expected: String,
    /// What it holds, cut after 64 characters.
    pub got: String,
    /// What is used instead.
    pub used: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_attempts: RetryPolicy::default().max_attempts,
            concurrency: 50,
            request_timeout_ms: 10_000,
            lease_ms: 60_000,
            time_budget_ms: 50_000,
            close_lookback_ms: 24 * 3_600_000,
        }
    }
}

/// A lease must outlast a request and the writing of its result, or a second dispatcher sends the same delivery.
const LEASE_MARGIN_MS: u64 = 10_000;

impl Settings {
    /// Reads the settings. `variable` gives a variable's value, if it is set. A variable that is wrong does not stop
    /// deliveries: its default is used, and an error says so.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> (Settings, Vec<SettingError>) {
        let mut reader = Reader { variable, errors: Vec::new() };
        let default = Settings::default();
        let mut settings = Settings {
            max_attempts: reader.number("WEBHOOK_MAX_ATTEMPTS", default.max_attempts, 1, 1_000),
            concurrency: reader.number("WEBHOOK_CONCURRENCY", default.concurrency, 1, 1_000),
            request_timeout_ms: reader.time(
                "WEBHOOK_REQUEST_TIMEOUT",
                default.request_timeout_ms,
                100,
                120_000,
            ),
            lease_ms: reader.time("WEBHOOK_LEASE", default.lease_ms, 1_000, 3_600_000),
            time_budget_ms: reader.time("WEBHOOK_TIME_BUDGET", default.time_budget_ms, 100, 390_000),
            close_lookback_ms: reader.time(
                "WEBHOOK_CLOSE_LOOKBACK",
                default.close_lookback_ms,
                60_000,
                90 * 86_400_000,
            ),
        };
        let shortest = settings.request_timeout_ms + LEASE_MARGIN_MS;
        if settings.lease_ms < shortest {
            if reader.text("WEBHOOK_LEASE").is_some() {
                reader.errors.push(SettingError {
                    name: "WEBHOOK_LEASE",
                    expected: format!("WEBHOOK_REQUEST_TIMEOUT and {LEASE_MARGIN_MS}ms more"),
                    got: format!("{}ms", settings.lease_ms),
                    used: format!("{shortest}ms"),
                });
            }
            settings.lease_ms = shortest;
        }
        (settings, reader.errors)
    }
}

struct Reader<F> {
    variable: F,
    errors: Vec<SettingError>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn number(&mut self, name: &'static str, default: u32, least: u32, most: u32) -> u32 {
        let Some(text) = self.text(name) else { return default };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.unwrap_or_else(|| {
            self.wrong(name, &text, format!("a whole number from {least} to {most}"), default.to_string());
            default
        })
    }

    fn time(&mut self, name: &'static str, default_ms: u64, least_ms: u64, most_ms: u64) -> u64 {
        let Some(text) = self.text(name) else { return default_ms };
        let time = parse_time_ms(&text).filter(|time| (least_ms..=most_ms).contains(time));
        time.unwrap_or_else(|| {
            let expected = format!("a time like 500ms, 10s, 5m, 2h or 1d, from {least_ms}ms to {most_ms}ms");
            self.wrong(name, &text, expected, format!("{default_ms}ms"));
            default_ms
        })
    }

    /// An empty variable counts as not set: that is how dashboards clear one.
    fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn wrong(&mut self, name: &'static str, got: &str, expected: String, used: String) {
        self.errors.push(SettingError { name, expected, got: got.chars().take(64).collect(), used });
    }
}

/// A whole number and its unit, in milliseconds.
fn parse_time_ms(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let (settings, errors) = Settings::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        });
        (settings, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_set_gives_the_defaults() {
        assert_eq!(read(&[]), (Settings::default(), vec![]));
        assert_eq!(read(&[("WEBHOOK_MAX_ATTEMPTS", " ")]), (Settings::default(), vec![]));
    }

    #[test]
    fn times_have_units() {
        for (text, ms) in [("500ms", 500), ("7s", 7_000), ("1m", 60_000)] {
            assert_eq!(read(&[("WEBHOOK_TIME_BUDGET", text)]).0.time_budget_ms, ms);
        }
        assert_eq!(read(&[("WEBHOOK_CLOSE_LOOKBACK", "2d")]).0.close_lookback_ms, 172_800_000);
        assert_eq!(parse_time_ms("2h"), Some(7_200_000));
        for wrong in ["", "5", "s", "-5s", "5 s", "1.5s", "5S", "99999999999999999999s"] {
            assert_eq!(parse_time_ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_wrong_value_is_named_and_the_default_is_used() {
        let (settings, errors) = read(&[("WEBHOOK_MAX_ATTEMPTS", "0"), ("WEBHOOK_REQUEST_TIMEOUT", "10")]);
        assert_eq!(settings, Settings::default());
        assert_eq!(
            errors,
            [
                r#"WEBHOOK_MAX_ATTEMPTS: expected a whole number from 1 to 1000, got "0"; using 10"#,
                r#"WEBHOOK_REQUEST_TIMEOUT: expected a time like 500ms, 10s, 5m, 2h or 1d, from 100ms to 120000ms, got "10"; using 10000ms"#,
            ]
        );
    }

    #[test]
    fn a_lease_outlasts_a_request() {
        let (settings, errors) = read(&[("WEBHOOK_REQUEST_TIMEOUT", "55s")]);
        assert_eq!((settings.lease_ms, errors), (65_000, vec![]));
        let (settings, errors) = read(&[("WEBHOOK_REQUEST_TIMEOUT", "55s"), ("WEBHOOK_LEASE", "1m")]);
        assert_eq!(settings.lease_ms, 65_000);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].starts_with("WEBHOOK_LEASE: "), "{errors:?}");
    }
}
