//! What an alert says.

use std::fmt::Write;

use super::{AlertState, Cause, NamedEndpoint, OpenAlert, Trouble};
use crate::{HealthFacts, HealthPolicy};

/// An alert's texts and figures.
struct Said {
    title: String,
    summary: String,
    action: &'static str,
    figures: Vec<(&'static str, u64)>,
}

/// The data of an alert that begins or goes on.
pub(super) fn trouble(
    trouble: &Trouble<'_>,
    state: AlertState,
    since: &str,
    policy: &HealthPolicy,
) -> String {
    let endpoint = trouble.endpoint();
    data(trouble.cause(), state, endpoint.as_ref(), since, &said(trouble, policy))
}

/// The data of an alert that has ended.
pub(super) fn resolved(cause: Cause, open: &OpenAlert, facts: &HealthFacts) -> String {
    let name = open.endpoint.as_ref().map_or("the endpoint", |endpoint| endpoint.name.as_str());
    let (failed, finished) = (facts.last_hour.failed, facts.last_hour.finished());
    let (summary, figures) = match cause {
        Cause::FailureRate => (
            format!("{failed} of {finished} deliveries failed in the last hour."),
            vec![("failed", failed), ("finished", finished)],
        ),
        Cause::Pending => {
            (format!("{} deliveries are pending.", facts.pending), vec![("pending", facts.pending)])
        }
        Cause::DispatcherNotRunning => {
            ("The dispatcher runs: deliveries are taken when they are due.".to_owned(), Vec::new())
        }
        Cause::CircuitBreaker | Cause::EndpointSwitchedOff => {
            let summary = match (open.is_active, cause) {
                (None, _) => format!("{name} was removed."),
                (Some(false), _) => format!("{name} is switched off; nothing is sent to it."),
                (Some(true), Cause::CircuitBreaker) => format!("The circuit breaker of {name} is closed."),
                (Some(true), _) => format!("{name} is switched on."),
            };
            (summary, Vec::new())
        }
    };
    let action = match (cause, open.is_active) {
        (Cause::EndpointSwitchedOff, Some(true)) => "Replay the deliveries that failed meanwhile.",
        _ => "Nothing.",
    };
    let said = Said { title: title(cause, name), summary, action, figures };
    data(cause, AlertState::Resolved, open.endpoint.as_ref(), &open.since, &said)
}

fn said(trouble: &Trouble<'_>, policy: &HealthPolicy) -> Said {
    let alerts = &policy.alerts;
    match trouble {
        Trouble::FailureRate(window) => {
            let (failed, finished) = (window.failed, window.finished());
            let (percent, threshold) = (failed * 100 / finished.max(1), alerts.failure_percent);
            Said {
                title: title(Cause::FailureRate, ""),
                summary: format!(
                    "{failed} of {finished} deliveries that ended in the last hour failed: {percent} %, more than {threshold} %."
                ),
                action: "Look at error_message of the failed deliveries. They keep their payload: replay them when the receivers work.",
                figures: vec![
                    ("failed", failed),
                    ("finished", finished),
                    ("failure_percent", percent),
                    ("threshold_percent", threshold),
                ],
            }
        }
        Trouble::Pending(pending) => {
            let threshold = alerts.most_pending;
            Said {
                title: title(Cause::Pending, ""),
                summary: format!("{pending} deliveries are pending, more than {threshold}."),
                action: "Ask webhook-health with a key which endpoints are behind: they fail, are slow, or have a rate; or the dispatcher is called too seldom.",
                figures: vec![("pending", *pending), ("threshold", threshold)],
            }
        }
        Trouble::CircuitBreaker { endpoint, probe_in_ms } => {
            let (name, failures) = (&endpoint.name, endpoint.failures_in_a_row);
            let seconds = probe_in_ms.div_ceil(1_000);
            let next = if seconds == 0 {
                "The dispatcher's next call tries it.".to_owned()
            } else {
                format!("It is tried again in {seconds} s.")
            };
            Said {
                title: title(Cause::CircuitBreaker, name),
                summary: format!("{name} failed {failures} times in a row; its deliveries wait. {next}"),
                action: "Look at the receiver, and at error_message of its pending deliveries. They go on by themselves when it takes one.",
                figures: vec![("failures_in_a_row", failures.into()), ("next_attempt_in_s", seconds)],
            }
        }
        Trouble::DispatcherNotRunning { due_for_ms } => {
            let (seconds, threshold) = (due_for_ms / 1_000, alerts.longest_due_ms / 1_000);
            Said {
                title: title(Cause::DispatcherNotRunning, ""),
                summary: format!(
                    "A delivery has been due for {seconds} s and nobody took it; the limit is {threshold} s."
                ),
                action: "Look at what calls webhook-dispatcher (the GitHub workflow, pg_cron, your scheduler), at its key and at the function's log.",
                figures: vec![("due_for_s", seconds), ("threshold_s", threshold)],
            }
        }
        Trouble::EndpointSwitchedOff(NamedEndpoint { name, .. }) => Said {
            title: title(Cause::EndpointSwitchedOff, name),
            summary: format!("{name} answered 410 Gone: it was switched off, and what it was owed failed."),
            action: "If it is gone for good, remove it. If not, set its is_active and replay its failed deliveries.",
            figures: Vec::new(),
        },
    }
}

/// What an alert is called, the same from its beginning to its end.
fn title(cause: Cause, endpoint: &str) -> String {
    match cause {
        Cause::FailureRate => "Deliveries fail".to_owned(),
        Cause::Pending => "Deliveries pile up".to_owned(),
        Cause::CircuitBreaker => format!("Circuit breaker open: {endpoint}"),
        Cause::DispatcherNotRunning => "The dispatcher does not run".to_owned(),
        Cause::EndpointSwitchedOff => format!("Endpoint switched off: {endpoint}"),
    }
}

fn data(
    cause: Cause,
    state: AlertState,
    endpoint: Option<&NamedEndpoint>,
    since: &str,
    said: &Said,
) -> String {
    let endpoint = endpoint.map_or("null".to_owned(), |endpoint| {
        format!(r#"{{"id":{},"name":{}}}"#, json(&endpoint.id), json(&endpoint.name))
    });
    let severity = if cause.is_critical() { "critical" } else { "warning" };
    let mut figures = String::new();
    for (name, figure) in &said.figures {
        let comma = if figures.is_empty() { "" } else { "," };
        // Writing to a String does not fail.
        let _ = write!(figures, r#"{comma}"{name}":{figure}"#);
    }
    let (cause, state) = (cause.as_str(), state.as_str());
    let [title, summary, action, since] = [&said.title, &said.summary, said.action, since].map(json);
    format!(
        "{{\"cause\":\"{cause}\",\"state\":\"{state}\",\"severity\":\"{severity}\",\"endpoint\":{endpoint},\
         \"title\":{title},\"summary\":{summary},\"action\":{action},\
         \"figures\":{{{figures}}},\"since\":{since}}}"
    )
}

fn json(text: &str) -> String {
    // Text always has a JSON form.
    serde_json::to_string(text).unwrap_or_default()
}
