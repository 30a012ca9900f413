use webhook_protocol::NativeUrlParser;

use super::*;
use crate::{Carrier, ClaimedDelivery, Endpoint, Settings};

const NOW_MS: u64 = 1_769_680_800_000;

fn dispatcher(variables: &'static [(&str, &str)]) -> Dispatcher<NativeUrlParser> {
    let look_up =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Dispatcher::new(Settings::default(), NativeUrlParser).with_variables(look_up)
}

const KEYS: &[(&str, &str)] = &[("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hidden")];

/// The number of a batch with so many deliveries.
fn begin(dispatcher: &mut Dispatcher<NativeUrlParser>, url: &str, count: u32) -> u32 {
    let rows: Vec<ClaimedDelivery> = (0..count)
        .map(|n| ClaimedDelivery {
            id: n.to_string(),
            event_type: "order.paid".to_owned(),
            payload: Some("{}".to_owned()),
            attempt: 1,
            created_at: String::new(),
            endpoint_id: "e".to_owned(),
            endpoint: Some(Endpoint {
                id: "e".to_owned(),
                url: url.to_owned(),
                secret_key: None,
                is_active: true,
            }),
            before: None,
        })
        .collect();
    match dispatcher.plan(&rows, NOW_MS).batches.as_slice() {
        [batch] => match batch.carrier {
            Carrier::Steps(number) => number,
            Carrier::Request(_) => panic!("it is one request"),
        },
        batches => panic!("{batches:?}"),
    }
}

fn answered(status: u16, body: &str) -> End {
    End {
        outcome: Outcome::Answered { status, location: None, retry_after: None },
        response_body: Some(body.to_owned()),
    }
}

fn key_of(step: Step) -> String {
    match step {
        Step::Prepare(key) => key,
        other => panic!("{other:?}"),
    }
}

fn reason_of(step: Step) -> String {
    match step {
        Step::End(ends) if ends.len() == 1 => ends[0].outcome.to_string(),
        other => panic!("{other:?}"),
    }
}

const QUEUE: &str = r#"{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/123456789012/orders"}"#;

#[test]
fn what_two_batches_need_is_found_out_once_and_kept() {
    let mut dispatcher = dispatcher(KEYS);
    let (a, b) = (begin(&mut dispatcher, "sqs://orders", 2), begin(&mut dispatcher, "sqs://orders", 1));
    let key = key_of(dispatcher.next(a, None, NOW_MS));
    assert_eq!(key_of(dispatcher.next(b, None, NOW_MS)), key);
    assert!(matches!(dispatcher.prepare(&key, None, NOW_MS), Task::Http(_)));
    assert!(matches!(dispatcher.prepare(&key, Some(Given::End(answered(200, QUEUE))), NOW_MS), Task::Done));
    assert!(matches!(dispatcher.next(a, None, NOW_MS), Step::Http(_)));
    assert!(matches!(dispatcher.next(b, None, NOW_MS), Step::Http(_)));
    // It holds for an hour.
    let c = begin(&mut dispatcher, "sqs://orders", 1);
    assert!(matches!(dispatcher.next(c, None, NOW_MS + 3_599_999), Step::Http(_)));
    let d = begin(&mut dispatcher, "sqs://orders", 1);
    assert_eq!(key_of(dispatcher.next(d, None, NOW_MS + 3_600_000)), key);
}

#[test]
fn what_cannot_be_found_out_ends_all_that_wait_and_is_asked_for_again_a_second_later() {
    let mut dispatcher = dispatcher(KEYS);
    let (a, b) = (begin(&mut dispatcher, "sqs://orders", 1), begin(&mut dispatcher, "sqs://orders", 1));
    let key = key_of(dispatcher.next(a, None, NOW_MS));
    let denied = answered(403, r#"{"__type":"AccessDenied"}"#);
    assert!(matches!(dispatcher.prepare(&key, Some(Given::End(denied)), NOW_MS), Task::Done));
    for batch in [a, b] {
        let reason = reason_of(dispatcher.next(batch, None, NOW_MS + 999));
        assert!(reason.starts_with("not sent: queue lookup: "), "{reason}");
    }
    let c = begin(&mut dispatcher, "sqs://orders", 1);
    assert_eq!(key_of(dispatcher.next(c, None, NOW_MS + 1_000)), key);
    // No connection is what it is, and speaks against the endpoint.
    let failed = End::of(Outcome::ConnectionFailed { reason: "refused".to_owned() });
    dispatcher.prepare(&key, Some(Given::End(failed)), NOW_MS + 1_000);
    assert_eq!(reason_of(dispatcher.next(c, None, NOW_MS + 1_000)), "connection failed: refused");
}

#[test]
fn an_answer_that_says_so_has_it_found_out_anew_and_only_once() {
    let mut dispatcher = dispatcher(KEYS);
    let batch = begin(&mut dispatcher, "sqs://orders", 1);
    let missing = || Some(vec![answered(400, r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}"#)]);
    let key = key_of(dispatcher.next(batch, None, NOW_MS));
    dispatcher.prepare(&key, Some(Given::End(answered(200, QUEUE))), NOW_MS);
    assert!(matches!(dispatcher.next(batch, None, NOW_MS), Step::Http(_)));
    assert_eq!(key_of(dispatcher.next(batch, missing(), NOW_MS)), key);
    dispatcher.prepare(&key, Some(Given::End(answered(200, QUEUE))), NOW_MS);
    assert!(matches!(dispatcher.next(batch, None, NOW_MS), Step::Http(_)));
    let reason = reason_of(dispatcher.next(batch, missing(), NOW_MS));
    assert!(reason.starts_with("SQS: HTTP 400 QueueDoesNotExist"), "{reason}");
    // It is over: nothing is kept of it.
    assert!(reason_of(dispatcher.next(batch, None, NOW_MS)).contains("not known"));
}

#[test]
fn missing_credentials_are_the_end_before_anything_is_sent() {
    let mut dispatcher = dispatcher(&[]);
    let batch = begin(&mut dispatcher, "lambda://hook", 1);
    let reason = reason_of(dispatcher.next(batch, None, NOW_MS));
    assert!(reason.starts_with("not sent: credentials: AWS_ACCESS_KEY_ID is not set"), "{reason}");
}

#[test]
fn records_have_ends_of_their_own() {
    let mut dispatcher = dispatcher(&[]);
    let batch = begin(&mut dispatcher, "kafka://b.example/orders", 2);
    let Step::Kafka(request) = dispatcher.next(batch, None, NOW_MS) else { panic!("no records") };
    assert_eq!(request.records.len(), 2);
    let ends = vec![
        End::of(Outcome::Accepted { note: "n".to_owned() }),
        End::of(Outcome::Rejected { fault: Fault::Passing, reason: "busy".to_owned() }),
    ];
    assert_eq!(dispatcher.next(batch, Some(ends.clone()), NOW_MS), Step::End(ends));
}

#[test]
fn no_debug_shows_what_was_found_out() {
    let mut dispatcher = dispatcher(KEYS);
    let batch = begin(&mut dispatcher, "sqs://orders", 1);
    let key = key_of(dispatcher.next(batch, None, NOW_MS));
    dispatcher.prepare(&key, Some(Given::End(answered(200, QUEUE))), NOW_MS);
    let debug = format!("{dispatcher:?}");
    assert!(!debug.contains("123456789012") && !debug.contains("hidden"), "{debug}");
}
