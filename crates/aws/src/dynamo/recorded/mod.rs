//! Items as the first format stored them. Items stay in a table for a year, so every later release must read them.
//!
//! `format-1.jsonl` never changes. A new format gets its own file: `RECORD_FORMATS=1 cargo test -p aws --lib --
//! recorded`.

use std::{collections::BTreeSet, fs, path::Path};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use pipeline::{incident::Incident, messages::FORMAT, outputs::lane::Lane, record::SubjectRecord};
use serde_json::{Value, json};

use super::{
    Store, incidents,
    item::{self, Item},
    number, outputs, record,
};
use crate::client::{self, Access};

/// The stored rows, from the pipeline's own files.
const ROWS: &str = include_str!("../../../../pipeline/tests/recorded/format-1/rows.jsonl");

const ITEMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dynamo/recorded/format-1.jsonl");

fn attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(digits) => json!({ "N": digits }),
        AttributeValue::B(blob) => json!({ "B": BASE64_STANDARD.encode(blob.as_ref()) }),
        other => panic!("no item holds {other:?}"),
    }
}

fn item(value: &Value) -> Item {
    let attribute = |value: &Value| match value.as_object().and_then(|value| value.iter().next()) {
        Some((kind, Value::String(text))) if kind == "S" => AttributeValue::S(text.clone()),
        Some((kind, Value::String(digits))) if kind == "N" => AttributeValue::N(digits.clone()),
        Some((_, Value::String(bytes))) => AttributeValue::B(Blob::new(BASE64_STANDARD.decode(bytes).unwrap())),
        _ => panic!("no attribute: {value}"),
    };
    value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn rows() -> impl Iterator<Item = (String, Value)> {
    let lines = ROWS.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows = lines.map(|line| (line["of"].as_str().unwrap().to_owned(), line["is"].clone()));
    rows.filter(|(of, _)| matches!(of.as_str(), "record" | "incident" | "lane"))
}

fn stored(of: &str, row: &Value) -> Item {
    match of {
        "record" => record::to_item(&serde_json::from_value::<SubjectRecord>(row.clone()).unwrap()).unwrap(),
        "lane" => outputs::to_item(&serde_json::from_value::<Lane>(row.clone()).unwrap()).unwrap(),
        _ => incidents::to_item(&serde_json::from_value::<Incident>(row.clone()).unwrap()).unwrap(),
    }
}

fn read(of: &str, item: &Item) -> Value {
    match of {
        "record" => json!(record::from_item(item).unwrap()),
        "lane" => json!(outputs::from_item(item).unwrap()),
        _ => json!(incidents::from_item(item).unwrap()),
    }
}

#[test]
fn items_of_the_first_format_are_read_for_ever() {
    if std::env::var_os("RECORD_FORMATS").is_some() {
        assert!(!Path::new(ITEMS).exists(), "it never changes");
        let line = |(of, row): (String, Value)| {
            let item: serde_json::Map<String, Value> =
                stored(&of, &row).iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
            json!({ "of": of, "item": item, "is": row }).to_string() + "\n"
        };
        fs::write(ITEMS, rows().map(line).collect::<String>()).unwrap();
    }
    let mut sorts = BTreeSet::new();
    for line in fs::read_to_string(ITEMS).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let of = line["of"].as_str().unwrap();
        let again = read(of, &item(&line["item"]));
        let lost = line["is"].as_object().unwrap().iter().find(|(name, value)| again.get(*name) != Some(value));
        assert_eq!(lost, None, "of {again}");
        sorts.insert(of.to_owned());
    }
    assert_eq!(sorts, ["incident", "lane", "record"].map(str::to_owned).into());
}

#[test]
fn an_item_of_a_later_release_is_tried_again_and_not_given_up() {
    let aws = client::shared(Access::new(None, "us-east-1", "test", "test"));
    let store = Store::new(&aws, "dispatches", "dispatches", "subject");
    let versioned = |v: Option<u64>| {
        let mut item = Item::from([("subject".to_owned(), super::text("voltus-prod/dkmq"))]);
        item.extend(v.map(|v| (item::VERSION.to_owned(), number(v))));
        item
    };
    assert!(store.known(versioned(None)).is_ok(), "an item without a version has format 1");
    assert!(store.known(versioned(Some(FORMAT.into()))).is_ok());
    let error = store.known(versioned(Some(2))).expect_err("a later format");
    assert!(matches!(error, pipeline::ports::PortError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("voltus-prod/dkmq has format version 2"), "{error}");
}
