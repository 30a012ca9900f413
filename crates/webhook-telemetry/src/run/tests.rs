use webhook_backoff::{Fault, Outcome};
use webhook_dispatch::End;
use webhook_payload::Ratio;
use webhook_protocol::NativeUrlParser;

use super::*;
use crate::Value;

const RUN_ID: &str = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const DURING: Period = Period { start_us: 10, end_us: 20 };

fn run(traceparent: Option<&str>, sampler: Sampler) -> Run<NativeUrlParser> {
    let request = Request {
        id: RUN_ID.to_owned(),
        traceparent: traceparent.map(str::to_owned),
        function: "webhook-dispatcher".to_owned(),
        method: "POST".to_owned(),
        scheme: "https".to_owned(),
        path: "/webhook-dispatcher".to_owned(),
        start_us: 5,
    };
    Run::begin(request, sampler, NativeUrlParser)
}

fn claimed(id: &str, url: &str) -> Claimed {
    Claimed {
        id: id.to_owned(),
        event_type: "order.paid".to_owned(),
        endpoint_id: url.to_owned(),
        url: Some(url.to_owned()),
    }
}

fn attempt(id: &str, number: u32) -> AttemptRef {
    AttemptRef { delivery_id: id.to_owned(), attempt: number, trace_id: TraceId::derive(id), parent: None }
}

fn batch(url: &str, attempts: Vec<AttemptRef>, outcomes: Vec<Outcome>) -> BatchOutcome {
    BatchOutcome {
        endpoint_id: url.to_owned(),
        attempts,
        ends: outcomes.into_iter().map(End::of).collect(),
        duration_ms: 7.0,
    }
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status, location: Some("https://a.example/?s3cret".to_owned()), retry_after: None }
}

fn attribute<'a>(span: &'a Span, name: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn names(run: &mut Run<NativeUrlParser>) -> Vec<String> {
    run.take(100).into_iter().map(|span| span.name).collect()
}

#[test]
fn a_run_is_a_trace_of_its_own_and_an_attempt_belongs_to_its_event() {
    const URL: &str = "https://a.example/hook";
    let mut run = run(None, Sampler::default());
    let root = run.traceparent();
    run.claimed(vec![claimed("a", URL), claimed("b", URL)], false, DURING);
    run.planned(1, &["b".to_owned()], DURING);
    run.sent(&batch(URL, vec![attempt("a", 3)], vec![answered(500)]), DURING);
    run.recorded(2, DURING);
    run.end(200, 30);
    let spans = run.take(100);
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let server = "POST /functions/v1/webhook-dispatcher";
    assert_eq!(names, ["claim webhook_deliveries", "plan", "POST", "record webhook_deliveries", server]);
    let [claim, plan, send, record, server] = spans.as_slice() else { panic!("{spans:?}") };
    for span in [claim, plan, record] {
        let parent = Some(Parent { span_id: root.span_id, is_remote: false });
        assert_eq!((span.trace_id, span.parent), (root.trace_id, parent));
        assert_eq!((span.start_us, span.end_us), (10, 20));
    }
    assert_eq!((server.trace_id, server.span_id, server.parent), (root.trace_id, root.span_id, None));
    assert_eq!((server.start_us, server.end_us, server.kind), (5, 30, Kind::Server));
    assert_eq!(root.trace_id, TraceId::derive(RUN_ID));
    assert_eq!(attribute(claim, "db.response.returned_rows"), Some(&Value::Number(2)));
    assert_eq!(attribute(record, "db.operation.batch.size"), Some(&Value::Number(2)));

    assert_eq!((send.trace_id, send.parent), (TraceId::derive("a"), None));
    assert_eq!(send.span_id, SpanId::derive("a", 3));
    assert_eq!(send.links, [Link { trace_id: root.trace_id, span_id: root.span_id }]);
    assert_eq!(send.error.as_deref(), Some("HTTP 500"));
    for (name, value) in [
        ("webhook.event.type", "order.paid".into()),
        ("webhook.delivery.id", "a".into()),
        ("webhook.attempt", Value::Number(3)),
        ("http.request.resend_count", Value::Number(2)),
        ("webhook.outcome", "answered".into()),
        ("http.response.status_code", Value::Number(500)),
        ("error.type", "500".into()),
    ] {
        assert_eq!(attribute(send, name), Some(&value), "{name}");
    }
    let mut ids: Vec<String> = spans.iter().map(|span| span.span_id.to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn a_callers_trace_goes_on_and_a_wrong_one_does_not() {
    let mut continued = run(Some(CALLER), Sampler::default());
    assert_eq!(continued.traceparent().trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    continued.end(200, 30);
    let parent = continued.take(1).first().and_then(|span| span.parent).unwrap();
    assert_eq!((parent.span_id.to_string().as_str(), parent.is_remote), ("b7ad6b7169203331", true));
    for wrong in ["", "00-0-0-01", &CALLER.to_uppercase()] {
        assert_eq!(run(Some(wrong), Sampler::default()).traceparent().trace_id, TraceId::derive(RUN_ID));
    }
}

#[test]
fn an_attempt_in_the_runs_own_trace_is_its_child_and_one_with_a_parent_is_that_ones() {
    let mut run = run(Some(CALLER), Sampler::default());
    let root = run.traceparent();
    let own = AttemptRef { trace_id: root.trace_id, ..attempt("a", 1) };
    run.sent(&batch("e", vec![own], vec![answered(200)]), DURING);
    let parent =
        TraceParent { trace_id: TraceId::derive("x"), span_id: SpanId::derive("x", 9), is_sampled: true };
    let child = AttemptRef { trace_id: parent.trace_id, parent: Some(parent), ..attempt("b", 1) };
    run.sent(&batch("e", vec![child], vec![answered(200)]), DURING);
    let spans = run.take(2);
    assert_eq!(spans[0].parent, Some(Parent { span_id: root.span_id, is_remote: false }));
    assert_eq!(spans[0].links, []);
    assert_eq!(spans[1].parent, Some(Parent { span_id: parent.span_id, is_remote: true }));
    assert_eq!(spans[1].links.len(), 1);
}

#[test]
fn a_batch_of_several_has_a_span_with_links_to_each() {
    const URL: &str = "kafka://b.example/orders";
    let mut run = run(None, Sampler::default());
    run.claimed(["a", "b", "c"].map(|id| claimed(id, URL)).to_vec(), false, DURING);
    let accepted = |note: &str| Outcome::Accepted { note: note.to_owned() };
    let rejected = Outcome::Rejected { fault: Fault::Permanent, reason: "s3cret".to_owned() };
    let outcomes = vec![
        accepted(r#"{"partition":3,"offset":"9007199254740993"}"#),
        accepted(r#"{"MessageId":"m"}"#),
        rejected,
    ];
    let attempts = ["a", "b", "c"].map(|id| attempt(id, 1)).to_vec();
    run.sent(&batch(URL, attempts, outcomes), DURING);
    let spans = run.take(10);
    let [_claim, a, b, c, all] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(attribute(a, "messaging.kafka.offset"), Some(&Value::Number(9_007_199_254_740_993)));
    assert_eq!(attribute(a, "messaging.destination.partition.id"), Some(&"3".into()));
    assert_eq!(attribute(b, "messaging.message.id"), Some(&"m".into()));
    assert_eq!((a.kind, a.name.as_str(), a.error.as_deref()), (Kind::Producer, "send orders", None));
    assert_eq!(c.error.as_deref(), Some("rejected"));
    assert_eq!(
        (all.kind, all.name.as_str(), all.trace_id),
        (Kind::Client, "send orders", run.traceparent().trace_id)
    );
    let linked: Vec<SpanId> = all.links.iter().map(|link| link.span_id).collect();
    assert_eq!(linked, [a.span_id, b.span_id, c.span_id]);
    assert_eq!(attribute(all, "messaging.batch.message_count"), Some(&Value::Number(3)));
    assert_eq!(all.error.as_deref(), Some("1 of 3 failed"));
}

#[test]
fn no_outcomes_text_gets_into_a_span() {
    let secret = || "s3cret".to_owned();
    let outcomes = [
        answered(302),
        Outcome::TimedOut { after_ms: 7 },
        Outcome::ConnectionFailed { reason: secret() },
        Outcome::AddressRefused { reason: secret() },
        Outcome::Accepted { note: secret() },
        Outcome::Rejected { fault: Fault::Passing, reason: secret() },
        Outcome::Rejected { fault: Fault::Throttled, reason: secret() },
        Outcome::NotReady { reason: secret() },
    ];
    let mut run = run(None, Sampler::default());
    for outcome in outcomes {
        let mut sent = batch("e", vec![attempt("a", 1)], vec![outcome]);
        sent.ends[0].response_body = Some(secret());
        run.sent(&sent, DURING);
    }
    let spans = run.take(100);
    assert!(!format!("{spans:?}").contains("s3cret"));
    let said: Vec<&str> = spans.iter().map(|span| span.error.as_deref().unwrap_or("-")).collect();
    assert_eq!(
        said,
        [
            "HTTP 302",
            "timed out after 7 ms",
            "the connection failed",
            "the address is not called",
            "-",
            "rejected, which may pass",
            "rejected as too much at once",
            "not sent: something of ours is missing",
        ]
    );
}

#[test]
fn each_trace_is_sampled_by_itself() {
    let none = Sampler { ratio: Ratio::NONE, is_parent_based: true };
    let mut run_of = run(Some(CALLER), none);
    let parent =
        TraceParent { trace_id: TraceId::derive("a"), span_id: SpanId::derive("x", 9), is_sampled: true };
    let known = AttemptRef { parent: Some(parent), ..attempt("a", 1) };
    run_of.claimed(vec![], false, DURING);
    run_of.sent(&batch("e", vec![known, attempt("b", 1)], vec![answered(200)]), DURING);
    run_of.end(200, 30);
    // The caller's run, its batch and the event whose parent is recorded; not the one that nobody decided on.
    let server = "POST /functions/v1/webhook-dispatcher";
    assert_eq!(names(&mut run_of), ["claim webhook_deliveries", "send", "send", server]);

    let mut unsampled = run(Some(&CALLER.replace("-01", "-00")), Sampler::default());
    unsampled.claimed(vec![], false, DURING);
    unsampled.sent(&batch("e", vec![attempt("b", 1)], vec![answered(200)]), DURING);
    unsampled.end(200, 30);
    assert_eq!(names(&mut unsampled), ["send"]);
}

#[test]
fn nothing_is_kept_of_a_caller_without_a_key() {
    let mut run = run(Some(CALLER), Sampler::default());
    run.end(401, 30);
    assert_eq!(run.waiting(), 0);
}

#[test]
fn a_failure_of_ours_and_one_of_the_databases_are_errors() {
    let mut run = run(None, Sampler::default());
    run.failed("claim", "57P01", DURING);
    run.failed("record", "CONNECTION_CLOSED", DURING);
    run.end(503, 30);
    let spans = run.take(10);
    let of = |span: &Span, name: &str| attribute(span, name).cloned();
    assert_eq!(of(&spans[0], "db.response.status_code"), Some("57P01".into()));
    assert_eq!(of(&spans[1], "db.response.status_code"), None);
    assert_eq!(of(&spans[1], "error.type"), Some("CONNECTION_CLOSED".into()));
    assert_eq!(of(&spans[2], "error.type"), Some("503".into()));
    assert!(spans.iter().all(|span| span.error.is_some()));
}

#[test]
fn so_many_spans_are_kept_and_the_others_are_counted() {
    let mut run = run(None, Sampler::default());
    for _ in 0..MOST_SPANS + 3 {
        run.recorded(1, DURING);
    }
    assert_eq!((run.waiting(), run.dropped()), (MOST_SPANS, 3));
    assert_eq!(run.take(512).len(), 512);
    assert_eq!(run.waiting(), MOST_SPANS - 512);
}
