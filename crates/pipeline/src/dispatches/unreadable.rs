//! Unreadable fields of a subject: each value of a field is stored once, however often it is delivered, fetched or
//! listed. People are notified of the stored values.

use std::collections::BTreeSet;

use dispatch::{Fact, FieldError, text::clip};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{alerts::condition::StageReport, fifo::fifo_id};

/// How many values are stored. If a provider sends more, they are reported again; the grouping of mails limits the
/// mails.
const REMEMBERED: usize = 64;

/// The longest report, in characters.
const MAX_DETAIL: usize = 1_500;

/// The longest stored reason for one field, in characters.
const MAX_REASON: usize = 300;

/// The unreadable values of one subject, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnreadableFields(Vec<Unreadable>);

/// A value of a field that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Unreadable {
    at: Timestamp,
    field: String,
    reason: String,
    digest: String,
}

impl UnreadableFields {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The unreadable values in the facts that are not stored yet.
    pub(crate) fn fresh(&self, facts: &[Fact]) -> Vec<FieldError> {
        let mut seen: BTreeSet<&str> = self.0.iter().map(|one| one.digest.as_str()).collect();
        let all = facts.iter().flat_map(|fact| &fact.field_errors);
        all.filter(|field_error| seen.insert(&field_error.digest)).cloned().collect()
    }

    /// The same with further values.
    #[must_use]
    pub(crate) fn with(mut self, fresh: Vec<FieldError>, at: Timestamp) -> Self {
        self.0.extend(fresh.into_iter().map(|FieldError { field, reason, digest }| Unreadable {
            at,
            field,
            reason: clip(&reason, MAX_REASON),
            digest,
        }));
        let excess = self.0.len().saturating_sub(REMEMBERED);
        self.0.drain(..excess);
        self
    }

    /// The values found from an instant on; each write that found some is one stage.
    pub(crate) fn since(&self, from: Timestamp, about: &str) -> Vec<(Timestamp, StageReport)> {
        let recent: Vec<&Unreadable> = self.0.iter().filter(|one| one.at > from).collect();
        let batches = recent.chunk_by(|one, next| one.at == next.at);
        batches
            .map(|batch| {
                let digests: Vec<&str> = batch.iter().map(|one| one.digest.as_str()).collect();
                let said: Vec<String> = batch.iter().map(|one| format!("{}: {}", one.field, one.reason)).collect();
                let detail = format!("{}; it is published without that", clip(&said.join("; "), MAX_DETAIL));
                (batch[0].at, StageReport { stage: fifo_id(&digests.join(" ")), about: about.to_owned(), detail })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use dispatch::{AccountEvent, FactBody, Origin, Subject};

    use super::*;

    fn fact(digests: &[&str]) -> Fact {
        let origin = Origin { source: "s".to_owned(), provider: "openvolt".to_owned(), sandbox: false };
        let said = AccountEvent {
            identity: "i".to_owned(),
            event: "e".to_owned(),
            delivery: "d".to_owned(),
            payload: serde_json::Value::Null,
        };
        let field_error = |digest: &&str| FieldError {
            field: "market".to_owned(),
            reason: "`market` is not a text".to_owned(),
            digest: (*digest).to_owned(),
        };
        let field_errors = digests.iter().map(field_error).collect();
        Fact { field_errors, ..Fact::new(origin, Subject::account("s"), FactBody::Account(said)) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn each_value_is_stored_once_and_the_oldest_are_forgotten() {
        let stored = UnreadableFields::default();
        let fresh = stored.fresh(&[fact(&["a", "b"]), fact(&["b", "c"])]);
        assert_eq!(fresh.iter().map(|one| one.digest.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        let stored = stored.with(fresh, at(0));
        assert!(stored.fresh(&[fact(&["c", "a"])]).is_empty());
        let many: Vec<String> = (0..REMEMBERED).map(|n| n.to_string()).collect();
        let many = fact(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let stored = stored.clone().with(stored.fresh(std::slice::from_ref(&many)), at(1));
        assert_eq!((stored.0.len(), stored.fresh(&[many]).len(), stored.fresh(&[fact(&["a"])]).len()), (64, 0, 1));
    }

    #[test]
    fn what_one_write_found_is_one_stage() {
        let stored = UnreadableFields::default();
        let fresh = stored.fresh(&[fact(&["a", "b"])]);
        let stored = stored.with(fresh, at(10));
        let fresh = stored.fresh(&[fact(&["c"])]);
        let stored = stored.with(fresh, at(20));
        let stages = |from| stored.since(at(from), "s/x").into_iter().map(|(at, _)| at).collect::<Vec<_>>();
        assert_eq!((stages(0), stages(10), stages(20)), (vec![at(10), at(20)], vec![at(20)], vec![]));
    }
}
