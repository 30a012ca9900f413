use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    Adapter, Context, Entry, Fault, HttpRequest, Message, NativeUrlParser, Request, Response, Target,
    header_fields,
    message::tests::UNSIGNED,
    notice::tests::{Vector, any_envelope, message},
};

const URL: &str = "mailto:ops@example.com,dev@example.com";
const KEY: (&str, &str) = ("RESEND_API_KEY", "re_hidden");
const FROM: (&str, &str) = ("WEBHOOK_MAIL_FROM", "Alerts <alerts@example.com>");

/// Names and values.
type Variables<'a> = &'a [(&'a str, &'a str)];

fn target(url: &str) -> MailTarget {
    match Target::parse(url, &NativeUrlParser) {
        Ok(Target::Mail(target)) => target,
        other => panic!("{url}: {other:?}"),
    }
}

fn request_of(url: &str, variables: Variables<'_>, message: &Message<'_>) -> Result<HttpRequest, String> {
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let context = Context {
        variable: &variable,
        prepared: &|_| None,
        http_urls: &NativeUrlParser,
        now_ms: 0,
        user_agent: "u/1",
    };
    match target(url).request(&[*message], &context) {
        Ok(Request::Http(request)) => Ok(request),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

fn request(url: &str, variables: Variables<'_>) -> Result<HttpRequest, String> {
    request_of(url, variables, &UNSIGNED)
}

#[test]
fn the_vectors_are_mailed_as_they_stand_there() {
    for vector in Vector::all() {
        let request = vector.with_message(|message| request_of(URL, &[KEY, FROM], message)).unwrap();
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body, vector.mail, "{}", vector.name);
    }
}

#[test]
fn a_mail_is_sent_with_the_key_and_the_deliverys_id() {
    let signed = Message { standard_signature: Some("v1,x"), ..UNSIGNED };
    let request = request_of(URL, &[KEY, FROM], &signed).unwrap();
    assert_eq!(request.url, "https://api.resend.com/emails");
    let length = request.body.len().to_string();
    let fields: Vec<(&str, &str)> = header_fields(&request.head).collect();
    assert_eq!(
        fields,
        [
            ("Host", "api.resend.com"),
            ("Content-Type", "application/json"),
            ("User-Agent", "u/1"),
            ("Authorization", "Bearer re_hidden"),
            ("Idempotency-Key", "d"),
            ("Accept", "application/json"),
            ("Content-Length", length.as_str()),
        ]
    );
    assert!(!format!("{request:?}").contains("re_hidden"));
}

#[test]
fn every_attempt_has_the_same_bytes() {
    let at = |timestamp_s, traceparent| {
        let message = Message { timestamp_s, traceparent, ..UNSIGNED };
        request_of(URL, &[KEY, FROM], &message).unwrap()
    };
    assert_eq!(at(1, "00-a-1-01"), at(2, "00-a-2-01"));
}

#[test]
fn the_sender_is_the_urls_or_the_sets_or_the_variables() {
    let sender = |url: &str, variables: Variables<'_>| {
        let body: Value = serde_json::from_str(&request(url, variables)?.body).unwrap();
        Ok::<_, String>(body["from"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        sender("mailto:a@b.example?from=Z%C3%BCri%20<a@b.example>", &[KEY, FROM]).unwrap(),
        "Züri <a@b.example>"
    );
    assert_eq!(sender(URL, &[KEY, FROM]).unwrap(), FROM.1);
    let set = "mailto:a@b.example?credentials=team";
    let of = |json| [("WEBHOOK_CREDENTIALS_TEAM", json), FROM];
    assert_eq!(sender(set, &of(r#"{"api_key": "k", "from": "t@b.example"}"#)).unwrap(), "t@b.example");
    assert_eq!(sender(set, &of(r#"{"api_key": "k"}"#)).unwrap(), FROM.1);
}

#[test]
fn what_is_missing_or_wrong_is_named_and_not_shown() {
    let set = "mailto:a@b.example?credentials=team";
    let cases: [(&str, Variables<'_>, &str); 8] = [
        (URL, &[FROM], "RESEND_API_KEY is not set; set it to an API key of Resend"),
        (URL, &[FROM, (KEY.0, "hidden key")], "RESEND_API_KEY is not valid; expected an API key of Resend"),
        (
            URL,
            &[KEY],
            "WEBHOOK_MAIL_FROM is not set; set it to an address of a domain that is verified at Resend",
        ),
        (
            URL,
            &[KEY, (FROM.0, "hidden\r\nBcc: a@b.example")],
            "WEBHOOK_MAIL_FROM is not valid; expected an address in ASCII, such as ops@example.com",
        ),
        (set, &[], "WEBHOOK_CREDENTIALS_TEAM is not set; set it to {\"api_key\",\"from\"}"),
        (
            set,
            &[("WEBHOOK_CREDENTIALS_TEAM", "{\"from\": \"a@b.example\"}")],
            "WEBHOOK_CREDENTIALS_TEAM.api_key is not set; set it to an API key of Resend",
        ),
        (
            set,
            &[("WEBHOOK_CREDENTIALS_TEAM", "{\"api_key\": \"k\", \"from\": \"hidden\"}")],
            "WEBHOOK_CREDENTIALS_TEAM.from is not valid; expected an address in ASCII, such as ops@example.com",
        ),
        (
            URL,
            &[KEY, FROM, ("RESEND_BASE_URL", "http://hidden.example")],
            "RESEND_BASE_URL is not valid; expected an https URL, such as https://api.resend.com",
        ),
    ];
    for (url, variables, message) in cases {
        assert_eq!(request(url, variables), Err(format!("credentials: {message}")));
    }
}

#[test]
fn a_variable_may_name_another_server() {
    let url = |base| {
        request(URL, &[KEY, FROM, ("RESEND_BASE_URL", base)])
            .map(|request| request.url)
            .map_err(|_| "refused")
    };
    assert_eq!(url("https://proxy.example/resend/"), Ok("https://proxy.example/resend/emails".to_owned()));
    assert_eq!(url("http://127.0.0.1:9000"), Ok("http://127.0.0.1:9000/emails".to_owned()));
    assert_eq!(url(" "), Ok("https://api.resend.com/emails".to_owned()));
    for wrong in [
        "http://10.0.0.1",
        "ftp://a.example",
        "proxy.example",
        "https://a.example/?x",
        "https://u:p@a.example",
    ] {
        assert_eq!(url(wrong), Err("refused"), "{wrong}");
    }
}

#[test]
fn answers_say_what_became_of_the_mail() {
    let read = |url: &str, status, body: &str| target(url).read(&Response { status, body }, &[UNSIGNED]);
    assert_eq!(
        read(URL, 200, r#"{"id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}"#),
        Some(vec![Entry::Accepted { note: r#"{"id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}"#.to_owned() }])
    );
    // Its `Retry-After` counts, which stands in no body.
    assert_eq!(read(URL, 429, r#"{"name":"rate_limit_exceeded"}"#), None);
    let key = "; set RESEND_API_KEY to an API key that may send";
    let from = "; set WEBHOOK_MAIL_FROM to an address of a domain that is verified at Resend";
    let cases = [
        (200, "", Fault::Passing, "", "Resend said no id of the mail"),
        (429, "daily_quota_exceeded", Fault::Throttled, "", "HTTP 429 daily_quota_exceeded: m"),
        (429, "monthly_quota_exceeded", Fault::Throttled, "", "HTTP 429 monthly_quota_exceeded: m"),
        (401, "missing_api_key", Fault::Permanent, key, "HTTP 401 missing_api_key: m"),
        (401, "restricted_api_key", Fault::Permanent, key, "HTTP 401 restricted_api_key: m"),
        (403, "invalid_api_key", Fault::Permanent, key, "HTTP 403 invalid_api_key: m"),
        (403, "validation_error", Fault::Permanent, from, "HTTP 403 validation_error: m"),
        (422, "invalid_from_address", Fault::Permanent, from, "HTTP 422 invalid_from_address: m"),
        (422, "validation_error", Fault::Permanent, "", "HTTP 422 validation_error: m"),
        (400, "validation_error", Fault::Permanent, "", "HTTP 400 validation_error: m"),
        (
            409,
            "concurrent_idempotent_requests",
            Fault::Passing,
            "",
            "HTTP 409 concurrent_idempotent_requests: m",
        ),
        (409, "invalid_idempotent_request", Fault::Permanent, "", "HTTP 409 invalid_idempotent_request: m"),
        (500, "application_error", Fault::Passing, "", "HTTP 500 application_error: m"),
        (408, "x", Fault::Passing, "", "HTTP 408 x: m"),
    ];
    for (status, name, fault, remedy, said) in cases {
        let body = format!(r#"{{"statusCode":{status},"name":"{name}","message":"m"}}"#);
        let prefix = if status == 200 { "" } else { "Resend: " };
        let reason = format!("{prefix}{said}{remedy}");
        assert_eq!(read(URL, status, &body), Some(vec![Entry::Rejected { fault, reason }]));
    }
    let reason = |url, status| match read(url, status, "<html>").as_deref() {
        Some([Entry::Rejected { reason, .. }]) => reason.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reason("mailto:a@b.example?credentials=team", 401),
        "Resend: HTTP 401; set WEBHOOK_CREDENTIALS_TEAM.api_key to an API key that may send"
    );
    assert_eq!(
        reason("mailto:a@b.example?credentials=team", 403),
        "Resend: HTTP 403; set WEBHOOK_CREDENTIALS_TEAM.from or WEBHOOK_MAIL_FROM to an address of a domain that is \
         verified at Resend"
    );
    assert_eq!(
        reason("mailto:a@b.example?from=a@b.example", 403),
        "Resend: HTTP 403; set the option from to an address of a domain that is verified at Resend"
    );
}

#[test]
fn no_reason_repeats_a_key() {
    let body =
        r#"{"name":"invalid_api_key","message":"API key 're_hidden' or (re_hidden) is\nre_hidden invalid"}"#;
    let entries = target(URL).read(&Response { status: 403, body }, &[UNSIGNED]);
    let Some([Entry::Rejected { reason, .. }]) = entries.as_deref() else { panic!("{entries:?}") };
    assert!(!reason.contains("hidden"), "{reason}");
    assert!(!reason.contains('\n') && reason.ends_with("may send"), "{reason}");
}

proptest! {
    // Long texts, in whatever is told of them.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_mailed_has_one_subject_and_no_markup_of_its_own(text in any_envelope(), alert: bool) {
        let event_type = if alert { "webhook.alert" } else { "order.paid <é>" };
        let request = request_of(URL, &[KEY, FROM], &message(&text, event_type)).unwrap();
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let subject = body["subject"].as_str().unwrap();
        prop_assert!((1..=150).contains(&subject.encode_utf16().count()), "{:?}", subject);
        prop_assert!(!subject.contains(char::is_control), "{:?}", subject);
        prop_assert!(!body["text"].as_str().unwrap().is_empty());
        // Our own elements are all that there is.
        let html = body["html"].as_str().unwrap();
        let own = ["h2", "h3", "p", "pre", "table", "tr", "td", "b", "br", "small"];
        let elements = html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
        for element in elements {
            prop_assert!(own.contains(&element.trim_start_matches('/')), "{:?}", element);
        }
        let tag = body["tags"][0]["value"].as_str().unwrap();
        prop_assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }
}

proptest! {
    #[test]
    fn no_address_begins_a_header(text in "\\PC{0,30}|[a-z@.<> %0-9A-F\\r\\n]{0,40}") {
        for url in [format!("mailto:{text}"), format!("mailto:a@b.example?from={text}")] {
            if let Ok(Target::Mail(mail)) = Target::parse(&url, &NativeUrlParser) {
                let all = mail.recipients.iter().chain(&mail.from);
                prop_assert!(!all.into_iter().any(|text| text.contains(char::is_control)), "{:?}", mail);
            }
        }
    }
}
