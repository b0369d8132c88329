//! The committed JSON Schemas are those of the code, and the golden signals keep to them.

use std::{fs, path::PathBuf};

use dispatch::schemas;
use serde_json::Value;

use crate::{golden, made::data};

/// Said wherever a schema turns out stale.
const REWRITE: &str = "UPDATE_SCHEMAS=1 cargo test -p dispatch --test signals schemas";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas").join(format!("{name}.json"))
}

fn validator(name: &str) -> jsonschema::Validator {
    let (_, schema) = schemas().into_iter().find(|(member, _)| *member == name).expect("a schema of that name");
    jsonschema::draft202012::new(schema.as_value()).expect("a JSON Schema")
}

#[test]
fn the_committed_schemas_are_those_of_the_code() {
    for (name, schema) in schemas() {
        let fresh = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(path(name), &fresh).unwrap();
        }
        let committed = fs::read_to_string(path(name)).unwrap_or_default();
        assert!(committed == fresh, "schemas/{name}.json is stale; rewrite it with: {REWRITE}");
    }
}

#[test]
fn the_golden_signals_keep_to_their_schemas() {
    for (name, signals) in golden::all() {
        for signal in signals {
            let data = data(&signal);
            let member = data.as_object().unwrap().keys().next().unwrap().clone();
            let errors: Vec<String> = validator(&member)
                .iter_errors(&data)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:#?}");
        }
    }
}

#[test]
fn a_schema_refuses_what_is_none_of_its_data() {
    let validator = validator("dispatch");
    let (_, signals) = golden::all().remove(0);
    let good = data(&signals[0]);
    assert!(validator.is_valid(&good));
    let spoil = |pointer: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(!validator.is_valid(&bad), "{pointer}");
    };
    spoil("/dispatch/status", Value::from("resumed"));
    spoil("/dispatch/request/kind", Value::from("increase"));
    spoil("/dispatch/version", Value::from(-1));
    spoil("/dispatch/targets/0", Value::from("d4z9"));
    spoil("/dispatch", Value::Null);
}
