//! `gridbell demo` as a person runs it: every provider's scenarios on the real system, with no process left behind.

use std::process::{Command, Stdio};

use serde_json::Value;

#[test]
fn everything_comes_out_as_the_scenarios_say() {
    let output = Command::new(env!("CARGO_BIN_EXE_gridbell"))
        .args(["demo", "--json"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("gridbell starts");
    let object: Value = serde_json::from_slice(&output.stdout).expect("one JSON object and nothing else");
    assert_eq!((&object["ok"], &object["failures"]), (&Value::Bool(true), &Value::Array(Vec::new())));
    assert!(output.status.success(), "{}", output.status);
    let count = |name: &str| object[name].as_array().map_or(0, Vec::len);
    assert!(
        count("checks") > 80 && count("signals") > 20 && count("mails") == 2 && count("timeline") > 50,
        "{object:#}"
    );
}
