//! What a stand-in is told to do, and what it has seen.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::Serialize;

/// How many requests are remembered.
const REMEMBERED: usize = 10_000;

/// Whose keys a stand-in takes.
#[derive(Clone)]
pub enum Keys {
    /// Everybody's.
    Any,
    /// These alone; another is refused with 401.
    Only(BTreeSet<String>),
}

/// A request that came in, and what it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// In upper case.
    pub method: String,
    /// With the query.
    pub path: String,
    /// What it asked for: a dispatch, events, a meter.
    pub about: Vec<String>,
    /// The status of the answer.
    pub status: u16,
}

/// A fault that is still to happen.
#[derive(Debug)]
struct Fault {
    /// None: whatever is asked for.
    about: Option<String>,
    status: u16,
    /// None: always.
    left: Option<u32>,
}

/// Shared between a stand-in and whoever directs it.
#[derive(Clone)]
pub struct Script(Arc<Mutex<Inner>>);

struct Inner {
    keys: Keys,
    keys_seen: BTreeSet<String>,
    faults: Vec<Fault>,
    seen: VecDeque<Seen>,
}

impl Script {
    /// No faults, nothing seen.
    pub fn new(keys: Keys) -> Self {
        let inner = Inner { keys, keys_seen: BTreeSet::new(), faults: Vec::new(), seen: VecDeque::new() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Requests for `about` (none: all) get this status: `times` of them, or, with none, every one from now on.
    pub fn fail(&self, about: Option<&str>, status: u16, times: Option<u32>) {
        self.lock().faults.push(Fault { about: about.map(str::to_owned), status, left: times });
    }

    /// Ends all faults.
    pub fn mend(&self) {
        self.lock().faults.clear();
    }

    /// The requests so far, the oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.iter().cloned().collect()
    }

    /// How many requests asked for `about`.
    pub fn requests(&self, about: &str) -> usize {
        self.lock().seen.iter().filter(|seen| seen.about.iter().any(|one| one == about)).count()
    }

    /// The keys that requests carried.
    pub fn keys_seen(&self) -> BTreeSet<String> {
        self.lock().keys_seen.clone()
    }

    /// Whether that key opens the door; it is remembered either way.
    pub(super) fn takes(&self, key: &str) -> bool {
        let mut inner = self.lock();
        inner.keys_seen.insert(key.to_owned());
        match &inner.keys {
            Keys::Any => true,
            Keys::Only(keys) => keys.contains(key),
        }
    }

    /// The status of the fault that such a request meets, if any; one more of its times is used up.
    pub(super) fn fault(&self, about: &[String]) -> Option<u16> {
        let mut inner = self.lock();
        let met = inner
            .faults
            .iter_mut()
            .find(|fault| fault.left != Some(0) && fault.about.as_ref().is_none_or(|wanted| about.contains(wanted)))?;
        met.left = met.left.map(|left| left - 1);
        Some(met.status)
    }

    pub(super) fn saw(&self, seen: Seen) {
        let mut inner = self.lock();
        if inner.seen.len() >= REMEMBERED {
            inner.seen.pop_front();
        }
        inner.seen.push_back(seen);
    }

    /// A panic elsewhere leaves nothing half done in here.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("Script").field("faults", &inner.faults).field("seen", &inner.seen.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_met_by_whom_they_concern_and_are_used_up() {
        let script = Script::new(Keys::Any);
        script.fail(Some("a"), 500, Some(2));
        script.fail(Some("b"), 503, None);
        let meet = |about: &str| script.fault(&[about.to_owned()]);
        assert_eq!([meet("a"), meet("c"), meet("a"), meet("a")], [Some(500), None, Some(500), None]);
        assert_eq!([meet("b"), meet("b"), meet("b")], [Some(503); 3]);
        script.mend();
        assert_eq!(meet("b"), None);
        script.fail(None, 429, Some(1));
        assert_eq!([meet("c"), meet("c")], [Some(429), None]);
    }

    #[test]
    fn a_key_is_shown_to_whoever_asks_for_it_and_not_in_a_debug_print() {
        let script = Script::new(Keys::Only(BTreeSet::from(["right".to_owned()])));
        assert!(script.takes("right") && !script.takes("wrong"));
        assert_eq!(script.keys_seen().len(), 2);
        assert_eq!(format!("{script:?}"), "Script { faults: [], seen: 0, .. }");
    }
}
