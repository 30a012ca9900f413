//! Settings from environment variables.

use serde::{Deserialize, Serialize};
use tsify::{Ts, Tsify};
use wasm_bindgen::{JsCast, prelude::*};
use webhook_backoff as backoff;
use webhook_dispatch as dispatch;
use webhook_protocol::AllowedAddresses;

use crate::error::{shape_error, whole};

#[wasm_bindgen]
unsafe extern "C" {
    /// Gives an environment variable's value, if it is set.
    #[wasm_bindgen(typescript_type = "(name: string) => string | undefined")]
    pub type VariableLookup;
}

/// So many requests in such a time.
#[derive(Serialize, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    count: u32,
    per_ms: f64,
}

/// When something is the matter, and how often that is said.
#[derive(Serialize, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct AlertPolicy {
    is_on: bool,
    failure_percent: f64,
    least_finished: f64,
    most_pending: f64,
    longest_due_ms: f64,
    reminder_ms: f64,
}

/// What goes over the wire.
#[derive(Serialize, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub struct WirePolicy {
    idempotency_keys: bool,
    standard_webhooks: bool,
    trace_context: bool,
    /// `all`, or names separated by commas.
    protocols: String,
    #[tsify(type = "\"sockets\" | \"fetch\"")]
    transport: String,
}

/// How the functions work.
#[derive(Serialize, Deserialize, Tsify)]
#[serde(rename_all = "camelCase")]
#[tsify(missing_as_null)]
pub struct Settings {
    /// The delays after attempts 1, 2, 3 … before jitter; the last one stands for all that follow.
    retry_delays_ms: Vec<f64>,
    /// How often a delivery is tried before it fails for good.
    max_attempts: u32,
    /// The same for answers that trying again seldom changes.
    client_error_attempts: u32,
    /// By how many per cent delays vary.
    jitter_percent: u32,
    /// Failures in a row that open an endpoint's breaker; 0 for never.
    breaker_failures: u32,
    /// From the last failure to the next probe.
    breaker_pause_ms: f64,
    /// How much an endpoint gets that does not say; null for no limit.
    rate_limit: Option<Rate>,
    /// How many requests are under way at once.
    concurrency: u32,
    /// How many of them to one endpoint.
    endpoint_concurrency: u32,
    /// How long a receiver may take for its whole answer.
    request_timeout_ms: f64,
    /// How many bytes a payload may have.
    max_payload_bytes: f64,
    /// How long a claimed delivery belongs to the dispatcher that claimed it.
    lease_ms: f64,
    /// How long one call goes on claiming.
    time_budget_ms: f64,
    /// How long a call that has nothing else to do waits for a delivery that becomes due.
    retry_wait_ms: f64,
    /// How often a call that lingers looks for due deliveries.
    linger_poll_ms: f64,
    /// How old an expiry may be to be closed still.
    close_lookback_ms: f64,
    /// What may be called beside public addresses: the text for an `AddressPolicy`.
    allowed_addresses: String,
    wire: WirePolicy,
    alerts: AlertPolicy,
    /// A line for each variable that is wrong and whose default is used instead.
    errors: Vec<String>,
}

/// Reads the settings; variables that are wrong are named in `errors`.
#[wasm_bindgen(js_name = readSettings)]
pub fn read_settings(variable: VariableLookup) -> Result<Ts<Settings>, JsValue> {
    let lookup = look_up(variable);
    let (settings, errors) = dispatch::Settings::read(&lookup as &dyn Fn(&str) -> Option<String>);
    let settings = Settings {
        retry_delays_ms: settings.retry.schedule.delays_ms().iter().map(|delay| *delay as f64).collect(),
        max_attempts: settings.retry.max_attempts,
        client_error_attempts: settings.retry.client_error_attempts,
        jitter_percent: settings.retry.jitter_percent,
        breaker_failures: settings.breaker.failures,
        breaker_pause_ms: settings.breaker.pause_ms as f64,
        rate_limit: settings.rate_limit.map(|rate| Rate { count: rate.count, per_ms: rate.per_ms as f64 }),
        concurrency: settings.concurrency,
        endpoint_concurrency: settings.endpoint_concurrency,
        request_timeout_ms: settings.request_timeout_ms as f64,
        max_payload_bytes: settings.max_payload_bytes as f64,
        lease_ms: settings.lease_ms as f64,
        time_budget_ms: settings.time_budget_ms as f64,
        retry_wait_ms: settings.retry_wait_ms as f64,
        linger_poll_ms: settings.linger_poll_ms as f64,
        close_lookback_ms: settings.close_lookback_ms as f64,
        allowed_addresses: lookup("WEBHOOK_ALLOWED_ADDRESSES").unwrap_or_default(),
        wire: WirePolicy {
            idempotency_keys: settings.wire.idempotency_keys,
            standard_webhooks: settings.wire.standard_webhooks,
            trace_context: settings.wire.trace_context,
            protocols: settings.wire.protocols.text(),
            transport: settings.wire.transport.as_str().to_owned(),
        },
        alerts: AlertPolicy {
            is_on: settings.alerts.is_on,
            failure_percent: settings.alerts.failure_percent as f64,
            least_finished: settings.alerts.least_finished as f64,
            most_pending: settings.alerts.most_pending as f64,
            longest_due_ms: settings.alerts.longest_due_ms as f64,
            reminder_ms: settings.alerts.reminder_ms as f64,
        },
        errors: errors.iter().map(ToString::to_string).collect(),
    };
    settings.into_ts().map_err(shape_error)
}

/// A look-up as the core calls it.
pub(crate) fn look_up(variable: VariableLookup) -> impl Fn(&str) -> Option<String> + 'static {
    let variable: js_sys::Function = JsValue::from(variable).unchecked_into();
    move |name: &str| variable.call1(&JsValue::UNDEFINED, &name.into()).ok()?.as_string()
}

impl TryFrom<Settings> for dispatch::Settings {
    type Error = JsValue;

    fn try_from(settings: Settings) -> Result<Self, JsValue> {
        let delays: Vec<u64> = settings
            .retry_delays_ms
            .into_iter()
            .map(|delay| whole(delay, "retryDelaysMs"))
            .collect::<Result<_, _>>()?;
        let rate_limit = settings.rate_limit.map(|rate| {
            Ok::<_, JsValue>(backoff::Rate {
                count: rate.count.max(1),
                per_ms: whole(rate.per_ms, "perMs")?.max(1),
            })
        });
        Ok(dispatch::Settings {
            retry: backoff::RetryPolicy {
                schedule: backoff::Schedule::list(delays),
                max_attempts: settings.max_attempts,
                client_error_attempts: settings.client_error_attempts,
                jitter_percent: settings.jitter_percent,
            },
            breaker: backoff::BreakerPolicy {
                failures: settings.breaker_failures,
                pause_ms: whole(settings.breaker_pause_ms, "breakerPauseMs")?,
            },
            rate_limit: rate_limit.transpose()?,
            concurrency: settings.concurrency,
            endpoint_concurrency: settings.endpoint_concurrency.max(1),
            request_timeout_ms: whole(settings.request_timeout_ms, "requestTimeoutMs")?,
            max_payload_bytes: whole(settings.max_payload_bytes, "maxPayloadBytes")?,
            lease_ms: whole(settings.lease_ms, "leaseMs")?,
            time_budget_ms: whole(settings.time_budget_ms, "timeBudgetMs")?,
            retry_wait_ms: whole(settings.retry_wait_ms, "retryWaitMs")?,
            linger_poll_ms: whole(settings.linger_poll_ms, "lingerPollMs")?,
            close_lookback_ms: whole(settings.close_lookback_ms, "closeLookbackMs")?,
            allowed_addresses: AllowedAddresses::parse(&settings.allowed_addresses).0,
            wire: dispatch::WirePolicy {
                idempotency_keys: settings.wire.idempotency_keys,
                standard_webhooks: settings.wire.standard_webhooks,
                trace_context: settings.wire.trace_context,
                protocols: dispatch::Protocols::parse(&settings.wire.protocols)
                    .ok_or_else(|| shape_error("protocols: expected all or names of protocols"))?,
                transport: dispatch::Transport::parse(&settings.wire.transport)
                    .ok_or_else(|| shape_error("transport: expected sockets or fetch"))?,
            },
            alerts: dispatch::AlertPolicy {
                is_on: settings.alerts.is_on,
                failure_percent: whole(settings.alerts.failure_percent, "failurePercent")?,
                least_finished: whole(settings.alerts.least_finished, "leastFinished")?,
                most_pending: whole(settings.alerts.most_pending, "mostPending")?,
                longest_due_ms: whole(settings.alerts.longest_due_ms, "longestDueMs")?,
                reminder_ms: whole(settings.alerts.reminder_ms, "reminderMs")?,
            },
        })
    }
}
