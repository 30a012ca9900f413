use webhook_payload::Ratio;
use webhook_protocol::{NativeUrlParser, header_fields};
use webhook_signing::{Received, SecretKey, Secrets, verify, verify_body_signature};

use super::*;
use crate::Disposition;

pub(super) const NOW_MS: u64 = 1_769_680_800_999;

pub(super) fn dispatcher() -> Dispatcher<NativeUrlParser> {
    Dispatcher::new(Settings::default(), NativeUrlParser)
}

pub(super) fn row(endpoint: Option<Endpoint>) -> ClaimedDelivery {
    ClaimedDelivery {
        id: "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f".to_owned(),
        event_type: "user.joined_platform".to_owned(),
        payload: Some(
            r#"{"event": "user.joined_platform", "request_id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"}"#
                .to_owned(),
        ),
        attempt: 2,
        endpoint_id: "e".to_owned(),
        created_at: "2026-01-29T10:00:00.000Z".to_owned(),
        endpoint,
        before: None,
    }
}

pub(super) fn endpoint(url: &str, secret_key: Option<&str>) -> Endpoint {
    Endpoint {
        id: "e".to_owned(),
        url: url.to_owned(),
        secret_key: secret_key.map(|text| SecretKey::new(text.to_owned())),
        is_active: true,
    }
}

pub(super) fn request(batch: &Batch) -> &HttpRequest {
    match &batch.carrier {
        Carrier::Request(request) => request,
        steps => panic!("{steps:?}"),
    }
}

pub(super) fn header<'a>(batch: &'a Batch, name: &str) -> Option<&'a str> {
    header_fields(&request(batch).head).find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[test]
fn a_request_is_signed_over_the_bytes_that_it_sends() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let plan = dispatcher().plan(&[row(Some(endpoint("https://a.example/hook", Some(secret))))], NOW_MS);
    assert_eq!((plan.batches.len(), plan.refused.len()), (1, 0));
    let batch = &plan.batches[0];
    let secrets = Secrets::parse(secret).unwrap();
    let received = Received {
        id: header(batch, "webhook-id").unwrap(),
        timestamp: header(batch, "webhook-timestamp").unwrap(),
        signature: header(batch, "webhook-signature").unwrap(),
        body: request(batch).body.as_bytes(),
    };
    assert_eq!(received.timestamp, "1769680800");
    assert_eq!(verify(&secrets, &received, 1_769_680_800, 0), Ok(()));
    let body_signature = header(batch, "X-Webhook-Signature").unwrap();
    assert!(verify_body_signature(&secrets, body_signature, request(batch).body.as_bytes()));
    assert_eq!(header(batch, "Idempotency-Key"), Some(received.id));
    let traceparent = header(batch, "traceparent").unwrap();
    assert!(traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{traceparent}");
}

#[test]
fn an_endpoint_without_a_secret_gets_unsigned_requests() {
    for secret in [None, Some("")] {
        let plan = dispatcher().plan(&[row(Some(endpoint("https://a.example/", secret)))], NOW_MS);
        assert_eq!(header(&plan.batches[0], "webhook-signature"), None);
        assert_eq!(header(&plan.batches[0], "X-Webhook-Signature"), None);
    }
}

#[test]
fn an_attempt_is_told_as_recorded_where_its_trace_is() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let target = || Some(endpoint("https://a.example/", None));
    let own = ClaimedDelivery { payload: Some(format!(r#"{{"traceparent": "{parent}"}}"#)), ..row(target()) };
    let flags = |dispatcher: &mut Dispatcher<NativeUrlParser>, row: &ClaimedDelivery| {
        let plan = dispatcher.plan(std::slice::from_ref(row), NOW_MS);
        let header = header(&plan.batches[0], "traceparent").unwrap().to_owned();
        let told = plan.batches[0].attempts[0].parent.map(|parent| parent.to_string());
        (header[..35].to_owned(), header[53..].to_owned(), told)
    };
    let event = "00-4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
    let continued = "00-0af7651916cd43dd8448eb211c80319c".to_owned();
    let mut all = dispatcher();
    assert_eq!(flags(&mut all, &row(target())), (event.clone(), "01".to_owned(), None));
    let parent = Some(parent.to_owned());
    assert_eq!(flags(&mut all, &own), (continued.clone(), "00".to_owned(), parent.clone()));
    let mut none = dispatcher().with_sampler(Sampler { ratio: Ratio::NONE, is_parent_based: false });
    assert_eq!(flags(&mut none, &row(target())), (event, "00".to_owned(), None));
    assert_eq!(flags(&mut none, &own), (continued, "00".to_owned(), parent));
}

#[test]
fn an_endpoint_may_have_a_timeout_of_its_own() {
    let plan = dispatcher().plan(&[row(Some(endpoint("https://a.example/hook#timeout=3s", None)))], NOW_MS);
    assert_eq!(plan.batches[0].timeout_ms, 3_000);
    assert_eq!(request(&plan.batches[0]).url, "https://a.example/hook");
}

#[test]
fn every_row_is_either_planned_or_refused_with_a_reason() {
    let rows = [
        row(None),
        row(Some(Endpoint {
            id: "off".to_owned(),
            is_active: false,
            ..endpoint("https://a.example/", None)
        })),
        row(Some(Endpoint { id: "bad".to_owned(), ..endpoint("example.com", None) })),
        row(Some(Endpoint { id: "sqs".to_owned(), ..endpoint("sqs://queue?regoin=x", None) })),
        ClaimedDelivery { payload: Some("{".to_owned()), ..row(Some(endpoint("https://a.example/", None))) },
        ClaimedDelivery { payload: None, ..row(Some(endpoint("https://a.example/", None))) },
        row(Some(Endpoint { id: "option".to_owned(), ..endpoint("https://a.example/#rat=1/s", None) })),
        ClaimedDelivery { id: "a\r\nX: y".to_owned(), ..row(Some(endpoint("https://a.example/", None))) },
        row(Some(Endpoint { id: "inside".to_owned(), ..endpoint("http://0x7f.1/", None) })),
        row(Some(Endpoint { id: "broker".to_owned(), ..endpoint("kafka://b.example,10.0.0.1/t", None) })),
        ClaimedDelivery { attempt: 17, ..row(Some(endpoint("https://a.example/", None))) },
        row(Some(endpoint("https://a.example/", None))),
    ];
    let plan = dispatcher().plan(&rows, NOW_MS);
    let reasons: Vec<&str> = plan.refused.iter().map(|row| row.error_message.as_deref().unwrap()).collect();
    let end = "; trace 4bf92f3577b34da6a3ce929d0e0e4736";
    let traced: Vec<bool> = reasons.iter().map(|reason| reason.ends_with(end)).collect();
    // All whose payload was read.
    assert_eq!(traced, [true, true, true, true, false, false, true, true, true, true, true]);
    let reasons: Vec<&str> = reasons.iter().map(|reason| reason.trim_end_matches(end)).collect();
    assert_eq!(
        reasons,
        [
            "not sent: endpoint: there is none with this webhook_config_id",
            "not sent: endpoint: is switched off; set is_active, then replay this delivery",
            "not sent: url: has no scheme; expected it to begin with http://, https://, sqs://, pubsub://, kafka://, kafkas://, lambda:// or mailto:",
            "not sent: url: unknown option \"regoin\"; known: region, group, endpoint, credentials",
            "not sent: payload: expected JSON, got a syntax error at line 1, column 1",
            "not sent: payload: has more than the 1048576 bytes that are sent; make it smaller or raise WEBHOOK_MAX_PAYLOAD",
            "not sent: url: unknown option \"rat\"; known: rate, timeout, concurrency, format",
            "not sent: url: 127.0.0.1 is a loopback address and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES=127.0.0.1/32",
            "not sent: url: 10.0.0.1 is a private address and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES=10.0.0.1/32",
            "not sent: all its 16 attempts are used up, and the last one had no outcome",
            "not sent: request: the header webhook-id holds control characters or bytes beyond ASCII",
        ]
    );
    assert!(plan.refused.iter().all(|update| update.disposition == Disposition::Exhausted));
    let attempts: Vec<u32> = plan.refused.iter().map(|update| update.attempt).collect();
    assert_eq!(attempts, [2, 2, 2, 2, 2, 2, 2, 2, 2, 17, 2]);
    assert_eq!(plan.batches.len(), 1);
}

#[test]
fn deliveries_of_one_endpoint_travel_together_within_the_limits_of_its_protocol() {
    let of = |n: u32, id: &str, url: &str, bytes: usize| ClaimedDelivery {
        id: n.to_string(),
        payload: Some(format!(r#"{{"actor_user_id": "u{n}", "pad": "{}"}}"#, "x".repeat(bytes))),
        endpoint_id: id.to_owned(),
        ..row(Some(Endpoint { id: id.to_owned(), ..endpoint(url, Some("a plain secret")) }))
    };
    let kafka = "kafka://b.example/topic#timeout=3s";
    let rows: Vec<ClaimedDelivery> = (0..3)
        .map(|n| of(n, "k", kafka, 400_000))
        .chain([of(3, "h", "https://a.example/", 1), of(4, "k", kafka, 1), of(5, "k", kafka, 1_000_000)])
        .collect();
    let mut dispatcher = dispatcher();
    let plan = dispatcher.plan(&rows, NOW_MS);
    let batches: Vec<(&str, Vec<&str>)> = plan
        .batches
        .iter()
        .map(|batch| {
            let ids = batch.attempts.iter().map(|attempt| attempt.delivery_id.as_str());
            (batch.endpoint_id.as_str(), ids.collect())
        })
        .collect();
    // Two of 400 kB fit into a batch; the small one that came later goes with the third.
    assert_eq!(batches, [("k", vec!["0", "1"]), ("h", vec!["3"]), ("k", vec!["2", "4"])]);
    assert_eq!(plan.batches[0].timeout_ms, 3_000);
    let reason = plan.refused[0].error_message.as_deref().unwrap();
    assert!(reason.starts_with("not sent: payload: has 1000") && reason.contains("Kafka takes"), "{reason}");
}

#[test]
fn five_hundred_records_make_a_batch_and_one_more_begins_the_next() {
    let rows: Vec<ClaimedDelivery> = (0..501)
        .map(|n| ClaimedDelivery {
            id: n.to_string(),
            ..row(Some(endpoint("kafka://b.example/topic", None)))
        })
        .collect();
    let plan = dispatcher().plan(&rows, NOW_MS);
    assert_eq!(plan.batches.iter().map(|batch| batch.attempts.len()).collect::<Vec<_>>(), [500, 1]);
}
