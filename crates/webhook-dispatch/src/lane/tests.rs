use webhook_protocol::NativeUrlParser;

use super::*;
use crate::{Disposition, Endpoint, EndpointFacts, Settings};

const NOW: u64 = 1_000_000_000;
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

fn dispatcher(due: &[(&str, u64)]) -> Dispatcher<NativeUrlParser> {
    let mut dispatcher = Dispatcher::new(Settings::default(), NativeUrlParser);
    observe(&mut dispatcher, due);
    dispatcher
}

fn observe(dispatcher: &mut Dispatcher<NativeUrlParser>, due: &[(&str, u64)]) {
    let facts: Vec<EndpointFacts> = due
        .iter()
        .map(|(id, due)| EndpointFacts {
            id: (*id).to_owned(),
            url: Some(url(id)),
            is_active: true,
            due: *due,
            ..EndpointFacts::default()
        })
        .collect();
    dispatcher.observe(&facts, NOW);
}

fn url(id: &str) -> String {
    if id == "queue" { "sqs://orders".to_owned() } else { format!("https://{id}.example/hook") }
}

fn rows(endpoint_id: &str, count: usize) -> Vec<ClaimedDelivery> {
    (0..count)
        .map(|n| ClaimedDelivery {
            id: format!("{endpoint_id}-{n}"),
            event_type: "order.paid".to_owned(),
            payload: Some("{}".to_owned()),
            attempt: 3,
            created_at: String::new(),
            endpoint_id: endpoint_id.to_owned(),
            endpoint: Some(Endpoint {
                id: endpoint_id.to_owned(),
                url: url(endpoint_id),
                secret_key: None,
                is_active: true,
            }),
            before: Some(format!("before {n}")),
        })
        .collect()
}

/// The numbers of what has begun.
fn begin(dispatcher: &mut Dispatcher<NativeUrlParser>, free: u32) -> Vec<u32> {
    dispatcher.begin(free, NOW).0.into_iter().map(|begun| begun.number).collect()
}

fn answer(dispatcher: &mut Dispatcher<NativeUrlParser>, numbers: &[u32], ms: f64) {
    for number in numbers {
        let progress = dispatcher.received(*number, ANSWER, false, ms, NOW).unwrap();
        assert_eq!(progress, Progress::Over { reusable: true });
    }
}

fn failed() -> Vec<End> {
    vec![End::of(Outcome::TimedOut { after_ms: 10 })]
}

fn whose(dispatcher: &Dispatcher<NativeUrlParser>, numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|number| dispatcher.under_way(*number).unwrap().0.to_owned()).collect()
}

#[test]
fn what_is_claimed_begins_when_there_are_slots_each_endpoint_in_turn() {
    let mut dispatcher = dispatcher(&[("a", 9), ("b", 9)]);
    assert_eq!(begin(&mut dispatcher, 5), [0; 0]);
    dispatcher.take_in(rows("a", 5), NOW);
    dispatcher.take_in(rows("b", 2), NOW);
    let first = begin(&mut dispatcher, 4);
    assert_eq!(whose(&dispatcher, &first), ["a", "a", "b", "b"]);
    assert_eq!((dispatcher.waiting(), begin(&mut dispatcher, 0).len()), (3, 0));
    let (begun, refused) = dispatcher.begin(9, NOW);
    assert_eq!((begun.len(), refused.len(), dispatcher.waiting()), (3, 0, 0));
    let BegunCarrier::Request { peer, request } = &begun[0].carrier else { panic!("{begun:?}") };
    assert!(request.head.contains("webhook-id: a-2\r\n"), "{}", request.head);
    let a = Peer { host: "a.example".to_owned(), port: 443, tls: true };
    assert_eq!(dispatcher.peer(*peer), Some(&a));
    assert_eq!(dispatcher.peer(2), None);
}

#[test]
fn an_answer_is_read_as_it_comes_and_becomes_an_update() {
    let mut dispatcher = dispatcher(&[("a", 9)]);
    dispatcher.take_in(rows("a", 1), NOW);
    let [number] = begin(&mut dispatcher, 9)[..] else { panic!() };
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    for length in 0..answer.len() {
        let read = dispatcher.received(number, &answer[..length], false, 1.0, NOW);
        assert_eq!(read, Ok(Progress::Partial), "{length}");
    }
    let over = Ok(Progress::Over { reusable: false });
    assert_eq!(dispatcher.received(number, answer, false, 7.0, NOW), over);
    // A number that is nobody's any longer does no harm.
    assert_eq!(dispatcher.received(number, answer, false, 7.0, NOW), over);
    assert_eq!(dispatcher.unwritten(), 1);
    let Settled { updates, .. } = dispatcher.conclude_ended(NOW);
    assert_eq!(updates.len(), 1);
    let update = &updates[0];
    assert_eq!((update.id.as_str(), update.attempt, update.disposition), ("a-0", 3, Disposition::Delivered));
    assert_eq!((update.response_status, update.response_body.as_deref()), (Some(200), Some("ok")));
    assert_eq!((dispatcher.unwritten(), dispatcher.conclude_ended(NOW)), (0, Settled::default()));
}

#[test]
fn what_is_no_answer_is_an_error_and_still_to_be_ended() {
    let mut dispatcher = dispatcher(&[("a", 9)]);
    dispatcher.take_in(rows("a", 1), NOW);
    let [number] = begin(&mut dispatcher, 9)[..] else { panic!() };
    assert!(dispatcher.received(number, b"SSH-2.0-x\r\n", false, 1.0, NOW).is_err());
    assert_eq!(dispatcher.unwritten(), 0);
    dispatcher.end(number, failed(), 10.0, NOW);
    let Settled { updates, .. } = dispatcher.conclude_ended(NOW);
    assert_eq!(updates[0].disposition, Disposition::Retrying);
}

#[test]
fn numbers_are_given_again_and_name_one_batch_at_a_time() {
    let mut dispatcher = dispatcher(&[("a", 9)]);
    dispatcher.take_in(rows("a", 4), NOW);
    let first = begin(&mut dispatcher, 2);
    assert_eq!(first, [0, 1]);
    answer(&mut dispatcher, &first[..1], 1.0);
    assert_eq!(begin(&mut dispatcher, 2), [0, 2]);
    assert_eq!(dispatcher.under_way(0).unwrap().1[0].delivery_id, "a-2");
}

#[test]
fn what_cannot_be_sent_is_refused_when_it_would_begin() {
    let mut dispatcher = dispatcher(&[("a", 9)]);
    let mut wrong = rows("a", 2);
    wrong[0].payload = None;
    dispatcher.take_in(wrong, NOW);
    let (begun, refused) = dispatcher.begin(9, NOW);
    assert_eq!((begun.len(), refused), (1, vec!["a-0".to_owned()]));
    let Settled { updates, .. } = dispatcher.conclude_ended(NOW);
    assert_eq!(updates[0].disposition, Disposition::Exhausted);
}

#[test]
fn deliveries_that_travel_together_take_one_slot() {
    let mut dispatcher = dispatcher(&[("queue", 25)]);
    dispatcher.take_in(rows("queue", 25), NOW);
    let (begun, _) = dispatcher.begin(2, NOW);
    let carried: Vec<usize> =
        begun.iter().map(|begun| dispatcher.under_way(begun.number).unwrap().1.len()).collect();
    assert_eq!((carried, dispatcher.waiting()), (vec![10, 10], 5));
    assert!(matches!(begun[0].carrier, BegunCarrier::Steps(_)));
    dispatcher.end(begun[0].number, vec![End::of(Outcome::Accepted { note: "n".to_owned() })], 5.0, NOW);
    assert_eq!(dispatcher.conclude_ended(NOW).updates.len(), 10);
}

#[test]
fn what_has_waited_too_long_goes_back_as_it_was() {
    let mut dispatcher = dispatcher(&[("a", 9)]);
    dispatcher.take_in(rows("a", 1), NOW);
    dispatcher.take_in(rows("a", 2), NOW + 1);
    assert_eq!(dispatcher.give_back(false, NOW + MOST_WAIT_MS - 1), []);
    let given_back = dispatcher.give_back(false, NOW + MOST_WAIT_MS);
    let first = GivenBack { id: "a-0".to_owned(), attempt: 3, before: Some("before 0".to_owned()) };
    assert_eq!((given_back, dispatcher.waiting()), (vec![first], 2));
    assert_eq!(dispatcher.give_back(true, NOW).len(), 2);
    // What went back is due again.
    assert_eq!(dispatcher.claim_order(100, NOW).allowances[0].most, 9);
}

#[test]
fn what_waits_for_an_endpoint_that_is_to_be_left_alone_goes_back() {
    let mut dispatcher = dispatcher(&[("a", 50), ("b", 50)]);
    dispatcher.take_in(rows("a", 20), NOW);
    dispatcher.take_in(rows("b", 20), NOW);
    for number in begin(&mut dispatcher, 10) {
        if whose(&dispatcher, &[number]) == ["a"] {
            dispatcher.end(number, failed(), 10.0, NOW);
        }
    }
    let given_back = dispatcher.give_back(false, NOW);
    assert_eq!(given_back.len(), 15);
    assert!(given_back.iter().all(|row| row.id.starts_with('a')));
    let Settled { opened, updates, .. } = dispatcher.conclude_ended(NOW);
    assert_eq!((opened, updates.len()), (vec!["a".to_owned()], 5));
    let numbers = begin(&mut dispatcher, 100);
    assert!(whose(&dispatcher, &numbers).iter().all(|id| id == "b"));
}

#[test]
fn a_breaker_counts_what_the_tables_do_not_know_yet() {
    let mut dispatcher = dispatcher(&[("a", 50)]);
    dispatcher.take_in(rows("a", 8), NOW);
    let numbers = begin(&mut dispatcher, 8);
    for number in &numbers[..4] {
        dispatcher.end(*number, failed(), 10.0, NOW);
    }
    observe(&mut dispatcher, &[("a", 42)]);
    dispatcher.end(numbers[4], failed(), 10.0, NOW);
    assert_eq!(dispatcher.conclude_ended(NOW).opened, ["a"]);
}

#[test]
fn more_is_claimed_ahead_the_faster_an_endpoint_answers_and_nothing_before_it_has() {
    let mut dispatcher = dispatcher(&[("a", 10_000)]);
    let order = dispatcher.claim_order(100, NOW);
    assert_eq!((order.rows, order.allowances[0].most, order.refill_at), (100, 12, 0));
    let mut ahead = |ms: f64| {
        dispatcher.take_in(rows("a", 12), NOW);
        let numbers = begin(&mut dispatcher, 12);
        for _ in 0..40 {
            answer(&mut dispatcher, &numbers[..1], ms);
            dispatcher.take_in(rows("a", 1), NOW);
            assert_eq!(begin(&mut dispatcher, 1).len(), 1);
        }
        answer(&mut dispatcher, &numbers, ms);
        dispatcher.claim_order(0, NOW).refill_at
    };
    // The window is at its most, 50, at 50 ms: 250 ms of that are 250 deliveries.
    let [quick, slower] = [ahead(50.0), ahead(150.0)];
    assert!((90..=125).contains(&quick) && slower < quick, "{quick}, {slower}");
    let order = dispatcher.claim_order(50, NOW);
    assert!(order.rows > 50 && order.rows <= 300, "{order:?}");
}

#[test]
fn slow_endpoints_together_leave_half_of_the_slots_to_quick_ones() {
    let mut dispatcher = dispatcher(&[("quick", 1_000), ("slow", 1_000)]);
    for (id, ms) in [("quick", 20.0), ("slow", 2_000.0)] {
        for _ in 0..6 {
            dispatcher.take_in(rows(id, 12), NOW);
            let numbers = begin(&mut dispatcher, 12);
            answer(&mut dispatcher, &numbers, ms);
        }
    }
    dispatcher.conclude_ended(NOW);
    observe(&mut dispatcher, &[("quick", 1_000), ("slow", 1_000)]);
    dispatcher.take_in(rows("slow", 80), NOW);
    assert_eq!(begin(&mut dispatcher, 100).len(), 50);
    assert_eq!(begin(&mut dispatcher, 50).len(), 0);
    dispatcher.take_in(rows("quick", 50), NOW);
    let numbers = begin(&mut dispatcher, 50);
    assert!(whose(&dispatcher, &numbers).iter().all(|id| id == "quick") && !numbers.is_empty());
}

#[test]
fn what_has_waited_too_long_does_not_begin_either() {
    let mut dispatcher = dispatcher(&[("a", 9)]);
    dispatcher.take_in(rows("a", 2), NOW);
    dispatcher.take_in(rows("a", 1), NOW + 1);
    let (begun, _) = dispatcher.begin(9, NOW + MOST_WAIT_MS);
    assert_eq!((begun.len(), dispatcher.waiting()), (1, 2));
    assert_eq!(dispatcher.give_back(false, NOW + MOST_WAIT_MS).len(), 2);
    assert_eq!(dispatcher.waiting(), 0);
}

#[test]
fn what_waits_for_an_endpoint_that_was_switched_off_goes_back_and_is_refused_when_it_is_claimed_anew() {
    let mut dispatcher = dispatcher(&[("a", 50)]);
    dispatcher.take_in(rows("a", 40), NOW);
    assert_eq!(begin(&mut dispatcher, 100).len(), 12);
    let off = EndpointFacts { id: "a".to_owned(), url: Some(url("a")), due: 10, ..EndpointFacts::default() };
    dispatcher.observe(&[off], NOW);
    assert_eq!(begin(&mut dispatcher, 88), [0; 0]);
    assert_eq!(dispatcher.give_back(false, NOW).len(), 28);
    let mut anew = rows("a", 28);
    for row in &mut anew {
        row.endpoint.as_mut().unwrap().is_active = false;
    }
    dispatcher.take_in(anew, NOW);
    let (begun, refused) = dispatcher.begin(88, NOW);
    assert_eq!((begun.len(), refused.len()), (0, 28));
}

#[test]
fn many_slow_endpoints_together_leave_half_of_the_slots_to_quick_ones_too() {
    let slow: Vec<String> = (0..10).map(|n| format!("slow{n}")).collect();
    let due: Vec<(&str, u64)> =
        slow.iter().map(String::as_str).chain(["quick"]).map(|id| (id, 1_000)).collect();
    let mut dispatcher = dispatcher(&due);
    for (id, _) in &due {
        dispatcher.take_in(rows(id, 1), NOW);
        let numbers = begin(&mut dispatcher, 1);
        answer(&mut dispatcher, &numbers, if *id == "quick" { 20.0 } else { 2_000.0 });
    }
    dispatcher.conclude_ended(NOW);
    observe(&mut dispatcher, &due);
    for id in &slow {
        dispatcher.take_in(rows(id, 12), NOW);
    }
    assert_eq!(begin(&mut dispatcher, 100).len(), 50);
}
