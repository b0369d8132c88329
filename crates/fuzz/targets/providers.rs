//! Any text as a provider's webhook, as its answer and as its list. The first byte chooses the provider.

#![no_main]

use providers::PROVIDERS;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let Ok(body) = str::from_utf8(body) else { return };
    providers::laws::check(PROVIDERS[usize::from(*first) % PROVIDERS.len()], body);
});
