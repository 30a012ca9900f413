use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-24T12:00:00.000000Z";
const BEFORE: &str = "2026-11-24T11:00:00.000000Z";

fn due(facts: &HealthFacts, open: &[OpenAlert]) -> Vec<Alert> {
    alerts_due(facts, open, &HealthPolicy::default(), Scope::All, NOW)
}

fn said(facts: &HealthFacts, open: &[OpenAlert]) -> Vec<(Cause, AlertState)> {
    due(facts, open).iter().map(|alert| (alert.cause, alert.state)).collect()
}

fn data(alert: &Alert) -> Value {
    serde_json::from_str(&alert.data).unwrap()
}

fn open(cause: &str, sent_ago_ms: u64) -> OpenAlert {
    OpenAlert {
        cause: cause.to_owned(),
        endpoint: None,
        since: BEFORE.to_owned(),
        since_ago_ms: sent_ago_ms.max(3_600_000),
        sent_ago_ms,
        is_active: None,
    }
}

fn shop() -> NamedEndpoint {
    NamedEndpoint { id: "e".to_owned(), name: "the \"shop\"".to_owned() }
}

fn open_of_shop(cause: &str, sent_ago_ms: u64, is_active: Option<bool>) -> OpenAlert {
    OpenAlert { endpoint: Some(shop()), is_active, ..open(cause, sent_ago_ms) }
}

fn failing(failures_in_a_row: u32, is_alerts_only: bool) -> HealthFacts {
    let NamedEndpoint { id: endpoint_id, name } = shop();
    let endpoint = FailingEndpoint {
        endpoint_id,
        name,
        failures_in_a_row,
        last_failure_ago_ms: 0,
        first_failure_at: String::new(),
        is_alerts_only,
    };
    HealthFacts { failing: vec![endpoint], ..HealthFacts::default() }
}

fn rate(delivered: u64, failed: u64) -> HealthFacts {
    let last_hour = Window { total: delivered + failed, pending: 0, delivered, failed };
    HealthFacts { last_hour, ..HealthFacts::default() }
}

fn pending(pending: u64) -> HealthFacts {
    HealthFacts { pending, ..HealthFacts::default() }
}

#[test]
fn a_system_that_is_well_has_nothing_to_say() {
    assert_eq!(said(&HealthFacts::default(), &[]), []);
    for facts in [rate(5, 5), rate(0, 4), pending(100), failing(4, false), failing(9, true)] {
        assert_eq!(said(&facts, &[]), [], "{facts:?}");
    }
}

#[test]
fn each_threshold_says_what_it_saw_and_what_to_do() {
    let cases = [
        (
            rate(23, 57),
            json!({
                "cause": "failure_rate", "state": "firing", "severity": "warning", "endpoint": null,
                "title": "Deliveries fail",
                "summary": "57 of 80 deliveries that ended in the last hour failed: 71 %, more than 50 %.",
                "action": "Look at error_message of the failed deliveries. They keep their payload: replay them when the receivers work.",
                "figures": {"failed": 57, "finished": 80, "failure_percent": 71, "threshold_percent": 50},
                "since": NOW,
            }),
        ),
        (
            pending(101),
            json!({
                "cause": "pending", "state": "firing", "severity": "warning", "endpoint": null,
                "title": "Deliveries pile up",
                "summary": "101 deliveries are pending, more than 100.",
                "action": "Ask webhook-health with a key which endpoints are behind: they fail, are slow, or have a rate; or the dispatcher is called too seldom.",
                "figures": {"pending": 101, "threshold": 100},
                "since": NOW,
            }),
        ),
        (
            failing(5, false),
            json!({
                "cause": "circuit_breaker", "state": "firing", "severity": "critical",
                "endpoint": {"id": "e", "name": "the \"shop\""},
                "title": "Circuit breaker open: the \"shop\"",
                "summary": "the \"shop\" failed 5 times in a row; its deliveries wait. It is tried again in 300 s.",
                "action": "Look at the receiver, and at error_message of its pending deliveries. They go on by themselves when it takes one.",
                "figures": {"failures_in_a_row": 5, "next_attempt_in_s": 300},
                "since": NOW,
            }),
        ),
        (
            HealthFacts { due_for_ms: Some(300_001), ..HealthFacts::default() },
            json!({
                "cause": "dispatcher_not_running", "state": "firing", "severity": "critical", "endpoint": null,
                "title": "The dispatcher does not run",
                "summary": "A delivery has been due for 300 s and nobody took it; the limit is 300 s.",
                "action": "Look at what calls webhook-dispatcher (the GitHub workflow, pg_cron, your scheduler), at its key and at the function's log.",
                "figures": {"due_for_s": 300, "threshold_s": 300},
                "since": NOW,
            }),
        ),
        (
            HealthFacts { switched_off: vec![shop()], ..HealthFacts::default() },
            json!({
                "cause": "endpoint_switched_off", "state": "firing", "severity": "critical",
                "endpoint": {"id": "e", "name": "the \"shop\""},
                "title": "Endpoint switched off: the \"shop\"",
                "summary": "the \"shop\" answered 410 Gone: it was switched off, and what it was owed failed.",
                "action": "If it is gone for good, remove it. If not, set its is_active and replay its failed deliveries.",
                "figures": {},
                "since": NOW,
            }),
        ),
    ];
    for (facts, expected) in cases {
        let alerts = due(&facts, &[]);
        assert_eq!(alerts.len(), 1, "{expected}");
        assert_eq!(data(&alerts[0]), expected);
    }
}

#[test]
fn an_open_alert_is_repeated_once_an_hour_and_keeps_its_beginning() {
    let facts = pending(500);
    assert_eq!(said(&facts, &[open("pending", 3_599_999)]), []);
    let alerts = due(&facts, &[open("pending", 3_600_000)]);
    assert_eq!(alerts.len(), 1);
    let reminder = data(&alerts[0]);
    assert_eq!(reminder["state"], "reminder");
    assert_eq!(reminder["title"], "Deliveries pile up");
    assert_eq!(reminder["since"], BEFORE);
    // Another cause, and another endpoint's breaker, are alerts of their own.
    assert_eq!(said(&facts, &[open("failure_rate", 0)]).len(), 2);
    let other = OpenAlert { endpoint: None, ..open("circuit_breaker", 0) };
    assert_eq!(
        said(&failing(5, false), &[other]),
        [(Cause::CircuitBreaker, AlertState::Firing), (Cause::CircuitBreaker, AlertState::Resolved)]
    );
}

#[test]
fn what_has_ended_is_said_once_and_shows_the_figures_of_now() {
    let alerts = due(&pending(75), &[open("pending", 0)]);
    assert_eq!(
        alerts.iter().map(data).collect::<Vec<_>>(),
        [json!({
            "cause": "pending", "state": "resolved", "severity": "warning", "endpoint": null,
            "title": "Deliveries pile up", "summary": "75 deliveries are pending.",
            "action": "Nothing.", "figures": {"pending": 75}, "since": BEFORE,
        })]
    );
    for (cause, summary) in [
        ("dispatcher_not_running", "The dispatcher runs: deliveries are taken when they are due."),
        ("failure_rate", "0 of 0 deliveries failed in the last hour."),
    ] {
        let alerts = due(&HealthFacts::default(), &[open(cause, 0)]);
        assert_eq!(data(&alerts[0])["summary"], summary);
    }
    for (cause, is_active, summary) in [
        ("circuit_breaker", Some(true), "The circuit breaker of the \"shop\" is closed."),
        ("circuit_breaker", Some(false), "the \"shop\" is switched off; nothing is sent to it."),
        ("circuit_breaker", None, "the \"shop\" was removed."),
        ("endpoint_switched_off", Some(true), "the \"shop\" is switched on."),
        ("endpoint_switched_off", None, "the \"shop\" was removed."),
    ] {
        let alerts = due(&HealthFacts::default(), &[open_of_shop(cause, 0, is_active)]);
        assert_eq!(data(&alerts[0])["summary"], summary);
        assert_eq!(alerts[0].endpoint, Some(shop()));
    }
}

#[test]
fn figures_that_swing_around_their_threshold_make_one_alert() {
    for between in [76, 100] {
        assert_eq!(said(&pending(between), &[open("pending", 7_200_000)]), []);
    }
    assert_eq!(said(&rate(60, 40), &[open("failure_rate", 7_200_000)]), []);
    assert_eq!(said(&rate(63, 37), &[open("failure_rate", 0)]), [(Cause::FailureRate, AlertState::Resolved)]);
    // Too few have finished for a rate, and none of them was delivered.
    assert_eq!(said(&rate(0, 4), &[open("failure_rate", 0)]), []);
    assert_eq!(said(&rate(3, 1), &[open("failure_rate", 0)]), [(Cause::FailureRate, AlertState::Resolved)]);
    assert_eq!(said(&rate(0, 0), &[open("failure_rate", 0)]), [(Cause::FailureRate, AlertState::Resolved)]);
}

#[test]
fn a_breaker_that_is_open_for_alerts_alone_is_not_said_to_be_closed() {
    let open = open_of_shop("circuit_breaker", 0, Some(true));
    assert_eq!(said(&failing(6, true), std::slice::from_ref(&open)), []);
    assert_eq!(said(&failing(4, true), &[open]), [(Cause::CircuitBreaker, AlertState::Resolved)]);
}

#[test]
fn an_endpoint_that_stays_switched_off_is_not_resolved_and_is_forgotten_after_a_day() {
    let day = REMINDED_OF_SWITCHED_OFF_MS;
    let off = |since_ago_ms, sent_ago_ms| OpenAlert {
        since_ago_ms,
        ..open_of_shop("endpoint_switched_off", sent_ago_ms, Some(false))
    };
    let nothing = HealthFacts::default();
    assert_eq!(said(&nothing, &[off(day, 3_599_999)]), []);
    assert_eq!(said(&nothing, &[off(day, 3_600_000)]), [(Cause::EndpointSwitchedOff, AlertState::Reminder)]);
    assert_eq!(said(&nothing, &[off(day + 1, 3_600_000)]), []);
    let fresh = HealthFacts { switched_off: vec![shop()], ..HealthFacts::default() };
    assert_eq!(said(&fresh, &[off(day + 1, 3_600_000)]), []);
}

#[test]
fn a_scope_leaves_the_other_causes_alone() {
    let facts = HealthFacts {
        pending: 101,
        due_for_ms: Some(300_001),
        last_hour: rate(0, 9).last_hour,
        ..failing(5, false)
    };
    let ended = [open("failure_rate", 0), open_of_shop("endpoint_switched_off", 0, Some(true))];
    let causes = |scope| -> Vec<Cause> {
        let policy = HealthPolicy::default();
        alerts_due(&facts, &ended, &policy, scope, NOW).iter().map(|alert| alert.cause).collect()
    };
    assert_eq!(causes(Scope::Dispatcher), [Cause::DispatcherNotRunning]);
    assert_eq!(causes(Scope::Endpoints), [Cause::CircuitBreaker, Cause::EndpointSwitchedOff]);
    assert_eq!(causes(Scope::All).len(), 4);
}

#[test]
fn alerts_can_be_switched_off() {
    let alerts = AlertPolicy { is_on: false, ..AlertPolicy::default() };
    let policy = HealthPolicy { alerts, ..HealthPolicy::default() };
    assert_eq!(alerts_due(&pending(101), &[open("failure_rate", 0)], &policy, Scope::All, NOW), []);
}

#[test]
fn an_open_alert_of_a_cause_that_is_not_known_is_left_alone() {
    assert_eq!(said(&HealthFacts::default(), &[open("moon", 0)]), []);
}
