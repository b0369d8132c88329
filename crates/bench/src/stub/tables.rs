//! The three tables, in memory: conditional writes with the old item in a refusal, and queries of the sparse indexes.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::expression::{Item, holds, updated};

/// A call that DynamoDB would refuse.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The condition does not hold; with the old item, where the request asks for it.
    Condition(Option<Item>),
    /// Nothing that is played here.
    Invalid(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Invalid(error)
    }
}

/// A table, or an index over one: its hash key and range key.
struct Keys {
    hash: &'static str,
    range: Option<&'static str>,
}

/// By name, then by key.
#[derive(Debug, Default)]
pub(super) struct Tables(BTreeMap<String, BTreeMap<String, Item>>);

impl Tables {
    pub(super) fn get(&self, request: &Value) -> Result<Value> {
        let (table, key) = addressed(request, request.get("Key"))?;
        let item = self.0.get(table).and_then(|items| items.get(&key));
        Ok(item.map_or_else(|| json!({}), |item| json!({ "Item": item })))
    }

    pub(super) fn put(&mut self, request: &Value) -> Result<Value, Refusal> {
        let item = request.get("Item").and_then(Value::as_object).context("no Item")?;
        let (table, key) = addressed(request, request.get("Item"))?;
        let items = self.0.entry(table.to_owned()).or_default();
        let known = permitted(request, items.get(&key))?;
        items.insert(key, item.clone());
        Ok(answer(request, known.as_ref(), None))
    }

    pub(super) fn delete(&mut self, request: &Value) -> Result<Value, Refusal> {
        let (table, key) = addressed(request, request.get("Key"))?;
        let items = self.0.entry(table.to_owned()).or_default();
        let known = permitted(request, items.get(&key))?;
        items.remove(&key);
        Ok(answer(request, known.as_ref(), None))
    }

    pub(super) fn update(&mut self, request: &Value) -> Result<Value, Refusal> {
        let (table, key) = addressed(request, request.get("Key"))?;
        let items = self.0.entry(table.to_owned()).or_default();
        let known = permitted(request, items.get(&key))?;
        let keys = request.get("Key").and_then(Value::as_object).context("no Key")?;
        let before = known.clone().unwrap_or_else(|| keys.clone());
        let update = request.get("UpdateExpression").and_then(Value::as_str).context("no UpdateExpression")?;
        let after = updated(update, request, &before)?;
        items.insert(key, after.clone());
        Ok(answer(request, known.as_ref(), Some(&after)))
    }

    /// A query of an index; its projection is the keys, and a plan where there is one.
    pub(super) fn query(&self, request: &Value) -> Result<Value> {
        let table = name(request)?;
        let index = request.get("IndexName").and_then(Value::as_str).context("only indexes are queried here")?;
        let (own, keys) = (primary(table)?, index_keys(index)?);
        let condition = request.get("KeyConditionExpression").and_then(Value::as_str).context("no key condition")?;
        let mut found: Vec<(String, Item)> = Vec::new();
        for item in self.0.get(table).into_iter().flat_map(BTreeMap::values) {
            let names = [Some(own), Some(keys.hash), keys.range, (index == "active").then_some("plan")];
            let projected: Item = names
                .into_iter()
                .flatten()
                .filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())))
                .collect();
            if item.contains_key(keys.hash) && holds(condition, request, &projected)? {
                let order = keys.range.and_then(|range| text(&projected, range)).unwrap_or_default();
                found.push((order, projected));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let items: Vec<&Item> = found.iter().map(|(_, item)| item).collect();
        Ok(json!({ "Items": items, "Count": items.len(), "ScannedCount": items.len() }))
    }
}

/// The old item, if what the request demands of it holds.
fn permitted(request: &Value, known: Option<&Item>) -> Result<Option<Item>, Refusal> {
    let Some(condition) = request.get("ConditionExpression").and_then(Value::as_str) else { return Ok(known.cloned()) };
    if holds(condition, request, known.unwrap_or(&Item::new()))? {
        return Ok(known.cloned());
    }
    let wanted = request.get("ReturnValuesOnConditionCheckFailure").and_then(Value::as_str) == Some("ALL_OLD");
    Err(Refusal::Condition(known.filter(|_| wanted).cloned()))
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

/// The tables' keys, as `infra/template.yaml` has them.
fn primary(table: &str) -> Result<&'static str> {
    match table {
        "dispatches" => Ok("subject"),
        "deliveries" => Ok("delivery"),
        "alerts" => Ok("incident"),
        other => anyhow::bail!("no table {other}"),
    }
}

fn index_keys(index: &str) -> Result<Keys> {
    match index {
        "unsent" => Ok(Keys { hash: "unsent", range: Some("changed_at") }),
        "due" => Ok(Keys { hash: "due", range: Some("due_at") }),
        "active" => Ok(Keys { hash: "active", range: Some("until") }),
        other => anyhow::bail!("no index {other}"),
    }
}

fn text(item: &Item, name: &str) -> Option<String> {
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
}
