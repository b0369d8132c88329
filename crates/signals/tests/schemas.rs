//! The committed JSON Schemas match the code.

use std::{fs, path::PathBuf};

use signals::{acknowledgement_schema, envelope_schema, schemas};

const REWRITE: &str = "UPDATE_SCHEMAS=1 cargo test -p gridbell-signals --test schemas";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas").join(format!("{name}.json"))
}

#[test]
fn the_committed_schemas_are_those_of_the_code() {
    let others = [("envelope", envelope_schema()), ("acknowledgement", acknowledgement_schema())];
    for (name, schema) in schemas().into_iter().chain(others) {
        let fresh = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(path(name), &fresh).unwrap();
        }
        let committed = fs::read_to_string(path(name)).unwrap_or_default();
        assert!(committed == fresh, "schemas/{name}.json is stale; rewrite it with: {REWRITE}");
    }
}
