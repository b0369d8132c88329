//! The tables, in memory: conditional writes that return the old item on a refusal, and queries of the sparse
//! indexes.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{
    capacity::{Capacity, size},
    expression::{Item, KeyCondition, holds, updated},
    indexes::{Entries, Index, of_table},
};

/// A call that DynamoDB would refuse.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The condition failed; with the old item if the request wants it.
    Condition(Option<Item>),
    /// The stand-in does not support the call.
    Invalid(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Invalid(error)
    }
}

/// Items by table, then by key.
#[derive(Debug, Default)]
pub(super) struct Tables {
    items: BTreeMap<String, BTreeMap<String, Item>>,
    entries: Entries,
    consumed: Capacity,
}

impl Tables {
    /// Returns the capacity consumed since the last call.
    pub(super) fn take_consumed(&mut self) -> Capacity {
        std::mem::take(&mut self.consumed)
    }

    /// Stores so many past dispatches, each a copy of an existing one.
    pub(super) fn store_past(&mut self, count: usize) {
        let Some(items) = self.items.get_mut("dispatches") else { return };
        let Some(mut past) = items.values().next().cloned() else { return };
        past.retain(|name, _| of_table("dispatches").all(|index| name != index.hash));
        items.extend((0..count).map(|number| {
            let subject = format!("voltus-prod/past{number}");
            past.insert("subject".to_owned(), json!({ "S": subject }));
            (subject, past.clone())
        }));
    }

    pub(super) fn get(&mut self, request: &Value) -> Result<Value> {
        let (table, key) = addressed(request, request.get("Key"))?;
        let item = self.items.get(table).and_then(|items| items.get(&key));
        let consistent = request.get("ConsistentRead").and_then(Value::as_bool).unwrap_or_default();
        self.consumed += Capacity::of_read(item.map(size).unwrap_or_default(), consistent);
        Ok(item.map_or_else(|| json!({}), |item| json!({ "Item": item })))
    }

    pub(super) fn put(&mut self, request: &Value) -> Result<Value, Refusal> {
        let item = request.get("Item").and_then(Value::as_object).context("no Item")?;
        let (table, key) = addressed(request, request.get("Item"))?;
        let known = self.write(request, (table, key), |_| Ok(Some(item.clone())))?.0;
        Ok(answer(request, known.as_ref(), None))
    }

    pub(super) fn delete(&mut self, request: &Value) -> Result<Value, Refusal> {
        let at = addressed(request, request.get("Key"))?;
        let known = self.write(request, at, |_| Ok(None))?.0;
        Ok(answer(request, known.as_ref(), None))
    }

    pub(super) fn update(&mut self, request: &Value) -> Result<Value, Refusal> {
        let at = addressed(request, request.get("Key"))?;
        let keys = request.get("Key").and_then(Value::as_object).context("no Key")?;
        let update = request.get("UpdateExpression").and_then(Value::as_str).context("no UpdateExpression")?;
        let (known, after) =
            self.write(request, at, |known| updated(update, request, known.unwrap_or(keys)).map(Some))?;
        Ok(answer(request, known.as_ref(), after.as_ref()))
    }

    /// Runs statements, each with its own result: `UPDATE "t" SET "a" = ? REMOVE "b" WHERE "key" = ? AND "a" = ?`, and
    /// `INSERT INTO "t" VALUE {'a': ?}`.
    pub(super) fn statements(&mut self, request: &Value) -> Result<Value, Refusal> {
        let statements = request.get("Statements").and_then(Value::as_array).context("no Statements")?;
        let mut run = |statement: &Value| {
            let inserted = as_put(statement)?;
            let (refused, done) = match inserted {
                Some(put) => ("DuplicateItem", self.put(&put)),
                None => ("ConditionalCheckFailed", self.update(&as_update(statement)?)),
            };
            match done {
                Ok(_) => Ok(json!({})),
                Err(Refusal::Condition(_)) => Ok(json!({ "Error": { "Code": refused } })),
                Err(invalid) => Err(invalid),
            }
        };
        let responses = statements.iter().map(&mut run).collect::<Result<Vec<Value>, Refusal>>()?;
        Ok(json!({ "Responses": responses }))
    }

    /// Writes an item if its condition holds. Returns the item before and after.
    fn write(
        &mut self,
        request: &Value,
        (table, key): (&str, String),
        next: impl FnOnce(Option<&Item>) -> Result<Option<Item>>,
    ) -> Result<(Option<Item>, Option<Item>), Refusal> {
        let indexes: Vec<&Index> = of_table(table).collect();
        let items = self.items.entry(table.to_owned()).or_default();
        let known = items.get(&key).cloned();
        let after = next(known.as_ref())?;
        let permitted = permitted(request, known.as_ref());
        self.consumed += Capacity::of_write(&indexes, known.as_ref(), after.as_ref(), permitted.is_ok());
        permitted?;
        for index in indexes {
            self.entries.update(index, &key, known.as_ref(), after.as_ref());
        }
        match &after {
            Some(item) => drop(items.insert(key, item.clone())),
            None => drop(items.remove(&key)),
        }
        Ok((known, after))
    }

    /// Queries an index.
    pub(super) fn query(&mut self, request: &Value) -> Result<Value> {
        let table = name(request)?;
        let name = request.get("IndexName").and_then(Value::as_str).context("only indexes are queried here")?;
        let index = of_table(table).find(|index| index.name == name).with_context(|| format!("no index {name}"))?;
        let condition = request.get("KeyConditionExpression").and_then(Value::as_str).context("no key condition")?;
        let mut found = self.entries.query(index, &KeyCondition::new(condition, request)?)?;
        if request.get("ScanIndexForward").and_then(Value::as_bool) == Some(false) {
            found.reverse();
        }
        self.consumed += Capacity::of_read(found.iter().map(|entry| size(entry)).sum(), false);
        Ok(json!({ "Items": found, "Count": found.len(), "ScannedCount": found.len() }))
    }
}

/// Checks the request's condition on the item.
fn permitted(request: &Value, known: Option<&Item>) -> Result<(), Refusal> {
    let Some(condition) = request.get("ConditionExpression").and_then(Value::as_str) else { return Ok(()) };
    if holds(condition, request, known.unwrap_or(&Item::new()))? {
        return Ok(());
    }
    let wanted = request.get("ReturnValuesOnConditionCheckFailure").and_then(Value::as_str) == Some("ALL_OLD");
    Err(Refusal::Condition(known.filter(|_| wanted).cloned()))
}

/// An `INSERT` as the `PutItem` that does the same; none for another statement.
fn as_put(statement: &Value) -> Result<Option<Value>> {
    let (text, parameters) = parts(statement)?;
    let Some((table, tuple)) = text.strip_prefix("INSERT INTO ").and_then(|rest| rest.split_once(" VALUE ")) else {
        return Ok(None);
    };
    let table = table.replace('"', "");
    let names = tuple.trim_matches(['{', '}']).split(", ").map(|pair| {
        let name = pair.strip_suffix(": ?").with_context(|| format!("{pair} is not played here"));
        Ok(name?.replace('\'', ""))
    });
    let names = names.collect::<Result<Vec<String>>>()?;
    anyhow::ensure!(names.len() == parameters.len(), "{text} has not {} parameters", parameters.len());
    let item: Map<String, Value> = names.into_iter().zip(parameters.iter().cloned()).collect();
    let condition = format!("attribute_not_exists({})", primary(&table)?);
    Ok(Some(json!({ "TableName": table, "Item": item, "ConditionExpression": condition })))
}

/// A statement and its parameters.
fn parts(statement: &Value) -> Result<(&str, &Vec<Value>)> {
    let text = statement.get("Statement").and_then(Value::as_str).context("no Statement")?;
    Ok((text, statement.get("Parameters").and_then(Value::as_array).context("no Parameters")?))
}

/// A statement as the `UpdateItem` that does the same.
fn as_update(statement: &Value) -> Result<Value> {
    let (text, parameters) = parts(statement)?;
    let (mut words, mut values) = (Vec::new(), Map::new());
    for word in text.split_whitespace() {
        let place = format!(":p{}", values.len());
        if word == "?" {
            values.insert(place.clone(), parameters.get(values.len()).cloned().context("a parameter is missing")?);
        }
        words.push(if word == "?" { place } else { word.replace('"', "") });
    }
    let [update, table, changes @ .., "WHERE", key, "=", of, "AND", condition, "=", expected] =
        &words.iter().map(String::as_str).collect::<Vec<_>>()[..]
    else {
        anyhow::bail!("{text} is not played here");
    };
    anyhow::ensure!(*update == "UPDATE" && *key == primary(table)?, "{text} is not played here");
    Ok(json!({
        "TableName": table, "Key": { *key: values.get(*of) }, "UpdateExpression": changes.join(" "),
        "ConditionExpression": format!("{condition} = {expected}"), "ExpressionAttributeValues": values,
    }))
}

fn answer(request: &Value, before: Option<&Item>, after: Option<&Item>) -> Value {
    let item = match request.get("ReturnValues").and_then(Value::as_str) {
        Some("ALL_OLD") => before,
        Some("ALL_NEW") => after,
        _ => None,
    };
    item.map_or_else(|| json!({}), |item| json!({ "Attributes": item }))
}

fn addressed<'a>(request: &'a Value, keys: Option<&Value>) -> Result<(&'a str, String)> {
    let table = name(request)?;
    let keys = keys.and_then(Value::as_object).context("no key")?;
    Ok((table, text(keys, primary(table)?).context("the key is no string")?))
}

fn name(request: &Value) -> Result<&str> {
    request.get("TableName").and_then(Value::as_str).context("no TableName")
}

/// The primary keys in `infra/template.yaml`.
pub(super) fn primary(table: &str) -> Result<&'static str> {
    match table {
        "dispatches" => Ok("subject"),
        "deliveries" => Ok("delivery"),
        "alerts" => Ok("incident"),
        "outputs" => Ok("lane_key"),
        other => anyhow::bail!("no table {other}"),
    }
}

/// A string attribute.
pub(super) fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.get("S")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(revision: u64, expected: Option<u64>) -> Value {
        let condition = if expected.is_some() { "revision = :e" } else { "attribute_not_exists(subject)" };
        json!({
            "TableName": "dispatches",
            "Item": {"subject": {"S": "s/1"}, "revision": {"N": revision.to_string()}, "unsent": {"S": "u"}, "changed_at": {"S": "2"}},
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {":e": {"N": expected.unwrap_or_default().to_string()}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        })
    }

    #[test]
    fn a_write_whose_condition_fails_changes_nothing_and_brings_the_old_item() {
        let mut tables = Tables::default();
        tables.put(&put(1, None)).unwrap();
        match tables.put(&put(1, None)) {
            Err(Refusal::Condition(Some(old))) => assert_eq!(old["revision"], json!({"N": "1"})),
            other => panic!("{other:?}"),
        }
        tables.put(&put(2, Some(1))).unwrap();
        assert!(matches!(tables.put(&put(2, Some(1))), Err(Refusal::Condition(_))));
    }

    #[test]
    fn an_index_holds_only_what_carries_its_key() {
        let mut tables = Tables::default();
        tables.put(&put(1, None)).unwrap();
        let query = json!({
            "TableName": "dispatches", "IndexName": "unsent", "KeyConditionExpression": "unsent = :u AND changed_at < :t",
            "ExpressionAttributeValues": {":u": {"S": "u"}, ":t": {"S": "3"}},
        });
        assert_eq!(tables.query(&query).unwrap()["Count"], json!(1));
        let clear = json!({
            "TableName": "dispatches", "Key": {"subject": {"S": "s/1"}}, "UpdateExpression": "REMOVE unsent",
        });
        tables.update(&clear).unwrap();
        assert_eq!(tables.query(&query).unwrap()["Count"], json!(0));
    }

    #[test]
    fn a_statement_does_what_its_update_does_and_has_a_result_of_its_own() {
        let mut tables = Tables::default();
        tables.put(&put(1, None)).unwrap();
        let mark = |revision: u64| {
            json!({
                "Statement": r#"UPDATE "dispatches" SET "revision" = ? REMOVE "unsent" WHERE "subject" = ? AND "revision" = ?"#,
                "Parameters": [{"N": (revision + 1).to_string()}, {"S": "s/1"}, {"N": revision.to_string()}],
            })
        };
        let answer = tables.statements(&json!({ "Statements": [mark(1), mark(1)] })).unwrap();
        assert_eq!(answer["Responses"][0], json!({}));
        assert_eq!(answer["Responses"][1]["Error"]["Code"], "ConditionalCheckFailed");
        let read = json!({ "TableName": "dispatches", "Key": { "subject": { "S": "s/1" } } });
        let item = tables.get(&read).unwrap()["Item"].take();
        assert_eq!((&item["revision"], item.get("unsent")), (&json!({ "N": "2" }), None));
        let insert = json!({
            "Statement": r#"INSERT INTO "dispatches" VALUE {'revision': ?, 'subject': ?}"#,
            "Parameters": [{"N": "1"}, {"S": "s/2"}],
        });
        let answer = tables.statements(&json!({ "Statements": [insert, insert] })).unwrap();
        assert_eq!(answer["Responses"], json!([{}, { "Error": { "Code": "DuplicateItem" } }]));
    }
}
