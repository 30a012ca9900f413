use super::*;
use crate::{EndpointFigures, FailingEndpoint, HealthPolicy, Latency, judge_health};

fn facts() -> HealthFacts {
    HealthFacts {
        last_hour: Window { total: 12, pending: 1, delivered: 5, failed: 6 },
        last_24_hours: Window { total: 20, pending: 2, delivered: 11, failed: 7 },
        pending: 3,
        due_for_ms: Some(1_500),
        failing: vec![FailingEndpoint {
            endpoint_id: "e".to_owned(),
            name: "n".to_owned(),
            failures_in_a_row: 5,
            last_failure_ago_ms: 0,
            first_failure_at: "2026-01-29T10:00:00.000000Z".to_owned(),
            is_alerts_only: false,
        }],
        ..HealthFacts::default()
    }
}

fn lines(figures: Option<Vec<EndpointFigures>>) -> Vec<String> {
    let policy = HealthPolicy::default();
    let mut report = judge_health(&facts(), &policy);
    if let Some(figures) = figures {
        report = report.with_endpoints(figures, &facts(), &policy);
    }
    let text = metrics(&report, &facts());
    assert!(text.ends_with('\n'));
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn the_figures_of_all_name_no_endpoint() {
    let expected = [
        "webhook_healthy 0",
        concat!("webhook_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "webhook_unhealthy_reason{code=\"failure_rate\"} 1",
        "webhook_unhealthy_reason{code=\"pending\"} 0",
        "webhook_unhealthy_reason{code=\"dispatcher_not_running\"} 0",
        "webhook_unhealthy_reason{code=\"circuit_breaker\"} 1",
        "webhook_deliveries{window=\"1h\",status=\"pending\"} 1",
        "webhook_deliveries{window=\"1h\",status=\"delivered\"} 5",
        "webhook_deliveries{window=\"1h\",status=\"failed\"} 6",
        "webhook_deliveries{window=\"24h\",status=\"pending\"} 2",
        "webhook_deliveries{window=\"24h\",status=\"delivered\"} 11",
        "webhook_deliveries{window=\"24h\",status=\"failed\"} 7",
        "webhook_pending_deliveries 3",
        "webhook_oldest_due_seconds 1.5",
        "webhook_circuit_breakers_open 1",
    ];
    assert_eq!(lines(None), expected);
}

#[test]
fn every_family_has_its_help_and_type_once_and_before_its_samples() {
    let policy = HealthPolicy::default();
    let figures = vec![EndpointFigures::default(), EndpointFigures::default()];
    let report = judge_health(&facts(), &policy).with_endpoints(figures, &facts(), &policy);
    let text = metrics(&report, &facts());
    let mut family = "";
    let mut seen = Vec::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap();
            assert!(!seen.contains(&family), "{family}");
            seen.push(family);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert_eq!(kind, format!("{family} gauge"));
        } else {
            assert_eq!(line.split(['{', ' ']).next(), Some(family));
        }
    }
    assert_eq!(seen.len(), 13);
}

#[test]
fn an_endpoints_figures_are_in_base_units_and_unknown_ones_are_left_out() {
    let busy = EndpointFigures {
        endpoint_id: "e".to_owned(),
        name: "n".to_owned(),
        attempts: 9,
        delivered: 3,
        failed: 1,
        pending: 2,
        latency: Some(Latency { p50_ms: 120, p95_ms: 2_000, p99_ms: 61_500 }),
        oldest_pending_ms: Some(90_000),
        ..EndpointFigures::default()
    };
    let idle = EndpointFigures { endpoint_id: "i".to_owned(), ..EndpointFigures::default() };
    let all = lines(Some(vec![busy, idle]));
    let of = |id: &str| -> Vec<String> {
        let label = format!("endpoint_id=\"{id}\",");
        let mine = all.iter().filter(|line| line.contains(&label));
        mine.map(|line| line.replace(&label, "").replace("webhook_endpoint_", "")).collect()
    };
    let expected = [
        "attempts{endpoint_name=\"n\"} 9",
        "deliveries{endpoint_name=\"n\",status=\"pending\"} 2",
        "deliveries{endpoint_name=\"n\",status=\"delivered\"} 3",
        "deliveries{endpoint_name=\"n\",status=\"failed\"} 1",
        "success_ratio{endpoint_name=\"n\"} 0.75",
        "latency_seconds{endpoint_name=\"n\",quantile=\"0.5\"} 0.12",
        "latency_seconds{endpoint_name=\"n\",quantile=\"0.95\"} 2",
        "latency_seconds{endpoint_name=\"n\",quantile=\"0.99\"} 61.5",
        "oldest_pending_seconds{endpoint_name=\"n\"} 90",
        "circuit_breaker_state{endpoint_name=\"n\",state=\"closed\"} 0",
        "circuit_breaker_state{endpoint_name=\"n\",state=\"open\"} 1",
        "circuit_breaker_state{endpoint_name=\"n\",state=\"half_open\"} 0",
    ];
    assert_eq!(of("e"), expected);
    // No rate of nothing, no latency of none.
    assert!(!of("i").iter().any(|line| line.contains("ratio") || line.contains("seconds")));
    assert_eq!(of("i").len(), 7);
}

#[test]
fn label_values_are_escaped() {
    let name = "a \"quoted\\one\"\nnext 🦀".to_owned();
    let all = lines(Some(vec![EndpointFigures { name, ..EndpointFigures::default() }]));
    let line = all.iter().find(|line| line.starts_with("webhook_endpoint_attempts")).unwrap();
    let expected =
        r#"webhook_endpoint_attempts{endpoint_id="",endpoint_name="a \"quoted\\one\"\nnext 🦀"} 0"#;
    assert_eq!(line, expected);
}
