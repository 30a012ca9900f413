//! Answers as receivers give them: right, odd and hostile.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

/// As much of a body as a row keeps.
const MOST_BODY_BYTES: usize = 4_000;

/// With the bound of a receiver's body.
fn read_answer(bytes: &[u8], is_closed: bool) -> Result<Option<Answer>, AnswerError> {
    super::read_answer(bytes, is_closed, MOST_BODY_BYTES)
}

/// What `read_answer` makes of an answer: `status body`, then ` +` if the connection can be used again; `…` if it
/// asks for more; the code of an error.
fn read(bytes: &[u8], is_closed: bool) -> String {
    match read_answer(bytes, is_closed) {
        Ok(Some(answer)) => {
            format!("{} {}{}", answer.status, answer.body, if answer.reusable { " +" } else { "" })
        }
        Ok(None) => "…".to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

/// An answer, what it is while the connection is open, and what it is once that has closed.
const CASES: [(&str, &str, &str); 75] = [
    // As they should be.
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 ok +", "200 ok"),
    ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200  +", "200 "),
    ("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200  +", "200 "),
    ("HTTP/1.1 204 No Content\r\n\r\n", "204  +", "204 "),
    ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204  +", "204 "),
    ("HTTP/1.1 304 Not Modified\r\n\r\n", "304  +", "304 "),
    ("HTTP/1.1 500 Oops\r\nContent-Length: 3\r\nRetry-After: 5\r\n\r\nbad", "500 bad +", "500 bad"),
    ("HTTP/1.1 307 T\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n", "307  +", "307 "),
    ("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\na", "200 a +", "200 a"),
    ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", "200 a", "200 a"),
    ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\na", "200 a", "200 a"),
    ("HTTP/1.1 200 OK\r\n\r\nuntil closed", "…", "200 until closed"),
    ("HTTP/1.0 200 OK\r\n\r\nold", "…", "200 old"),
    ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nold", "200 old", "200 old"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "200 ok +", "200 ok"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "200  +", "200 "),
    (
        "HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n01\r\nb\r\n000\r\n\r\n",
        "200 ab +",
        "200 ab",
    ),
    ("HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\na\r\n0;c\r\n\r\n", "200 a +", "200 a"),
    (
        "HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n1 ;a\r\na\r\n0\r\nX: y\r\nZ: \r\n\r\n",
        "200 a +",
        "200 a",
    ),
    (
        "HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        "200 0123456789 +",
        "200 0123456789",
    ),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "200 a +", "200 a"),
    (
        "HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 204 N\r\n\r\n",
        "204  +",
        "204 ",
    ),
    // Parts of one.
    ("", "…", "no_answer"),
    ("H", "…", "broken_off"),
    ("HTTP/1.1 2", "…", "broken_off"),
    ("HTTP/1.1 200 OK\r\n", "…", "broken_off"),
    ("HTTP/1.1 200 OK\r\nContent-Le", "…", "broken_off"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r", "…", "broken_off"),
    ("HTTP/1.1 100 Continue\r\n\r\n", "…", "broken_off"),
    ("HTTP/1.1 202 OK\r\nContent-Length: 9\r\n\r\nbegun", "…", "202 begun"),
    ("HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "…", "202 "),
    ("HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n5", "…", "202 "),
    ("HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbeg", "…", "202 beg"),
    ("HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun", "…", "202 begun"),
    ("HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r", "…", "202 begun"),
    ("HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n0\r\nX: y\r\n", "…", "202 begun"),
    // Odd, and readable.
    ("\r\n\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200  +", "200 "),
    ("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "200 ok +", "200 ok"),
    ("HTTP/1.1 200 Schön\r\nX-Ü: 1\r\nContent-Length: 0\r\n\r\n", "not_http", "not_http"),
    ("HTTP/1.1 200 Schön\r\nX: ü\r\nContent-Length: 0\r\n\r\n", "200  +", "200 "),
    ("HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n", "999  +", "999 "),
    ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", "204 ", "204 "),
    ("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "204 ", "204 "),
    ("HTTP/1.1 204 No\r\n\r\nbody", "204 ", "204 "),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", "200 ok", "200 ok"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "200 ok", "200 ok"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 007\r\n\r\nlengthy", "200 lengthy +", "200 lengthy"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "200 a", "200 a"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nabc", "…", "200 abc"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n1\r\na", "…", "200 1\r\na"),
    ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nbytes", "101 ", "101 "),
    // Hostile: another reader could see the end elsewhere.
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", "200 ok", "200 ok"),
    ("HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore", "200 ", "200 "),
    (
        "HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "200 ok",
        "200 ok",
    ),
    ("HTTP/1.0 200 O\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "200 ok", "200 ok"),
    (
        "HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "200 ",
        "200 ",
    ),
    ("HTTP/1.1 200 O\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nContent-Length: 1, 2\r\n\r\nok", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nContent-Length: -1\r\n\r\n", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nContent-Length: +1\r\n\r\na", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nContent-Length: 0x1\r\n\r\na", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nContent-Length:\r\n\r\na", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nContent-Length: 18446744073709551616\r\n\r\na", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nContent-Length: 18446744073709551615\r\n\r\na", "…", "200 a"),
    ("HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na", "…", "200 a"),
    ("HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\na", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\nok\r\n", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\n\r\n", "200 ", "200 "),
    ("HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "200 a", "200 a"),
    ("HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n", "200 ", "200 "),
    ("HTTP/1.1 099 Low\r\n\r\n", "not_http", "not_http"),
    ("HTTP/1.1 20 Short\r\n\r\n", "not_http", "not_http"),
    ("HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "not_http", "not_http"),
    ("SSH-2.0-OpenSSH_9.6\r\n", "not_http", "not_http"),
];

#[test]
fn each_answer_is_read_as_it_should_be() {
    for (bytes, open, closed) in CASES {
        assert_eq!(read(bytes.as_bytes(), false), open, "{bytes:?}");
        assert_eq!(read(bytes.as_bytes(), true), closed, "{bytes:?}");
    }
}

/// What a reader sees that is given an answer in parts, and stops at the first result.
fn read_in_parts(bytes: &[u8], splits: &[usize]) -> Result<Option<Answer>, AnswerError> {
    for split in splits {
        let read = read_answer(&bytes[..*split], false);
        if read != Ok(None) {
            return read;
        }
    }
    read_answer(bytes, false)
}

/// All but `reusable`: whether anything comes after an answer cannot be told before it comes.
fn comparable(read: Result<Option<Answer>, AnswerError>) -> Result<Option<Answer>, &'static str> {
    read.map(|answer| answer.map(|answer| Answer { reusable: false, ..answer })).map_err(|error| error.code())
}

#[test]
fn each_answer_is_the_same_byte_by_byte() {
    for (bytes, ..) in CASES {
        let every: Vec<usize> = (0..bytes.len()).collect();
        let whole = read_answer(bytes.as_bytes(), false);
        assert_eq!(comparable(read_in_parts(bytes.as_bytes(), &every)), comparable(whole), "{bytes:?}");
    }
}

#[test]
fn headers_are_kept() {
    let bytes = b"HTTP/1.1 100 Continue\r\nInterim: 1\r\n\r\nHTTP/1.1 429 Slow\r\nRetry-After: 7\r\nretry-after: 9\r\nLOCATION:  /a b \r\nX: \xff\r\nX:\r\nContent-Length: 0\r\n\r\n";
    let answer = read_answer(bytes, false).unwrap().unwrap();
    assert_eq!(answer.retry_after.as_deref(), Some("7"));
    assert_eq!(answer.location.as_deref(), Some("/a b"));
    let head = answer.head_of(bytes);
    assert!(head.starts_with("HTTP/1.1 429 Slow\r\n") && head.ends_with("\r\n\r\n"), "{head:?}");
    let headers: Vec<(&str, &str)> = crate::header_fields(&head).collect();
    assert_eq!(
        headers,
        [
            ("Retry-After", "7"),
            ("retry-after", "9"),
            ("LOCATION", "/a b"),
            ("X", "\u{fffd}"),
            ("X", ""),
            ("Content-Length", "0")
        ]
    );
}

#[test]
fn another_protocol_is_shown() {
    let messages = [
        // HTTP/2's first frame, SETTINGS.
        (
            b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80".as_slice(),
            "answered with something that is no HTTP/1.1: another protocol in \"\\x00\\x00\\x12\\x04\\x00\\x00\\x00\\x00\\x00\\x00\\x03\\x00\\x00\\x00\\x80\"",
        ),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "answered with something that is no HTTP/1.1: another protocol in \"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\"",
        ),
        (
            b"HTTP/2 200\r\n\r\n",
            "answered with something that is no HTTP/1.1: another protocol in \"HTTP/2 200\\r\\n\\r\\n\"",
        ),
        (b"", "closed the connection before it answered"),
        (b"HTTP/1.1 200 OK\r\n", "closed the connection in the middle of its answer's headers"),
    ];
    for (bytes, message) in messages {
        assert_eq!(read_answer(bytes, true).unwrap_err().to_string(), message);
    }
    let long = [b'x'; 100];
    assert!(read_answer(&long, false).unwrap_err().to_string().ends_with(&format!("\"{}\"", "x".repeat(32))));
}

#[test]
fn heads_have_bounds() {
    let head = |filler: usize| format!("HTTP/1.1 204 No\r\nX: {}\r\n\r\n", "x".repeat(filler));
    let room = MOST_HEAD_BYTES - head(0).len();
    assert_eq!(read(head(room).as_bytes(), false), "204  +");
    assert_eq!(read(head(room + 1).as_bytes(), false), "head_too_long");
    assert_eq!(read(&head(room + 1).as_bytes()[..MOST_HEAD_BYTES - 1], false), "…");
    let many = |count: usize| format!("HTTP/1.1 204 No\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert_eq!(read(many(MOST_HEADERS).as_bytes(), false), "204  +");
    assert_eq!(read(many(MOST_HEADERS + 1).as_bytes(), false), "too_many_headers");
    let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000);
    assert_eq!(read(flood.as_bytes(), false), "head_too_long");
}

#[test]
fn bodies_are_read_as_far_as_they_are_kept() {
    let plain = |length: usize, there: usize| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(there))
    };
    let full = "x".repeat(MOST_BODY_BYTES);
    let (kept, reusable) = (format!("200 {full}"), format!("200 {full} +"));
    assert_eq!(read(plain(MOST_BODY_BYTES, MOST_BODY_BYTES).as_bytes(), false), reusable);
    assert_eq!(read(plain(MOST_BODY_BYTES, MOST_BODY_BYTES - 1).as_bytes(), false), "…");
    assert_eq!(read(plain(MOST_BODY_BYTES + 1, MOST_BODY_BYTES).as_bytes(), false), kept);
    assert_eq!(read(plain(9_000, 9_000).as_bytes(), false), kept);
    assert_eq!(read(format!("HTTP/1.1 200 OK\r\n\r\n{full}xx").as_bytes(), false), kept);
    let chunked = |size: usize, count: usize| {
        let mut text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        for _ in 0..count {
            write!(text, "{size:x}\r\n{}\r\n", "x".repeat(size)).unwrap();
        }
        text
    };
    assert_eq!(read(chunked(1_000, 4).as_bytes(), false), kept);
    assert_eq!(read(chunked(1_000, 9).as_bytes(), false), kept);
    assert_eq!(read(chunked(9_000, 1).as_bytes(), false), kept);
    assert_eq!(read(chunked(3_999, 1).as_bytes(), false), "…");
    // What comes after what is kept is not looked at.
    assert_eq!(read(format!("{}garbage", chunked(1_000, 4)).as_bytes(), false), kept);
}

#[test]
fn a_body_is_text_cut_between_characters() {
    let read = |body: &[u8], is_closed: bool| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
        read_answer(&[head, body].concat(), is_closed).unwrap().unwrap().body
    };
    let euros = "€".repeat(1_500);
    assert_eq!(read(euros.as_bytes(), false), "€".repeat(1_333));
    assert_eq!(read(&euros.as_bytes()[..4], true), "€");
    assert_eq!(read(b"a\xff", true), "a\u{fffd}");
    assert_eq!(read(b"\xff\xe2\x82", true), "\u{fffd}");
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\xe2\x82";
    assert_eq!(read_answer(whole, false).unwrap().unwrap().body, "a\u{fffd}");
}

/// Bytes that often are an answer.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Just(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Just(b"Content-Length: 3\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"3\r\nabc\r\n".to_vec()),
        Just(b"0\r\n".to_vec()),
        Just(b"abc".to_vec()),
        Just(vec![b'y'; 3_999]),
        Just(b"FFF;e\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), is_closed: bool) {
        let _ = read_answer(&bytes, is_closed);
    }

    #[test]
    fn no_answer_panics(bytes in answers(), is_closed: bool) {
        let _ = read_answer(&bytes, is_closed);
    }

    #[test]
    fn an_answer_is_the_same_in_parts(
        bytes in prop_oneof![
            answers(),
            answers().prop_map(|rest| [b"HTTP/1.1 200 OK\r\n".as_slice(), &rest].concat()),
            prop::sample::select(CASES.map(|(bytes, ..)| bytes.as_bytes().to_vec()).to_vec()),
        ],
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut splits: Vec<usize> = splits.iter().map(|index| index.index(bytes.len() + 1)).collect();
        splits.sort_unstable();
        let whole = read_answer(&bytes, false);
        prop_assert_eq!(comparable(read_in_parts(&bytes, &splits)), comparable(whole));
    }

    #[test]
    fn a_chunked_body_is_what_it_was(
        parts in prop::collection::vec("[a-zé]{1,40}", 0..20),
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        for part in &parts {
            write!(bytes, "{:X}\r\n{part}\r\n", part.len()).unwrap();
        }
        bytes.push_str("0\r\n\r\n");
        let mut splits: Vec<usize> = splits.iter().map(|index| index.index(bytes.len())).collect();
        splits.sort_unstable();
        let answer = read_in_parts(bytes.as_bytes(), &splits).unwrap().unwrap();
        prop_assert_eq!((answer.body, answer.reusable), (parts.concat(), true));
    }
}

#[test]
fn as_much_of_a_body_is_kept_as_is_asked_for() {
    let chunked: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    let plain: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef";
    for bytes in [chunked, plain] {
        for (most, body, reusable) in [(6, "abcdef", true), (100_000, "abcdef", true), (5, "abcde", false)] {
            let answer = super::read_answer(bytes, false, most).unwrap().unwrap();
            assert_eq!(
                (answer.body.as_str(), answer.reusable),
                (body, reusable && (most > 6 || bytes == plain)),
                "{most}"
            );
        }
    }
}
