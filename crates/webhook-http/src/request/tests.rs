//! Requests as a server's parser reads them, and text that must not get into one.

use httparse::{EMPTY_HEADER, Request, Status};
use proptest::prelude::*;

use super::*;

const FIELDS: [(&str, Option<&str>); 3] = [("A", Some("b c")), ("Gone", None), ("X-Y", Some(""))];

/// What stands in the buffer already is left alone.
fn written(
    path: &str,
    host: &str,
    fields: &[(&'static str, Option<&str>)],
    body: &[u8],
) -> Result<Vec<u8>, RequestError> {
    let mut to = b"before".to_vec();
    let result = write_request(&mut to, path, host, fields, body);
    if result.is_err() {
        assert_eq!(to, b"before");
    }
    result.map(|()| to.strip_prefix(b"before").unwrap().to_vec())
}

#[test]
fn a_request_is_these_bytes() {
    let expected =
        b"POST /a?b HTTP/1.1\r\nHost: h:1\r\nA: b c\r\nX-Y: \r\nContent-Length: 10\r\n\r\n0123456789";
    assert_eq!(written("/a?b", "h:1", &FIELDS, b"0123456789").unwrap(), expected);
    assert!(written("/", "h", &[], b"").unwrap().ends_with(b"\r\nContent-Length: 0\r\n\r\n"));
}

#[test]
fn no_text_begins_a_line_of_its_own() {
    for text in ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "a\tb", "\u{7f}", "é"] {
        assert_eq!(written(text, "h", &FIELDS, b""), Err(RequestError::Path), "{text:?}");
        assert_eq!(written("/", text, &FIELDS, b""), Err(RequestError::Header { name: "Host" }), "{text:?}");
        let fields = [FIELDS[0], ("X-Z", Some(text))];
        assert_eq!(written("/", "h", &fields, b""), Err(RequestError::Header { name: "X-Z" }), "{text:?}");
    }
    for path in ["", "/a b"] {
        assert_eq!(written(path, "h", &FIELDS, b""), Err(RequestError::Path), "{path:?}");
    }
}

#[test]
fn only_the_writer_says_where_the_body_ends() {
    let with_length = |value| written("/", "h", &[("content-length", Some(value))], b"ab");
    // Once, at the end.
    assert_eq!(with_length("2"), written("/", "h", &[], b"ab"));
    for value in ["1", "3", "", "2, 2", "-2"] {
        assert_eq!(with_length(value), Err(RequestError::Length { body_bytes: 2 }), "{value:?}");
    }
    for name in ["Transfer-Encoding", "HOST", "", "A B", "A:", "A\r\nB", "Ä"] {
        let wrong = written("/", "h", &[FIELDS[0], (name, Some("1"))], b"");
        assert_eq!(wrong, Err(RequestError::Name { name }), "{name:?}");
        assert!(written("/", "h", &[(name, None)], b"").is_ok(), "{name:?} is not sent");
    }
    let message = RequestError::Name { name: "A\r\nB" }.to_string();
    assert!(message.contains(r#""A\r\nB""#), "{message}");
}

proptest! {
    #[test]
    fn a_parser_reads_what_was_written(
        path in "/[!-~]{0,40}",
        host in "[!-~]{1,20}",
        values in prop::array::uniform3(prop::option::of("[ -~]{0,40}")),
        body in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let fields = ["A", "b-2", "X-Y"];
        let fields: Vec<(&'static str, Option<&str>)> =
            fields.iter().zip(&values).map(|(name, value)| (*name, value.as_deref())).collect();
        let bytes = written(&path, &host, &fields, &body).unwrap();
        let mut slots = [EMPTY_HEADER; 8];
        let mut request = Request::new(&mut slots);
        let Status::Complete(length) = request.parse(&bytes).unwrap() else { panic!("not complete") };
        prop_assert_eq!((request.method, request.path, request.version), (Some("POST"), Some(path.as_str()), Some(1)));
        prop_assert_eq!(&bytes[length..], body.as_slice());
        let read: Vec<(&str, &[u8])> = request.headers.iter().map(|field| (field.name, field.value)).collect();
        let size = body.len().to_string();
        let mut expected = vec![("Host", host.as_bytes())];
        expected.extend(fields.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.trim().as_bytes()))));
        expected.push(("Content-Length", size.as_bytes()));
        prop_assert_eq!(read, expected);
    }
}
