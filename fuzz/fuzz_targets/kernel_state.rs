#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stockade_sentry::fuzz::kernel_state(data));
