//! Reading answers is hot: whatever is not kept must not be allocated.

#![allow(unsafe_code, reason = "an allocator that counts is one")]
#![expect(
    clippy::unwrap_used,
    reason = "a test file throughout: clippy.toml allows it in the tests' own functions alone"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use webhook_http::{Answer, read_answer, write_request};

/// The system's, with a count for each thread: tests run beside each other.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's doing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What reading makes of bytes, and how many allocations that takes.
fn counted(bytes: &[u8]) -> (usize, Option<Answer>) {
    let before = COUNT.get();
    let answer = read_answer(bytes, false, 4_000).unwrap();
    (COUNT.get() - before, answer)
}

#[test]
fn asking_for_more_allocates_nothing() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nLocation: /a\r\nRetry-After: 3\r\n\r\n3\r\nabc\r\n2\r\nde";
    let plain = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\nServer: x\r\n\r\nbegun";
    for bytes in [chunked, plain] {
        for end in 0..=bytes.len() {
            assert_eq!(counted(&bytes.as_bytes()[..end]), (0, None), "{:?}", &bytes[..end]);
        }
    }
}

#[test]
fn an_answer_allocates_what_it_holds() {
    let cases = [
        (0, "HTTP/1.1 204 No Content\r\nServer: x\r\nConnection: keep-alive\r\n\r\n"),
        (0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        (1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
        (1, "HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"),
        (2, "HTTP/1.1 307 Moved\r\nLocation: /a\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"),
    ];
    for (expected, bytes) in cases {
        let (count, answer) = counted(bytes.as_bytes());
        assert_eq!((count, answer.is_some()), (expected, true), "{bytes:?}");
    }
}

#[test]
fn a_request_is_written_into_the_room_that_there_is() {
    let mut to = Vec::with_capacity(1_000);
    let before = COUNT.get();
    let fields = [("Content-Type", Some("application/json")), ("traceparent", None)];
    write_request(&mut to, "/hook", "a.example", &fields, b"{}").unwrap();
    assert_eq!(COUNT.get() - before, 0);
}
