//! Requests over HTTP/1.1; what must hold for it stands in `src/http_request.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| webhook_fuzz::http_request(data));
