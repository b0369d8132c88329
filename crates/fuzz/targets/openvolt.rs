//! Reads any text as Openvolt's webhook and as its answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &str| {
    if let Some(provider) = providers::provider("openvolt") {
        providers::laws::check(provider, body);
    }
});
