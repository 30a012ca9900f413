use serde_json::Value;

use super::*;
use crate::Event;

const ID: &str = "0a6e3f6e-4f0e-4a58-9d2f-9a1b2c3d4e5f";

fn wrong(body: &str) -> TestRequestError {
    TestRequest::parse(body).unwrap_err()
}

#[test]
fn nothing_asks_for_a_test_of_all() {
    let nulls = r#"{"event_type":null,"event_data":null,"event_data_override":null,"endpoint_id":null,"endpoint":null,"url":null,"secret":null,"dry_run":null,"tamper":null}"#;
    for body in ["", "  ", "{}", nulls, r#"{"event_type":"webhook.test","event_data":{ }}"#] {
        let expected = TestRequest {
            event_type: EventType::WebhookTest,
            data: r#"{"message":"This is a test."}"#.to_owned(),
            receiver: Receiver::Subscribers,
            dry_run: false,
            tamper: None,
        };
        assert_eq!(TestRequest::parse(body).unwrap(), expected, "{body}");
    }
}

#[test]
fn each_event_has_a_sample_and_takes_data_of_the_callers() {
    for event_type in EventType::APPLICATION {
        let body = format!(r#"{{"event_type": "{}", "endpoint_id": "{ID}"}}"#, event_type.as_str());
        let request = TestRequest::parse(&body).unwrap();
        assert_eq!(request.data, Event::sample(&event_type).unwrap().data_text());
        assert_eq!(request.event_type, event_type);
        assert_eq!(request.receiver, Receiver::Id(ID.to_owned()));
    }
    let alert = TestRequest::parse(r#"{"event_type": "webhook.alert"}"#).unwrap();
    assert!(alert.data.starts_with(r#"{"cause":"circuit_breaker","#), "{}", alert.data);
    let own = r#"{"event_data": {"n": 12345678901234567890, "d": 1.10}}"#;
    assert_eq!(TestRequest::parse(own).unwrap().data, r#"{"n": 12345678901234567890, "d": 1.10}"#);
}

#[test]
fn single_keys_are_overridden_and_their_texts_kept() {
    let of = |body: &str| TestRequest::parse(body).unwrap().data;
    let sample = r#"{"event_type": "user.joined_community", "event_data_override": {"member_count": 12345678901234567890, "price": 1.10}}"#;
    assert_eq!(
        of(sample),
        r#"{"community_city":"Zürich","community_id":"c0ffee00-1d2e-4f3a-8b4c-5d6e7f8091a2","community_name":"Board Games Zürich","member_count":12345678901234567890,"price":1.10}"#
    );
    let new = r#"{"event_data": {"b": 2}, "event_data_override": {"a \"": 1, "b": 3}}"#;
    assert_eq!(of(new), r#"{"a \"":1,"b":3}"#);
    let own = r#"{"event_data": {"a": 1E+2, "b": {"c": [ 1.0 ]}}, "event_data_override": {"a": null}}"#;
    assert_eq!(of(own), r#"{"b":{"c": [ 1.0 ]},"a":null}"#);
    assert_eq!(of(r#"{"event_data_override": {}}"#), r#"{"message":"This is a test."}"#);
    for value in ["[]", "7", "\"text\""] {
        let body = format!(r#"{{"event_data_override": {value}}}"#);
        assert_eq!(wrong(&body), TestRequestError::EventDataOverride);
    }
}

#[test]
fn a_receiver_is_named_in_one_way() {
    let of = |body: &str| TestRequest::parse(body).unwrap().receiver;
    assert_eq!(of(r#"{"endpoint": "my receiver"}"#), Receiver::Name("my receiver".to_owned()));
    let ad_hoc = |secret: Option<&str>| {
        Receiver::AdHoc(AdHoc { url: "sqs://q".to_owned(), secret: secret.map(str::to_owned) })
    };
    assert_eq!(of(r#"{"url": "sqs://q"}"#), ad_hoc(None));
    assert_eq!(of(r#"{"url": "sqs://q", "secret": "whsec_AQID"}"#), ad_hoc(Some("whsec_AQID")));
    let several = [
        format!(r#"{{"endpoint_id": "{ID}", "endpoint": "e"}}"#),
        format!(r#"{{"endpoint_id": "{ID}", "url": "https://a.example/"}}"#),
        r#"{"endpoint": "e", "url": "https://a.example/", "secret": "s"}"#.to_owned(),
    ];
    for body in several {
        assert_eq!(wrong(&body), TestRequestError::SeveralReceivers, "{body}");
    }
}

#[test]
fn a_secret_shows_nowhere() {
    let request =
        TestRequest::parse(r#"{"url": "https://a.example/?hunter2", "secret": "hunter2"}"#).unwrap();
    assert!(!format!("{request:?}").contains("hunter2"));
    let bodies = [
        r#"{"secret": "hunter2"}"#,
        r#"{"secret": "hunter2", "endpoint": "e"}"#,
        r#"{"url": "https://a.example/", "secret": ["hunter2"]}"#,
        r#"{"url": ["hunter2"], "secret": "hunter2"}"#,
        r#"{"url": "  ", "secret": "hunter2"}"#,
    ];
    for body in bodies {
        let error = wrong(body);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        assert!(["invalid_secret", "invalid_url"].contains(&error.code()), "{body}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for body in ["[]", "null", "1", "{", "text", r#"["webhook.test", {}, null]"#] {
        assert_eq!(wrong(body), TestRequestError::Body, "{body}");
    }
    assert_eq!(
        wrong(r#"{"event_type": 7}"#).to_string(),
        "event_type: expected one of user.joined_platform, user.joined_community, user.registered_event, \
         user.cancelled_registration, user.posted_comment, user.flagged_comment, user.referred_user, \
         discussion.auto_closed, discussion.extended, webhook.test, webhook.alert, got 7"
    );
    assert_eq!(
        wrong(r#"{"event_typ": "user.joined_community"}"#).to_string(),
        r#"body: unknown field "event_typ"; known: event_type, event_data, event_data_override, endpoint_id, endpoint, url, secret, dry_run, tamper"#
    );
    assert!(matches!(wrong(r#"{"event_type": "user.exploded"}"#), TestRequestError::EventType { .. }));
    for data in ["[]", "\"text\"", "7"] {
        assert_eq!(wrong(&format!(r#"{{"event_data": {data}}}"#)), TestRequestError::EventData);
    }
    let got = |text: &str| text.to_owned();
    assert_eq!(wrong(r#"{"endpoint_id": "7"}"#), TestRequestError::EndpointId { got: got("\"7\"") });
    assert_eq!(wrong(r#"{"endpoint": ""}"#), TestRequestError::Endpoint { got: got("\"\"") });
    assert_eq!(wrong(r#"{"endpoint": "a\u0000"}"#), TestRequestError::Endpoint { got: got(r#""a\u0000""#) });
    assert_eq!(wrong(r#"{"dry_run": "true"}"#), TestRequestError::DryRun { got: got("\"true\"") });
    assert_eq!(
        wrong(r#"{"tamper": "Body"}"#).to_string(),
        "tamper: expected signature, timestamp, body or missing, got \"Body\""
    );
}

#[test]
fn a_test_may_be_dry_and_wrong_on_purpose() {
    for tamper in Tamper::ALL {
        let body = format!(r#"{{"dry_run": true, "tamper": "{}"}}"#, tamper.as_str());
        let request = TestRequest::parse(&body).unwrap();
        assert_eq!((request.dry_run, request.tamper), (true, Some(tamper)));
    }
}

#[test]
fn the_envelope_is_that_of_an_event_and_says_that_it_is_a_test() {
    let request = TestRequest::parse(r#"{"event_data": {"n": 1.10}}"#).unwrap();
    let text = request.envelope("2026-01-29T10:00:00.000Z", "r", None);
    assert_eq!(
        text,
        r#"{"event":"webhook.test","timestamp":"2026-01-29T10:00:00.000Z","actor_user_id":null,"request_id":"r","test":true,"data":{"n": 1.10}}"#
    );
    assert!(serde_json::from_str::<Value>(&text).is_ok());
}

#[test]
fn the_envelope_belongs_to_the_callers_trace() {
    let trace_id = TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736");
    let text = TestRequest::parse("").unwrap().envelope("2026-01-29T10:00:00.000Z", "r", trace_id);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}
