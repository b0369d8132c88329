//! The sparse indexes, sorted as DynamoDB keeps them: a query touches only the entries that it returns. A stand-in that
//! searched its tables would empty the caches of the cores that the measured functions share with it.

use std::{
    collections::BTreeMap,
    ops::Bound::{self, Excluded, Included, Unbounded},
};

use anyhow::{Result, ensure};

use super::{
    expression::{Item, KeyCondition},
    tables::{primary, text},
};

/// A sparse index: it contains the items that have its hash key.
#[derive(Debug)]
pub(super) struct Index {
    table: &'static str,
    pub(super) name: &'static str,
    pub(super) hash: &'static str,
    range: &'static str,
    /// The attributes besides the keys.
    included: &'static [&'static str],
}

/// The indexes in `infra/template.yaml`.
pub(super) const INDEXES: [Index; 9] = [
    Index { table: "dispatches", name: "unsent", hash: "unsent", range: "changed_at", included: &[] },
    Index { table: "dispatches", name: "due", hash: "due", range: "due_at", included: &[] },
    Index {
        table: "dispatches",
        name: "active",
        hash: "active",
        range: "until",
        included: &["full_key", "summary", "summary_of", "summary_set"],
    },
    Index {
        table: "dispatches",
        name: "changes",
        hash: "changed_in",
        range: "changed_at",
        included: &["full_key", "version", "active", "summary", "summary_of", "summary_set"],
    },
    Index { table: "deliveries", name: "watched", hash: "watched", range: "watched_at", included: &["condition"] },
    Index { table: "deliveries", name: "events", hash: "incident", range: "watched_at", included: &["news"] },
    Index { table: "alerts", name: "open", hash: "open", range: "opened_at", included: &[] },
    Index { table: "alerts", name: "waiting", hash: "waiting_in", range: "sorts_by", included: &[] },
    Index { table: "outputs", name: "waiting", hash: "waiting_for", range: "next_at", included: &["summary"] },
];

impl Index {
    /// The index entry of an item; none if the item is not in the index.
    pub(super) fn entry(&self, item: &Item) -> Option<Item> {
        // The item must have both keys.
        item.get(self.hash).and(item.get(self.range))?;
        let names = [primary(self.table).ok()?, self.hash, self.range].into_iter().chain(self.included.iter().copied());
        Some(names.filter_map(|name| Some((name.to_owned(), item.get(name)?.clone()))).collect())
    }

    /// The values of the two keys; none if the item is not in the index.
    fn keys(&self, item: &Item) -> Option<(String, String)> {
        Some((text(item, self.hash)?, text(item, self.range)?))
    }

    /// Whether the two entries of one item have different keys.
    pub(super) fn is_moved(&self, before: &Item, after: &Item) -> bool {
        [self.hash, self.range].into_iter().any(|key| before.get(key) != after.get(key))
    }
}

/// The indexes of a table.
pub(super) fn of_table(table: &str) -> impl Iterator<Item = &'static Index> {
    INDEXES.iter().filter(move |index| index.table == table)
}

/// A range key and a primary key: the order of entries.
type Place = (String, String);

/// The entries of each index, by table, index and the value of its hash key.
#[derive(Debug, Default)]
pub(super) struct Entries(BTreeMap<(&'static str, &'static str, String), Partition>);

/// The entries with one hash key.
type Partition = BTreeMap<Place, Item>;

impl Entries {
    /// Follows a write of the item with that primary key.
    pub(super) fn update(&mut self, index: &Index, key: &str, before: Option<&Item>, after: Option<&Item>) {
        if let Some((hash, range)) = before.and_then(|item| index.keys(item))
            && let Some(entries) = self.0.get_mut(&(index.table, index.name, hash))
        {
            entries.remove(&(range, key.to_owned()));
        }
        if let Some(item) = after
            && let Some((hash, range)) = index.keys(item)
            && let Some(entry) = index.entry(item)
        {
            self.0.entry((index.table, index.name, hash)).or_default().insert((range, key.to_owned()), entry);
        }
    }

    /// The entries that meet the condition, in the order of the range key.
    pub(super) fn query(&self, index: &Index, condition: &KeyCondition) -> Result<Vec<&Item>> {
        let range = condition.range.as_ref();
        ensure!(
            condition.hash.0 == index.hash && range.is_none_or(|(name, ..)| name == index.range),
            "{condition:?} is not about the keys of {index:?}"
        );
        let partition = (index.table, index.name, condition.hash.1.clone());
        let Some(entries) = self.0.get(&partition) else { return Ok(Vec::new()) };
        // A primary key sorts before all characters up to this one.
        let at = |value: &str, last: bool| (value.to_owned(), if last { char::MAX.to_string() } else { String::new() });
        let bounds: (Bound<Place>, Bound<Place>) = match range {
            None => (Unbounded, Unbounded),
            Some((_, sign, value)) => match sign.as_str() {
                "<" => (Unbounded, Excluded(at(value, false))),
                "<=" => (Unbounded, Included(at(value, true))),
                ">" => (Excluded(at(value, true)), Unbounded),
                ">=" => (Included(at(value, false)), Unbounded),
                _ => (Included(at(value, false)), Included(at(value, true))),
            },
        };
        Ok(entries.range(bounds).map(|(_, entry)| entry).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn index() -> &'static Index {
        of_table("dispatches").find(|index| index.name == "unsent").unwrap()
    }

    fn item(key: &str, changed_at: &str) -> Item {
        let item = json!({ "subject": { "S": key }, "unsent": { "S": "s" }, "changed_at": { "S": changed_at } });
        serde_json::from_value(item).unwrap()
    }

    fn found(entries: &Entries, range: Option<(&str, &str)>) -> String {
        let range = range.map(|(sign, value)| ("changed_at".to_owned(), sign.to_owned(), value.to_owned()));
        let condition = KeyCondition { hash: ("unsent".to_owned(), "s".to_owned()), range };
        let found = entries.query(index(), &condition).unwrap();
        found.into_iter().map(|entry| text(entry, "subject").unwrap()).collect()
    }

    #[test]
    fn a_query_finds_what_its_range_names_in_order() {
        let mut entries = Entries::default();
        for (key, changed_at) in [("d", "3"), ("c", "2"), ("a", "1"), ("b", "2")] {
            entries.update(index(), key, None, Some(&item(key, changed_at)));
        }
        let expected = [("=", "bc"), ("<", "a"), ("<=", "abc"), (">", "d"), (">=", "bcd")];
        assert_eq!(
            expected.map(|(sign, _)| (sign, found(&entries, Some((sign, "2"))))),
            expected.map(|(s, f)| (s, f.to_owned()))
        );
        assert_eq!(found(&entries, None), "abcd");
    }

    #[test]
    fn an_entry_follows_its_item() {
        let mut entries = Entries::default();
        let (before, after) = (item("a", "1"), item("a", "3"));
        entries.update(index(), "a", None, Some(&before));
        entries.update(index(), "a", Some(&before), Some(&after));
        assert_eq!((found(&entries, Some(("<", "3"))), found(&entries, None)), (String::new(), "a".to_owned()));
        entries.update(index(), "a", Some(&after), None);
        assert_eq!(found(&entries, None), "");
    }
}
