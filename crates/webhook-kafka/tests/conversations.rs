//! What the producer says, answer by answer, and what it makes of brokers that do not keep to the rules.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should; clippy.toml sees to the test functions themselves only"
)]

mod support;

use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use support::{
    config, records, rejected,
    script::{
        Script, frame, kafka_4, metadata, produce_request, produced, sasl_answer, sasl_handshake,
        sasl_message, versions,
    },
};
use webhook_kafka::{
    Broker, Config, KafkaError, Mechanism, Password, Producer, RecordResult, RejectionKind, Sasl,
};

fn one_broker() -> Config {
    let broker = Broker { host: "kafka.example".to_owned(), port: 9092 };
    Config { brokers: vec![broker], ..config([]) }
}

/// A script with a batch of one record that may take 30 s.
fn with_a_batch(config: Config) -> Script {
    let mut script = Script::new(config);
    script.producer.produce(1, "orders", records(1), 30_000, script.now).unwrap();
    script
}

#[test]
fn every_pair_of_versions_gets_a_record_across() {
    for produce in 3..=12 {
        for metadata_version in 4..=12 {
            let mut script = with_a_batch(one_broker());
            let ranges = [(ApiKey::Produce, 0, produce), (ApiKey::Metadata, 0, metadata_version)];
            script.open(&versions(&ranges));
            let asked = script.asked(ApiKey::Metadata);
            assert_eq!(asked.version, metadata_version);
            script.answer(&asked, &metadata(metadata_version, 3));
            let asked = script.asked(ApiKey::Produce);
            assert_eq!(asked.version, produce);
            assert_eq!(produce_request(&asked), (vec![0], 5_000));
            script.answer(&asked, &produced(0, 0, i64::from(produce)));
            let expected = RecordResult::Accepted { partition: 0, offset: produce.into() };
            assert_eq!(script.settled(), [expected]);
            assert!(script.has_nothing_to_do());
            assert_eq!(script.wake_in_ms(), None);
        }
    }
}

#[test]
fn kafka_4_is_spoken_to_in_the_newest_versions_by_name() {
    let mut script = with_a_batch(one_broker());
    script.open(&kafka_4());
    let asked = script.asked(ApiKey::Metadata);
    assert_eq!(asked.version, 12);
    script.answer(&asked, &metadata(12, 1));
    assert_eq!(script.asked(ApiKey::Produce).version, 12);
}

#[test]
fn a_broker_that_is_too_old_is_permanent() {
    let mut script = with_a_batch(one_broker());
    script.open(&versions(&[(ApiKey::Produce, 0, 2), (ApiKey::Metadata, 0, 5)]));
    let expected = "broker kafka.example:9092: it has no Produce of version 3 to 12";
    assert_eq!(rejected(&script.settled()[0]), (RejectionKind::Permanent, expected));
    script.closed();
}

/// What a broker says after its versions, and how the reason ends that comes of it.
fn after_metadata(answer: impl Fn(i32) -> Vec<u8>) -> (RejectionKind, String) {
    let mut script = with_a_batch(one_broker());
    let connection = script.open(&kafka_4());
    let asked = script.asked(ApiKey::Metadata);
    script.answer(&asked, &metadata(12, 1));
    let asked = script.asked(ApiKey::Produce);
    script.producer.received(connection, &answer(asked.correlation), script.now);
    assert_eq!(script.closed(), connection);
    let (kind, reason) = first_rejection(&mut script);
    (kind, reason.strip_prefix("broker kafka.example:9092: its answer ").unwrap_or(&reason).to_owned())
}

fn first_rejection(script: &mut Script) -> (RejectionKind, String) {
    let results = script.settled();
    let (kind, reason) = rejected(&results[0]);
    (kind, reason.to_owned())
}

#[test]
fn answers_that_make_no_sense_end_the_connection_and_the_records_wait_for_the_schedule() {
    let passing = |reason: &str| (RejectionKind::Passing, reason.to_owned());
    let well_formed = |correlation| frame(correlation, 12, &produced(0, 0, 1));
    assert_eq!(after_metadata(|c| well_formed(c + 1)), passing("is to another request"));
    assert_eq!(after_metadata(|c| well_formed(c - 1)), passing("is to another request"));
    for length in [-1, 0, 3, 1_048_577, i32::MAX] {
        let lie = move |_| length.to_be_bytes().to_vec();
        assert_eq!(after_metadata(lie), passing("has a length that no answer has"), "{length}");
    }
    let with_length = |body: &[u8]| [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let with_garbage = |c| with_length(&[&well_formed(c)[4..], b"!"].concat());
    assert_eq!(after_metadata(with_garbage), passing("goes on after its end"));
    let cut_off = |c| with_length(&well_formed(c)[4..well_formed(c).len() - 1]);
    assert_eq!(after_metadata(cut_off), passing("ends before it should"));
    let many_topics =
        |c: i32| with_length(&[&c.to_be_bytes()[..], &[0, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat());
    assert_eq!(after_metadata(many_topics), passing("says that more follows than does"));
    let other_partition = |c| frame(c, 12, &produced(5, 0, 1));
    let mut script = with_a_batch(one_broker());
    let connection = script.open(&kafka_4());
    let asked = script.asked(ApiKey::Metadata);
    script.answer(&asked, &metadata(12, 1));
    let asked = script.asked(ApiKey::Produce);
    script.producer.received(connection, &other_partition(asked.correlation), script.now);
    let (kind, reason) = first_rejection(&mut script);
    assert_eq!(
        (kind, reason.as_str()),
        (RejectionKind::Passing, "the broker's answer leaves out partition 0")
    );
}

#[test]
fn metadata_that_makes_no_sense_is_asked_for_elsewhere() {
    let brokers = ["a.example", "b.example"].map(|host| Broker { host: host.to_owned(), port: 9092 });
    let mut script = with_a_batch(Config { brokers: brokers.to_vec(), ..one_broker() });
    let first = script.open(&kafka_4());
    let asked = script.asked(ApiKey::Metadata);
    let cut_off = frame(asked.correlation, 12, &metadata(12, 1));
    let cut_off = &cut_off[4..cut_off.len() - 9];
    let length = u32::try_from(cut_off.len()).unwrap().to_be_bytes();
    script.producer.received(first, &[&length[..], cut_off].concat(), script.now);
    assert_eq!(script.closed(), first);
    let second = script.open(&kafka_4());
    assert_ne!(second, first);
    let asked = script.asked(ApiKey::Metadata);
    script.answer(&asked, &metadata(12, 1));
}

#[test]
fn what_was_answered_in_full_counts_though_garbage_follows() {
    let mut script = with_a_batch(one_broker());
    let connection = script.open(&kafka_4());
    let asked = script.asked(ApiKey::Metadata);
    script.answer(&asked, &metadata(12, 1));
    let asked = script.asked(ApiKey::Produce);
    let bytes = [frame(asked.correlation, 12, &produced(0, 0, 9)), vec![0, 0, 0, 4, 0, 0, 0, 9]].concat();
    script.producer.received(connection, &bytes, script.now);
    assert_eq!(script.settled(), [RecordResult::Accepted { partition: 0, offset: 9 }]);
    assert_eq!(script.closed(), connection);
}

#[test]
fn a_connection_that_does_not_come_about_costs_its_timeout() {
    let mut script = with_a_batch(Config { connect_timeout_ms: 700, ..one_broker() });
    assert_eq!(script.wake_in_ms(), Some(700));
    script.now += 700;
    let expected = "no broker can be reached: kafka.example:9092: no connection within 700 ms";
    assert_eq!(rejected(&script.settled()[0]), (RejectionKind::Passing, expected));
    assert_eq!(script.closed(), 1);
    assert_eq!(script.wake_in_ms(), None);
}

#[test]
fn an_address_that_is_refused_is_told_as_it_was_said() {
    let mut script = with_a_batch(one_broker());
    script.wake_in_ms();
    script.producer.disconnected(1, "10.0.0.1 is a private address", script.now);
    let expected = "no broker can be reached: kafka.example:9092: 10.0.0.1 is a private address";
    assert_eq!(rejected(&script.settled()[0]), (RejectionKind::Passing, expected));
}

#[test]
fn an_idle_connection_is_not_trusted_for_long() {
    let mut script = with_a_batch(one_broker());
    let connection = script.open(&kafka_4());
    let asked = script.asked(ApiKey::Metadata);
    script.answer(&asked, &metadata(12, 1));
    let asked = script.asked(ApiKey::Produce);
    script.answer(&asked, &produced(0, 0, 1));
    script.settled();
    script.now += 180_000;
    script.producer.produce(2, "orders", records(1), 30_000, script.now).unwrap();
    assert_eq!(script.closed(), connection);
    script.open(&kafka_4());
    script.asked(ApiKey::Produce);
}

#[test]
fn a_broker_that_closes_an_idle_connection_has_done_nothing_wrong() {
    let mut script = with_a_batch(one_broker());
    let connection = script.open(&kafka_4());
    let asked = script.asked(ApiKey::Metadata);
    script.answer(&asked, &metadata(12, 1));
    let asked = script.asked(ApiKey::Produce);
    script.answer(&asked, &produced(0, 0, 1));
    script.settled();
    script.producer.disconnected(connection, "closed by the other side", script.now);
    assert!(script.has_nothing_to_do());
    script.producer.produce(2, "orders", records(1), 30_000, script.now).unwrap();
    assert_ne!(script.open(&kafka_4()), connection);
    let asked = script.asked(ApiKey::Produce);
    script.answer(&asked, &produced(0, 0, 2));
    assert_eq!(script.settled(), [RecordResult::Accepted { partition: 0, offset: 2 }]);
    script.producer.close();
    assert_eq!(script.closed(), asked.connection);
}

#[test]
fn a_connection_that_worked_and_broke_is_opened_again_at_once() {
    for asks_metadata in [false, true] {
        let mut script = with_a_batch(one_broker());
        let connection = script.open(&kafka_4());
        let asked = script.asked(ApiKey::Metadata);
        script.answer(&asked, &metadata(12, 1));
        let asked = script.asked(ApiKey::Produce);
        if asks_metadata {
            script.answer(&asked, &produced(0, 0, 1));
            script.settled();
            script.now += 300_000 - 1;
            script.producer.produce(2, "orders", records(1), 30_000, script.now).unwrap();
            script.closed();
            script.open(&kafka_4());
            let asked = script.asked(ApiKey::Produce);
            script.answer(&asked, &produced(0, 0, 2));
            script.settled();
            script.now += 1;
            script.producer.produce(3, "orders", records(1), 30_000, script.now).unwrap();
            let asked = script.asked(ApiKey::Metadata);
            script.producer.disconnected(asked.connection, "closed", script.now);
        } else {
            script.producer.disconnected(connection, "closed", script.now);
            script.producer.produce(2, "orders", records(1), 30_000, script.now).unwrap();
            assert_eq!(first_rejection(&mut script).1, "broker kafka.example:9092: closed");
        }
        let again = script.open(&kafka_4());
        let asked = script.asked(ApiKey::Metadata);
        assert_eq!(asked.connection, again);
        // One that breaks before it was of any use is not.
        script.producer.disconnected(again, "closed again", script.now);
        let expected = "no broker can be reached: kafka.example:9092: closed again";
        assert_eq!(first_rejection(&mut script), (RejectionKind::Passing, expected.to_owned()));
    }
}

#[test]
fn waits_between_tries_double() {
    let mut script = with_a_batch(one_broker());
    script.open(&kafka_4());
    for wait in [100, 200, 400, 800] {
        let asked = script.asked(ApiKey::Metadata);
        let mut answer = metadata(12, 1);
        answer.topics[0].error_code = 5;
        script.answer(&asked, &answer);
        assert_eq!(script.wake_in_ms(), Some(wait));
        script.now += wait - 1;
        assert!(script.has_nothing_to_do());
        script.now += 1;
    }
    let asked = script.asked(ApiKey::Metadata);
    script.answer(&asked, &metadata(12, 1));
    let asked = script.asked(ApiKey::Produce);
    script.answer(&asked, &produced(0, 6, -1));
    let expected = "Kafka error 6 NOT_LEADER_OR_FOLLOWER";
    assert_eq!(first_rejection(&mut script), (RejectionKind::Passing, expected.to_owned()));
}

#[test]
fn a_broker_that_speaks_tls_is_told_as_such() {
    let mut script = with_a_batch(one_broker());
    let connection = script.connect("");
    script.asked(ApiKey::ApiVersions);
    script.producer.received(connection, &[0x15, 3, 3, 0, 2, 2, 70], script.now);
    let expected =
        "no broker can be reached: kafka.example:9092: its answer is TLS, which is switched off here";
    assert_eq!(first_rejection(&mut script), (RejectionKind::Passing, expected.to_owned()));
}

#[test]
fn calls_that_cannot_work_are_errors() {
    let mut script = with_a_batch(scram("pencil"));
    let again = script.producer.produce(1, "orders", Vec::new(), 1, script.now);
    assert_eq!(again, Err(KafkaError::RepeatedBatch { id: 1 }));
    let nameless = script.producer.produce(2, "", Vec::new(), 1, script.now);
    assert_eq!(nameless, Err(KafkaError::Topic { length: 0 }));
    for nonce in ["short", "with,a,comma,in,it", "with a blank in it"] {
        assert_eq!(script.producer.connected(1, nonce, script.now), Err(KafkaError::Nonce));
    }
    assert!(Producer::new(config([])).is_err());
}

#[test]
fn an_empty_batch_is_settled_at_once() {
    let mut script = Script::new(one_broker());
    script.producer.produce(1, "orders", Vec::new(), 1_000, script.now).unwrap();
    assert_eq!(script.settled(), []);
}

/// RFC 7677, section 3.
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn scram(password: &str) -> Config {
    let password = Password::new(password.to_owned());
    let sasl = Sasl { mechanism: Mechanism::ScramSha256, username: "user".to_owned(), password };
    Config { sasl: Some(sasl), ..one_broker() }
}

/// A conversation up to the client's first message of SCRAM, and the request that carries it.
fn scram_begun() -> (Script, support::script::Asked) {
    let mut script = with_a_batch(scram("pencil"));
    script.connect(NONCE);
    let asked = script.asked(ApiKey::ApiVersions);
    script.answer(&asked, &kafka_4());
    let asked = script.asked(ApiKey::SaslHandshake);
    assert_eq!(asked.version, 1);
    script.answer(&asked, &sasl_handshake(0, &["SCRAM-SHA-256"]));
    let asked = script.asked(ApiKey::SaslAuthenticate);
    assert_eq!(sasl_message(&asked), format!("n,,n=user,r={NONCE}").as_bytes());
    (script, asked)
}

#[test]
fn scram_logs_in_as_in_the_rfc() {
    let (mut script, asked) = scram_begun();
    script.answer(&asked, &sasl_answer(SERVER_FIRST.as_bytes()));
    let asked = script.asked(ApiKey::SaslAuthenticate);
    assert_eq!(String::from_utf8(sasl_message(&asked)).unwrap(), CLIENT_FINAL);
    assert!(script.has_nothing_to_do(), "nothing is asked before the broker has proved itself");
    script.answer(&asked, &sasl_answer(SERVER_FINAL.as_bytes()));
    script.asked(ApiKey::Metadata);
}

#[test]
fn a_broker_that_does_not_prove_itself_gets_no_records() {
    let (mut script, asked) = scram_begun();
    script.answer(&asked, &sasl_answer(SERVER_FIRST.as_bytes()));
    let asked = script.asked(ApiKey::SaslAuthenticate);
    script.answer(&asked, &sasl_answer(SERVER_FINAL.replace("6rri", "6rrj").as_bytes()));
    let expected =
        "broker kafka.example:9092: it does not prove that it knows the password (SASL SCRAM-SHA-256)";
    assert_eq!(rejected(&script.settled()[0]), (RejectionKind::Permanent, expected));
    script.closed();
    assert!(script.has_nothing_to_do());
}

#[test]
fn a_tampered_nonce_or_a_costly_salt_is_refused() {
    for (from, to, expected) in [
        ("r=rOpr", "r=rOps", "it answers SCRAM with another nonce"),
        ("i=4096", "i=1000000000", "it asks for 1000000000 SCRAM iterations; expected 4096 to 100000"),
    ] {
        let (mut script, asked) = scram_begun();
        script.answer(&asked, &sasl_answer(SERVER_FIRST.replace(from, to).as_bytes()));
        let (kind, reason) = first_rejection(&mut script);
        assert_eq!(kind, RejectionKind::Permanent);
        assert_eq!(reason, format!("broker kafka.example:9092: {expected} (SASL SCRAM-SHA-256)"));
    }
}

#[test]
fn a_mechanism_that_the_broker_lacks_is_permanent_and_names_those_that_it_has() {
    let mut script = with_a_batch(scram("pencil"));
    script.connect(NONCE);
    let asked = script.asked(ApiKey::ApiVersions);
    script.answer(&asked, &kafka_4());
    let asked = script.asked(ApiKey::SaslHandshake);
    script.answer(&asked, &sasl_handshake(33, &["SCRAM-SHA-512", "<script>", "PLAIN"]));
    let expected =
        "broker kafka.example:9092: it does not have SASL SCRAM-SHA-256; it has PLAIN, SCRAM-SHA-512";
    assert_eq!(rejected(&script.settled()[0]), (RejectionKind::Permanent, expected));
}

#[test]
fn a_brokers_words_about_a_login_are_not_repeated() {
    let (mut script, asked) = scram_begun();
    let said = "no user named user with password pencil";
    let answer = sasl_answer(b"")
        .with_error_code(58)
        .with_error_message(Some(kafka_protocol::protocol::StrBytes::from_static_str(said)));
    script.answer(&asked, &answer);
    let (kind, reason) = first_rejection(&mut script);
    assert_eq!(kind, RejectionKind::Permanent);
    assert!(reason.ends_with(
        "it refuses the credentials (SASL SCRAM-SHA-256, Kafka error 58 SASL_AUTHENTICATION_FAILED)"
    ));
    assert!(!reason.contains("pencil") && !format!("{:?}", script.producer).contains("pencil"));
}

#[test]
fn a_session_that_ends_is_replaced_before() {
    let (mut script, asked) = scram_begun();
    script.answer(&asked, &sasl_answer(SERVER_FIRST.as_bytes()));
    let asked = script.asked(ApiKey::SaslAuthenticate);
    script.answer(&asked, &sasl_answer(SERVER_FINAL.as_bytes()).with_session_lifetime_ms(10_000));
    let asked = script.asked(ApiKey::Metadata);
    script.answer(&asked, &metadata(12, 1));
    let asked = script.asked(ApiKey::Produce);
    script.answer(&asked, &produced(0, 0, 1));
    script.settled();
    script.now += 8_000;
    script.producer.produce(2, "orders", records(1), 30_000, script.now).unwrap();
    assert_eq!(script.closed(), asked.connection);
    assert_ne!(script.connect(NONCE), asked.connection);
}

#[test]
fn a_plain_login_is_one_message() {
    let mut config = scram("pencil");
    config.sasl.as_mut().unwrap().mechanism = Mechanism::Plain;
    let mut script = with_a_batch(config);
    script.connect("");
    let asked = script.asked(ApiKey::ApiVersions);
    script.answer(&asked, &kafka_4());
    let asked = script.asked(ApiKey::SaslHandshake);
    script.answer(&asked, &sasl_handshake(0, &["PLAIN"]));
    let asked = script.asked(ApiKey::SaslAuthenticate);
    assert_eq!(sasl_message(&asked), b"\0user\0pencil");
    script.answer(&asked, &sasl_answer(b""));
    script.asked(ApiKey::Metadata);
}

#[test]
fn a_batch_may_reuse_the_number_of_one_that_timed_out() {
    let mut script = with_a_batch(one_broker());
    script.open(&kafka_4());
    let asked = script.asked(ApiKey::Metadata);
    script.answer(&asked, &metadata(12, 1));
    let late = script.asked(ApiKey::Produce);
    let now = script.now;
    script.now += 4_000;
    script.producer.produce(2, "orders", records(1), 1, script.now).unwrap();
    script.asked(ApiKey::Produce);
    script.now += 1;
    assert_eq!(script.settled(), [RecordResult::TimedOut { after_ms: 1 }]);
    script.producer.produce(2, "orders", records(1), 5_000, script.now).unwrap();
    script.asked(ApiKey::Produce);
    assert_eq!(script.wake_in_ms(), Some(now + 5_000 - script.now));
    script.answer(&late, &produced(0, 0, 1));
    assert_eq!(script.settled(), [RecordResult::Accepted { partition: 0, offset: 1 }]);
    assert!(script.has_nothing_to_do(), "the answer to the old batch 2 has not come, and the new one waits");
}

#[test]
fn an_error_to_api_versions_is_passing() {
    let mut script = with_a_batch(one_broker());
    script.connect("");
    let asked = script.asked(ApiKey::ApiVersions);
    let answer = frame(asked.correlation, 0, &ApiVersionsResponse::default().with_error_code(-1));
    script.producer.received(asked.connection, &answer, script.now);
    let expected = "no broker can be reached: kafka.example:9092: Kafka error -1 UNKNOWN_SERVER_ERROR";
    assert_eq!(rejected(&script.settled()[0]), (RejectionKind::Passing, expected));
}
