//! Reads any text as Voltus's webhook and as its answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &str| {
    if let Some(provider) = providers::provider("voltus") {
        providers::laws::check(provider, body);
    }
});
