//! Answers over HTTP/1.1; what must hold for it stands in `src/http_answer.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| webhook_fuzz::http_answer(data));
