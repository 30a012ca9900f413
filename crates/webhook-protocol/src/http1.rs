//! Answers over HTTP/1.1 (RFC 9112), read from the bytes that have come in so far.

mod body;
#[cfg(test)]
mod tests;

use httparse::{EMPTY_HEADER, Error, Header, Response, Status};
use thiserror::Error;

use body::{Body, End, Framing};

/// How long the head of an answer may be, in bytes; interim answers before it count.
pub const MOST_HEAD_BYTES: usize = 16 * 1_024;

/// How many headers an answer may have.
pub const MOST_HEADERS: usize = 100;

/// How much of a receiver's body is read, in bytes: enough for the 1000 characters that a row keeps, whatever their length.
pub const MOST_BODY_BYTES: usize = 4_000;

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
    /// The status line and the headers, up to and with the empty line, for [`crate::header_fields`].
    pub head: String,
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
        let mut slots = [EMPTY_HEADER; MOST_HEADERS];
        let mut head = Response::new(&mut slots);
        let text = match head.parse(rest.get(..room).unwrap_or(rest)) {
            Ok(Status::Complete(length)) => rest.get(..length).unwrap_or_default(),
            Ok(Status::Partial) if rest.len() >= room => return Err(AnswerError::HeadTooLong),
            Ok(Status::Partial) if !is_closed => return Ok(None),
            Ok(Status::Partial) if bytes.is_empty() => return Err(AnswerError::NoAnswer),
            Ok(Status::Partial) => return Err(AnswerError::BrokenOff),
            Err(Error::TooManyHeaders) => return Err(AnswerError::TooManyHeaders),
            Err(error) => return Err(not_http(&error, rest)),
        };
        rest = rest.get(text.len()..).unwrap_or_default();
        match head.code.unwrap_or_default() {
            ..100 => return Err(not_http(&Error::Status, text)),
            // Interim: the answer follows. 101 is final, as it ends HTTP on this connection; nobody has asked for it.
            100 | 102..200 => {}
            status => return Ok(answer(status, &head, text, rest, (is_closed, most_body_bytes))),
        }
    }
}

/// The answer with this head, which is `text`, if `rest` holds enough of its body.
fn answer(
    status: u16,
    head: &Response<'_, '_>,
    text: &[u8],
    rest: &[u8],
    (is_closed, most_body_bytes): (bool, usize),
) -> Option<Answer> {
    let fields = Fields::read(head);
    let Body { bytes, end } = Body::read(fields.framing(status), rest, most_body_bytes);
    if end == End::ToCome && !is_closed {
        return None;
    }
    let is_read = end == End::After(rest.len());
    let is_cut = !matches!(end, End::After(_));
    Some(Answer {
        status,
        body: body::text(&bytes, is_cut),
        reusable: is_read && !is_closed && head.version == Some(1) && fields.keep_alive(status),
        location: fields.location,
        retry_after: fields.retry_after,
        head: body::text(text, false),
    })
}

/// The headers that matter.
#[derive(Default)]
struct Fields<'a> {
    location: Option<String>,
    retry_after: Option<String>,
    /// Each `Content-Length`.
    lengths: Vec<&'a [u8]>,
    /// Each `Transfer-Encoding`.
    codings: Vec<&'a [u8]>,
    closes: bool,
}

impl<'a> Fields<'a> {
    fn read(head: &Response<'_, 'a>) -> Fields<'a> {
        let mut fields = Fields::default();
        for Header { name, value } in head.headers.iter() {
            match name.to_ascii_lowercase().as_str() {
                "location" if fields.location.is_none() => fields.location = Some(body::text(value, false)),
                "retry-after" if fields.retry_after.is_none() => {
                    fields.retry_after = Some(body::text(value, false));
                }
                "content-length" => fields.lengths.extend(entries(value)),
                "transfer-encoding" => fields.codings.extend(entries(value)),
                "connection" => {
                    fields.closes |=
                        entries(value).iter().any(|option| option.eq_ignore_ascii_case(b"close"));
                }
                _ => {}
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
        if let Some(coding) = self.codings.last() {
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            return if is_chunked { Framing::Chunked } else { Framing::UntilClosed };
        }
        let Some((length, others)) = self.lengths.split_first() else { return Framing::UntilClosed };
        if length.is_empty() || others.iter().any(|other| other != length) {
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
            204 | 304 => self.codings.is_empty() && self.lengths.iter().all(|length| *length == b"0"),
            _ => self.codings.len() + self.lengths.len() == 1,
        };
        is_clear && !self.closes
    }
}

/// The entries of a list divided by commas.
fn entries(value: &[u8]) -> Vec<&[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect()
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
