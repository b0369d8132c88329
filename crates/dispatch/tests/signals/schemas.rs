//! The golden signals match the JSON Schemas.

use serde_json::Value;
use signals::schemas;

use crate::{golden, made::data};

fn validator(name: &str) -> jsonschema::Validator {
    let (_, schema) = schemas().into_iter().find(|(member, _)| *member == name).expect("a schema of that name");
    jsonschema::draft202012::new(schema.as_value()).expect("a JSON Schema")
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
