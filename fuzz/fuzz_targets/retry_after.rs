//! `Retry-After`; what must hold for it stands in `src/retry_after.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| webhook_fuzz::retry_after(data));
