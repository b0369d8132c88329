//! How many requests a source gets. Each process has its own share of the allowance; requests beyond it come out of one
//! budget that all processes share. In a burst the source's list answers in place of thousands of single requests.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use dispatch::Subject;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many processes of the hydrator run at once, unless configured.
const PROCESSES: u32 = 10;

/// How many requests a minute a provider is assumed to allow if neither it nor the configuration states a number and
/// its list can answer the rest.
pub const USUAL_A_MINUTE: u32 = 300;

/// More than any process sends: if only single requests can answer, the provider's refusal alone limits them.
pub const UNBOUNDED_A_MINUTE: u32 = 600_000;

/// The minimum for a provider that refuses requests and does not state how many it allows.
const LEAST_A_MINUTE: u32 = 30;

/// The tenths of the allowance that processes use without permission. With the shared ones that is a little less than
/// the whole allowance.
const OWN_TENTHS: u32 = 6;
const SHARED_TENTHS: u32 = 3;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Requests are counted in slots of so many seconds.
const SLOT_S: i64 = 10;

/// How long a request is counted: a minute, its slot, and the time between its permission and the request.
const COUNTED: SignedDuration = SignedDuration::from_secs(80);

/// So many tenths of the shared requests within [`LATELY`] are a burst: the others are for dispatches that the list
/// does not show.
const BURST_TENTHS: u32 = 4;
const LATELY: SignedDuration = SignedDuration::from_secs(20);

/// A burst ends this long after the latest request that would have exceeded it.
const BURST_LASTS: SignedDuration = SignedDuration::from_secs(30);

/// How long a refusal for too many requests lowers the allowance.
const LOWERED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// More dispatches are not stored: a table item has at most 400 KB.
const MAX_NOTED: usize = 50_000;

/// How many bytes of a subject's hash stand for it.
const MARK_BYTES: usize = 6;

/// The stored part of a source's budget, in its poll state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Recently permitted requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    granted: Vec<Granted>,
    /// The provider currently allows less than usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lowered: Option<Lowered>,
    /// More requests are needed than single requests can answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burst: Option<Burst>,
    /// How many reads of the source's list have begun. A fetch request that waits since number n is answered by a later
    /// one, whatever the clocks of two processes show.
    #[serde(default)]
    pub lists: u64,
    /// The number of the latest good list; 0: none.
    #[serde(default)]
    pub listed: u64,
    /// The number of the latest failed list; 0: none.
    #[serde(default)]
    pub failed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Granted {
    at: Timestamp,
    count: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lowered {
    at: Timestamp,
    a_minute: u32,
}

/// A burst of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// Since when.
    pub since: Timestamp,
    /// Until when, unless it is extended.
    pub until: Timestamp,
}

impl Budget {
    /// Whether no request was ever counted.
    pub fn is_unused(&self) -> bool {
        *self == Self::default()
    }

    /// Permits as many of the wanted requests as the allowance has left.
    pub fn take(&mut self, wanted: u32, a_minute: u32, now: Timestamp) -> u32 {
        let slot = now.as_second() - now.as_second().rem_euclid(SLOT_S);
        let at = Timestamp::from_second(slot).unwrap_or(now);
        // A slot from a wrong clock may lie far in the future.
        self.granted.retain(|granted| now.duration_since(granted.at).abs() < COUNTED);
        let used: u32 = self.granted.iter().map(|granted| granted.count).sum();
        let count = wanted.min(self.shared(a_minute, now).saturating_sub(used));
        match self.granted.iter_mut().find(|granted| granted.at == at) {
            Some(granted) => granted.count += count,
            None if count > 0 => self.granted.push(Granted { at, count }),
            None => {}
        }
        count
    }

    /// The shared part of the allowance. After a refusal the whole allowance is shared.
    fn shared(&self, a_minute: u32, now: Timestamp) -> u32 {
        match self.lowered(now) {
            Some(lowered) => lowered.min(a_minute),
            None => (a_minute * SHARED_TENTHS / 10).max(1),
        }
    }

    /// The lowered allowance, while it is lowered.
    pub fn lowered(&self, now: Timestamp) -> Option<u32> {
        let lowered = self.lowered.as_ref();
        lowered.filter(|lowered| now.duration_since(lowered.at) < LOWERED_FOR).map(|lowered| lowered.a_minute)
    }

    /// The provider refused a request because there were too many. `said`: how many it allows in a minute, if stated.
    pub fn lower(&mut self, said: Option<u32>, a_minute: u32, now: Timestamp) {
        let known = self.lowered(now).unwrap_or(a_minute);
        let lowered = said.unwrap_or(known / 2).clamp(LEAST_A_MINUTE.min(a_minute), a_minute.max(1));
        self.lowered = Some(Lowered { at: now, a_minute: lowered });
    }

    /// Whether so many further requests are more than single requests should answer.
    pub fn is_too_much(&self, more: u32, a_minute: u32, now: Timestamp) -> bool {
        let recent = self.granted.iter().filter(|granted| now.duration_since(granted.at).abs() < LATELY);
        recent.map(|granted| granted.count).sum::<u32>() + more > self.shared(a_minute, now) * BURST_TENTHS / 10
    }

    /// The burst, while it lasts.
    pub fn burst(&self, now: Timestamp) -> Option<Burst> {
        self.burst.filter(|burst| now < burst.until)
    }

    /// Begins or extends the burst; returns whether that must be stored.
    pub fn bursts(&mut self, now: Timestamp) -> bool {
        let known = self.burst(now);
        if known.is_some_and(|known| known.until.duration_since(now) > BURST_LASTS / 2) {
            return false;
        }
        self.burst = Some(Burst { since: known.map_or(now, |known| known.since), until: now + BURST_LASTS });
        true
    }
}

/// The dispatches of a good list in a burst that are settled or passed on. A fetch request that waited for the list
/// needs no request of its own for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The source: the key.
    pub source: String,
    /// The number of the list.
    pub list: u64,
    /// The first bytes of the hashes of the dispatches' subjects, sorted.
    marks: String,
}

impl Shown {
    /// The dispatches of that list. None if there are more than an item can store.
    pub fn of<'a>(source: &str, list: u64, subjects: impl IntoIterator<Item = &'a Subject>) -> Option<Self> {
        let mut marks: Vec<[u8; MARK_BYTES]> = subjects.into_iter().map(mark).collect();
        marks.sort_unstable();
        marks.dedup();
        (marks.len() <= MAX_NOTED).then(|| Self {
            source: source.to_owned(),
            list,
            marks: BASE64_STANDARD_NO_PAD.encode(marks.concat()),
        })
    }

    /// Its stored size in bytes.
    pub fn bytes(&self) -> usize {
        self.marks.len() * 3 / 4
    }

    fn marks(&self) -> Vec<[u8; MARK_BYTES]> {
        let bytes = BASE64_STANDARD_NO_PAD.decode(&self.marks).unwrap_or_default();
        bytes.as_chunks::<MARK_BYTES>().0.to_vec()
    }
}

fn mark(subject: &Subject) -> [u8; MARK_BYTES] {
    let mut mark = [0; MARK_BYTES];
    mark.copy_from_slice(&Sha256::digest(subject.as_str().as_bytes())[..MARK_BYTES]);
    mark
}

/// The dispatches of a list, in a process's memory.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(crate) list: u64,
    marks: Vec<[u8; MARK_BYTES]>,
}

impl Remembered {
    pub(crate) fn of(shown: &Shown) -> Arc<Self> {
        Arc::new(Self { list: shown.list, marks: shown.marks() })
    }

    pub(crate) fn shows(&self, subject: &Subject) -> bool {
        self.marks.binary_search(&mark(subject)).is_ok()
    }
}

/// A process's own share of each source's allowance during its life, and its cached data of the source.
#[derive(Debug)]
pub struct LocalBudgets {
    processes: u32,
    by_source: Mutex<BTreeMap<String, Share>>,
}

impl Default for LocalBudgets {
    fn default() -> Self {
        Self::among(PROCESSES)
    }
}

#[derive(Debug, Default)]
struct Share {
    asked: VecDeque<Timestamp>,
    /// The provider has refused requests: until then the process has no share of its own.
    none_until: Option<Timestamp>,
    /// The source has no limit: until then the process sends all requests without permission.
    unbounded_until: Option<Timestamp>,
    shown: Option<Arc<Remembered>>,
}

impl LocalBudgets {
    /// The budget of one of so many processes.
    pub fn among(processes: u32) -> Self {
        Self { processes: processes.max(1), by_source: Mutex::default() }
    }

    /// Whether so many further requests are within the process's own share. If so, they are counted.
    pub(crate) fn take(&self, source: &str, wanted: u32, a_minute: u32, now: Timestamp) -> bool {
        self.with(source, |share| {
            share.asked.retain(|at| now.duration_since(*at).abs() < MINUTE);
            let own = a_minute * OWN_TENTHS / 10 / self.processes;
            let used = u32::try_from(share.asked.len()).unwrap_or(u32::MAX);
            let is_refused = share.none_until.is_some_and(|until| now < until);
            let is_unbounded = share.unbounded_until.is_some_and(|until| now < until);
            if is_refused || (!is_unbounded && used.saturating_add(wanted) > own) {
                return false;
            }
            share.asked.extend((0..wanted).map(|_| now));
            true
        })
    }

    /// The provider refuses requests: the process has no share of its own while the allowance is lowered.
    pub(crate) fn none(&self, source: &str, now: Timestamp) {
        self.with(source, |share| share.none_until = Some(now + LOWERED_FOR));
    }

    /// The source has no limit: for a minute no permission is needed.
    pub(crate) fn unbound(&self, source: &str, now: Timestamp) {
        self.with(source, |share| share.unbounded_until = Some(now + MINUTE));
    }

    pub(crate) fn shown(&self, source: &str) -> Option<Arc<Remembered>> {
        self.with(source, |share| share.shown.clone())
    }

    pub(crate) fn remember(&self, source: &str, shown: Arc<Remembered>) {
        self.with(source, |share| share.shown = Some(shown));
    }

    fn with<T>(&self, source: &str, act: impl FnOnce(&mut Share) -> T) -> T {
        // No code under this lock can leave the data half changed.
        let mut local_budgets = self.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        act(local_budgets.entry(source.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn no_minute_sees_more_requests_than_are_allowed() {
        let (mut budget, mut granted) = (Budget::default(), Vec::new());
        let local_budgets: Vec<LocalBudgets> = (0..PROCESSES).map(|_| LocalBudgets::default()).collect();
        for second in 0..600 {
            for share in &local_budgets {
                let wanted = 1 + u32::try_from(second % 7).unwrap();
                let count = if share.take("s", wanted, 300, at(second)) {
                    wanted
                } else {
                    budget.take(wanted, 300, at(second))
                };
                granted.push((second, count));
            }
        }
        let within =
            |from: i64| granted.iter().filter(|(at, _)| (from..from + 60).contains(at)).map(|(_, n)| n).sum::<u32>();
        let most = (0..600).map(within).max().unwrap();
        assert!((250..=300).contains(&most), "{most}");
    }

    #[test]
    fn a_refusal_lowers_what_is_left_and_for_a_while_only() {
        let mut budget = Budget::default();
        assert_eq!(budget.take(1_000, 300, at(0)), 90);
        budget.lower(None, 300, at(1));
        assert_eq!((budget.lowered(at(1)), budget.take(1_000, 300, at(1))), (Some(150), 60));
        budget.lower(Some(40), 300, at(2));
        assert_eq!((budget.lowered(at(2)), budget.take(1_000, 300, at(2))), (Some(40), 0));
        budget.lower(Some(0), 300, at(3));
        assert_eq!(budget.lowered(at(3)), Some(LEAST_A_MINUTE));
        assert_eq!((budget.lowered(at(700)), budget.take(1_000, 300, at(700))), (None, 90));
        let share = LocalBudgets::default();
        assert!(share.take("s", 1, 300, at(0)));
        share.none("s", at(0));
        assert!(!share.take("s", 1, 300, at(1)) && share.take("s", 1, 300, at(700)) && share.take("t", 1, 300, at(1)));
    }

    #[test]
    fn a_burst_goes_on_while_it_is_joined_and_is_stored_now_and_then() {
        let mut budget = Budget::default();
        assert!(!budget.is_too_much(36, 300, at(0)) && budget.is_too_much(37, 300, at(0)));
        assert!(budget.bursts(at(0)) && !budget.bursts(at(5)) && budget.bursts(at(20)));
        assert_eq!(budget.burst(at(45)).map(|burst| burst.since), Some(at(0)));
        assert_eq!(budget.burst(at(50)), None);
    }

    #[test]
    fn what_a_list_showed_reads_back_and_nothing_else_does() {
        let subject = |n: u32| Subject::dispatch("voltus-prod", &format!("d{n}"));
        let subjects: Vec<Subject> = (0..10_000).map(subject).collect();
        let shown = Shown::of("voltus-prod", 7, &subjects).unwrap();
        let shown: Shown = serde_json::from_str(&serde_json::to_string(&shown).unwrap()).unwrap();
        let remembered = Remembered::of(&shown);
        assert!(remembered.list == 7 && subjects.iter().all(|subject| remembered.shows(subject)));
        assert!((10_000..20_000).all(|n| !remembered.shows(&subject(n))));
        let many: Vec<Subject> = (0..=50_000).map(subject).collect();
        assert_eq!(Shown::of("voltus-prod", 7, &many), None);
    }
}
