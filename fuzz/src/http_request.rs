//! Requests over HTTP/1.1: what [`webhook_http::write_request`] promises.

use httparse::{EMPTY_HEADER, Request, Status};
use webhook_http::{RequestError, write_request};

use crate::{assert_showable, text};

/// Divides the path, the host, two headers' values and the body from each other: no text of ours has it.
const DIVIDER: u8 = 0x1e;

const NAMES: [&str; 2] = ["X-One", "X-Two"];

/// What stands in the buffer before.
const BEFORE: &[u8] = b"before";

/// What holds for every text that gets into a request.
///
/// # Panics
/// Where it does not hold.
pub fn http_request(data: &[u8]) {
    let mut parts = data.splitn(5, |byte| *byte == DIVIDER);
    let mut next = || parts.next().map(text);
    let (path, host, first, second) =
        (next().unwrap_or_default(), next().unwrap_or_default(), next(), next());
    let body = parts.next().unwrap_or_default();
    let values = [first.as_deref(), second.as_deref()];
    let fields = [(NAMES[0], values[0]), (NAMES[1], values[1])];
    let mut to = BEFORE.to_vec();
    match write_request(&mut to, &path, &host, &fields, body) {
        Ok(()) => {
            let written = to.strip_prefix(BEFORE).unwrap_or_else(|| panic!("what was there is gone"));
            read_back(written, &path, &host, values, body);
        }
        Err(error) => {
            assert_eq!(to, BEFORE, "half a request is left");
            assert_showable(&error.to_string());
            match error {
                RequestError::Path => assert!(path.is_empty() || path.contains(' ') || !is_line(&path)),
                RequestError::Header { name: "Host" } => assert!(!is_line(&host)),
                RequestError::Header { name } => {
                    let value = fields.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
                    assert!(value.is_some_and(|value| !is_line(value)), "{name}: {value:?}");
                }
                other => panic!("{other}"),
            }
        }
    }
}

/// Blanks and what can be seen of ASCII.
fn is_line(text: &str) -> bool {
    text.chars().all(|c| (' '..='~').contains(&c))
}

/// Somebody else's parser reads the same request.
fn read_back(bytes: &[u8], path: &str, host: &str, values: [Option<&str>; 2], body: &[u8]) {
    let mut slots = [EMPTY_HEADER; 8];
    let mut request = Request::new(&mut slots);
    let Ok(Status::Complete(length)) = request.parse(bytes) else { panic!("no request: {bytes:?}") };
    assert_eq!((request.method, request.path, request.version), (Some("POST"), Some(path), Some(1)));
    assert_eq!(bytes.get(length..), Some(body));
    let read: Vec<(&str, &[u8])> = request.headers.iter().map(|field| (field.name, field.value)).collect();
    let size = body.len().to_string();
    let mut expected = vec![("Host", host)];
    expected.extend(NAMES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))));
    expected.push(("Content-Length", &size));
    let expected: Vec<(&str, &[u8])> =
        expected.into_iter().map(|(name, value)| (name, value.trim_matches(' ').as_bytes())).collect();
    assert_eq!(read, expected);
}
