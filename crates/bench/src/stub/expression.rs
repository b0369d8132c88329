//! The expressions that the functions use: comparisons of top-level attributes joined by AND and OR, and SET, REMOVE, ADD and
//! DELETE of whole values. Any other expression is an error, which a measurement shows as a refused call.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, VecDeque},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

/// An item: attribute → typed value, such as `{"S": "…"}`.
pub(crate) type Item = Map<String, Value>;

/// Whether an item meets a condition, with the request's names and values.
pub(crate) fn holds(condition: &str, request: &Value, item: &Item) -> Result<bool> {
    let mut reader = Reader { tokens: tokens(condition), request };
    let verdict = reader.any(item)?;
    ensure!(reader.tokens.is_empty(), "{:?} was not expected", reader.tokens);
    Ok(verdict)
}

/// The item after an update.
pub(crate) fn updated(update: &str, request: &Value, item: &Item) -> Result<Item> {
    let mut reader = Reader { tokens: tokens(update), request };
    let mut next = item.clone();
    while !reader.tokens.is_empty() {
        let clause = reader.take()?;
        loop {
            let name = reader.name()?;
            match clause {
                "SET" => {
                    reader.skip("=")?;
                    next.insert(name, reader.value()?);
                }
                "REMOVE" => drop(next.remove(&name)),
                "ADD" | "DELETE" => {
                    let (known, by) = (strings(item.get(&name)), strings(Some(&reader.value()?)));
                    let set = if clause == "ADD" { &known | &by } else { &known - &by };
                    // An empty set does not exist.
                    if set.is_empty() {
                        next.remove(&name);
                    } else {
                        next.insert(name, json!({ "SS": set }));
                    }
                }
                other => bail!("the clause {other} is not played here"),
            }
            if !reader.took(",") {
                break;
            }
        }
    }
    Ok(next)
}

/// The condition of a query: the hash key's value, and perhaps a comparison of the range key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyCondition {
    /// The hash key and its value.
    pub(super) hash: (String, String),
    /// The range key, `=`, `<`, `<=`, `>` or `>=`, and the value.
    pub(super) range: Option<(String, String, String)>,
}

impl KeyCondition {
    /// Reads a `KeyConditionExpression` with the request's names and values. All keys are strings.
    pub(super) fn new(condition: &str, request: &Value) -> Result<Self> {
        let mut reader = Reader { tokens: tokens(condition), request };
        let (name, sign, value) = reader.comparison()?;
        ensure!(sign == "=", "the hash key is compared by {sign}");
        let range = if reader.took("AND") { Some(reader.comparison()?) } else { None };
        ensure!(reader.tokens.is_empty(), "{:?} was not expected", reader.tokens);
        Ok(Self { hash: (name, value), range })
    }
}

struct Reader<'a> {
    tokens: VecDeque<&'a str>,
    request: &'a Value,
}

impl<'a> Reader<'a> {
    fn take(&mut self) -> Result<&'a str> {
        self.tokens.pop_front().context("the expression ends too early")
    }

    fn took(&mut self, word: &str) -> bool {
        self.tokens.pop_front_if(|token| token.eq_ignore_ascii_case(word)).is_some()
    }

    fn skip(&mut self, word: &str) -> Result<()> {
        ensure!(self.took(word), "{word} expected before {:?}", self.tokens);
        Ok(())
    }

    fn any(&mut self, item: &Item) -> Result<bool> {
        let mut verdict = self.all(item)?;
        while self.took("OR") {
            verdict |= self.all(item)?;
        }
        Ok(verdict)
    }

    fn all(&mut self, item: &Item) -> Result<bool> {
        let mut verdict = self.one(item)?;
        while self.took("AND") {
            verdict &= self.one(item)?;
        }
        Ok(verdict)
    }

    fn one(&mut self, item: &Item) -> Result<bool> {
        if self.took("(") {
            let verdict = self.any(item)?;
            self.skip(")")?;
            return Ok(verdict);
        }
        if self.took("attribute_exists") {
            return Ok(item.contains_key(&self.argument()?));
        }
        if self.took("attribute_not_exists") {
            return Ok(!item.contains_key(&self.argument()?));
        }
        if self.took("contains") {
            self.skip("(")?;
            let set = strings(item.get(&self.name()?));
            self.skip(",")?;
            let wanted = self.value()?;
            self.skip(")")?;
            return Ok(wanted["S"].as_str().is_some_and(|wanted| set.contains(wanted)));
        }
        let left = if self.took("size") {
            item.get(&self.argument()?).map(|set| json!({ "N": strings(Some(set)).len().to_string() }))
        } else {
            item.get(&self.name()?).cloned()
        };
        let (sign, right) = (self.take()?, self.value()?);
        // A comparison with a missing attribute is false.
        let Some(order) = left.as_ref().and_then(|left| compare(left, &right)) else { return Ok(false) };
        match sign {
            "=" => Ok(order == Ordering::Equal),
            "<" => Ok(order == Ordering::Less),
            "<=" => Ok(order != Ordering::Greater),
            ">" => Ok(order == Ordering::Greater),
            ">=" => Ok(order != Ordering::Less),
            other => bail!("{other} is no comparison that is played here"),
        }
    }

    /// A key, a sign and a string.
    fn comparison(&mut self) -> Result<(String, String, String)> {
        let (name, sign, value) = (self.name()?, self.take()?, self.value()?);
        ensure!(["=", "<", "<=", ">", ">="].contains(&sign), "{sign} is no comparison of keys that is played here");
        let value = value.get("S").and_then(Value::as_str).context("the key is no string")?;
        Ok((name, sign.to_owned(), value.to_owned()))
    }

    /// A name in brackets.
    fn argument(&mut self) -> Result<String> {
        self.skip("(")?;
        let name = self.name()?;
        self.skip(")")?;
        Ok(name)
    }

    fn name(&mut self) -> Result<String> {
        let token = self.take()?;
        if !token.starts_with('#') {
            return Ok(token.to_owned());
        }
        let name = self.request["ExpressionAttributeNames"][token].as_str();
        Ok(name.with_context(|| format!("{token} names nothing"))?.to_owned())
    }

    fn value(&mut self) -> Result<Value> {
        let token = self.take()?;
        let value = self.request["ExpressionAttributeValues"].get(token);
        value.cloned().with_context(|| format!("{token} has no value"))
    }
}

fn tokens(text: &str) -> VecDeque<&str> {
    let mut tokens = VecDeque::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '#' | ':');
        let length = match rest.find(|c| !is_word(c)) {
            Some(0) if ["<=", ">="].iter().any(|sign| rest.starts_with(sign)) => 2,
            Some(0) => first.len_utf8(),
            Some(end) => end,
            None => rest.len(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push_back(token);
        rest = after.trim_start();
    }
    tokens
}

/// A set of strings; empty if there is none.
fn strings(value: Option<&Value>) -> BTreeSet<String> {
    let set = value.and_then(|value| value.get("SS")?.as_array());
    set.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    let number = |value: &Value| value.get("N")?.as_str()?.parse::<i128>().ok();
    match (number(left), number(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => Some(left.get("S")?.as_str()?.cmp(right.get("S")?.as_str()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(value: Value) -> Item {
        serde_json::from_value(value).unwrap()
    }

    fn request() -> Value {
        json!({
            "ExpressionAttributeNames": {"#r": "revision", "#set": "set"},
            "ExpressionAttributeValues": {":r": {"N": "3"}, ":one": {"N": "1"}, ":t": {"S": "b"}, ":ab": {"SS": ["a", "b"]}, ":b": {"SS": ["b"]}},
        })
    }

    #[test]
    fn conditions() {
        let item = item(json!({"revision": {"N": "3"}, "at": {"S": "a"}, "set": {"SS": ["a", "b"]}}));
        let check = |condition: &str, expect: bool| {
            assert_eq!(holds(condition, &request(), &item).unwrap(), expect, "{condition}");
        };
        check("#r = :r", true);
        check("#r > :one AND at < :t", true);
        check("#r <= :r AND at >= :t", false);
        check("attribute_not_exists(gone) AND attribute_exists(at)", true);
        check("gone = :r", false);
        check("(#r < :one OR at <= :t) AND attribute_exists(#set)", true);
        check("size(#set) > :one AND contains(#set, :t)", true);
        check("contains(at, :t) OR size(gone) < :r", false);
        for unknown in ["begins_with(at, :t)", "at BETWEEN :t AND :t", "NOT at = :t", "#r = :none", "at = :t :t"] {
            assert!(holds(unknown, &request(), &item).is_err(), "{unknown}");
        }
    }

    #[test]
    fn conditions_of_keys() {
        let read = |condition: &str| KeyCondition::new(condition, &request());
        let hash = || ("at".to_owned(), "b".to_owned());
        assert_eq!(read("at = :t").unwrap(), KeyCondition { hash: hash(), range: None });
        let range = Some(("revision".to_owned(), ">=".to_owned(), "b".to_owned()));
        assert_eq!(read("at = :t AND #r >= :t").unwrap(), KeyCondition { hash: hash(), range });
        for unknown in ["at < :t", "at = :one", "at = :t OR #r = :t", "at = :t AND #r BETWEEN :t AND :t", "at = :t :t"]
        {
            assert!(read(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn updates() {
        let before = item(json!({"revision": {"N": "3"}, "outbox": {"S": "x"}, "set": {"SS": ["a", "b"]}}));
        let check = |update: &str, expect: Value| {
            assert_eq!(updated(update, &request(), &before).unwrap(), item(expect), "{update}");
        };
        check("SET #r = :one, at = :t REMOVE outbox, gone, #set", json!({"revision": {"N": "1"}, "at": {"S": "b"}}));
        check("REMOVE revision, outbox DELETE #set :b", json!({"set": {"SS": ["a"]}}));
        check("REMOVE revision, outbox DELETE #set :ab", json!({}));
        check("REMOVE revision, outbox, #set ADD others :ab", json!({"others": {"SS": ["a", "b"]}}));
        assert!(updated("SET #r = #r + :one", &request(), &before).is_err());
    }
}
