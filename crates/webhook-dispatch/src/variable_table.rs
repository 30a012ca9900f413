//! All variables with what they do: the README's table and `.env.example` are made of this. What a variable takes and what its
//! default is, the code that reads it says; a test holds the two together.

/// A variable that the functions read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What is used where it is not set or wrong, as it would be written; empty for nothing.
    pub default: &'static str,
    /// What it takes.
    pub form: &'static str,
    /// What it does, in Markdown.
    pub effect: &'static str,
}

const fn variable(
    name: &'static str,
    default: &'static str,
    form: &'static str,
    effect: &'static str,
) -> Variable {
    Variable { name, default, form, effect }
}

/// Those of [`crate::Settings`], in the README's order.
pub const SETTINGS: [Variable; 28] = [
    variable(
        "WEBHOOK_RETRY_SCHEDULE",
        "2s,4s,8s,16s,32s,1m,5m,15m,30m,1h,2h,4h,8h,8h,8h",
        "exponential, none, or up to 100 times from 1ms to 7d like 5s,5m,30m,2h",
        "delays after attempts 1, 2, 3 …, the last one repeated. `exponential`: `min(2^attempt, 60)` seconds; `none`: the next call",
    ),
    variable(
        "WEBHOOK_MAX_ATTEMPTS",
        "16",
        "a whole number from 1 to 1000",
        "how often a delivery is tried before it fails for good. By default one more than there are delays: `10` for `exponential` and `none`",
    ),
    variable(
        "WEBHOOK_CLIENT_ERROR_ATTEMPTS",
        "5",
        "a whole number from 1 to 1000",
        "the same for 4xx but for 408, 425 and 429, and for names whose address is not called",
    ),
    variable(
        "WEBHOOK_RETRY_JITTER",
        "20",
        "a whole number from 0 to 50",
        "by how many per cent a delay varies; the same for a delivery and attempt each time",
    ),
    variable(
        "WEBHOOK_RETRY_WAIT",
        "3s",
        "a time like 500ms, 10s, 5m, 2h or 1d, from 0s to 1m",
        "how long a call that has nothing else to do waits for a delivery that becomes due; none with the schedule `none`",
    ),
    variable(
        "WEBHOOK_BREAKER_FAILURES",
        "5",
        "a whole number from 0 to 1000",
        "failures in a row after which an endpoint is left alone; `0` for never",
    ),
    variable(
        "WEBHOOK_BREAKER_PAUSE",
        "5m",
        "a time like 500ms, 10s, 5m, 2h or 1d, from 1s to 1d",
        "for how long, from the last failure; then one probe",
    ),
    variable(
        "WEBHOOK_RATE_LIMIT",
        "none",
        "none or a rate like 10/s, 600/m or 1000/h, from 1 to 1000000",
        "how much an endpoint gets at most",
    ),
    variable(
        "WEBHOOK_ALLOWED_ADDRESSES",
        "",
        "10.1.0.0/16, 127.0.0.1, hooks.internal or *.svc.local",
        "what may be called beside public [addresses](#addresses); a wrong entry opens nothing",
    ),
    variable(
        "WEBHOOK_CONCURRENCY",
        "100",
        "a whole number from 1 to 1000",
        "requests under way at once in one call",
    ),
    variable(
        "WEBHOOK_ENDPOINT_CONCURRENCY",
        "50",
        "a whole number from 1 to 1000",
        "to one endpoint; it begins with 12. By default half of `WEBHOOK_CONCURRENCY`",
    ),
    variable(
        "WEBHOOK_REQUEST_TIMEOUT",
        "10s",
        "a time like 500ms, 10s, 5m, 2h or 1d, from 100ms to 2m",
        "what a receiver gets from the look-up of its name to its whole answer; 5s of it for a connection",
    ),
    variable(
        "WEBHOOK_MAX_PAYLOAD",
        "1MiB",
        "a size like 256KiB or 1MiB, from 1KiB to 16MiB",
        "longer payloads fail with that reason",
    ),
    variable(
        "WEBHOOK_TIME_BUDGET",
        "50s",
        "a time like 500ms, 10s, 5m, 2h or 1d, from 100ms to 390s",
        "how long one call goes on claiming; what is left is `due` in its answer. Stay below the caller's own time-out",
    ),
    variable(
        "WEBHOOK_LEASE",
        "1m",
        "a time like 500ms, 10s, 5m, 2h or 1d, from 1s to 1h",
        "how long a delivery belongs to the dispatcher that claimed it; a shorter one than the request's time-out and 10s is raised to that",
    ),
    variable(
        "WEBHOOK_LINGER_POLL",
        "2s",
        "a time like 500ms, 10s, 5m, 2h or 1d, from 200ms to 1m",
        "how often a call that [lingers](#operate) looks for due deliveries",
    ),
    variable(
        "WEBHOOK_CLOSE_LOOKBACK",
        "1d",
        "a time like 500ms, 10s, 5m, 2h or 1d, from 1m to 90d",
        "how old an expiry may be to be announced still",
    ),
    variable(
        "WEBHOOK_IDEMPOTENCY_KEYS",
        "on",
        "on or off",
        "`idempotency_key` in the envelope, `Idempotency-Key` beside it",
    ),
    variable(
        "WEBHOOK_STANDARD_WEBHOOKS",
        "on",
        "on or off",
        "`webhook-id`, `webhook-timestamp`, `webhook-signature`",
    ),
    variable(
        "WEBHOOK_TRACE_CONTEXT",
        "on",
        "on or off",
        "`trace_id` in the envelope, `traceparent` beside it",
    ),
    variable(
        "WEBHOOK_PROTOCOLS",
        "all",
        "all, or some of http, sqs, pubsub, kafka, lambda, mail",
        "deliveries over another protocol fail with that reason",
    ),
    variable(
        "WEBHOOK_TRANSPORT",
        "sockets",
        "sockets or fetch",
        "what sends over HTTP: `fetch` is the runtime's own client; it speaks HTTP/2, costs more CPU, and resolves a name again after its [addresses](#addresses) were judged",
    ),
    variable(
        "WEBHOOK_ALERTS",
        "on",
        "on or off",
        "whether [alerts](#alerts) are sent; the thresholds below also say what is unhealthy",
    ),
    variable(
        "WEBHOOK_ALERT_FAILURE_RATE",
        "50%",
        "a whole percentage from 1% to 99%",
        "more of the last hour's finished deliveries failed",
    ),
    variable(
        "WEBHOOK_ALERT_LEAST_FINISHED",
        "5",
        "a whole number from 1 to 1000000",
        "below that a rate means nothing",
    ),
    variable(
        "WEBHOOK_ALERT_PENDING",
        "100",
        "a whole number from 0 to 1000000000",
        "more deliveries are pending",
    ),
    variable(
        "WEBHOOK_ALERT_OVERDUE",
        "5m",
        "a time like 500ms, 10s, 5m, 2h or 1d, from 1s to 7d",
        "a delivery has been due for longer",
    ),
    variable(
        "WEBHOOK_ALERT_REMINDER",
        "1h",
        "a time like 500ms, 10s, 5m, 2h or 1d, from 1m to 7d",
        "how often an alert that goes on is repeated",
    ),
];

/// OpenTelemetry's own.
pub const TRACES: [Variable; 11] = [
    variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "a URL like https://collector.example:4318",
        "where spans go, as OTLP/HTTP in JSON; `/v1/traces` is added. Without it there are no [traces](#traces)",
    ),
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "a URL", "the same, taken as it is"),
    variable(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "",
        "key=value pairs separated by commas, percent-encoded",
        "headers of an export, such as a collector's key",
    ),
    variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "", "the same", "comes before the former"),
    variable(
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "10000",
        "a whole number from 1 to 120000",
        "milliseconds for an export",
    ),
    variable(
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "10000",
        "a whole number from 1 to 120000",
        "comes before the former",
    ),
    variable("OTEL_SERVICE_NAME", "supabase-webhooks", "a text", "who we are"),
    variable(
        "OTEL_RESOURCE_ATTRIBUTES",
        "",
        "key=value pairs separated by commas, percent-encoded",
        "what else spans say of us",
    ),
    variable(
        "OTEL_TRACES_SAMPLER",
        "parentbased_always_on",
        "parentbased_always_on, parentbased_always_off, parentbased_traceidratio, always_on, always_off or traceidratio",
        "which traces are recorded; receivers are told by `traceparent`'s flag",
    ),
    variable("OTEL_TRACES_SAMPLER_ARG", "1", "a number from 0 to 1 like 0.25", "the ratio"),
    variable("OTEL_SDK_DISABLED", "false", "true or false", "`true` exports nothing"),
];

/// Credentials of services, as the README's section on protocols explains them.
pub const CREDENTIALS: [Variable; 13] = [
    variable("AWS_ACCESS_KEY_ID", "", "an access key", "SQS and Lambda"),
    variable("AWS_SECRET_ACCESS_KEY", "", "its secret", "SQS and Lambda"),
    variable("AWS_SESSION_TOKEN", "", "a session's token", "SQS and Lambda, for temporary keys"),
    variable("GOOGLE_SERVICE_ACCOUNT_JSON", "", "a service account's key file", "Pub/Sub"),
    variable("PUBSUB_EMULATOR_HOST", "", "HOST:PORT", "an emulator in Pub/Sub's place"),
    variable("KAFKA_USERNAME", "", "a text", "Kafka"),
    variable("KAFKA_PASSWORD", "", "a text", "Kafka"),
    variable(
        "KAFKA_SASL_MECHANISM",
        "",
        "plain, scram-sha-256 or scram-sha-512",
        "Kafka; see above for the default",
    ),
    variable(
        "KAFKA_CA_CERT",
        "",
        "certificates in PEM",
        "Kafka over TLS, beside the platform's own authorities",
    ),
    variable("RESEND_API_KEY", "", "a key of Resend", "mail"),
    variable(
        "WEBHOOK_MAIL_FROM",
        "",
        "Alerts <alerts@example.com>",
        "mail: the sender, of a domain that Resend has verified",
    ),
    variable("RESEND_BASE_URL", "https://api.resend.com", "a URL", "mail: another server"),
    variable("WEBHOOK_CREDENTIALS_NAME", "", "a JSON object", "a named set for `?credentials=NAME`"),
];

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::Settings;

    #[test]
    fn the_table_has_what_is_read_and_says_what_the_code_says() {
        let read = RefCell::new(Vec::new());
        Settings::read(|name| {
            read.borrow_mut().push(name.to_owned());
            None
        });
        let mut read = read.into_inner();
        read.sort();
        read.dedup();
        let mut names = SETTINGS.map(|variable| variable.name.to_owned()).to_vec();
        names.sort();
        assert_eq!(read, names);
        for Variable { name, default, form, .. } in SETTINGS {
            let (_, errors) = Settings::read(|known| (known == name).then(|| "/wrong/".to_owned()));
            let [error] = errors.as_slice() else { panic!("{name}: {errors:?}") };
            assert_eq!(error.name, name);
            if name == "WEBHOOK_ALLOWED_ADDRESSES" {
                continue;
            }
            assert_eq!((error.used.as_str(), error.expected.as_str()), (default, form), "{name}");
            let (_, errors) = Settings::read(|known| (known == name).then(|| default.to_owned()));
            assert_eq!(errors, [], "{name}");
        }
    }
}
