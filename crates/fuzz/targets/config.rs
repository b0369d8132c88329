//! Reads any text as the functions' configuration: the result is an error, or a configuration that is the same after it
//! is written and read again.

#![no_main]

use pipeline::config::Config;

libfuzzer_sys::fuzz_target!(|json: &str| {
    let Ok(config) = Config::parse(json) else { return };
    let written = serde_json::to_string(&config).expect("JSON");
    assert_eq!(Config::parse(&written).expect("a written configuration parses"), config);
});
