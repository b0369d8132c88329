//! Reads any text as Leap's webhook and as its answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &str| {
    if let Some(provider) = providers::provider("leap") {
        providers::laws::check(provider, body);
    }
});
