//! Answers over HTTP/1.1 (RFC 9112), read from the bytes that have come in so far.

mod body;
#[cfg(test)]
mod tests;

use std::{mem::MaybeUninit, ops::Range};

use httparse::{Error, Header, ParserConfig, Response, Status};
use thiserror::Error;

use body::{Body, End, Framing};

/// How long the head of an answer may be, in bytes; interim answers before it count.
pub const MOST_HEAD_BYTES: usize = 16 * 1_024;

/// How many headers an answer may have.
pub const MOST_HEADERS: usize = 100;

/// A receiver's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, from 100 to 999. Interim answers are passed over.
    pub status: u16,
    /// The `Location` header.
    pub location: Option<String>,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The start of the body, as much of it as was asked for. What is no UTF-8 is replaced.
    pub body: String,
    /// The connection can carry another request: the answer was read to its end, nothing came after it, and the
    /// receiver does not close.
    pub reusable: bool,
    /// Where the status line and the headers stand in the bytes that were read, up to and with the empty line:
    /// see [`Answer::head_of`].
    pub head: Range<usize>,
}

impl Answer {
    /// The status line and the headers, for [`crate::header_fields`]. `bytes` are those that the answer was read from. What
    /// is no UTF-8 is replaced.
    pub fn head_of(&self, bytes: &[u8]) -> String {
        body::text(bytes.get(self.head.clone()).unwrap_or_default().into(), false)
    }
}

/// Why what came in is no answer. Completes a sentence whose subject is the receiver.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not a byte came.
    #[error("closed the connection before it answered")]
    NoAnswer,
    /// The end came before the head's.
    #[error("closed the connection in the middle of its answer's headers")]
    BrokenOff,
    /// Another protocol, or headers that are none.
    #[error("answered with something that is no HTTP/1.1: {what} in \"{start}\"")]
    NotHttp {
        /// What is wrong.
        what: &'static str,
        /// How it begins, escaped.
        start: String,
    },
    /// More than [`MOST_HEAD_BYTES`] before the body.
    #[error("answered with more than 16384 bytes of headers")]
    HeadTooLong,
    /// More than [`MOST_HEADERS`].
    #[error("answered with more than 100 headers")]
    TooManyHeaders,
}

impl AnswerError {
    /// A stable name to branch on.
    pub fn code(&self) -> &'static str {
        match self {
            AnswerError::NoAnswer => "no_answer",
            AnswerError::BrokenOff => "broken_off",
            AnswerError::NotHttp { .. } => "not_http",
            AnswerError::HeadTooLong => "head_too_long",
            AnswerError::TooManyHeaders => "too_many_headers",
        }
    }
}

/// Reads an answer to a POST request from all that has come in since the request was sent; `None` asks for more.
///
/// With `is_closed` there will be no more, because the receiver has closed or nobody waits any longer: then an answer
/// whose headers are complete counts with as much of its body as there is, since the status has said it all. So does one
/// whose body is not framed as its headers say. `most_body_bytes` of the body are kept.
///
/// Nothing is allocated but what an answer or an error holds, so that asking for more costs little.
///
/// # Errors
/// An [`AnswerError`], as soon as it is clear that no answer will come.
pub fn read_answer(
    bytes: &[u8],
    is_closed: bool,
    most_body_bytes: usize,
) -> Result<Option<Answer>, AnswerError> {
    let mut rest = bytes;
    loop {
        let used = bytes.len().saturating_sub(rest.len());
        let room = MOST_HEAD_BYTES.saturating_sub(used);
        let mut slots = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut head = Response::new(&mut []);
        let text = rest.get(..room).unwrap_or(rest);
        let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, text, &mut slots);
        let length = match parsed {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) if rest.len() >= room => return Err(AnswerError::HeadTooLong),
            Ok(Status::Partial) if !is_closed => return Ok(None),
            Ok(Status::Partial) if bytes.is_empty() => return Err(AnswerError::NoAnswer),
            Ok(Status::Partial) => return Err(AnswerError::BrokenOff),
            Err(Error::TooManyHeaders) => return Err(AnswerError::TooManyHeaders),
            Err(error) => return Err(not_http(&error, rest)),
        };
        match head.code.unwrap_or_default() {
            ..100 => return Err(not_http(&Error::Status, rest)),
            // Interim: the answer follows. 101 is final, as it ends HTTP on this connection; nobody has asked for it.
            100 | 102..200 => rest = rest.get(length..).unwrap_or_default(),
            status => {
                let range = used..used.saturating_add(length);
                let rest = rest.get(length..).unwrap_or_default();
                return Ok(answer(status, &head, range, rest, (is_closed, most_body_bytes)));
            }
        }
    }
}

/// The answer with this head, which stands at `range`, if `rest` holds enough of its body.
fn answer(
    status: u16,
    head: &Response<'_, '_>,
    range: Range<usize>,
    rest: &[u8],
    (is_closed, most_body_bytes): (bool, usize),
) -> Option<Answer> {
    let fields = Fields::read(head);
    let body = Body::find(fields.framing(status), rest, most_body_bytes);
    if body.end == End::ToCome && !is_closed {
        return None;
    }
    let is_read = body.end == End::After(rest.len());
    Some(Answer {
        status,
        body: body.text(rest),
        reusable: is_read && !is_closed && head.version == Some(1) && fields.keep_alive(status),
        location: fields.location.map(value_text),
        retry_after: fields.retry_after.map(value_text),
        head: range,
    })
}

/// The headers that matter.
#[derive(Default)]
struct Fields<'a> {
    location: Option<&'a [u8]>,
    retry_after: Option<&'a [u8]>,
    /// The first of all `Content-Length`s.
    length: Option<&'a [u8]>,
    /// How many there are.
    lengths: usize,
    lengths_differ: bool,
    /// The last of all `Transfer-Encoding`s.
    coding: Option<&'a [u8]>,
    /// How many there are.
    codings: usize,
    closes: bool,
}

impl<'a> Fields<'a> {
    fn read(head: &Response<'_, 'a>) -> Fields<'a> {
        let mut fields = Fields::default();
        for Header { name, value } in head.headers.iter() {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("content-length") {
                for length in entries(value) {
                    fields.lengths += 1;
                    fields.lengths_differ |= *fields.length.get_or_insert(length) != length;
                }
            } else if is("transfer-encoding") {
                for coding in entries(value) {
                    fields.codings += 1;
                    fields.coding = Some(coding);
                }
            } else if is("connection") {
                fields.closes |= entries(value).any(|option| option.eq_ignore_ascii_case(b"close"));
            } else if is("location") {
                fields.location.get_or_insert(value);
            } else if is("retry-after") {
                fields.retry_after.get_or_insert(value);
            }
        }
        fields
    }

    /// Where the body ends: RFC 9112, section 6.3. An answer that contradicts itself there has said its status all the
    /// same; its connection is closed, so that nothing behind it is taken for an answer.
    fn framing(&self, status: u16) -> Framing {
        if matches!(status, 101 | 204 | 304) {
            return Framing::Empty;
        }
        // A coding counts before a length that contradicts it, and only the last coding says where the body ends.
        if let Some(coding) = self.coding {
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            return if is_chunked { Framing::Chunked } else { Framing::UntilClosed };
        }
        let Some(length) = self.length else { return Framing::UntilClosed };
        if length.is_empty() || self.lengths_differ {
            return Framing::Unknown;
        }
        let length = length.iter().try_fold(0_u64, |length, digit| {
            let digit = char::from(*digit).to_digit(10)?;
            length.checked_mul(10)?.checked_add(digit.into())
        });
        length.map_or(Framing::Unknown, Framing::Length)
    }

    /// Whether another request may follow an answer that was read to its end. Where its framing is doubtful, the
    /// receiver may see the end elsewhere.
    fn keep_alive(&self, status: u16) -> bool {
        let is_clear = match status {
            101 => false,
            204 | 304 => {
                self.codings == 0 && self.length.is_none_or(|length| length == b"0") && !self.lengths_differ
            }
            _ => self.codings + self.lengths == 1,
        };
        is_clear && !self.closes
    }
}

/// The entries of a list divided by commas.
fn entries(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn value_text(value: &[u8]) -> String {
    body::text(value.into(), false)
}

fn not_http(error: &Error, rest: &[u8]) -> AnswerError {
    let what = match error {
        Error::HeaderName => "a wrong header name",
        Error::HeaderValue => "a wrong header value",
        Error::NewLine => "a wrong line end",
        Error::Status => "a wrong status",
        Error::Token => "a wrong character",
        Error::TooManyHeaders => "too many headers",
        Error::Version => "another protocol",
    };
    let start = rest.iter().take(32).copied().flat_map(std::ascii::escape_default).map(char::from).collect();
    AnswerError::NotHttp { what, start }
}
