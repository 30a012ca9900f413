use webhook_protocol::NativeUrlParser;

use super::*;

const NOW: u64 = 1_000_000_000;

/// How long answers take here, in milliseconds: so long that nothing is claimed ahead.
const SLOWLY: f64 = 100_000.0;

fn facts(id: &str, due: u64) -> EndpointFacts {
    EndpointFacts {
        id: id.to_owned(),
        url: Some("https://a.example/hook".to_owned()),
        is_active: true,
        due,
        ..EndpointFacts::default()
    }
}

fn observed(facts: &[EndpointFacts]) -> Endpoints {
    let mut endpoints = Endpoints::default();
    endpoints.observe(facts, &Settings::default(), &NativeUrlParser, NOW);
    endpoints
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status, location: None, retry_after: None }
}

/// Who may have how much, with all but one of the slots free, and for how long there is nothing.
fn order_at(endpoints: &mut Endpoints, now_ms: u64) -> (Vec<(String, u32)>, Option<u64>) {
    let ClaimOrder { allowances, wait_ms, pace_ms, .. } =
        endpoints.claim_order(99, &Settings::default(), now_ms);
    (allowances.into_iter().map(|allowance| (allowance.id, allowance.most)).collect(), wait_ms.or(pace_ms))
}

fn claim(endpoints: &mut Endpoints, id: &str, count: u32) {
    for _ in 0..count {
        endpoints.claimed(id, 1_000, NOW);
        endpoints.planned(id, true);
        endpoints.sent(id);
    }
}

fn end(endpoints: &mut Endpoints, id: &str, outcome: &Outcome, count: u32, now_ms: u64) -> u32 {
    let mut opened = 0;
    for _ in 0..count {
        opened += u32::from(endpoints.ended(id, &[outcome], SLOWLY, &Settings::default(), now_ms));
        endpoints.written(id, 1);
    }
    opened
}

fn only(id: &str, most: u32) -> Vec<(String, u32)> {
    vec![(id.to_owned(), most)]
}

#[test]
fn each_endpoint_begins_with_a_small_window_that_grows_with_what_is_delivered() {
    let mut endpoints = observed(&[facts("a", 1_000), facts("b", 3)]);
    assert_eq!(order_at(&mut endpoints, NOW).0, [("a".to_owned(), 12), ("b".to_owned(), 3)]);
    claim(&mut endpoints, "a", 12);
    claim(&mut endpoints, "b", 3);
    // What is full waits for its answers, not for time.
    assert_eq!(order_at(&mut endpoints, NOW), (vec![], None));
    end(&mut endpoints, "a", &answered(200), 12, NOW);
    assert_eq!(order_at(&mut endpoints, NOW).0, only("a", 36));
    for _ in 0..5 {
        let (allowed, _) = order_at(&mut endpoints, NOW);
        claim(&mut endpoints, "a", allowed[0].1);
        end(&mut endpoints, "a", &answered(200), allowed[0].1, NOW);
    }
    assert_eq!(order_at(&mut endpoints, NOW).0, only("a", 50), "half of the concurrency");
    claim(&mut endpoints, "a", 1);
    end(&mut endpoints, "a", &answered(500), 1, NOW);
    assert_eq!(order_at(&mut endpoints, NOW).0, only("a", 25));
}

#[test]
fn an_endpoint_that_is_mostly_busy_is_not_worth_a_claim_and_does_not_hold_up_another() {
    let mut endpoints = observed(&[facts("busy", 1_000), facts("idle", 0)]);
    claim(&mut endpoints, "busy", 9);
    assert_eq!(order_at(&mut endpoints, NOW).0, []);
    endpoints.observe(&[facts("busy", 991), facts("idle", 9)], &Settings::default(), &NativeUrlParser, NOW);
    assert_eq!(order_at(&mut endpoints, NOW).0, [("busy".to_owned(), 3), ("idle".to_owned(), 9)]);
}

#[test]
fn five_failures_hold_an_endpoint_until_the_pause_is_over_and_then_one_probe_goes() {
    let mut endpoints = observed(&[facts("a", 100)]);
    claim(&mut endpoints, "a", 8);
    assert_eq!(end(&mut endpoints, "a", &answered(500), 4, NOW), 0);
    assert_eq!(end(&mut endpoints, "a", &answered(500), 4, NOW), 1, "it opens once");
    assert_eq!(order_at(&mut endpoints, NOW + 1), (vec![], Some(299_999)));
    assert_eq!(order_at(&mut endpoints, NOW + 300_000), (only("a", 1), None));
    claim(&mut endpoints, "a", 1);
    assert_eq!(order_at(&mut endpoints, NOW + 300_000), (vec![], None), "one probe at a time");
    end(&mut endpoints, "a", &answered(200), 1, NOW + 300_100);
    let (allowed, _) = order_at(&mut endpoints, NOW + 300_100);
    assert!(allowed[0].1 >= 1);
}

#[test]
fn a_breaker_is_rebuilt_from_the_tables_and_closed_by_them() {
    let failing = EndpointFacts { failures: 5, last_failure_ago_ms: 60_000, ..facts("a", 10) };
    let mut endpoints = observed(std::slice::from_ref(&failing));
    assert_eq!(order_at(&mut endpoints, NOW), (vec![], Some(240_000)));
    // Half open, but somebody else's probe is under way.
    let half_open = EndpointFacts { last_failure_ago_ms: 300_000, under_way: 1, ..failing };
    endpoints.observe(std::slice::from_ref(&half_open), &Settings::default(), &NativeUrlParser, NOW);
    assert_eq!(order_at(&mut endpoints, NOW).0, []);
    endpoints.observe(
        &[EndpointFacts { under_way: 0, ..half_open }],
        &Settings::default(),
        &NativeUrlParser,
        NOW,
    );
    assert_eq!(order_at(&mut endpoints, NOW).0, only("a", 1));
    endpoints.observe(&[facts("a", 10)], &Settings::default(), &NativeUrlParser, NOW);
    assert_eq!(order_at(&mut endpoints, NOW).0, only("a", 10));
}

#[test]
fn a_probe_that_is_asked_for_goes_before_its_time_and_only_once() {
    let failing = EndpointFacts { failures: 16, last_failure_ago_ms: 1_000, ..facts("a", 10) };
    let mut endpoints = Endpoints::default();
    endpoints.probe("a");
    endpoints.observe(std::slice::from_ref(&failing), &Settings::default(), &NativeUrlParser, NOW);
    assert_eq!(order_at(&mut endpoints, NOW).0, only("a", 1));
    claim(&mut endpoints, "a", 1);
    assert_eq!(order_at(&mut endpoints, NOW).0, []);
    end(&mut endpoints, "a", &answered(500), 1, NOW);
    assert_eq!(order_at(&mut endpoints, NOW), (vec![], Some(300_000)));
}

#[test]
fn a_switched_off_breaker_never_opens() {
    let mut settings = Settings::default();
    settings.breaker.failures = 0;
    let mut endpoints = Endpoints::default();
    endpoints.observe(&[EndpointFacts { failures: 99, ..facts("a", 10) }], &settings, &NativeUrlParser, NOW);
    assert_eq!(endpoints.claim_order(100, &settings, NOW).allowances.len(), 1);
}

#[test]
fn a_429_pauses_the_whole_endpoint_and_opens_nothing() {
    let mut endpoints = observed(&[facts("a", 100)]);
    claim(&mut endpoints, "a", 8);
    let asked = Outcome::Answered { status: 429, location: None, retry_after: Some("7".to_owned()) };
    assert_eq!(end(&mut endpoints, "a", &asked, 8, NOW), 0);
    assert_eq!(order_at(&mut endpoints, NOW), (vec![], Some(7_000)));
    assert_eq!(order_at(&mut endpoints, NOW + 7_000).0, only("a", 1));
    // A cold start knows it from the table.
    let mut endpoints = observed(&[EndpointFacts { paused_for_ms: 4_000, ..facts("a", 100) }]);
    assert_eq!(order_at(&mut endpoints, NOW), (vec![], Some(4_000)));
}

#[test]
fn a_rate_paces_and_counts_what_others_have_sent() {
    let limited = EndpointFacts { url: Some("https://a.example/#rate=10/s".to_owned()), ..facts("a", 100) };
    let mut endpoints = observed(&[limited, facts("b", 1)]);
    assert_eq!(endpoints.rate_windows(), [RateWindow { id: "a".to_owned(), window_ms: 900 }]);
    assert_eq!(order_at(&mut endpoints, NOW).0, [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    claim(&mut endpoints, "a", 1);
    claim(&mut endpoints, "b", 1);
    assert_eq!(order_at(&mut endpoints, NOW), (vec![], Some(100)));
    assert_eq!(order_at(&mut endpoints, NOW + 100).0, only("a", 1));
    endpoints.heed("a", 10, NOW + 100);
    assert_eq!(endpoints.rate_windows(), []);
    assert_eq!(order_at(&mut endpoints, NOW + 100), (vec![], Some(100)));
}

#[test]
fn time_brings_the_next_attempt() {
    let mut endpoints = observed(&[EndpointFacts { next_due_in_ms: Some(1_500), ..facts("a", 0) }]);
    assert_eq!(order_at(&mut endpoints, NOW), (vec![], Some(1_500)));
    endpoints.waits("a", NOW + 900);
    assert_eq!(order_at(&mut endpoints, NOW), (vec![], Some(900)));
    assert_eq!(order_at(&mut endpoints, NOW + 900).0, only("a", 1));
}

#[test]
fn deliveries_without_an_endpoint_that_is_on_are_claimed_to_be_refused() {
    let off = EndpointFacts { is_active: false, failures: 9, ..facts("a", 2_000) };
    let missing = EndpointFacts { url: None, is_active: false, ..facts("b", 2) };
    let mut endpoints = observed(&[off, missing]);
    assert_eq!(order_at(&mut endpoints, NOW).0, [("a".to_owned(), 500), ("b".to_owned(), 2)]);
}

#[test]
fn a_probe_asks_for_quiet_and_an_idle_dispatcher_claims_whatever_there_is() {
    let half_open = EndpointFacts { failures: 5, last_failure_ago_ms: 300_000, ..facts("a", 10) };
    let mut endpoints = observed(&[half_open]);
    let order = endpoints.claim_order(99, &Settings::default(), NOW);
    assert_eq!(order.allowances[0].quiet_ms, Some(270_000));
    let mut endpoints = observed(&[facts("a", 100)]);
    claim(&mut endpoints, "a", 9);
    assert_eq!(endpoints.claim_order(99, &Settings::default(), NOW).allowances, []);
    let order = endpoints.claim_order(100, &Settings::default(), NOW);
    assert_eq!((order.allowances[0].most, order.allowances[0].quiet_ms), (3, None));
}

#[test]
fn without_free_slots_nothing_is_claimed() {
    let mut endpoints = observed(&[facts("a", 5)]);
    assert_eq!(endpoints.claim_order(0, &Settings::default(), NOW), ClaimOrder::default());
}

fn batching(id: &str, due: u64) -> EndpointFacts {
    EndpointFacts { url: Some("sqs://orders".to_owned()), ..facts(id, due) }
}

#[test]
fn an_endpoint_whose_protocol_batches_may_have_as_many_deliveries_as_its_requests_carry() {
    let mut endpoints = observed(&[batching("a", 1_000), facts("b", 1_000)]);
    endpoints.observe(
        &[
            EndpointFacts { url: Some("kafka://b.example/t".to_owned()), ..facts("a", 700) },
            facts("b", 1_000),
        ],
        &Settings::default(),
        &NativeUrlParser,
        NOW,
    );
    let order = endpoints.claim_order(99, &Settings::default(), NOW);
    let most: Vec<(&str, u32, u32)> = order
        .allowances
        .iter()
        .map(|allowance| (allowance.id.as_str(), allowance.most, allowance.batch))
        .collect();
    assert_eq!((most, order.rows), (vec![("a", 700, 500), ("b", 12, 1)], 712));
}

#[test]
fn slots_are_shared_out_in_turn_where_some_requests_carry_many() {
    let mut endpoints = observed(&[facts("a", 1_000), facts("b", 2), facts("c", 1_000)]);
    for id in ["a", "c"] {
        endpoints.known.get_mut(id).unwrap().batch = 10;
    }
    let order = endpoints.claim_order(7, &Settings::default(), NOW);
    let most: Vec<(&str, u32)> =
        order.allowances.iter().map(|allowance| (allowance.id.as_str(), allowance.most)).collect();
    // Seven slots: three for a, two for b, two for c.
    assert_eq!((most, order.rows), (vec![("a", 30), ("b", 2), ("c", 20)], 52));
}

#[test]
fn a_probe_is_one_delivery_whatever_travels_in_a_request() {
    let mut endpoints = Endpoints::default();
    let open = EndpointFacts { failures: 5, last_failure_ago_ms: 300_001, ..batching("a", 100) };
    endpoints.observe(&[open], &Settings::default(), &NativeUrlParser, NOW);
    endpoints.known.get_mut("a").unwrap().batch = 10;
    assert_eq!(order_at(&mut endpoints, NOW).0, only("a", 1));
}

#[test]
fn a_claim_takes_no_more_rows_than_are_made_ready_at_once() {
    let mut endpoints = observed(&[facts("a", 100_000), facts("b", 100_000)]);
    for id in ["a", "b"] {
        endpoints.known.get_mut(id).unwrap().batch = 1_000;
    }
    let order = endpoints.claim_order(99, &Settings::default(), NOW);
    assert_eq!(order.rows, MOST_ROWS);
}

#[test]
fn a_request_with_one_success_speaks_for_its_endpoint() {
    let mut endpoints = observed(&[batching("a", 100)]);
    for _ in 0..10 {
        endpoints.claimed("a", 1_000, NOW);
        endpoints.planned("a", true);
    }
    endpoints.sent("a");
    let (good, bad) = (answered(200), answered(500));
    let outcomes: Vec<&Outcome> = std::iter::once(&good).chain(std::iter::repeat_n(&bad, 9)).collect();
    assert!(!endpoints.ended("a", &outcomes, SLOWLY, &Settings::default(), NOW));
    endpoints.written("a", 10);
    assert_eq!((endpoints.known["a"].under_way, endpoints.known["a"].rows_under_way), (0, 0));
    endpoints.sent("a");
    assert!(endpoints.ended("a", &[&bad; 9], SLOWLY, &Settings::default(), NOW));
}
