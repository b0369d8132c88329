//! The capacity that a table call consumes, as DynamoDB bills it on demand: a write unit for each KB, half a read unit
//! for each 4 KB of an eventually consistent read, and the writes of the indexes.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>

use std::ops::AddAssign;

use serde_json::Value;

use super::{expression::Item, indexes::Index};

const WRITE_UNIT_BYTES: usize = 1_024;
const READ_UNIT_BYTES: usize = 4_096;

/// Consumed capacity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Capacity {
    /// Write units.
    pub(crate) writes: usize,
    /// Half read units.
    pub(crate) half_reads: usize,
}

impl AddAssign for Capacity {
    fn add_assign(&mut self, other: Self) {
        self.writes += other.writes;
        self.half_reads += other.half_reads;
    }
}

impl Capacity {
    /// The capacity of reading so many bytes at once.
    pub(super) fn of_read(bytes: usize, consistent: bool) -> Self {
        let units = bytes.div_ceil(READ_UNIT_BYTES).max(1);
        Self { writes: 0, half_reads: if consistent { 2 * units } else { units } }
    }

    /// The capacity of a write. A refused write costs the larger of both items, but no index writes.
    pub(super) fn of_write(indexes: &[&Index], before: Option<&Item>, after: Option<&Item>, happened: bool) -> Self {
        let larger = before.map(size).max(after.map(size)).unwrap_or_default();
        let of_indexes = indexes.iter().filter(|_| happened).map(|index| index_writes(index, before, after));
        Self { writes: units(larger) + of_indexes.sum::<usize>(), half_reads: 0 }
    }
}

/// Removing an entry and adding one; both if it moves.
fn index_writes(index: &Index, before: Option<&Item>, after: Option<&Item>) -> usize {
    let (before, after) = (before.and_then(|item| index.entry(item)), after.and_then(|item| index.entry(item)));
    match (before, after) {
        (None, None) => 0,
        (None, Some(entry)) | (Some(entry), None) => units(size(&entry)),
        (Some(before), Some(after)) if before == after => 0,
        (Some(before), Some(after)) if index.is_moved(&before, &after) => units(size(&before)) + units(size(&after)),
        (Some(before), Some(after)) => units(size(&before).max(size(&after))),
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(WRITE_UNIT_BYTES).max(1)
}

/// An item's size: names and values, binary values decoded, a number as half its digits plus one byte.
pub(super) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    let text = |kind: &str| value.get(kind).and_then(Value::as_str);
    match (text("S"), text("N"), text("B")) {
        (Some(text), ..) => text.len(),
        (_, Some(digits), _) => digits.len().div_ceil(2) + 1,
        (.., Some(base64)) => base64.trim_end_matches('=').len() * 3 / 4,
        // Lists, maps and flags: three bytes plus their content. No index contains one.
        _ => 3 + value.to_string().len(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stub::indexes::INDEXES;

    fn item(value: &Value) -> Item {
        value.as_object().cloned().unwrap()
    }

    fn writes(before: Option<&Item>, after: Option<&Item>, happened: bool) -> usize {
        Capacity::of_write(&INDEXES.iter().collect::<Vec<_>>(), before, after, happened).writes
    }

    #[test]
    fn a_write_costs_its_size_and_an_entry_in_each_index_that_changes() {
        let pending = item(
            &json!({"subject": {"S": "s"}, "body": {"S": "x".repeat(1_100)}, "unsent": {"S": "1"}, "changed_at": {"S": "2"}}),
        );
        let mut sent = pending.clone();
        sent.remove("unsent");
        let check = |before: Option<&Item>, after: Option<&Item>, happened, expected| {
            assert_eq!(writes(before, after, happened), expected);
        };
        check(None, Some(&pending), true, 3);
        check(Some(&pending), Some(&sent), true, 3);
        check(Some(&sent), Some(&sent), true, 2);
        check(Some(&pending), Some(&sent), false, 2);
        check(None, None, false, 1);
    }

    #[test]
    fn an_entry_that_moves_within_an_index_is_two_writes() {
        let due = |at: &str| item(&json!({"subject": {"S": "s"}, "due": {"S": "1"}, "due_at": {"S": at}}));
        assert_eq!(writes(Some(&due("1")), Some(&due("2")), true), 3);
    }

    #[test]
    fn nothing_found_is_a_read_too() {
        assert_eq!(Capacity::of_read(0, true).half_reads, 2);
        assert_eq!(Capacity::of_read(4_097, false).half_reads, 2);
    }

    #[test]
    fn sizes_are_dynamodbs() {
        assert_eq!(size(&item(&json!({"a": {"S": "é"}, "b": {"N": "123"}, "c": {"B": "AAEC"}}))), 3 + 4 + 4);
    }
}
