//! Fields of a subject that could not be read: people are notified of each value of a field once, however often it is delivered,
//! fetched or listed.

use std::collections::BTreeSet;

use dispatch::{Diagnostic, Fact, Subject, fifo_id};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    incident::{Kind, Notice},
    work::clip,
};

/// How many diagnostics are remembered as reported. A provider that sends more is reported again, which its gathered mails bear.
const REMEMBERED: usize = 64;

/// How long a notice waits, in seconds: the mail names the sites, and they are written after it is sent.
pub(crate) const WRITTEN_S: u32 = 5;

/// The longest text of one report, in characters.
const MAX_DETAIL: usize = 1_500;

/// What was reported of one subject, by the diagnostics' digests, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reported(Vec<String>);

impl Reported {
    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the facts give cause to report and was not reported yet.
    pub(crate) fn fresh(&self, facts: &[Fact]) -> Vec<Diagnostic> {
        let mut seen: BTreeSet<&str> = self.0.iter().map(String::as_str).collect();
        let all = facts.iter().flat_map(|fact| &fact.diagnostics);
        all.filter(|diagnostic| seen.insert(&diagnostic.digest)).cloned().collect()
    }

    /// The same after these were reported as well.
    #[must_use]
    pub(crate) fn with(mut self, reported: &[Diagnostic]) -> Self {
        self.0.extend(reported.iter().map(|diagnostic| diagnostic.digest.clone()));
        let excess = self.0.len().saturating_sub(REMEMBERED);
        self.0.drain(..excess);
        self
    }
}

/// The notice of fields that could not be read: a mail about the subject, once for these values.
pub(crate) fn notice(subject: &Subject, diagnostics: &[Diagnostic], at: Timestamp) -> Notice {
    let digests: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.digest.as_str()).collect();
    let said: Vec<String> =
        diagnostics.iter().map(|Diagnostic { field, reason, .. }| format!("{field}: {reason}")).collect();
    let detail = format!("{}; it is published without that", clip(&said.join("; "), MAX_DETAIL));
    // An incident for each subject, since one has but a few mails. Sent again after a crash it is the same mail.
    Notice::happens(Kind::Quarantined, subject.source(), subject.to_string(), at, detail)
        .about_dispatch(Some(subject.clone()))
        .gathered_by(subject.to_string())
        .mailed_as(&fifo_id(&digests.join(" ")))
}

#[cfg(test)]
mod tests {
    use dispatch::{AccountEvent, Origin, Says};

    use super::*;

    fn fact(digests: &[&str]) -> Fact {
        let origin = Origin { source: "s".to_owned(), provider: "openvolt".to_owned(), sandbox: false };
        let said = AccountEvent {
            identity: "i".to_owned(),
            event: "e".to_owned(),
            delivery: "d".to_owned(),
            payload: serde_json::Value::Null,
        };
        let diagnostic = |digest: &&str| Diagnostic {
            field: "market".to_owned(),
            reason: "`market` is not a text".to_owned(),
            digest: (*digest).to_owned(),
        };
        let diagnostics = digests.iter().map(diagnostic).collect();
        Fact { diagnostics, ..Fact::new(origin, Subject::account("s"), Says::Account(said)) }
    }

    #[test]
    fn each_value_is_reported_once_and_the_oldest_are_forgotten() {
        let reported = Reported::default();
        let fresh = reported.fresh(&[fact(&["a", "b"]), fact(&["b", "c"])]);
        assert_eq!(fresh.iter().map(|one| one.digest.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        let reported = reported.with(&fresh);
        assert!(reported.fresh(&[fact(&["c", "a"])]).is_empty());
        let many: Vec<String> = (0..REMEMBERED).map(|n| n.to_string()).collect();
        let many = fact(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let reported = reported.clone().with(&reported.fresh(std::slice::from_ref(&many)));
        assert_eq!(
            (reported.0.len(), reported.fresh(&[many]).len(), reported.fresh(&[fact(&["a"])]).len()),
            (64, 0, 1)
        );
    }
}
