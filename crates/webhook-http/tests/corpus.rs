//! `tests/vectors/answers.json`: what receivers say, right, odd and hostile. `tests/protocols/answers_test.ts` sends the same
//! over sockets.
//!
//! A character of `chunks` is a byte, and a list of a text and a number is that text so many times.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test file throughout: clippy.toml allows it in the tests' own functions alone"
)]

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;
use webhook_http::{Answer, AnswerError, read_answer};

const COUNT: usize = 86;
const MOST_BODY_BYTES: usize = 4_000;

type Read = Result<Option<Answer>, AnswerError>;

struct Case {
    name: String,
    bytes: Vec<u8>,
    /// The receiver closes at the end of it.
    closes: bool,
    expect: Value,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(cases);

fn cases() -> Vec<Case> {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../tests/vectors/answers.json")).unwrap();
    assert_eq!(cases.len(), COUNT);
    let case = |case: &Value| Case {
        name: case["name"].as_str().unwrap().to_owned(),
        bytes: case["chunks"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|chunk| text(chunk).chars().collect::<Vec<char>>())
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect(),
        closes: case["closes"].as_bool().unwrap_or_default(),
        expect: case["expect"].clone(),
    };
    cases.iter().map(case).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(repeated) => {
            let times = usize::try_from(repeated[1].as_u64().unwrap()).unwrap();
            repeated[0].as_str().unwrap().repeat(times)
        }
        other => panic!("expected a text, or a text and a number: {other}"),
    }
}

/// What a reader sees that gets the bytes up to each of these places, and stops at the first result.
fn read(case: &Case, ends: impl Iterator<Item = usize>) -> Read {
    for end in ends {
        let read = read_answer(&case.bytes[..end], false, MOST_BODY_BYTES);
        if read != Ok(None) {
            return read;
        }
    }
    read_answer(&case.bytes, case.closes, MOST_BODY_BYTES)
}

/// Whether a connection can be used again is only known when nothing comes behind the answer, and an error shows what there
/// is.
fn comparable(read: Read) -> Result<Option<Answer>, &'static str> {
    read.map(|answer| answer.map(|answer| Answer { reusable: false, ..answer })).map_err(|error| error.code())
}

#[test]
fn each_is_read_as_it_should_be() {
    for case in CASES.iter() {
        let (name, expect) = (&case.name, &case.expect);
        match read(case, [case.bytes.len()].into_iter()) {
            Ok(None) => assert_eq!(expect["waits"], true, "{name}"),
            Err(error) => assert_eq!(expect["failure"], error.to_string(), "{name}"),
            Ok(Some(answer)) => {
                assert_eq!(expect["status"], answer.status, "{name}");
                assert_eq!(text(&expect["body"]), answer.body, "{name}");
                assert_eq!(expect["reusable"], answer.reusable, "{name}");
                assert_eq!(expect["retryAfter"].as_str(), answer.retry_after.as_deref(), "{name}");
                assert_eq!(expect["location"].as_str(), answer.location.as_deref(), "{name}");
            }
        }
    }
}

#[test]
fn each_is_the_same_byte_by_byte_and_in_two_parts() {
    for case in CASES.iter() {
        let whole = comparable(read(case, [case.bytes.len()].into_iter()));
        assert_eq!(comparable(read(case, 0..case.bytes.len())), whole, "{}", case.name);
        // What goes on for long is the same all along.
        for split in (0..case.bytes.len()).take(500) {
            assert_eq!(comparable(read(case, [split].into_iter())), whole, "{}, split at {split}", case.name);
        }
    }
}

proptest! {
    #[test]
    fn each_is_the_same_in_any_parts(
        case in any::<prop::sample::Index>(),
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let case = &CASES[case.index(COUNT)];
        let mut splits: Vec<usize> = splits.iter().map(|split| split.index(case.bytes.len() + 1)).collect();
        splits.sort_unstable();
        let whole = comparable(read(case, [case.bytes.len()].into_iter()));
        prop_assert_eq!(comparable(read(case, splits.into_iter())), whole, "{}", case.name);
    }
}
