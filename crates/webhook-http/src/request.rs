//! Requests, written as they go over the wire.

use thiserror::Error;

/// Why there is no request: some of its text would end the line that it stands in and begin one of its own, or say where the
/// body ends.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// In the request line.
    #[error(
        "request: the URL's path or query is empty or holds blanks, control characters or bytes beyond ASCII"
    )]
    Path,
    /// In a header's value.
    #[error("request: the header {name} holds control characters or bytes beyond ASCII")]
    Header {
        /// The header's name.
        name: &'static str,
    },
    /// A header's name that is none, or one that is the writer's.
    #[error(
        "request: no header may be called {name:?} here; expected letters, digits and hyphens, and neither Host nor \
         Transfer-Encoding"
    )]
    Name {
        /// The name.
        name: &'static str,
    },
    /// A length that is not the body's.
    #[error(
        "request: the header Content-Length does not say the body's length of {body_bytes} bytes; leave it away"
    )]
    Length {
        /// The body's length.
        body_bytes: usize,
    },
}

/// Appends a POST request to `to`: its head as [`write_head`] writes it, then its body.
///
/// # Errors
/// As [`write_head`].
pub fn write_request(
    to: &mut Vec<u8>,
    path: &str,
    host: &str,
    fields: &[(&'static str, Option<&str>)],
    body: &[u8],
) -> Result<(), RequestError> {
    write_head(to, path, host, fields, body.len())?;
    to.extend_from_slice(body);
    Ok(())
}

/// Appends the head of a POST request to `to`: request line, `Host`, those of the `fields` that have a value, the length of a
/// body of `body_bytes`, and the empty line. `path` is what the request line names, query included; `host` has the port
/// where it is not the scheme's.
///
/// # Errors
/// A [`RequestError`] names the text that cannot stand in a head; then `to` is as it was.
pub fn write_head(
    to: &mut Vec<u8>,
    path: &str,
    host: &str,
    fields: &[(&'static str, Option<&str>)],
    body_bytes: usize,
) -> Result<(), RequestError> {
    if path.is_empty() || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(RequestError::Path);
    }
    let start = to.len();
    let written = write_lines(to, path, host, fields, body_bytes);
    if written.is_err() {
        to.truncate(start);
        return written;
    }
    to.extend_from_slice(b"Content-Length: ");
    push_decimal(to, body_bytes);
    to.extend_from_slice(b"\r\n\r\n");
    Ok(())
}

fn write_lines(
    to: &mut Vec<u8>,
    path: &str,
    host: &str,
    fields: &[(&'static str, Option<&str>)],
    body_bytes: usize,
) -> Result<(), RequestError> {
    for part in ["POST ", path, " HTTP/1.1\r\n"] {
        to.extend_from_slice(part.as_bytes());
    }
    push_field(to, "Host", host)?;
    for (name, value) in fields {
        let Some(value) = value else { continue };
        // A length or a coding that contradicts ours would let a receiver see another request: RFC 9112, section 11.2.
        if name.eq_ignore_ascii_case("Content-Length") {
            if value.parse() != Ok(body_bytes) {
                return Err(RequestError::Length { body_bytes });
            }
            continue;
        }
        if !is_name(name) || is_ours(name) {
            return Err(RequestError::Name { name });
        }
        push_field(to, name, value)?;
    }
    Ok(())
}

fn push_field(to: &mut Vec<u8>, name: &'static str, value: &str) -> Result<(), RequestError> {
    if !value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(RequestError::Header { name });
    }
    for part in [name, ": ", value, "\r\n"] {
        to.extend_from_slice(part.as_bytes());
    }
    Ok(())
}

/// A token (RFC 9110, section 5.6.2), for whose other characters nobody has a use.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_ours(name: &str) -> bool {
    name.eq_ignore_ascii_case("Host") || name.eq_ignore_ascii_case("Transfer-Encoding")
}

fn push_decimal(to: &mut Vec<u8>, number: usize) {
    let start = to.len();
    let mut rest = number;
    loop {
        to.push(b'0' + u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(digits) = to.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests;
