use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    HttpRequest, HttpTarget, NativeUrlParser, Target, header_fields,
    message::tests::UNSIGNED,
    notice::tests::{Vector, any_envelope, message},
};

const SLACK: &str = "https://hooks.slack.com/services/T0/B0/x";

fn target(url: &str) -> HttpTarget {
    match Target::parse(url, &NativeUrlParser) {
        Ok(Target::Http(target)) => target,
        other => panic!("{url}: {other:?}"),
    }
}

fn body(url: &str, message: &Message<'_>) -> Value {
    serde_json::from_str(&HttpRequest::new(&target(url), message).unwrap().body).unwrap()
}

#[test]
fn the_vectors_are_told_as_they_stand_there() {
    for vector in Vector::all() {
        let name = &vector.name;
        let of = |format| {
            vector.with_message(|message| body(&format!("https://a.example/#format={format}"), message))
        };
        assert_eq!(of("slack"), vector.slack, "{name}");
        assert_eq!(of("discord"), vector.discord, "{name}");
        assert_eq!(of("teams"), vector.teams, "{name}");
    }
}

#[test]
fn a_chat_gets_no_signatures() {
    let signed = Message { body_signature: Some("sha256=ab"), standard_signature: Some("v1,x"), ..UNSIGNED };
    let request = HttpRequest::new(&target(SLACK), &signed).unwrap();
    let names: Vec<&str> = header_fields(&request.head).map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "Host",
            "Content-Type",
            "User-Agent",
            "webhook-id",
            "webhook-timestamp",
            "Idempotency-Key",
            "traceparent",
            "Accept",
            "Content-Length"
        ]
    );
    // Whoever asks for the envelope gets it, signatures and all.
    let request = HttpRequest::new(&target(&format!("{SLACK}#format=plain")), &signed).unwrap();
    assert_eq!(request.body, signed.body);
    assert_eq!(header_fields(&request.head).count(), 11);
}

/// JavaScript's `length`.
fn length(text: &Value) -> usize {
    text.as_str().unwrap().encode_utf16().count()
}

/// What Slack documents of these blocks.
fn assert_slack(message: &Value) {
    assert!((1..=4_000).contains(&length(&message["text"])));
    let blocks = message["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    let assert_text = |text: &Value, most: usize| {
        assert!((1..=most).contains(&length(&text["text"])), "{text}");
        let shown = text["text"].as_str().unwrap();
        // Neither a mention nor a link can begin.
        assert!(text["type"] == "plain_text" || !shown.contains(['<', '>']), "{text}");
    };
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => assert_text(&block["text"], 150),
            "section" if block.get("fields").is_some() => {
                let fields = block["fields"].as_array().unwrap();
                assert!((1..=10).contains(&fields.len()));
                fields.iter().for_each(|field| assert_text(field, 2_000));
            }
            "section" => assert_text(&block["text"], 3_000),
            "context" => block["elements"].as_array().unwrap().iter().for_each(|one| assert_text(one, 3_000)),
            other => panic!("{other}"),
        }
    }
}

/// What Discord documents of embeds.
fn assert_discord(message: &Value) {
    assert_eq!(message["allowed_mentions"]["parse"], Value::Array(Vec::new()));
    let [embed] = message["embeds"].as_array().unwrap().as_slice() else { panic!("{message}") };
    let fields = embed["fields"].as_array().unwrap();
    assert!(fields.len() <= 25);
    let mut all = 0;
    let mut check = |text: &Value, least: usize, most: usize| {
        assert!((least..=most).contains(&length(text)), "{text}");
        all += length(text);
    };
    check(&embed["title"], 1, 256);
    check(&embed["description"], 0, 4_096);
    check(&embed["footer"]["text"], 1, 2_048);
    for field in fields {
        check(&field["name"], 1, 256);
        check(&field["value"], 1, 1_024);
    }
    assert!(all <= 6_000, "{all}");
}

proptest! {
    // Long texts, in whatever is told of them.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_told_is_within_the_limits(text in any_envelope(), alert: bool) {
        let message = message(&text, if alert { "webhook.alert" } else { "order.paid" });
        assert_slack(&body(SLACK, &message));
        assert_discord(&body("https://discord.com/api/webhooks/1/x", &message));
        let teams = HttpRequest::new(&target("https://a.webhook.office.com/webhookb2/1"), &message).unwrap().body;
        prop_assert!(teams.len() <= 28 * 1_024, "{}", teams.len());
        let card: Value = serde_json::from_str(&teams).unwrap();
        let blocks = card["attachments"][0]["content"]["body"].as_array().unwrap();
        prop_assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"), "{}", card);
    }
}

proptest! {
    #[test]
    fn no_other_host_is_taken_for_a_chat(
        text in "https?://[a-z.-]{0,8}(hooks\\.slack\\.com|discord\\.com|discordapp\\.com)[a-z.:@-]{0,8}/(api/webhooks/1/x|services/T0)"
    ) {
        let Ok(Target::Http(target)) = Target::parse(&text, &NativeUrlParser) else { return Ok(()) };
        let hosts = [
            "hooks.slack.com", "discord.com", "ptb.discord.com", "canary.discord.com", "discordapp.com",
            "ptb.discordapp.com", "canary.discordapp.com",
        ];
        let is_chat = target.tls && hosts.contains(&target.host.as_str());
        prop_assert!(is_chat || target.dialect == Dialect::Plain, "{text}");
    }
}
