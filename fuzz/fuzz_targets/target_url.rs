//! Target URLs; what must hold for them stands in `src/target_url.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| webhook_fuzz::target_url(data));
