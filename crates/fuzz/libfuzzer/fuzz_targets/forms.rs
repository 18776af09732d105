//! The target `forms` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| photinus_fuzz::forms(input));
