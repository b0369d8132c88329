//! Reads any text as NvGrid's webhook and as its answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &str| {
    if let Some(provider) = providers::provider("nvgrid") {
        providers::laws::check(provider, body);
    }
});
