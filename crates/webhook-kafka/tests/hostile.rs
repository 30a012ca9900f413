//! Brokers that send anything: the producer neither panics nor reserves memory that the bytes do not bear out, and
//! every batch still ends in its time.

// An allocator that keeps count is unsafe by its nature.
#![allow(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should; clippy.toml sees to the test functions themselves only"
)]

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use proptest::prelude::*;
use support::{
    config, records,
    script::{Script, frame, kafka_4, metadata, produced, sasl_answer, sasl_handshake, versions},
};
use webhook_kafka::{Action, Broker, Config, Mechanism, Password, Sasl};

/// The system's, but it remembers the largest piece that a thread has asked for.
struct Counting;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Where in the conversation the broker turns hostile.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Versions,
    Handshake,
    FirstLogin,
    Metadata,
    Produce,
}

const STAGES: [Stage; 5] =
    [Stage::Versions, Stage::Handshake, Stage::FirstLogin, Stage::Metadata, Stage::Produce];

fn configured(with_login: bool) -> Config {
    let password = Password::new("pencil".to_owned());
    let sasl = Sasl { mechanism: Mechanism::ScramSha256, username: "user".to_owned(), password };
    let brokers = vec![Broker { host: "kafka.example".to_owned(), port: 9092 }];
    Config { brokers, sasl: with_login.then_some(sasl), ..config([]) }
}

/// The last versions with the old form of lengths.
fn kafka_2_3() -> ApiVersionsResponse {
    let login = [(ApiKey::SaslHandshake, 0, 1), (ApiKey::SaslAuthenticate, 0, 1)];
    versions(&[&[(ApiKey::Produce, 0, 8), (ApiKey::Metadata, 0, 8)][..], &login].concat())
}

/// A conversation that has come to a stage; the connection, the number of the open request, and its right answer.
fn at(stage: Stage, is_old: bool) -> (Script, u32, i32, Vec<u8>) {
    let with_login = matches!(stage, Stage::Handshake | Stage::FirstLogin);
    let mut script = Script::new(configured(with_login));
    script.producer.produce(1, "orders", records(3), 10_000, script.now).unwrap();
    let connection = script.connect("rOprNGfwEbeRWgbNEkqO");
    let mut asked = script.asked(ApiKey::ApiVersions);
    let mut right = frame(asked.correlation, asked.version, &if is_old { kafka_2_3() } else { kafka_4() });
    let version = if is_old { 8 } else { 12 };
    let mut go_on = |script: &mut Script, api| {
        script.producer.received(connection, &right, script.now);
        asked = script.asked(api);
        right = match api {
            ApiKey::SaslHandshake => frame(asked.correlation, 1, &sasl_handshake(0, &["SCRAM-SHA-256"])),
            ApiKey::SaslAuthenticate => {
                let message = b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
                frame(asked.correlation, 1, &sasl_answer(message))
            }
            ApiKey::Metadata => frame(asked.correlation, version, &metadata(version, 3)),
            _ => frame(asked.correlation, version, &produced(0, 0, 1)),
        };
    };
    let way: &[ApiKey] = match stage {
        Stage::Versions => &[],
        Stage::Handshake => &[ApiKey::SaslHandshake],
        Stage::FirstLogin => &[ApiKey::SaslHandshake, ApiKey::SaslAuthenticate],
        Stage::Metadata => &[ApiKey::Metadata],
        Stage::Produce => &[ApiKey::Metadata, ApiKey::Produce],
    };
    way.iter().for_each(|api| go_on(&mut script, *api));
    (script, connection, asked.correlation, right)
}

/// Hands bytes over in two pieces; then the batch ends within its time, however often the producer connects anew.
fn survives(mut script: Script, connection: u32, bytes: &[u8], cut: usize) {
    LARGEST.set(0);
    let (first, rest) = bytes.split_at(cut.min(bytes.len()));
    script.producer.received(connection, first, script.now);
    script.producer.received(connection, rest, script.now);
    let largest = LARGEST.get();
    assert!(largest <= 16_384 + 8 * bytes.len(), "{largest} bytes at once for {}", bytes.len());
    let mut waits = 0;
    loop {
        let (actions, wake_in_ms) = script.producer.poll(script.now);
        if actions.iter().any(|action| matches!(action, Action::Settled { id: 1, .. })) {
            break;
        }
        script.now += wake_in_ms.expect("a batch is under way");
        waits += 1;
        assert!(waits < 50 && script.now <= 1_000_000 + 10_000, "{waits} waits");
    }
}

fn framed(correlation: i32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes(), &correlation.to_be_bytes()[..], body].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes(stage in 0..5_usize, is_old: bool, bytes in proptest::collection::vec(any::<u8>(), 0..200), cut: usize) {
        let (script, connection, ..) = at(STAGES[stage], is_old);
        survives(script, connection, &bytes, cut % 200);
    }

    #[test]
    fn any_body(stage in 0..5_usize, is_old: bool, body in proptest::collection::vec(any::<u8>(), 0..200), cut: usize) {
        let (script, connection, correlation, _) = at(STAGES[stage], is_old);
        survives(script, connection, &framed(correlation, &body), cut % 200);
    }

    #[test]
    fn a_right_answer_with_some_bytes_changed(
        stage in 0..5_usize, is_old: bool,
        changes in proptest::collection::vec((any::<usize>(), prop_oneof![Just(0_u8), Just(0x7f), Just(0xff), any::<u8>()]), 1..6),
        cut: usize,
    ) {
        let (script, connection, _, mut bytes) = at(STAGES[stage], is_old);
        let length = bytes.len();
        for (position, byte) in changes {
            bytes[8 + position % (length - 8)] = byte;
        }
        survives(script, connection, &bytes, cut % length);
    }
}

/// What a length may be, at its worst, in the old form and in the compact one.
const LENGTHS: [&[u8]; 5] = [
    &[0x7f, 0xff, 0xff, 0xff],
    &[0, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0xff, 0xff, 0x7f],
];

#[test]
fn no_length_is_believed_wherever_it_stands() {
    let mut tried = 0;
    for stage in STAGES {
        for is_old in [false, true] {
            let (.., right) = at(stage, is_old);
            for position in 8..right.len() {
                for length in LENGTHS {
                    let (script, connection, _, mut bytes) = at(stage, is_old);
                    let end = bytes.len().min(position + length.len());
                    bytes[position..end].copy_from_slice(&length[..end - position]);
                    survives(script, connection, &bytes, 0);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 3_000, "{tried}");
}

#[test]
fn right_answers_are_survived_too() {
    for stage in STAGES {
        let (script, connection, _, bytes) = at(stage, false);
        survives(script, connection, &bytes, 3);
    }
}

#[test]
fn the_largest_metadata_that_a_frame_holds_are_read_in_time() {
    let (script, connection, correlation, _) = at(Stage::Metadata, false);
    let answer = frame(correlation, 12, &metadata(12, 30_000));
    assert!(answer.len() > 900_000 && answer.len() < 1_048_576, "{}", answer.len());
    survives(script, connection, &answer, 500_000);
}
