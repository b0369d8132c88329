//! The types for consumers in TypeScript and Python, generated from the JSON Schemas.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod model;
mod python;
mod typescript;

use std::{fs, path::PathBuf};

const REWRITE: &str = "UPDATE_SCHEMAS=1 cargo test -p gridbell-signals --test types";

fn check(name: &str, fresh: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, fresh).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == fresh, "examples/{name} is stale; rewrite it with: {REWRITE}");
}

#[test]
fn the_committed_types_are_those_of_the_schemas() {
    let definitions = model::definitions();
    check("gridbell_types.mts", &typescript::file(&definitions));
    check("gridbell_types.py", &python::file(&definitions));
}
