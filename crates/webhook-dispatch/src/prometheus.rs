//! A health report as metrics, in Prometheus' text exposition format 0.0.4.
//!
//! Names and units follow <https://prometheus.io/docs/practices/naming/>: seconds, ratios from 0 to 1. All are gauges: a
//! figure of a window goes up and down. A figure that is not known has no sample.

use std::fmt::Write as _;

use crate::{
    EndpointBreakerState, EndpointHealth, HealthFacts, HealthReport, VERSION, Window, health::REASON_CODES,
};

/// The value of `content-type` that goes with [`metrics`].
pub const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The figures of all, and those of each endpoint where the report has them.
pub fn metrics(report: &HealthReport, facts: &HealthFacts) -> String {
    let mut text = Text::default();
    text.family("webhook_healthy", "Whether there is no reason against it (1) or there is (0).");
    text.sample(&[], f64::from(u8::from(report.healthy)));
    text.family("webhook_build_info", "Which version this is.");
    text.sample(&[("version", VERSION)], 1.0);
    text.family("webhook_unhealthy_reason", "Whether this speaks against it (1) or not (0).");
    for code in REASON_CODES {
        let is_given = report.reasons.iter().any(|reason| reason.code == code);
        text.sample(&[("code", code)], f64::from(u8::from(is_given)));
    }
    text.family("webhook_deliveries", "Deliveries that were made within the window, by their status now.");
    for (window, figures) in [("1h", &report.last_hour), ("24h", &report.last_24_hours)] {
        for (status, count) in by_status(figures) {
            text.sample(&[("window", window), ("status", status)], count as f64);
        }
    }
    text.family("webhook_pending_deliveries", "Deliveries that are owed, of any age.");
    text.sample(&[], facts.pending as f64);
    text.family(
        "webhook_oldest_due_seconds",
        "How long a delivery has been due that nobody takes; 0 where none is.",
    );
    text.sample(&[], seconds(facts.due_for_ms.unwrap_or_default()));
    text.family("webhook_circuit_breakers_open", "Endpoints that are left alone after failures in a row.");
    text.sample(&[], report.circuit_breakers.open as f64);
    if let Some(endpoints) = &report.endpoints {
        endpoint_metrics(&mut text, endpoints);
    }
    text.out
}

fn endpoint_metrics(text: &mut Text, endpoints: &[EndpointHealth]) {
    text.family("webhook_endpoint_attempts", "Attempts for the deliveries that were made within 24 hours.");
    for endpoint in endpoints {
        text.of(endpoint, None, Some(endpoint.figures.attempts as f64));
    }
    text.family(
        "webhook_endpoint_deliveries",
        "Deliveries that were made within 24 hours, by their status now; pending ones of any age.",
    );
    for endpoint in endpoints {
        let figures = &endpoint.figures;
        let statuses =
            [("pending", figures.pending), ("delivered", figures.delivered), ("failed", figures.failed)];
        for (status, count) in statuses {
            text.of(endpoint, Some(("status", status)), Some(count as f64));
        }
    }
    text.family(
        "webhook_endpoint_success_ratio",
        "The delivered ones' share of the finished ones, 24 hours.",
    );
    for endpoint in endpoints {
        text.of(endpoint, None, endpoint.figures.success_rate());
    }
    text.family("webhook_endpoint_latency_seconds", "From a delivery's insertion to its delivery, 24 hours.");
    for endpoint in endpoints {
        let latency = endpoint.figures.latency;
        let quantiles = [
            ("0.5", latency.map(|latency| latency.p50_ms)),
            ("0.95", latency.map(|latency| latency.p95_ms)),
            ("0.99", latency.map(|latency| latency.p99_ms)),
        ];
        for (quantile, ms) in quantiles {
            text.of(endpoint, Some(("quantile", quantile)), ms.map(seconds));
        }
    }
    text.family("webhook_endpoint_oldest_pending_seconds", "The age of the oldest delivery that is owed.");
    for endpoint in endpoints {
        text.of(endpoint, None, endpoint.figures.oldest_pending_ms.map(seconds));
    }
    text.family(
        "webhook_endpoint_circuit_breaker_state",
        "Whether the endpoint's breaker is in this state (1) or not (0).",
    );
    for endpoint in endpoints {
        for state in EndpointBreakerState::ALL {
            let is_in = f64::from(u8::from(endpoint.breaker.state == state));
            text.of(endpoint, Some(("state", state.as_str())), Some(is_in));
        }
    }
}

fn by_status(window: &Window) -> [(&'static str, u64); 3] {
    [("pending", window.pending), ("delivered", window.delivered), ("failed", window.failed)]
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// Lines of the format; a sample belongs to the family that was begun last.
#[derive(Default)]
struct Text {
    out: String,
    name: &'static str,
}

impl Text {
    /// `help` has no line break and no backslash.
    fn family(&mut self, name: &'static str, help: &str) {
        self.name = name;
        // Writing to a String does not fail.
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    }

    fn of(&mut self, endpoint: &EndpointHealth, more: Option<(&str, &str)>, value: Option<f64>) {
        let figures = &endpoint.figures;
        let mut labels =
            vec![("endpoint_id", figures.endpoint_id.as_str()), ("endpoint_name", figures.name.as_str())];
        labels.extend(more);
        if let Some(value) = value {
            self.sample(&labels, value);
        }
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(self.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            self.out.push(if index == 0 { '{' } else { ',' });
            self.out.push_str(name);
            self.out.push_str("=\"");
            for char in value.chars() {
                match char {
                    '\\' => self.out.push_str("\\\\"),
                    '"' => self.out.push_str("\\\""),
                    '\n' => self.out.push_str("\\n"),
                    _ => self.out.push(char),
                }
            }
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }
}

#[cfg(test)]
mod tests;
