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

/// How much of a body is read, in bytes: enough for the 1000 characters that a row keeps, whatever their length.
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
    /// The start of the body, at most [`MOST_BODY_BYTES`] of it. What is no UTF-8 is replaced.
    pub body: String,
    /// The connection can carry another request: the answer was read to its end, nothing came after it, and the
    /// receiver does not close.
    pub reusable: bool,
    /// All headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
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
    #[error("answered with more than {MOST_HEAD_BYTES} bytes of headers")]
    HeadTooLong,
    /// More than [`MOST_HEADERS`].
    #[error("answered with more than {MOST_HEADERS} headers")]
    TooManyHeaders,
    /// `Content-Length` is no number, or there are several that differ.
    #[error("answered with a wrong Content-Length")]
    ContentLength,
    /// The chunks of a chunked body are none.
    #[error("answered with a body that is not chunked as its headers say")]
    Chunks,
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
            AnswerError::ContentLength => "content_length",
            AnswerError::Chunks => "chunks",
        }
    }
}

/// Reads an answer to a POST request from all that has come in since the request was sent; `None` asks for more.
///
/// With `is_closed` there will be no more, because the receiver has closed or nobody waits any longer: then an answer
/// whose headers are complete counts with as much of its body as there is, since the status has said it all.
///
/// # Errors
/// An [`AnswerError`], as soon as it is clear that no answer will come.
pub fn read_answer(bytes: &[u8], is_closed: bool) -> Result<Option<Answer>, AnswerError> {
    let mut rest = bytes;
    loop {
        let used = bytes.len().saturating_sub(rest.len());
        let room = MOST_HEAD_BYTES.saturating_sub(used);
        let mut slots = [EMPTY_HEADER; MOST_HEADERS];
        let mut head = Response::new(&mut slots);
        match head.parse(rest.get(..room).unwrap_or(rest)) {
            Ok(Status::Complete(length)) => rest = rest.get(length..).unwrap_or_default(),
            Ok(Status::Partial) if rest.len() >= room => return Err(AnswerError::HeadTooLong),
            Ok(Status::Partial) if !is_closed => return Ok(None),
            Ok(Status::Partial) if bytes.is_empty() => return Err(AnswerError::NoAnswer),
            Ok(Status::Partial) => return Err(AnswerError::BrokenOff),
            Err(Error::TooManyHeaders) => return Err(AnswerError::TooManyHeaders),
            Err(error) => return Err(not_http(&error, rest)),
        }
        match head.code.unwrap_or_default() {
            ..100 => return Err(not_http(&Error::Status, rest)),
            // Interim: the answer follows. 101 is final, as it ends HTTP on this connection; nobody has asked for it.
            100 | 102..200 => {}
            status => return answer(status, &head, rest, is_closed),
        }
    }
}

/// The answer with this head, if `rest` holds enough of its body.
fn answer(
    status: u16,
    head: &Response<'_, '_>,
    rest: &[u8],
    is_closed: bool,
) -> Result<Option<Answer>, AnswerError> {
    let framing = framing(status, head)?;
    let Body { bytes, end } = Body::read(framing, rest)?;
    if end == End::ToCome && !is_closed {
        return Ok(None);
    }
    let is_read = end == End::After(rest.len());
    let is_cut = !matches!(end, End::After(_));
    Ok(Some(Answer {
        status,
        location: first(head, "location"),
        retry_after: first(head, "retry-after"),
        body: body::text(&bytes, is_cut),
        reusable: is_read && !is_closed && keeps_alive(status, head),
        headers: head.headers.iter().map(|header| (header.name.to_ascii_lowercase(), text(header))).collect(),
    }))
}

/// Where the body ends: RFC 9112, section 6.3.
fn framing(status: u16, head: &Response<'_, '_>) -> Result<Framing, AnswerError> {
    if matches!(status, 101 | 204 | 304) {
        return Ok(Framing::Empty);
    }
    // A coding comes before a length that contradicts it, and only the last coding says where the body ends.
    if let Some(coding) = list(head, "transfer-encoding").last() {
        let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        return Ok(if is_chunked { Framing::Chunked } else { Framing::UntilClosed });
    }
    let mut lengths = list(head, "content-length");
    let Some(length) = lengths.next() else { return Ok(Framing::UntilClosed) };
    if lengths.any(|other| other != length) || !length.iter().all(u8::is_ascii_digit) {
        return Err(AnswerError::ContentLength);
    }
    let length = str::from_utf8(length).ok().and_then(|digits| digits.parse().ok());
    length.map(Framing::Length).ok_or(AnswerError::ContentLength)
}

/// Whether another request may follow an answer that was read to its end. Where its framing is doubtful, another
/// implementation could see the end elsewhere.
fn keeps_alive(status: u16, head: &Response<'_, '_>) -> bool {
    let mut lengths = list(head, "content-length");
    let codings = list(head, "transfer-encoding").count();
    let is_clear = match status {
        101 => false,
        204 | 304 => codings == 0 && lengths.all(|length| length == b"0"),
        _ => codings + lengths.count() == 1,
    };
    is_clear
        && head.version == Some(1)
        && !list(head, "connection").any(|option| option.eq_ignore_ascii_case(b"close"))
}

/// The values of all headers with this name.
fn values<'a>(head: &'a Response<'_, '_>, name: &'static str) -> impl Iterator<Item = &'a Header<'a>> {
    head.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name))
}

fn first(head: &Response<'_, '_>, name: &'static str) -> Option<String> {
    values(head, name).next().map(text)
}

/// The entries of all headers with this name, whose values are lists divided by commas.
fn list<'a>(head: &'a Response<'_, '_>, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    values(head, name).flat_map(|header| header.value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

fn text(header: &Header<'_>) -> String {
    String::from_utf8_lossy(header.value).into_owned()
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
