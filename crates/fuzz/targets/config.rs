//! Any text as the configuration that the functions read: an error or a configuration that says the same when written again.

#![no_main]

use pipeline::config::Config;

libfuzzer_sys::fuzz_target!(|json: &str| {
    let Ok(config) = Config::parse(json) else { return };
    let written = serde_json::to_string(&config).expect("JSON");
    assert_eq!(Config::parse(&written).expect("its own words"), config);
});
