//! The body of an answer.

use std::borrow::Cow;

use httparse::{Status, parse_chunk_size};

/// How a body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body.
    Empty,
    /// After this many bytes.
    Length(u64),
    /// By a chunk without data.
    Chunked,
    /// By the connection's.
    UntilClosed,
    /// Nobody can tell: what there is of a body is not worth reading.
    Unknown,
}

/// Where a body ends, and where it stands in what has come in after the head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) end: End,
    /// How much of it there is and is kept, in bytes.
    length: usize,
    is_chunked: bool,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// After so many bytes on the wire.
    After(usize),
    /// Beyond what has come in.
    ToCome,
    /// Beyond what is kept, or where nobody can tell.
    Cut,
}

impl Body {
    /// `rest` is what has come in after the head; `most` bytes of the body are kept.
    pub(super) fn find(framing: Framing, rest: &[u8], most: usize) -> Body {
        let (length, end) = match framing {
            Framing::Empty => (0, End::After(0)),
            Framing::Length(length) => plain(rest, length, most),
            Framing::UntilClosed => plain(rest, u64::MAX, most),
            Framing::Chunked => {
                let mut length: usize = 0;
                let end = read_chunks(rest, most, &mut |data| length = length.saturating_add(data.len()));
                (length, end)
            }
            Framing::Unknown => (0, End::Cut),
        };
        Body { end, length, is_chunked: framing == Framing::Chunked }
    }

    /// What is kept of it. `rest` is what it was found in.
    pub(super) fn text(self, rest: &[u8]) -> String {
        let bytes = if self.is_chunked {
            let mut bytes = Vec::with_capacity(self.length);
            read_chunks(rest, self.length, &mut |data| bytes.extend_from_slice(data));
            Cow::Owned(bytes)
        } else {
            Cow::Borrowed(rest.get(..self.length).unwrap_or_default())
        };
        text(bytes, !matches!(self.end, End::After(_)))
    }
}

/// How much of a body without chunks is kept, and its end.
fn plain(rest: &[u8], length: u64, most: usize) -> (usize, End) {
    let whole = usize::try_from(length).ok().filter(|length| *length <= most);
    let wanted = whole.unwrap_or(most);
    if rest.len() < wanted {
        return (rest.len(), End::ToCome);
    }
    (wanted, whole.map_or(End::Cut, End::After))
}

/// Gives the chunks' data to `take`, up to `most` bytes that are kept, and up to what is no chunk.
fn read_chunks(rest: &[u8], most: usize, take: &mut dyn FnMut(&[u8])) -> End {
    let mut at = rest;
    let mut kept = most;
    loop {
        // The parser takes a line without digits for a chunk without data.
        if at.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
            return End::Cut;
        }
        let (line, size) = match parse_chunk_size(at) {
            Ok(Status::Complete(read)) => read,
            Ok(Status::Partial) => return End::ToCome,
            Err(_) => return End::Cut,
        };
        at = at.get(line..).unwrap_or_default();
        if size == 0 {
            let end = trailers(at).map(|length| rest.len().saturating_sub(at.len()).saturating_add(length));
            return end.map_or(End::ToCome, End::After);
        }
        // No more than what is kept is ever of interest, so that no size is too large to count with.
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let data = at.get(..size).unwrap_or(at);
        take(data.get(..kept).unwrap_or(data));
        if data.len() >= kept {
            return End::Cut;
        }
        kept = kept.saturating_sub(data.len());
        at = at.get(data.len()..).unwrap_or_default();
        match at {
            [b'\r', b'\n', next @ ..] if data.len() == size => at = next,
            [] | [b'\r'] => return End::ToCome,
            _ => return End::Cut,
        }
    }
}

/// How long the trailers are that end a chunked body, their empty line included, if they are all there. Nobody asks
/// what they say.
fn trailers(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            return Some(length);
        }
    }
    None
}

/// Bytes as text: what is no UTF-8 is replaced. Where they are cut, the cut may have gone through a character: what is
/// left of that is dropped.
pub(super) fn text(bytes: Cow<'_, [u8]>, is_cut: bool) -> String {
    match bytes {
        Cow::Borrowed(bytes) => replaced(bytes, is_cut),
        Cow::Owned(bytes) => {
            String::from_utf8(bytes).unwrap_or_else(|error| replaced(error.as_bytes(), is_cut))
        }
    }
}

fn replaced(bytes: &[u8], is_cut: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let is_left_over = is_cut && chunks.peek().is_none() && is_begun(chunk.invalid());
        if !chunk.invalid().is_empty() && !is_left_over {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// Whether bytes that are no character are the start of one.
fn is_begun(invalid: &[u8]) -> bool {
    let whole = match invalid.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 0,
    };
    invalid.len() < whole
}
