//! The envelope; what must hold for it stands in `src/envelope.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| webhook_fuzz::envelope(data));
