use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    Context, Entry, Fault, HttpRequest, Message, MessageError, NativeUrlParser, Request, RequestError,
    Response, Target, message::tests::UNSIGNED,
};

const PEM: &str = "-----BEGIN PRIVATE KEY-----\naGlkZGVu\n-----END PRIVATE KEY-----\n";

fn target(url: &str) -> Target {
    Target::parse(url, &NativeUrlParser).unwrap()
}

fn orders() -> Target {
    target("pubsub://my-project/orders")
}

/// Where to publish to, what the variables are, and the token that is known.
struct Setting<'a> {
    url: &'a str,
    universe: Option<&'a str>,
    emulator: Option<&'a str>,
    token: Option<&'a str>,
}

const USUAL: Setting<'static> =
    Setting { url: "pubsub://my-project/orders", universe: None, emulator: None, token: Some("ya29.hidden") };

impl Setting<'_> {
    fn request(&self, messages: &[Message<'_>]) -> Result<HttpRequest, RequestError> {
        let account = json!({
            "client_email": "a@b", "private_key": PEM, "universe_domain": self.universe,
        });
        let variable = |name: &str| match name {
            "GOOGLE_SERVICE_ACCOUNT_JSON" => Some(account.to_string()),
            "PUBSUB_EMULATOR_HOST" => self.emulator.map(str::to_owned),
            _ => None,
        };
        let prepared = |key: &str| {
            assert_eq!(key, "google token for default");
            self.token.map(str::to_owned)
        };
        let context = Context {
            variable: &variable,
            prepared: &prepared,
            http_urls: &NativeUrlParser,
            now_ms: 0,
            user_agent: "u/1",
        };
        match target(self.url).adapter().request(messages, &context)? {
            Request::Http(request) => Ok(request),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_request_is_these_bytes() {
    let signed = Message { body_signature: Some("sha256=ab"), standard_signature: Some("v1,x"), ..UNSIGNED };
    let request = USUAL.request(&[signed, UNSIGNED]).unwrap();
    let common = "\"event_type\":\"order.paid\",\"webhook-id\":\"d\",\"webhook-timestamp\":\"1\",\
                  \"Idempotency-Key\":\"d\",\"traceparent\":\"t\"";
    assert_eq!(
        request.body,
        format!(
            "{{\"messages\":[\
             {{\"data\":\"eyLDqSI6MX0=\",\"attributes\":{{{common},\"webhook-signature\":\"v1,x\",\
             \"X-Webhook-Signature\":\"sha256=ab\"}}}},\
             {{\"data\":\"eyLDqSI6MX0=\",\"attributes\":{{{common}}}}}]}}"
        )
    );
    assert_eq!(
        request.head,
        format!(
            "POST /v1/projects/my-project/topics/orders:publish HTTP/1.1\r\n\
             Host: pubsub.googleapis.com\r\n\
             Content-Type: application/json\r\n\
             User-Agent: u/1\r\n\
             Authorization: Bearer ya29.hidden\r\n\
             Accept: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            request.body.len()
        )
    );
    assert_eq!(request.url, "https://pubsub.googleapis.com/v1/projects/my-project/topics/orders:publish");
    assert_eq!((request.tls, request.most_answer_bytes), (true, 65_536));
    let shown = format!("{:?}", Request::Http(request));
    assert!(!shown.contains("hidden") && !shown.contains("eyLD"), "{shown}");
}

#[test]
fn a_message_with_an_ordering_key_travels_alone() {
    for ordering in ["actor", "event", "request", "delivery"] {
        let limits = target(&format!("pubsub://my-project/orders?ordering={ordering}")).adapter().limits();
        assert_eq!((limits.messages, limits.bytes), (1, 9_999_000), "{ordering}");
    }
    let unordered = target("pubsub://my-project/orders?ordering=none").adapter().limits();
    assert_eq!(unordered, orders().adapter().limits());
    let setting = Setting { url: "pubsub://my-project/orders?ordering=actor", ..USUAL };
    for (actor, key) in [(Some("u\"1"), "\"u\\\"1\""), (None, "\"order.paid\"")] {
        let body = setting.request(&[Message { actor, ..UNSIGNED }]).unwrap().body;
        assert!(body.ends_with(&format!("\"traceparent\":\"t\"}},\"orderingKey\":{key}}}]}}")), "{body}");
    }
}

#[test]
fn attributes_are_as_few_and_their_names_as_short_as_the_service_wants() {
    let signed = Message { body_signature: Some("a"), standard_signature: Some("b"), ..UNSIGNED };
    let attributes = signed.attributes();
    assert!((1..=100).contains(&attributes.len()));
    for (name, _) in attributes {
        assert!((1..=256).contains(&name.len()) && !name.starts_with("goog"), "{name}");
    }
}

#[test]
fn messages_have_no_ordering_key_unless_the_url_asks_for_it() {
    let body = USUAL.request(&[UNSIGNED]).unwrap().body;
    assert!(!body.contains("orderingKey"), "{body}");
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value["messages"][0]["attributes"]["webhook-timestamp"], "1");
}

#[test]
fn a_path_is_percent_encoded() {
    let url = "pubsub://example.com:my-project/a-b_c.d~e+f%g%2F";
    let request = Setting { url, ..USUAL }.request(&[UNSIGNED]).unwrap();
    let path = "/v1/projects/example.com%3Amy-project/topics/a-b_c.d~e%2Bf%25g%252F:publish";
    assert!(request.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", request.head);
    assert_eq!(request.url, format!("https://pubsub.googleapis.com{path}"));
}

#[test]
fn without_a_token_one_is_to_be_found_out() {
    let wanted = Setting { token: None, ..USUAL }.request(&[UNSIGNED]);
    let Err(RequestError::Unprepared(preparation)) = wanted else { panic!("{wanted:?}") };
    assert_eq!(preparation.key(), "google token for default");
}

#[test]
fn no_other_server_sees_the_token() {
    let urls = [
        ("pubsub://my-project/orders?endpoint=https://pubsub.evil.example", None),
        ("pubsub://my-project/orders?endpoint=https://evilgoogleapis.com", None),
        ("pubsub://my-project/orders?endpoint=http://pubsub.googleapis.com", None),
        ("pubsub://my-project/orders", Some("apis.example")),
    ];
    for (url, universe) in urls {
        for token in [Some("hidden"), None] {
            let refused = Setting { url, universe, token, ..USUAL }.request(&[UNSIGNED]);
            let Err(RequestError::Credentials(error)) = refused else { panic!("{url}: {refused:?}") };
            assert_eq!(
                error.to_string(),
                "credentials: GOOGLE_SERVICE_ACCOUNT_JSON.universe_domain is not valid; expected the domain of the \
                 server, which has its tokens over https alone: set the option endpoint to \
                 https://pubsub.UNIVERSE_DOMAIN, leave it out for googleapis.com, or set PUBSUB_EMULATOR_HOST for \
                 an emulator"
            );
        }
    }
    let url = "pubsub://my-project/orders?endpoint=https://pubsub.apis.example";
    let trusted = Setting { url, universe: Some("apis.example"), ..USUAL }.request(&[UNSIGNED]).unwrap();
    assert_eq!(trusted.host, "pubsub.apis.example");
}

#[test]
fn missing_credentials_are_named() {
    let context = Context {
        variable: &|_| None,
        prepared: &|_| panic!("a token is of no use"),
        http_urls: &NativeUrlParser,
        now_ms: 0,
        user_agent: "u/1",
    };
    let error = orders().adapter().request(&[UNSIGNED], &context).unwrap_err();
    assert_eq!(
        error.to_string(),
        "credentials: GOOGLE_SERVICE_ACCOUNT_JSON is not set; set it to the JSON of a service account's key, with \
         client_email and private_key"
    );
}

#[test]
fn a_token_that_does_not_fit_in_a_header_is_not_shown() {
    let error = Setting { token: Some("hidden\r\nX: y"), ..USUAL }.request(&[UNSIGNED]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "request: the header Authorization holds control characters or bytes beyond ASCII"
    );
}

#[test]
fn an_emulator_gets_no_token() {
    for (emulator, host, port) in
        [("localhost:8085", "localhost", 8085), (" [::1]:8432 ", "[::1]", 8432), ("emulator", "emulator", 80)]
    {
        let request =
            Setting { emulator: Some(emulator), token: None, ..USUAL }.request(&[UNSIGNED]).unwrap();
        assert_eq!((request.host.as_str(), request.port, request.tls), (host, port, false));
        assert!(!request.head.contains("Authorization"), "{}", request.head);
    }
    for emulator in ["http://localhost:8085", "a/b", "a?b", "a#b", "a@b", "a\\b", "a:b", "a b", ":8085"] {
        let error = Setting { emulator: Some(emulator), ..USUAL }.request(&[UNSIGNED]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "credentials: PUBSUB_EMULATOR_HOST is not valid; expected HOST:PORT, such as localhost:8085",
            "{emulator}"
        );
    }
}

#[test]
fn an_endpoint_that_the_url_names_comes_before_the_emulator() {
    let url = "pubsub://my-project/orders?endpoint=https://europe-west1-pubsub.googleapis.com";
    let request = Setting { url, emulator: Some("localhost:8085"), ..USUAL }.request(&[UNSIGNED]).unwrap();
    assert_eq!(request.host, "europe-west1-pubsub.googleapis.com");
    assert!(request.head.contains("Bearer ya29.hidden"));
    let empty = Setting { emulator: Some(" "), ..USUAL }.request(&[UNSIGNED]).unwrap();
    assert_eq!(empty.host, "pubsub.googleapis.com");
}

#[test]
fn a_message_may_fill_a_request_and_no_more() {
    let target = orders();
    let limits = target.adapter().limits();
    assert_eq!((limits.messages, limits.bytes), (1_000, 9_999_000));
    let beside = target.adapter().weigh(&Message { body: "", ..UNSIGNED }).unwrap();
    let text = "a".repeat((limits.bytes - beside) / 4 * 3 + 1);
    let fits = Message { body: &text[1..], ..UNSIGNED };
    let weight = target.adapter().weigh(&fits).unwrap();
    assert!((limits.bytes - 3..=limits.bytes).contains(&weight), "{weight}");
    let body = USUAL.request(&[fits]).unwrap().body;
    // The comma makes place for one byte of what stands around the messages.
    assert_eq!(body.len(), weight + "{\"messages\":[]}".len() - 1);
    assert!(body.len() <= 10_000_000);
    assert_eq!(
        target.adapter().weigh(&Message { body: &text, ..UNSIGNED }),
        Err(MessageError::TooLarge { protocol: "Pub/Sub", bytes: weight + 4, most: limits.bytes })
    );
}

#[test]
fn attributes_and_ordering_keys_have_at_most_1024_bytes() {
    let target = target("pubsub://my-project/orders?ordering=actor");
    let weigh = |message: &Message<'_>| target.adapter().weigh(message).map(|_| ());
    let fits = "é".repeat(512);
    let long = format!("{fits}a");
    fn each(text: &str) -> [(&'static str, Message<'_>); 6] {
        [
            ("event_type", Message { event_type: text, ..UNSIGNED }),
            ("webhook-id", Message { delivery_id: text, ..UNSIGNED }),
            ("traceparent", Message { traceparent: text, ..UNSIGNED }),
            ("webhook-signature", Message { standard_signature: Some(text), ..UNSIGNED }),
            ("X-Webhook-Signature", Message { body_signature: Some(text), ..UNSIGNED }),
            ("ordering key", Message { actor: Some(text), ..UNSIGNED }),
        ]
    }
    for (name, message) in each(&fits) {
        assert_eq!(weigh(&message), Ok(()), "{name}");
    }
    for (name, message) in each(&long) {
        assert_eq!(
            weigh(&message),
            Err(MessageError::AttributeTooLarge { protocol: "Pub/Sub", name, bytes: 1_025, most: 1_024 })
        );
    }
    // What is no ordering key is not measured.
    assert!(orders().adapter().weigh(&Message { actor: Some(&long), ..UNSIGNED }).is_ok());
}

fn read(status: u16, body: &str, messages: usize) -> Vec<Entry> {
    orders().adapter().read(&Response { status, body }, &vec![UNSIGNED; messages]).unwrap()
}

#[test]
fn an_answer_holds_an_id_for_each_message() {
    let accepted = |note: &str| Entry::Accepted { note: note.to_owned() };
    assert_eq!(
        read(200, r#"{"messageIds":["1","a\"b"]}"#, 2),
        [accepted(r#"{"messageId":"1"}"#), accepted(r#"{"messageId":"a\"b"}"#)]
    );
}

#[test]
fn an_answer_that_says_nothing_of_a_message_is_a_rejection() {
    let nothing =
        Entry::Rejected { fault: Fault::Passing, reason: "Pub/Sub said nothing of this message".to_owned() };
    let bodies = [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"messageIds":"12"}"#,
        r#"{"messageIds":[]}"#,
        r#"{"messageIds":["1"]}"#,
        r#"{"messageIds":["1",2]}"#,
        r#"{"messageIds":["1","2","3"]}"#,
        r#"{"messageIds":["1","2"]"#,
    ];
    for body in bodies {
        assert_eq!(read(200, body, 2), [nothing.clone(), nothing.clone()], "{body}");
    }
    assert_eq!(read(204, "", 1), [nothing]);
}

#[test]
fn another_status_rejects_every_message() {
    let cases = [
        (429, Fault::Throttled),
        (400, Fault::Permanent),
        (401, Fault::Permanent),
        (403, Fault::Permanent),
        (404, Fault::Permanent),
        (302, Fault::Permanent),
        (408, Fault::Passing),
        (409, Fault::Passing),
        (499, Fault::Passing),
        (500, Fault::Passing),
        (503, Fault::Passing),
    ];
    let body = r#"{"error":{"code":1,"message":"not\nallowed","status":"DENIED"}}"#;
    for (status, fault) in cases {
        let entry = Entry::Rejected { fault, reason: format!("Pub/Sub: HTTP {status} DENIED: not allowed") };
        assert_eq!(read(status, body, 2), [entry.clone(), entry]);
        let entry = Entry::Rejected { fault, reason: format!("Pub/Sub: HTTP {status}") };
        assert_eq!(read(status, "<html>", 1), [entry]);
        let is_stale = orders().adapter().is_stale(&Response { status, body });
        assert_eq!(is_stale, status == 401);
    }
}

#[test]
fn a_long_reason_is_cut() {
    let body = json!({"error": {"message": "é".repeat(300)}}).to_string();
    let entries = read(400, &body, 1);
    let [Entry::Rejected { reason, .. }] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(reason.chars().count(), 200);
    assert!(reason.starts_with("Pub/Sub: HTTP 400: éé"), "{reason}");
}

proptest! {
    #[test]
    fn a_batch_within_the_limits_makes_a_request_within_them(
        texts in prop::collection::vec((".{0,40}", 0_usize..9, "[a\"\\\\\\x00-\\x1fé\u{1F600}]{0,60}"), 1..40),
    ) {
        let bodies: Vec<String> = texts.iter().map(|(text, times, _)| text.repeat(*times)).collect();
        let messages: Vec<Message<'_>> = texts
            .iter()
            .zip(&bodies)
            .map(|((_, _, text), body)| {
                Message { body, event_type: text, actor: Some(text), standard_signature: Some(text), ..UNSIGNED }
            })
            .collect();
        let unordered = orders();
        let weight: usize = messages.iter().map(|message| unordered.adapter().weigh(message).unwrap()).sum();
        let body = USUAL.request(&messages).unwrap().body;
        // So a batch of as many bytes as the limits allow has at most 10,000,000 in its request.
        prop_assert_eq!(body.len(), weight + 14);
        prop_assert!(unordered.adapter().limits().bytes + 14 <= 10_000_000);
        let value: Value = serde_json::from_str(&body).unwrap();
        prop_assert_eq!(value["messages"].as_array().unwrap().len(), messages.len());
        for (entry, message) in value["messages"].as_array().unwrap().iter().zip(&messages) {
            prop_assert_eq!(entry["attributes"]["event_type"].as_str(), Some(message.event_type));
        }
        let url = "pubsub://my-project/orders?ordering=actor";
        let ordered = target(url);
        for message in messages {
            let body = Setting { url, ..USUAL }.request(&[message]).unwrap().body;
            prop_assert_eq!(body.len(), ordered.adapter().weigh(&message).unwrap() + 14);
            let value: Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(value["messages"][0]["orderingKey"].as_str(), message.actor);
        }
    }
}
