//! `asyncapi.json` describes what gridbell sends and receives, and is a valid AsyncAPI document.

mod document;
mod specification;

use std::{fs, path::Path};

use serde_json::Value;
use signals::{SignalType, schemas};

const REWRITE: &str = "UPDATE_SCHEMAS=1 cargo test -p gridbell-signals --test asyncapi";

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_committed_document_is_that_of_the_code() {
    let path = folder().join("asyncapi.json");
    let fresh = format!("{}\n", serde_json::to_string_pretty(&document::document()).unwrap());
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == fresh, "asyncapi.json is stale; rewrite it with: {REWRITE}");
}

/// Every value of `$ref` in a document.
fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn each_reference_leads_to_something() {
    let document = document::document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for reference in found {
        let is_there = match reference.strip_prefix('#') {
            Some(pointer) => document.pointer(pointer).is_some(),
            None => folder().join(reference).is_file(),
        };
        assert!(is_there, "{reference} leads nowhere");
    }
}

#[test]
fn each_type_and_each_kind_of_data_has_a_message() {
    let document = document::document();
    for (kind, _) in schemas() {
        let payload = &document["components"]["messages"][kind]["payload"]["schema"]["allOf"][1]["properties"];
        assert_eq!(payload["data"]["$ref"], format!("schemas/{kind}.json"), "{kind}");
        for name in payload["type"]["enum"].as_array().into_iter().flatten() {
            let name = name.as_str().expect("a type");
            let known = SignalType::from(name);
            assert!(!matches!(known, SignalType::Other(_)), "{name} is no type of a signal");
            assert!(name.starts_with(&format!("gridbell.{kind}.")), "{name} is no type of {kind}");
        }
    }
}

/// The specification's own schema of a document comes from npm. Without it, the tests above remain.
#[test]
fn the_document_keeps_to_the_specification() {
    let schema = match specification::schema() {
        Ok(schema) => schema,
        Err(why) => {
            eprintln!("\n!!! the schema of AsyncAPI is not to be had ({why}): asyncapi.json was NOT validated\n");
            return;
        }
    };
    let validator = jsonschema::validator_for(&schema).expect("a JSON Schema");
    let document = document::document();
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).take(5).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut spoilt = document;
    spoilt["operations"]["sendSignal"]["action"] = Value::from("shout");
    assert!(!validator.is_valid(&spoilt), "the schema refuses nothing");
}
