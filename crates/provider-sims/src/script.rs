//! The faults to come, and the requests so far.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{Fault, Misbehaviour};

/// How many requests are stored.
const REMEMBERED: usize = 10_000;

/// The keys that a simulator accepts.
#[derive(Clone)]
pub enum Keys {
    /// Every key.
    Any,
    /// Only these; another gets 401.
    Only(BTreeSet<String>),
}

/// A request and the status of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// The method, in upper case.
    pub method: String,
    /// The path below the provider's base.
    pub path: String,
    /// The ids in it: a dispatch, events, a meter.
    pub about: Vec<String>,
    /// The status of the answer; none while the request waits for a webhook.
    pub status: Option<u16>,
}

/// The faults to come, the requests so far, and the keys.
pub(crate) struct Script {
    keys: Keys,
    pub(crate) keys_seen: BTreeSet<String>,
    faults: Vec<Fault>,
    pub(crate) seen: VecDeque<Seen>,
}

impl Script {
    pub(crate) fn new(keys: Keys) -> Self {
        Self { keys, keys_seen: BTreeSet::new(), faults: Vec::new(), seen: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Ends all faults.
    pub(crate) fn mend(&mut self) {
        self.faults.clear();
    }

    /// Whether the key is valid. It is stored either way.
    pub(crate) fn takes(&mut self, key: &str) -> bool {
        self.keys_seen.insert(key.to_owned());
        match &self.keys {
            Keys::Any => true,
            Keys::Only(keys) => keys.contains(key),
        }
    }

    /// The first matching fault for those ids, if any. Uses up one of its times.
    pub(crate) fn meets(&mut self, about: &[String], sort: impl Fn(Misbehaviour) -> bool) -> Option<Misbehaviour> {
        let met = self.faults.iter_mut().find(|fault| {
            sort(fault.what)
                && fault.times != Some(0)
                && fault.about.as_ref().is_none_or(|wanted| about.contains(wanted))
        })?;
        met.times = met.times.map(|left| left - 1);
        Some(met.what)
    }

    pub(crate) fn saw(&mut self, seen: Seen) {
        if self.seen.len() >= REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
    }
}

/// Leaves out the keys.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("faults", &self.faults).field("seen", &self.seen.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_met_by_whom_they_concern_and_are_used_up() {
        let mut script = Script::new(Keys::Any);
        let fault = |status, about: Option<&str>, times| Fault {
            what: Misbehaviour::Status(status),
            about: about.map(str::to_owned),
            times,
        };
        script.add(fault(500, Some("a"), Some(2)));
        script.add(fault(503, Some("b"), None));
        let mut meet = |about: &str| script.meets(&[about.to_owned()], |_| true);
        let status = |status| Some(Misbehaviour::Status(status));
        assert_eq!([meet("a"), meet("c"), meet("a"), meet("a")], [status(500), None, status(500), None]);
        assert_eq!([meet("b"), meet("b"), meet("b")], [status(503); 3]);
        script.mend();
        assert_eq!(script.meets(&["b".to_owned()], |_| true), None);
        script.add(fault(429, None, Some(1)));
        assert_eq!([script.meets(&[], |_| true), script.meets(&[], |_| true)], [status(429), None]);
    }

    #[test]
    fn a_key_is_remembered_and_not_in_a_debug_print() {
        let mut script = Script::new(Keys::Only(BTreeSet::from(["right".to_owned()])));
        assert!(script.takes("right") && !script.takes("wrong"));
        assert_eq!(script.keys_seen.len(), 2);
        assert_eq!(format!("{script:?}"), "Script { faults: [], seen: 0, .. }");
    }
}
