//! The target `amqp` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| photinus_fuzz::amqp(input));
