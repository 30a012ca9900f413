use super::*;
use crate::{Fault, HttpRequest, NativeUrlParser, Target, header_fields, message::tests::UNSIGNED};

fn target(url: &str) -> LambdaTarget {
    match Target::parse(url, &NativeUrlParser) {
        Ok(Target::Lambda(target)) => target,
        other => panic!("{url}: {other:?}"),
    }
}

fn request(url: &str, message: Message<'_>) -> HttpRequest {
    let variable = |name: &str| name.starts_with("AWS_").then(|| "AKIDEXAMPLE".to_owned());
    let context = Context {
        variable: &variable,
        prepared: &|_| None,
        http_urls: &NativeUrlParser,
        now_ms: 1_769_680_800_000,
        user_agent: "u/1",
    };
    match target(url).request(&[message], &context).unwrap() {
        Request::Http(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_function_is_invoked_with_an_event_as_its_url_would_give_it() {
    let signed = Message { standard_signature: Some("v1,x"), ..UNSIGNED };
    let request = request("lambda://hook?region=eu-west-1", signed);
    assert_eq!(request.url, "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/hook/invocations");
    let fields: Vec<(&str, &str)> = header_fields(&request.head).collect();
    assert!(fields.contains(&("X-Amz-Invocation-Type", "Event")), "{fields:?}");
    let authorization = fields.iter().find(|(name, _)| *name == "Authorization").unwrap().1;
    assert!(authorization.contains("/eu-west-1/lambda/aws4_request"), "{authorization}");
    assert_eq!(
        request.body,
        "{\"body\":\"{\\\"é\\\":1}\",\"headers\":{\"content-type\":\"application/json\",\
         \"event_type\":\"order.paid\",\"idempotency-key\":\"d\",\"traceparent\":\"t\",\"webhook-id\":\"d\",\
         \"webhook-signature\":\"v1,x\",\"webhook-timestamp\":\"1\"},\"isBase64Encoded\":false,\"rawPath\":\"/\",\
         \"requestContext\":{\"http\":{\"method\":\"POST\",\"path\":\"/\"}},\"version\":\"2.0\"}"
    );
}

#[test]
fn another_accounts_function_and_a_version_stand_in_the_path() {
    let request = request("lambda://123456789012:hook?qualifier=$LATEST", UNSIGNED);
    assert!(
        request.head.starts_with(
            "POST /2015-03-31/functions/123456789012%3Ahook/invocations?Qualifier=%24LATEST HTTP/1.1\r\n"
        ),
        "{}",
        request.head
    );
}

#[test]
fn an_error_says_what_lambda_says() {
    let read = |status, body| target("lambda://hook").read(&Response { status, body }, &[UNSIGNED]);
    assert_eq!(read(202, ""), None);
    // Its `Retry-After` counts, which stands in no body.
    let throttled = r#"{"Type":"User","Reason":"CallerRateLimitExceeded","message":"Rate Exceeded."}"#;
    assert_eq!(read(429, throttled), None);
    let reason = "Lambda: HTTP 404: Function not found".to_owned();
    assert_eq!(
        read(404, r#"{"Type":"User","Message":"Function not found"}"#),
        Some(vec![Entry::Rejected { fault: Fault::Permanent, reason }])
    );
    let cases =
        [(400, Fault::Permanent), (403, Fault::Permanent), (408, Fault::Passing), (500, Fault::Passing)];
    for (status, fault) in cases {
        let reason = format!("Lambda: HTTP {status}");
        assert_eq!(read(status, "<html>"), Some(vec![Entry::Rejected { fault, reason }]));
    }
}

#[test]
fn missing_credentials_are_named_and_none_is_shown() {
    let refused = |url: &str, value: Option<&str>| {
        let variable = |_: &str| value.map(str::to_owned);
        let context = Context {
            variable: &variable,
            prepared: &|_| None,
            http_urls: &NativeUrlParser,
            now_ms: 0,
            user_agent: "u/1",
        };
        target(url).request(&[UNSIGNED], &context).unwrap_err().to_string()
    };
    assert_eq!(
        refused("lambda://hook", None),
        "credentials: AWS_ACCESS_KEY_ID is not set; set it to the id of an access key"
    );
    let wrong = refused("lambda://hook?credentials=billing", Some(r#"{"access_key_id":["hidden"]}"#));
    assert_eq!(wrong, "credentials: WEBHOOK_CREDENTIALS_BILLING.access_key_id is not valid; expected a text");
}

#[test]
fn what_is_too_large_is_refused() {
    let weigh = |body: &str| target("lambda://hook").weigh(&Message { body, ..UNSIGNED });
    let most = MOST_PAYLOAD_BYTES - weigh("").unwrap();
    assert_eq!(weigh(&"x".repeat(most)), Ok(MOST_PAYLOAD_BYTES));
    assert!(matches!(weigh(&"x".repeat(most + 1)), Err(MessageError::TooLarge { protocol: "Lambda", .. })));
}
