//! From what the tables say, and what was said before, to alerts.
//!
//! An alert is an event, `webhook.alert`: what was sent before stands in the deliveries, and nowhere else.

mod text;

use crate::{AlertPolicy, FailingEndpoint, HealthFacts, HealthPolicy, Window};

/// The type of the event.
pub const ALERT_EVENT: &str = "webhook.alert";

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Too many of the last hour's deliveries failed.
    FailureRate,
    /// Too many deliveries are owed.
    Pending,
    /// An endpoint's breaker is not closed.
    CircuitBreaker,
    /// Deliveries are due, and nobody takes them.
    DispatcherNotRunning,
    /// An endpoint answered 410 and was switched off.
    EndpointSwitchedOff,
}

/// Which causes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All: at the end of a run, when what can be delivered is delivered.
    All,
    /// What speaks of one endpoint: in the middle of a run, whose backlog is no cause for alarm.
    Endpoints,
    /// Whether the dispatcher runs: what others than the dispatcher can tell.
    Dispatcher,
}

/// Whether an alert begins, goes on or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// It begins.
    Firing,
    /// It goes on.
    Reminder,
    /// It has ended.
    Resolved,
}

/// An endpoint, as an alert names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedEndpoint {
    /// `webhook_configurations.id`
    pub id: String,
    /// Its name.
    pub name: String,
}

/// An alert that was sent and has not been resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAlert {
    /// [`Cause::as_str`], as the delivery has it.
    pub cause: String,
    /// Whom it speaks of.
    pub endpoint: Option<NamedEndpoint>,
    /// When it began: ISO 8601, as the delivery has it.
    pub since: String,
    /// The same, in milliseconds ago.
    pub since_ago_ms: u64,
    /// How long ago it was last sent, in milliseconds.
    pub sent_ago_ms: u64,
    /// Whether the endpoint is switched on now; `None` where there is no such endpoint any more.
    pub is_active: Option<bool>,
}

/// An alert to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What it is about.
    pub cause: Cause,
    /// Whether it begins, goes on or ends.
    pub state: AlertState,
    /// Whom it speaks of.
    pub endpoint: Option<NamedEndpoint>,
    /// The event's data: JSON text of an object.
    pub data: String,
}

/// What is the matter just now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble<'a> {
    FailureRate(Window),
    Pending(u64),
    CircuitBreaker { endpoint: &'a FailingEndpoint, probe_in_ms: u64 },
    DispatcherNotRunning { due_for_ms: u64 },
    EndpointSwitchedOff(&'a NamedEndpoint),
}

/// An endpoint that stays switched off is somebody's decision after that.
const REMINDED_OF_SWITCHED_OFF_MS: u64 = 24 * 3_600_000;

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 5] = [
        Cause::FailureRate,
        Cause::Pending,
        Cause::CircuitBreaker,
        Cause::DispatcherNotRunning,
        Cause::EndpointSwitchedOff,
    ];

    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::FailureRate => "failure_rate",
            Cause::Pending => "pending",
            Cause::CircuitBreaker => "circuit_breaker",
            Cause::DispatcherNotRunning => "dispatcher_not_running",
            Cause::EndpointSwitchedOff => "endpoint_switched_off",
        }
    }

    /// Whether somebody has to look now.
    fn is_critical(self) -> bool {
        !matches!(self, Cause::FailureRate | Cause::Pending)
    }

    fn is_in(self, scope: Scope) -> bool {
        match scope {
            Scope::All => true,
            Scope::Endpoints => matches!(self, Cause::CircuitBreaker | Cause::EndpointSwitchedOff),
            Scope::Dispatcher => self == Cause::DispatcherNotRunning,
        }
    }
}

impl AlertState {
    /// All of them.
    pub const ALL: [AlertState; 3] = [AlertState::Firing, AlertState::Reminder, AlertState::Resolved];

    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Firing => "firing",
            AlertState::Reminder => "reminder",
            AlertState::Resolved => "resolved",
        }
    }
}

impl Trouble<'_> {
    fn cause(&self) -> Cause {
        match self {
            Trouble::FailureRate(_) => Cause::FailureRate,
            Trouble::Pending(_) => Cause::Pending,
            Trouble::CircuitBreaker { .. } => Cause::CircuitBreaker,
            Trouble::DispatcherNotRunning { .. } => Cause::DispatcherNotRunning,
            Trouble::EndpointSwitchedOff(_) => Cause::EndpointSwitchedOff,
        }
    }

    fn endpoint(&self) -> Option<NamedEndpoint> {
        match self {
            Trouble::CircuitBreaker { endpoint, .. } => {
                Some(NamedEndpoint { id: endpoint.endpoint_id.clone(), name: endpoint.name.clone() })
            }
            Trouble::EndpointSwitchedOff(endpoint) => Some((*endpoint).clone()),
            _ => None,
        }
    }
}

impl OpenAlert {
    fn is_about(&self, cause: Cause, endpoint: Option<&NamedEndpoint>) -> bool {
        let id = |endpoint: &NamedEndpoint| endpoint.id.clone();
        self.cause == cause.as_str() && self.endpoint.as_ref().map(id) == endpoint.map(id)
    }

    /// Whether it is time to say it again.
    fn is_reminded(&self, cause: Cause, policy: &AlertPolicy) -> bool {
        let is_old_news =
            cause == Cause::EndpointSwitchedOff && self.since_ago_ms > REMINDED_OF_SWITCHED_OFF_MS;
        self.sent_ago_ms >= policy.reminder_ms && !is_old_news
    }
}

/// The alerts that are to be sent now: one when something begins, one in [`AlertPolicy::reminder_ms`] while it goes on, one
/// when it has ended. `open` is what the deliveries say was sent before; `now` is the time as ISO 8601.
pub fn alerts_due(
    facts: &HealthFacts,
    open: &[OpenAlert],
    policy: &HealthPolicy,
    scope: Scope,
    now: &str,
) -> Vec<Alert> {
    if !policy.alerts.is_on {
        return Vec::new();
    }
    let mut alerts = Vec::new();
    let troubles = troubles(facts, policy);
    for trouble in troubles.iter().filter(|trouble| trouble.cause().is_in(scope)) {
        let (cause, endpoint) = (trouble.cause(), trouble.endpoint());
        let known = open.iter().find(|open| open.is_about(cause, endpoint.as_ref()));
        let (state, since) = match known {
            None => (AlertState::Firing, now),
            Some(known) if known.is_reminded(cause, &policy.alerts) => {
                (AlertState::Reminder, known.since.as_str())
            }
            Some(_) => continue,
        };
        alerts.push(Alert { cause, state, data: text::trouble(trouble, state, since, policy), endpoint });
    }
    for open in open {
        let cause = Cause::ALL.into_iter().find(|cause| cause.as_str() == open.cause);
        let Some(cause) = cause.filter(|cause| cause.is_in(scope)) else { continue };
        let goes_on = |trouble: &Trouble<'_>| open.is_about(trouble.cause(), trouble.endpoint().as_ref());
        if troubles.iter().any(goes_on) || cause == Cause::CircuitBreaker && is_open(open, facts, policy) {
            continue;
        }
        let endpoint = open.endpoint.clone();
        if let (Cause::EndpointSwitchedOff, Some(false), Some(off)) = (cause, open.is_active, &open.endpoint)
        {
            // Its last delivery failed long ago, and it is off still.
            if open.is_reminded(cause, &policy.alerts) {
                let (state, still) = (AlertState::Reminder, Trouble::EndpointSwitchedOff(off));
                let data = text::trouble(&still, state, &open.since, policy);
                alerts.push(Alert { cause, state, data, endpoint });
            }
        } else if is_well_below(cause, facts, &policy.alerts) {
            let data = text::resolved(cause, open, facts);
            alerts.push(Alert { cause, state: AlertState::Resolved, data, endpoint });
        }
    }
    alerts
}

/// Whether the breaker of an alert's endpoint is open still, if only for what it owes of alerts.
fn is_open(open: &OpenAlert, facts: &HealthFacts, policy: &HealthPolicy) -> bool {
    let id = open.endpoint.as_ref().map(|endpoint| endpoint.id.as_str());
    policy.open_breakers(facts).any(|(failing, _)| Some(failing.endpoint_id.as_str()) == id)
}

/// What is the matter, by the same thresholds as [`crate::judge_health`].
fn troubles<'a>(facts: &'a HealthFacts, policy: &HealthPolicy) -> Vec<Trouble<'a>> {
    let mut troubles = Vec::new();
    if policy.alerts.is_failing(&facts.last_hour) {
        troubles.push(Trouble::FailureRate(facts.last_hour));
    }
    if facts.pending > policy.alerts.most_pending {
        troubles.push(Trouble::Pending(facts.pending));
    }
    for (endpoint, probe_in_ms) in policy.open_breakers(facts).filter(|(one, _)| !one.is_alerts_only) {
        troubles.push(Trouble::CircuitBreaker { endpoint, probe_in_ms });
    }
    if let Some(due_for_ms) = facts.due_for_ms.filter(|due_ms| *due_ms > policy.alerts.longest_due_ms) {
        troubles.push(Trouble::DispatcherNotRunning { due_for_ms });
    }
    troubles.extend(facts.switched_off.iter().map(Trouble::EndpointSwitchedOff));
    troubles
}

/// What swings around its threshold is one alert and not many: a figure has to fall to three quarters of it.
fn is_well_below(cause: Cause, facts: &HealthFacts, policy: &AlertPolicy) -> bool {
    let three_quarters = |threshold: u64| threshold.saturating_mul(3) / 4;
    match cause {
        Cause::Pending => facts.pending <= three_quarters(policy.most_pending),
        Cause::FailureRate => {
            // Where few have finished a rate says little, and no rate that they are taken again.
            let failure_percent = policy.failure_percent * 3 / 4;
            let lower = AlertPolicy { failure_percent, least_finished: 1, ..*policy };
            !lower.is_failing(&facts.last_hour)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
