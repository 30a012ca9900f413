use serde_json::{Value, json};

use super::*;
use crate::{
    Adapter, Context, Entry, Fault, HttpRequest, Message, MessageError, NativeUrlParser, PreparationStep,
    Reply, Request, RequestError, Response, Target, header_fields, message::tests::UNSIGNED,
};

const NOW_MS: u64 = 1_769_680_800_000;

fn target(url: &str) -> SqsTarget {
    match Target::parse(url, &NativeUrlParser) {
        Ok(Target::Sqs(target)) => target,
        other => panic!("{url}: {other:?}"),
    }
}

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY" => "hidden",
        _ => return None,
    };
    Some(value.to_owned())
}

fn context<'a>(prepared: &'a dyn Fn(&str) -> Option<String>) -> Context<'a> {
    Context { variable: &variable, prepared, http_urls: &NativeUrlParser, now_ms: NOW_MS, user_agent: "u/1" }
}

fn request(url: &str, messages: &[Message<'_>]) -> HttpRequest {
    match target(url).request(messages, &context(&|_| None)).unwrap() {
        Request::Http(request) => request,
        other => panic!("{other:?}"),
    }
}

fn body(request: &HttpRequest) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

const QUEUE: &str = "sqs://sqs.eu-west-1.amazonaws.com/123456789012/orders";

#[test]
fn a_batch_is_one_signed_request() {
    let signed = Message { standard_signature: Some("v1,x"), body_signature: Some("sha256=ab"), ..UNSIGNED };
    let request = request(QUEUE, &[signed, Message { delivery_id: "e", ..UNSIGNED }]);
    assert_eq!(request.url, "https://sqs.eu-west-1.amazonaws.com/");
    let fields: Vec<(&str, &str)> = header_fields(&request.head).collect();
    assert!(fields.contains(&("X-Amz-Target", "AmazonSQS.SendMessageBatch")), "{fields:?}");
    assert!(fields.contains(&("Content-Type", "application/x-amz-json-1.0")), "{fields:?}");
    let authorization = fields.iter().find(|(name, _)| *name == "Authorization").unwrap().1;
    let scope = "Credential=AKIDEXAMPLE/20260129/eu-west-1/sqs/aws4_request";
    assert!(authorization.contains(scope), "{authorization}");
    let attribute = |value: &str| json!({ "DataType": "String", "StringValue": value });
    let body = body(&request);
    assert_eq!(body["QueueUrl"], "https://sqs.eu-west-1.amazonaws.com/123456789012/orders");
    assert_eq!(
        body["Entries"][0],
        json!({
            "Id": "0",
            "MessageBody": "{\"é\":1}",
            "MessageAttributes": {
                "event_type": attribute("order.paid"),
                "webhook-id": attribute("d"),
                "webhook-timestamp": attribute("1"),
                "Idempotency-Key": attribute("d"),
                "traceparent": attribute("t"),
                "webhook-signature": attribute("v1,x"),
                "X-Webhook-Signature": attribute("sha256=ab"),
            },
        })
    );
    assert_eq!((&body["Entries"][1]["Id"], body["Entries"].as_array().unwrap().len()), (&json!("1"), 2));
}

#[test]
fn messages_of_a_fifo_queue_have_a_group_and_a_deduplication_id() {
    let fifo = "sqs://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo";
    let group = |url: &str, actor: &str| {
        let body = body(&request(url, &[Message { actor: Some(actor), ..UNSIGNED }]));
        assert_eq!(body["Entries"][0]["MessageDeduplicationId"], "d");
        body["Entries"][0]["MessageGroupId"].as_str().unwrap().to_owned()
    };
    assert_eq!(group(fifo, "u1"), "u1");
    assert_eq!(group(&format!("{fifo}?group=event"), "u1"), "order.paid");
    let longest = "!~".repeat(64);
    assert_eq!(group(fifo, &longest), longest);
    // What is no group's name stands in by its SHA-256.
    let sha256 = "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65";
    assert_eq!(group(fifo, "a b"), sha256);
    for odd in ["", "zoë", "a\nb", &"x".repeat(129)] {
        assert_eq!(group(fifo, odd).len(), 64, "{odd}");
    }
    assert_eq!(body(&request(QUEUE, &[UNSIGNED]))["Entries"][0].get("MessageGroupId"), None);
}

#[test]
fn a_body_is_these_bytes() {
    let fifo = "sqs://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo?endpoint=http://127.0.0.1:4566";
    // SQS takes no empty values: the trace context is left out.
    let request = request(fifo, &[Message { traceparent: "", ..UNSIGNED }]);
    assert_eq!((request.url.as_str(), request.tls), ("http://127.0.0.1:4566/", false));
    assert_eq!(
        request.body,
        "{\"QueueUrl\":\"http://127.0.0.1:4566/123456789012/orders.fifo\",\"Entries\":[{\"Id\":\"0\",\
         \"MessageBody\":\"{\\\"é\\\":1}\",\"MessageAttributes\":{\
         \"Idempotency-Key\":{\"DataType\":\"String\",\"StringValue\":\"d\"},\
         \"event_type\":{\"DataType\":\"String\",\"StringValue\":\"order.paid\"},\
         \"webhook-id\":{\"DataType\":\"String\",\"StringValue\":\"d\"},\
         \"webhook-timestamp\":{\"DataType\":\"String\",\"StringValue\":\"1\"}},\
         \"MessageGroupId\":\"order.paid\",\"MessageDeduplicationId\":\"d\"}]}"
    );
}

#[test]
fn no_debug_shows_what_a_request_is_signed_with() {
    let variable = |name: &str| Some(format!("hidden {name}").replace(' ', "-"));
    let context = Context { variable: &variable, ..context(&|_| None) };
    let signed = target(QUEUE).request(&[UNSIGNED], &context).unwrap();
    let Request::Http(request) = &signed else { panic!("{signed:?}") };
    assert!(request.head.contains("X-Amz-Security-Token: hidden-AWS_SESSION_TOKEN\r\n"));
    assert!(!request.head.contains("hidden-AWS_SECRET_ACCESS_KEY"));
    let by_name = target("sqs://orders").request(&[UNSIGNED], &context);
    let shown = format!("{signed:?} {by_name:?}");
    assert!(!shown.contains("hidden") && !shown.contains("Signature"), "{shown}");
    // A token that cannot stand in a header is not shown, either.
    let variable = |_: &str| Some("hidden\r\nX: y".to_owned());
    let wrong = target(QUEUE).request(&[UNSIGNED], &Context { variable: &variable, ..context }).unwrap_err();
    assert!(!format!("{wrong} {wrong:?}").contains("hidden"), "{wrong:?}");
}

#[test]
fn a_queue_known_by_name_is_looked_up_first() {
    let target = target("sqs://orders?region=eu-west-1&endpoint=http://127.0.0.1:4566");
    let Err(RequestError::Unprepared(lookup)) = target.request(&[UNSIGNED], &context(&|_| None)) else {
        panic!("it is not looked up")
    };
    assert_eq!(lookup.key(), "sqs queue orders in eu-west-1 at 127.0.0.1:4566 for default");
    let context = context(&|_| None);
    let Ok(PreparationStep::Http(question)) = lookup.step(None, &context) else { panic!("no question") };
    assert_eq!((question.body.as_str(), question.port), (r#"{"QueueName":"orders"}"#, 4566));
    let answered =
        |status, body: &str| lookup.step(Some(&Reply::Response(Response { status, body })), &context);
    let url = "http://evil.example/000000000000/orders";
    let Ok(PreparationStep::Ready { value, expires_at_ms }) =
        answered(200, &format!(r#"{{"QueueUrl":"{url}"}}"#))
    else {
        panic!("not ready")
    };
    assert_eq!((value.as_str(), expires_at_ms), (url, NOW_MS + 3_600_000));
    // The answer's host is text in the body, and nothing is sent to it.
    let known = |_: &str| Some(url.to_owned());
    let Ok(Request::Http(request)) = target.request(&[UNSIGNED], &super::tests::context(&known)) else {
        panic!("no request")
    };
    assert_eq!((request.host.as_str(), body(&request)["QueueUrl"].as_str()), ("127.0.0.1", Some(url)));
    let missing = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}"#;
    let older = r#"{"__type":"x#AWS.SimpleQueueService.NonExistentQueue","message":"no such queue"}"#;
    let denied = r#"{"__type":"x#AccessDenied","message":"no"}"#;
    let errors = [
        (
            400,
            missing,
            "queue lookup: there is no queue orders in eu-west-1 in the account of the credentials default",
        ),
        (
            400,
            older,
            "queue lookup: there is no queue orders in eu-west-1 in the account of the credentials default",
        ),
        (403, denied, "queue lookup: SQS: HTTP 403 AccessDenied: no"),
        (500, "", "queue lookup: SQS: HTTP 500"),
        (200, "{}", "queue lookup: the answer names no queue"),
        (200, r#"{"QueueUrl":"http://a/1/other"}"#, "queue lookup: the answer names no queue"),
    ];
    for (status, body, message) in errors {
        assert_eq!(answered(status, body).unwrap_err().to_string(), message);
    }
    for odd in [Reply::Signature { text: "", signature: &[] }, Reply::Unsigned("no")] {
        let wrong = lookup.step(Some(&odd), &context).unwrap_err();
        assert_eq!(wrong.to_string(), "queue lookup: unexpected reply");
    }
    assert!(target.is_stale(&Response { status: 400, body: missing }));
    assert!(!super::tests::target(QUEUE).is_stale(&Response { status: 400, body: missing }));
    assert!(target.is_stale(&Response { status: 400, body: older }));
    assert!(!target.is_stale(&Response { status: 200, body: missing }));
}

#[test]
fn a_queue_is_not_gone_because_a_message_says_so() {
    let body =
        r#"{"__type":"x#AccessDeniedException","message":"no access to arn:aws:sqs:x:1:NonExistentQueue"}"#;
    let answer = Response { status: 403, body };
    assert!(!target("sqs://orders").is_stale(&answer));
    let lookup = lookup::QueueUrlLookup::new(&target("sqs://orders"));
    let wrong = crate::Preparation::step(&lookup, Some(&Reply::Response(answer)), &context(&|_| None));
    let message = "queue lookup: SQS: HTTP 403 AccessDeniedException: no access to";
    assert!(wrong.unwrap_err().to_string().starts_with(message));
}

#[test]
fn each_message_has_its_own_end() {
    let messages = ["a", "b", "c", "d", "e"].map(|id| Message { delivery_id: id, body: "hello", ..UNSIGNED });
    // MD5 of "hello".
    let md5 = "5d41402abc4b2a76b9719d911017c592";
    let answer = json!({
        "Successful": [
            { "Id": "0", "MessageId": "m0", "MD5OfMessageBody": md5 },
            { "Id": "1", "MessageId": "m1", "MD5OfMessageBody": "00000000000000000000000000000000" },
        ],
        "Failed": [
            { "Id": "2", "Code": "InvalidMessageContents", "Message": "bad\ntext", "SenderFault": true },
            { "Id": "3", "Code": "InternalError", "SenderFault": false },
        ],
    })
    .to_string();
    let read = target(QUEUE).read(&Response { status: 200, body: &answer }, &messages).unwrap();
    let rejected = |fault, reason: &str| Entry::Rejected { fault, reason: reason.to_owned() };
    assert_eq!(
        read,
        [
            Entry::Accepted { note: r#"{"MessageId":"m0"}"#.to_owned() },
            rejected(Fault::Passing, "SQS has stored another body than was sent (MD5)"),
            rejected(Fault::Permanent, "SQS: InvalidMessageContents: bad text"),
            rejected(Fault::Passing, "SQS: InternalError: no reason given"),
            rejected(Fault::Passing, "SQS said nothing of this message"),
        ]
    );
}

#[test]
fn a_failed_entry_says_whose_fault_it_is() {
    let fault = |code: &str, sender_fault: bool| {
        let answer =
            json!({ "Failed": [{ "Id": "0", "Code": code, "Message": "m", "SenderFault": sender_fault }] });
        let read = target(QUEUE).read(&Response { status: 200, body: &answer.to_string() }, &[UNSIGNED]);
        match read.unwrap().remove(0) {
            Entry::Rejected { fault, reason } if reason == format!("SQS: {code}: m") => fault,
            other => panic!("{other:?}"),
        }
    };
    for code in ["RequestThrottled", "ThrottlingException", "OverLimit", "KmsThrottled", "KMS.Throttled"] {
        // Whoever is throttled is said to be at fault.
        assert_eq!(fault(code, true), Fault::Throttled, "{code}");
    }
    assert_eq!(fault("ServiceUnavailable", true), Fault::Passing);
    assert_eq!(fault("Unheard", false), Fault::Passing);
    assert_eq!(fault("Unheard", true), Fault::Permanent);
}

#[test]
fn attributes_that_were_stored_otherwise_are_noticed() {
    let of = |md5: &str| {
        let answer = json!({ "Successful": [{
            "Id": "0", "MessageId": "m", "MD5OfMessageBody": "5d41402abc4b2a76b9719d911017c592",
            "MD5OfMessageAttributes": md5,
        }] });
        let message = Message { body: "hello", ..UNSIGNED };
        target(QUEUE)
            .read(&Response { status: 200, body: &answer.to_string() }, &[message])
            .unwrap()
            .remove(0)
    };
    // What moto, which others wrote, says of the same attributes.
    let right = of("6b2e2a7d80a16e197066955cba850782");
    assert!(matches!(&right, Entry::Accepted { .. }), "{right:?}");
    let wrong = of("00000000000000000000000000000000");
    assert!(matches!(&wrong, Entry::Rejected { reason, .. } if reason.contains("attributes")), "{wrong:?}");
}

#[test]
fn an_answer_that_is_no_success_is_all_messages() {
    let read =
        |status, body: &str| target(QUEUE).read(&Response { status, body }, &[UNSIGNED, UNSIGNED]).unwrap();
    let denied = read(403, r#"{"__type":"x#AccessDenied","message":"no"}"#);
    let reason = "SQS: HTTP 403 AccessDenied: no".to_owned();
    assert_eq!(denied, vec![Entry::Rejected { fault: Fault::Permanent, reason }; 2]);
    assert!(matches!(read(429, "")[0], Entry::Rejected { fault: Fault::Throttled, .. }));
    for silent in ["<html>", "", "{}", r#"{"Successful":null,"Failed":null}"#] {
        let reason = "SQS said nothing of this message".to_owned();
        assert_eq!(read(200, silent), vec![Entry::Rejected { fault: Fault::Passing, reason }; 2], "{silent}");
    }
}

#[test]
fn what_sqs_does_not_take_is_refused() {
    let weigh = |body: &str| target(QUEUE).weigh(&Message { body, ..UNSIGNED });
    let attributes = weigh("").unwrap();
    let most = 1_048_576 - attributes;
    assert_eq!(weigh(&"x".repeat(most)), Ok(1_048_576));
    let too_large = MessageError::TooLarge { protocol: "SQS", bytes: 1_048_577, most: 1_048_576 };
    assert_eq!(weigh(&"x".repeat(most + 1)), Err(too_large));
    for code in ['\u{0}', '\u{1}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
        let wrong = MessageError::Character { protocol: "SQS", name: "payload", code: code.into() };
        assert_eq!(weigh(&format!("a{code}")), Err(wrong));
    }
    let event = Message { event_type: "a\u{b}", ..UNSIGNED };
    let wrong = MessageError::Character { protocol: "SQS", name: "event_type", code: 0xB };
    assert_eq!(target(QUEUE).weigh(&event), Err(wrong));
    // What is not sent has no weight: `traceparent`, `String` and `t`.
    let without = target(QUEUE).weigh(&Message { traceparent: "", body: "", ..UNSIGNED });
    assert_eq!(without, Ok(attributes - 18));
    assert!(weigh("\t\n\r \u{d7ff}\u{e000}\u{fffd}🎲").is_ok());
}

#[test]
fn missing_credentials_are_named() {
    let nothing = Context { variable: &|_| None, ..context(&|_| None) };
    let wrong = target(QUEUE).request(&[UNSIGNED], &nothing).unwrap_err().to_string();
    assert_eq!(wrong, "credentials: AWS_ACCESS_KEY_ID is not set; set it to the id of an access key");
}
