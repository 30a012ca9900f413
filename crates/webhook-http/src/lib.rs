//! HTTP/1.1 (RFC 9112) for a client that does no I/O: it writes a request as bytes, and reads its answer from the bytes that
//! have come in so far.

mod answer;
mod request;

pub use answer::{Answer, AnswerError, MOST_HEAD_BYTES, MOST_HEADERS, read_answer};
pub use request::{RequestError, write_head, write_request};

/// The names and values of a request's or an answer's head, in their order.
pub fn header_fields(head: &str) -> impl Iterator<Item = (&str, &str)> {
    head.split('\n').skip(1).filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()))
}
