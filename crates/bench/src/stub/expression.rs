//! The DynamoDB expressions that the functions use: conditions, key conditions and updates, with top-level and nested
//! names.

use std::{cmp::Ordering, collections::BTreeSet};

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

/// An item: attribute → typed value, such as `{"S": "…"}`.
pub(crate) type Item = Map<String, Value>;

/// Whether an item meets a condition, with the request's names and values.
pub(crate) fn holds(condition: &str, request: &Value, item: &Item) -> Result<bool> {
    let mut reader = Reader { tokens: tokens(condition), at: 0, request, item };
    let verdict = reader.any()?;
    reader.end()?;
    Ok(verdict)
}

/// The item after an update.
pub(crate) fn updated(update: &str, request: &Value, item: &Item) -> Result<Item> {
    let mut reader = Reader { tokens: tokens(update), at: 0, request, item };
    let mut next = item.clone();
    while let Some(clause) = reader.take() {
        loop {
            let path = reader.path()?;
            match clause.to_ascii_uppercase().as_str() {
                "SET" => {
                    reader.expect("=")?;
                    let value = reader.sum()?;
                    set(&mut next, &path, value)?;
                }
                "REMOVE" => remove(&mut next, &path),
                "ADD" => {
                    let by = reader.value()?;
                    let known = get(item, &path);
                    let sum = match strings(&by) {
                        Some(by) => {
                            of_strings(known.as_ref().and_then(strings).unwrap_or_default().union(&by).cloned())
                        }
                        None => add(known.as_ref(), &by, 1)?,
                    };
                    set(&mut next, &path, sum)?;
                }
                "DELETE" => {
                    let (by, known) =
                        (reader.value()?, get(item, &path).as_ref().and_then(strings).unwrap_or_default());
                    let left: BTreeSet<String> = &known - &strings(&by).unwrap_or_default();
                    // An empty set does not exist.
                    if left.is_empty() { remove(&mut next, &path) } else { set(&mut next, &path, of_strings(left))? }
                }
                other => bail!("the clause {other} is not played here"),
            }
            if reader.peek() != Some(",") {
                break;
            }
            reader.at += 1;
        }
    }
    Ok(next)
}

struct Reader<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    request: &'a Value,
    item: &'a Item,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    fn take(&mut self) -> Option<&'a str> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn took(&mut self, word: &str) -> bool {
        let took = self.peek().is_some_and(|token| token.eq_ignore_ascii_case(word));
        self.at += usize::from(took);
        took
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.took(word) { Ok(()) } else { bail!("{word} expected before {:?}", self.peek()) }
    }

    fn end(&self) -> Result<()> {
        match self.peek() {
            Some(token) => bail!("{token} was not expected"),
            None => Ok(()),
        }
    }

    fn any(&mut self) -> Result<bool> {
        let mut verdict = self.all()?;
        while self.took("OR") {
            verdict |= self.all()?;
        }
        Ok(verdict)
    }

    fn all(&mut self) -> Result<bool> {
        let mut verdict = self.one()?;
        while self.took("AND") {
            verdict &= self.one()?;
        }
        Ok(verdict)
    }

    fn one(&mut self) -> Result<bool> {
        if self.took("NOT") {
            return Ok(!self.one()?);
        }
        if self.took("(") {
            let verdict = self.any()?;
            self.expect(")")?;
            return Ok(verdict);
        }
        for (function, wanted) in [("attribute_exists", true), ("attribute_not_exists", false)] {
            if self.took(function) {
                self.expect("(")?;
                let path = self.path()?;
                self.expect(")")?;
                return Ok(get(self.item, &path).is_some() == wanted);
            }
        }
        if self.took("contains") {
            self.expect("(")?;
            let path = self.path()?;
            self.expect(",")?;
            let wanted = self.operand()?;
            self.expect(")")?;
            let wanted = wanted.as_ref().and_then(|wanted| wanted.get("S")?.as_str());
            let known = get(self.item, &path).as_ref().and_then(strings).unwrap_or_default();
            return Ok(wanted.is_some_and(|wanted| known.contains(wanted)));
        }
        let left = self.operand()?;
        if self.took("BETWEEN") {
            let low = self.operand()?;
            self.expect("AND")?;
            let high = self.operand()?;
            let within = |bound: Option<Value>, side| compare(left.as_ref(), bound.as_ref()).is_some_and(|o| o != side);
            return Ok(within(low, Ordering::Less) && within(high, Ordering::Greater));
        }
        let Some(sign) = self.take() else { bail!("a comparison was expected") };
        let right = self.operand()?;
        let order = compare(left.as_ref(), right.as_ref());
        Ok(match sign {
            "=" => left.is_some() && left == right,
            // A missing value differs from every value.
            "<>" => left != right,
            "<" => order == Some(Ordering::Less),
            "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            ">" => order == Some(Ordering::Greater),
            ">=" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            other => bail!("{other} is no comparison that is played here"),
        })
    }

    fn sum(&mut self) -> Result<Value> {
        let mut value = self.value()?;
        while let Some(sign @ ("+" | "-")) = self.peek() {
            self.at += 1;
            let by = self.value()?;
            value = add(Some(&value), &by, if sign == "+" { 1 } else { -1 })?;
        }
        Ok(value)
    }

    fn value(&mut self) -> Result<Value> {
        if self.took("if_not_exists") {
            self.expect("(")?;
            let path = self.path()?;
            self.expect(",")?;
            let otherwise = self.value()?;
            self.expect(")")?;
            return Ok(get(self.item, &path).unwrap_or(otherwise));
        }
        match self.operand()? {
            Some(value) => Ok(value),
            None => bail!("an update names an attribute that is not there"),
        }
    }

    fn operand(&mut self) -> Result<Option<Value>> {
        if self.took("size") {
            self.expect("(")?;
            let path = self.path()?;
            self.expect(")")?;
            let size = get(self.item, &path).as_ref().and_then(strings).map(|set| set.len());
            return Ok(size.map(|size| json!({ "N": size.to_string() })));
        }
        if let Some(name) = self.peek().filter(|token| token.starts_with(':')) {
            self.at += 1;
            return match self.request.get("ExpressionAttributeValues").and_then(|values| values.get(name)) {
                Some(value) => Ok(Some(value.clone())),
                None => bail!("{name} has no value"),
            };
        }
        let path = self.path()?;
        Ok(get(self.item, &path))
    }

    fn path(&mut self) -> Result<Vec<String>> {
        let Some(token) = self.take() else { bail!("a name was expected") };
        token
            .split('.')
            .map(|name| match name.strip_prefix('#') {
                None => Ok(name.to_owned()),
                Some(_) => match self.request.get("ExpressionAttributeNames").and_then(|names| names.get(name)) {
                    Some(Value::String(real)) => Ok(real.clone()),
                    _ => bail!("{name} names nothing"),
                },
            })
            .collect()
    }
}

fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '#' | ':' | '.');
        let length = match rest.find(|c| !is_word(c)) {
            Some(0) if ["<>", "<=", ">="].iter().any(|sign| rest.starts_with(sign)) => 2,
            Some(0) => rest.chars().next().map_or(1, char::len_utf8),
            Some(end) => end,
            None => rest.len(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

fn get(item: &Item, path: &[String]) -> Option<Value> {
    let (first, deeper) = path.split_first()?;
    deeper.iter().try_fold(item.get(first)?, |value, name| value.get("M")?.get(name)).cloned()
}

fn set(item: &mut Item, path: &[String], value: Value) -> Result<()> {
    match path {
        [name] => drop(item.insert(name.clone(), value)),
        [first, deeper @ ..] => match item.get_mut(first).and_then(|value| value.get_mut("M")) {
            Some(Value::Object(map)) => set(map, deeper, value)?,
            _ => bail!("{first} is no map"),
        },
        [] => bail!("a path without a name"),
    }
    Ok(())
}

fn remove(item: &mut Item, path: &[String]) {
    match path {
        [name] => drop(item.remove(name)),
        [first, deeper @ ..] => {
            if let Some(Value::Object(map)) = item.get_mut(first).and_then(|value| value.get_mut("M")) {
                remove(map, deeper);
            }
        }
        [] => {}
    }
}

/// A set of strings.
fn strings(value: &Value) -> Option<BTreeSet<String>> {
    let set = value.get("SS")?.as_array()?;
    Some(set.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect())
}

fn of_strings(set: impl IntoIterator<Item = String>) -> Value {
    json!({ "SS": set.into_iter().collect::<Vec<_>>() })
}

fn number(value: &Value) -> Option<i128> {
    value.get("N")?.as_str()?.parse().ok()
}

fn add(value: Option<&Value>, by: &Value, sign: i128) -> Result<Value> {
    let known = value.map_or(Some(0), number);
    let (Some(known), Some(by)) = (known, number(by)) else { bail!("only whole numbers are added here") };
    Ok(json!({ "N": (known + sign * by).to_string() }))
}

fn compare(left: Option<&Value>, right: Option<&Value>) -> Option<Ordering> {
    let (left, right) = (left?, right?);
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
            "ExpressionAttributeNames": {"#r": "revision", "#s": "first", "#set": "set"},
            "ExpressionAttributeValues": {":r": {"N": "3"}, ":one": {"N": "1"}, ":t": {"S": "b"}, ":ab": {"SS": ["a", "b"]}, ":b": {"SS": ["b"]}},
        })
    }

    #[test]
    fn conditions() {
        let item = item(
            json!({"revision": {"N": "3"}, "at": {"S": "a"}, "set": {"SS": ["a", "b"]}, "mails": {"M": {"first": {"BOOL": true}}}}),
        );
        let check = |condition: &str, expect: bool| {
            assert_eq!(holds(condition, &request(), &item).unwrap(), expect, "{condition}");
        };
        check("#r = :r", true);
        check("revision<>:r", false);
        check("#r > :one AND at < :t", true);
        check("attribute_not_exists(gone) AND NOT attribute_exists(gone)", true);
        check("gone = :r", false);
        check("gone <> :r", true);
        check("(#r < :one OR at <= :t) AND attribute_exists(mails.#s)", true);
        check("at BETWEEN :t AND :t", false);
        check("size(#set) > :one AND contains(#set, :t)", true);
        check("contains(at, :t) OR size(gone) < :r", false);
        assert!(holds("begins_with(at, :t)", &request(), &item).is_err());
    }

    #[test]
    fn updates() {
        let before = item(json!({"revision": {"N": "3"}, "outbox": {"S": "x"}, "mails": {"M": {}}}));
        let check = |update: &str, expect: Value| {
            assert_eq!(updated(update, &request(), &before).unwrap(), item(expect), "{update}");
        };
        check(
            "SET #r = #r + :one, mails.#s = :t REMOVE outbox, gone",
            json!({"revision": {"N": "4"}, "mails": {"M": {"first": {"S": "b"}}}}),
        );
        check(
            "SET n = if_not_exists(n, :r) - :one ADD seen :one REMOVE revision, outbox, mails",
            json!({"n": {"N": "2"}, "seen": {"N": "1"}}),
        );
        check("ADD #set :ab REMOVE revision, outbox, mails", json!({"set": {"SS": ["a", "b"]}}));
        let before = item(json!({"set": {"SS": ["a", "b"]}}));
        let check = |update: &str, expect: Value| {
            assert_eq!(updated(update, &request(), &before).unwrap(), item(expect), "{update}");
        };
        check("DELETE #set :b", json!({"set": {"SS": ["a"]}}));
        check("DELETE #set :ab", json!({}));
    }
}
