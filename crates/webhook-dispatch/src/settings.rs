//! The settings of the functions, read from environment variables.

use thiserror::Error;
use webhook_backoff::{BreakerPolicy, Rate, RetryPolicy, Schedule};
use webhook_protocol::AllowedAddresses;

use crate::{
    AlertPolicy, HealthPolicy, Protocols, Transport, WirePolicy,
    variables::{RATE_FORM, Reader, parse_bytes, parse_rate, parse_schedule, time_text},
};

/// How the functions work. All times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `WEBHOOK_RETRY_SCHEDULE`, `WEBHOOK_MAX_ATTEMPTS`, `WEBHOOK_CLIENT_ERROR_ATTEMPTS`, `WEBHOOK_RETRY_JITTER`: how
    /// often and when a delivery is tried.
    pub retry: RetryPolicy,
    /// `WEBHOOK_BREAKER_FAILURES`, `WEBHOOK_BREAKER_PAUSE`: when an endpoint is left alone.
    pub breaker: BreakerPolicy,
    /// `WEBHOOK_RATE_LIMIT`: how much an endpoint gets that has no `rate` of its own; `None` for no limit.
    pub rate_limit: Option<Rate>,
    /// `WEBHOOK_CONCURRENCY`: how many requests are under way at once.
    pub concurrency: u32,
    /// `WEBHOOK_ENDPOINT_CONCURRENCY`: how many of them to one endpoint.
    pub endpoint_concurrency: u32,
    /// `WEBHOOK_REQUEST_TIMEOUT`: how long a receiver may take for its whole answer.
    pub request_timeout_ms: u64,
    /// `WEBHOOK_MAX_PAYLOAD`: how many bytes a payload may have.
    pub max_payload_bytes: u64,
    /// `WEBHOOK_LEASE`: how long a claimed delivery belongs to the dispatcher that claimed it.
    pub lease_ms: u64,
    /// `WEBHOOK_TIME_BUDGET`: how long one call goes on claiming.
    pub time_budget_ms: u64,
    /// `WEBHOOK_RETRY_WAIT`: how long a call that has nothing else to do waits for a delivery that becomes due.
    pub retry_wait_ms: u64,
    /// `WEBHOOK_LINGER_POLL`: how often a call that lingers looks for due deliveries.
    pub linger_poll_ms: u64,
    /// `WEBHOOK_CLOSE_LOOKBACK`: how old an expiry may be to be closed still.
    pub close_lookback_ms: u64,
    /// `WEBHOOK_ALLOWED_ADDRESSES`: what may be called beside public addresses.
    pub allowed_addresses: AllowedAddresses,
    /// `WEBHOOK_IDEMPOTENCY_KEYS`, `WEBHOOK_STANDARD_WEBHOOKS`, `WEBHOOK_TRACE_CONTEXT`, `WEBHOOK_PROTOCOLS`,
    /// `WEBHOOK_TRANSPORT`: what goes over the wire, and how.
    pub wire: WirePolicy,
    /// `WEBHOOK_ALERTS`, `WEBHOOK_ALERT_…`: when something is the matter.
    pub alerts: AlertPolicy,
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
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
            rate_limit: None,
            concurrency: 100,
            endpoint_concurrency: 50,
            request_timeout_ms: 10_000,
            max_payload_bytes: 1_048_576,
            lease_ms: 60_000,
            time_budget_ms: 50_000,
            retry_wait_ms: 3_000,
            linger_poll_ms: 2_000,
            close_lookback_ms: 24 * 3_600_000,
            allowed_addresses: AllowedAddresses::default(),
            wire: WirePolicy::default(),
            alerts: AlertPolicy::default(),
        }
    }
}

/// A lease must outlast a request and the writing of its result, or a second dispatcher sends the same delivery.
const LEASE_MARGIN_MS: u64 = 10_000;

impl Settings {
    /// Reads the settings. `variable` gives a variable's value, if it is set. A variable that is wrong does not stop
    /// deliveries: its default is used, and an error says so.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> (Settings, Vec<SettingError>) {
        let mut reader = Reader::new(variable);
        let default = Settings::default();
        let concurrency = reader.number("WEBHOOK_CONCURRENCY", default.concurrency, 1, 1_000);
        let half = concurrency.div_ceil(2);
        let mut settings = Settings {
            retry: retry_policy(&mut reader),
            breaker: BreakerPolicy {
                failures: reader.number("WEBHOOK_BREAKER_FAILURES", default.breaker.failures, 0, 1_000),
                pause_ms: reader.time("WEBHOOK_BREAKER_PAUSE", default.breaker.pause_ms, 1_000, 86_400_000),
            },
            rate_limit: reader.value(
                "WEBHOOK_RATE_LIMIT",
                (None, "none"),
                &format!("none or {RATE_FORM}"),
                |text| if text == "none" { Some(None) } else { parse_rate(text).map(Some) },
            ),
            concurrency,
            endpoint_concurrency: reader.number("WEBHOOK_ENDPOINT_CONCURRENCY", half, 1, 1_000),
            request_timeout_ms: reader.time(
                "WEBHOOK_REQUEST_TIMEOUT",
                default.request_timeout_ms,
                100,
                MOST_REQUEST_TIMEOUT_MS,
            ),
            max_payload_bytes: reader.value(
                "WEBHOOK_MAX_PAYLOAD",
                (default.max_payload_bytes, "1MiB"),
                "a size like 256KiB or 1MiB, from 1KiB to 16MiB",
                |text| parse_bytes(text).filter(|bytes| (1_024..=16 * 1_048_576).contains(bytes)),
            ),
            lease_ms: reader.time("WEBHOOK_LEASE", default.lease_ms, 1_000, 3_600_000),
            time_budget_ms: reader.time("WEBHOOK_TIME_BUDGET", default.time_budget_ms, 100, 390_000),
            retry_wait_ms: reader.time("WEBHOOK_RETRY_WAIT", default.retry_wait_ms, 0, 60_000),
            linger_poll_ms: reader.time("WEBHOOK_LINGER_POLL", default.linger_poll_ms, 200, 60_000),
            close_lookback_ms: reader.time(
                "WEBHOOK_CLOSE_LOOKBACK",
                default.close_lookback_ms,
                60_000,
                90 * 86_400_000,
            ),
            allowed_addresses: allowed_addresses(&mut reader),
            wire: WirePolicy {
                idempotency_keys: reader.switch("WEBHOOK_IDEMPOTENCY_KEYS", default.wire.idempotency_keys),
                standard_webhooks: reader.switch("WEBHOOK_STANDARD_WEBHOOKS", default.wire.standard_webhooks),
                trace_context: reader.switch("WEBHOOK_TRACE_CONTEXT", default.wire.trace_context),
                protocols: reader.value(
                    "WEBHOOK_PROTOCOLS",
                    (default.wire.protocols, "all"),
                    Protocols::FORM,
                    Protocols::parse,
                ),
                transport: reader.value(
                    "WEBHOOK_TRANSPORT",
                    (default.wire.transport, default.wire.transport.as_str()),
                    Transport::FORM,
                    Transport::parse,
                ),
            },
            alerts: alert_policy(&mut reader),
        };
        if settings.retry.schedule == Schedule::none() {
            // One attempt a call, as it was before there were delays.
            settings.retry_wait_ms = 0;
        }
        let shortest = settings.request_timeout_ms + LEASE_MARGIN_MS;
        if settings.lease_ms < shortest {
            if reader.text("WEBHOOK_LEASE").is_some() {
                let expected = format!("WEBHOOK_REQUEST_TIMEOUT and {} more", time_text(LEASE_MARGIN_MS));
                reader.wrong("WEBHOOK_LEASE", &time_text(settings.lease_ms), expected, time_text(shortest));
            }
            settings.lease_ms = shortest;
        }
        (settings, reader.errors)
    }

    /// What health is judged by.
    pub fn health(&self) -> HealthPolicy {
        HealthPolicy { alerts: self.alerts, breaker: self.breaker }
    }

    /// The longest time-out that an endpoint can have of its own: its lease must outlast it.
    pub(crate) fn most_timeout_ms(&self) -> u64 {
        self.lease_ms.saturating_sub(LEASE_MARGIN_MS).min(MOST_REQUEST_TIMEOUT_MS)
    }
}

fn allowed_addresses<F: Fn(&str) -> Option<String>>(reader: &mut Reader<F>) -> AllowedAddresses {
    let name = "WEBHOOK_ALLOWED_ADDRESSES";
    let (allowed, errors) = AllowedAddresses::parse(&reader.text(name).unwrap_or_default());
    for error in errors {
        reader.wrong(name, &error.entry, error.expected.to_string(), "the other entries".to_owned());
    }
    allowed
}

const MOST_REQUEST_TIMEOUT_MS: u64 = 120_000;

fn alert_policy<F: Fn(&str) -> Option<String>>(reader: &mut Reader<F>) -> AlertPolicy {
    let default = AlertPolicy::default();
    AlertPolicy {
        is_on: reader.switch("WEBHOOK_ALERTS", default.is_on),
        failure_percent: reader.value(
            "WEBHOOK_ALERT_FAILURE_RATE",
            (default.failure_percent, "50%"),
            "a whole percentage from 1% to 99%",
            |text| text.strip_suffix('%')?.parse().ok().filter(|percent| (1..=99).contains(percent)),
        ),
        least_finished: reader.count("WEBHOOK_ALERT_LEAST_FINISHED", default.least_finished, 1, 1_000_000),
        most_pending: reader.count("WEBHOOK_ALERT_PENDING", default.most_pending, 0, 1_000_000_000),
        longest_due_ms: reader.time("WEBHOOK_ALERT_OVERDUE", default.longest_due_ms, 1_000, 7 * 86_400_000),
        reminder_ms: reader.time("WEBHOOK_ALERT_REMINDER", default.reminder_ms, 60_000, 7 * 86_400_000),
    }
}

fn retry_policy<F: Fn(&str) -> Option<String>>(reader: &mut Reader<F>) -> RetryPolicy {
    let default = RetryPolicy::default();
    let schedule = reader.value(
        "WEBHOOK_RETRY_SCHEDULE",
        (default.schedule, "2s,4s,8s,16s,32s,1m,5m,15m,30m,1h,2h,4h,8h,8h,8h"),
        "exponential, none, or up to 100 times from 1ms to 7d like 5s,5m,30m,2h",
        parse_schedule,
    );
    RetryPolicy {
        max_attempts: reader.number("WEBHOOK_MAX_ATTEMPTS", schedule.attempts(), 1, 1_000),
        schedule,
        client_error_attempts: reader.number(
            "WEBHOOK_CLIENT_ERROR_ATTEMPTS",
            default.client_error_attempts,
            1,
            1_000,
        ),
        jitter_percent: reader.number("WEBHOOK_RETRY_JITTER", default.jitter_percent, 0, 50),
    }
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
    fn a_schedule_brings_its_number_of_attempts_unless_one_is_said() {
        let retry = |variables: &[(&str, &str)]| read(variables).0.retry;
        let exponential = retry(&[("WEBHOOK_RETRY_SCHEDULE", "exponential")]);
        assert_eq!((exponential.max_attempts, exponential.schedule), (10, Schedule::exponential()));
        assert_eq!(retry(&[("WEBHOOK_RETRY_SCHEDULE", "5s,5m,30m,2h,5h,10h,10h")]).max_attempts, 8);
        let both = retry(&[("WEBHOOK_RETRY_SCHEDULE", "5s,5m"), ("WEBHOOK_MAX_ATTEMPTS", "20")]);
        assert_eq!((both.max_attempts, both.schedule.delay_ms(19)), (20, 300_000));
    }

    #[test]
    fn without_delays_a_call_makes_one_attempt() {
        let (settings, errors) = read(&[("WEBHOOK_RETRY_SCHEDULE", "none"), ("WEBHOOK_RETRY_WAIT", "9s")]);
        assert_eq!((settings.retry.max_attempts, settings.retry_wait_ms, errors), (10, 0, vec![]));
    }

    #[test]
    fn switches_turn_parts_off() {
        let variables = [
            ("WEBHOOK_ALERTS", "off"),
            ("WEBHOOK_IDEMPOTENCY_KEYS", "off"),
            ("WEBHOOK_STANDARD_WEBHOOKS", "off"),
            ("WEBHOOK_TRACE_CONTEXT", "off"),
            ("WEBHOOK_PROTOCOLS", "http"),
            ("WEBHOOK_TRANSPORT", "fetch"),
            ("WEBHOOK_BREAKER_FAILURES", "0"),
            ("WEBHOOK_RETRY_JITTER", "0"),
            ("WEBHOOK_RATE_LIMIT", "none"),
        ];
        let (settings, errors) = read(&variables);
        assert_eq!((settings.breaker.failures, settings.retry.jitter_percent), (0, 0));
        assert_eq!((settings.rate_limit, settings.alerts.is_on, errors), (None, false, vec![]));
        let wire = settings.wire;
        assert_eq!([wire.idempotency_keys, wire.standard_webhooks, wire.trace_context], [false; 3]);
        assert_eq!((wire.protocols.text().as_str(), wire.transport), ("http", Transport::Fetch));
    }

    #[test]
    fn an_endpoint_gets_half_of_the_requests_unless_it_is_said() {
        assert_eq!(read(&[("WEBHOOK_CONCURRENCY", "7")]).0.endpoint_concurrency, 4);
        assert_eq!(read(&[("WEBHOOK_ENDPOINT_CONCURRENCY", "9")]).0.endpoint_concurrency, 9);
    }

    #[test]
    fn a_wrong_value_is_named_and_the_default_is_used() {
        let (settings, errors) = read(&[
            ("WEBHOOK_MAX_ATTEMPTS", "0"),
            ("WEBHOOK_REQUEST_TIMEOUT", "10"),
            ("WEBHOOK_RETRY_SCHEDULE", "often"),
            ("WEBHOOK_RATE_LIMIT", "10"),
            ("WEBHOOK_MAX_PAYLOAD", "1MB"),
        ]);
        assert_eq!(settings, Settings::default());
        assert_eq!(
            errors,
            [
                r#"WEBHOOK_RETRY_SCHEDULE: expected exponential, none, or up to 100 times from 1ms to 7d like 5s,5m,30m,2h, got "often"; using 2s,4s,8s,16s,32s,1m,5m,15m,30m,1h,2h,4h,8h,8h,8h"#,
                r#"WEBHOOK_MAX_ATTEMPTS: expected a whole number from 1 to 1000, got "0"; using 16"#,
                r#"WEBHOOK_RATE_LIMIT: expected none or a rate like 10/s, 600/m or 1000/h, from 1 to 1000000, got "10"; using none"#,
                r#"WEBHOOK_REQUEST_TIMEOUT: expected a time like 500ms, 10s, 5m, 2h or 1d, from 100ms to 2m, got "10"; using 10s"#,
                r#"WEBHOOK_MAX_PAYLOAD: expected a size like 256KiB or 1MiB, from 1KiB to 16MiB, got "1MB"; using 1MiB"#,
            ]
        );
    }

    #[test]
    fn allowed_addresses_are_read_and_a_wrong_entry_opens_nothing() {
        let (settings, errors) = read(&[("WEBHOOK_ALLOWED_ADDRESSES", "127.0.0.0/8, 10.0.0.1/8")]);
        assert!(settings.allowed_addresses.covers_address([127, 0, 0, 1].into()));
        assert!(!settings.allowed_addresses.covers_address([10, 0, 0, 1].into()));
        assert_eq!(
            errors,
            [
                r#"WEBHOOK_ALLOWED_ADDRESSES: expected 10.0.0.0/8 or 10.0.0.1/32, got "10.0.0.1/8"; using the other entries"#
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
