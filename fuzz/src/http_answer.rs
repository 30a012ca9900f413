//! Answers over HTTP/1.1: what [`webhook_http::read_answer`] promises.

use webhook_http::{Answer, AnswerError, MOST_HEAD_BYTES, header_fields, read_answer};

use crate::assert_showable;

/// How much of a body is kept: nothing, little, and what a row keeps.
const MOST_BODY_BYTES: [usize; 3] = [0, 7, 4_000];

/// Beyond that, every further part costs more than it finds.
const MOST_PARTS: usize = 400;

/// What holds for everything that a receiver may say.
///
/// # Panics
/// Where it does not hold.
pub fn http_answer(data: &[u8]) {
    for most in MOST_BODY_BYTES {
        let open = read_answer(data, false, most);
        let closed = read_answer(data, true, most);
        for read in [&open, &closed] {
            match read {
                Ok(Some(answer)) => sound(answer, data, most),
                Ok(None) => {}
                Err(error) => assert_showable(&error.to_string()),
            }
        }
        assert_ne!(closed, Ok(None), "there is no more to ask for");
        // What is clear does not depend on what comes, but for the connection's further use.
        if open != Ok(None) {
            assert_eq!(comparable(&open), comparable(&closed));
        }
        if matches!(&open, Ok(Some(Answer { reusable: true, .. }))) {
            let more = read_answer(&[data, b"x"].concat(), false, most);
            assert!(
                matches!(more, Ok(Some(Answer { reusable: false, .. }))),
                "a byte more passes unseen: {more:?}"
            );
        }
        assert!(
            !matches!(&closed, Ok(Some(Answer { reusable: true, .. }))),
            "a closed connection is used again"
        );
        for step in [1, 2, 7, data.len() / 2 + 1] {
            assert_eq!(comparable(&in_parts(data, step, most)), comparable(&open), "in parts of {step}");
        }
    }
}

fn sound(answer: &Answer, data: &[u8], most: usize) {
    let Answer { status, body, head, location, retry_after, .. } = answer;
    assert!(matches!(*status, 101 | 200..=999), "{status} is no end");
    assert!(body.chars().count() <= most, "more than {most} bytes are kept");
    assert!(head.start < head.end && head.end <= data.len() && head.end <= MOST_HEAD_BYTES, "{head:?}");
    let head = answer.head_of(data);
    assert!(header_fields(&head).count() <= 100);
    let of = |wanted: &str| {
        header_fields(&head).find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    // `header_fields` trims Unicode's blanks, too.
    assert_eq!(location.as_deref().map(str::trim), of("location"), "{head:?}");
    assert_eq!(retry_after.as_deref().map(str::trim), of("retry-after"), "{head:?}");
}

/// What a reader sees that gets so many bytes at a time.
fn in_parts(data: &[u8], step: usize, most: usize) -> Result<Option<Answer>, AnswerError> {
    for end in (0..data.len()).step_by(step).take(MOST_PARTS) {
        let read = read_answer(data.get(..end).unwrap_or(data), false, most);
        if read != Ok(None) {
            return read;
        }
    }
    read_answer(data, false, most)
}

/// Whether anything comes after an answer cannot be told before it comes, and an error shows what there is.
fn comparable(read: &Result<Option<Answer>, AnswerError>) -> Result<Option<Answer>, &'static str> {
    match read {
        Ok(answer) => Ok(answer.clone().map(|answer| Answer { reusable: false, ..answer })),
        Err(error) => Err(error.code()),
    }
}
