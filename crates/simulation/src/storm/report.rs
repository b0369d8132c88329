//! The result of a storm, and whether it meets the goals.

use std::collections::{HashMap, HashSet};

use dispatch::Subject;
use jiff::{SignedDuration, Timestamp};
use pipeline::mail::Mail;

use super::{Storm, Storming, driver::SOURCE};
use crate::{Function, Inner};

/// The longest time from the last webhook to the last signal.
const LAST_SIGNAL: SignedDuration = SignedDuration::from_secs(90);

/// The longest time from the end of an outage to the last signal.
const RECOVERED: SignedDuration = SignedDuration::from_secs(120);

/// The longest delay of a deadline check.
const CHECKED: SignedDuration = SignedDuration::from_secs(5);

/// The longest delay of a mail.
const MAILED: SignedDuration = SignedDuration::from_secs(10);

/// The deadlines in the storm's configuration.
const IMMEDIATE: SignedDuration = SignedDuration::from_secs(60);
const LEAD: SignedDuration = SignedDuration::from_secs(600);

/// The usage that AWS bills.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Requests of the HTTP API.
    pub http: u64,
    /// Invocations.
    pub invocations: u64,
    /// GB-seconds at 256 MB.
    pub gb_s: f64,
    /// Requests to standard queues.
    pub standard: u64,
    /// Requests to the FIFO queue.
    pub fifo: u64,
    /// Write units.
    pub writes: u64,
    /// Read units.
    pub reads: u64,
    /// Mails.
    pub mails: u64,
}

/// The result of a storm. Times are in seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StormReport {
    /// Webhooks sent, and webhooks accepted.
    pub webhooks: (usize, usize),
    /// Published dispatches of the storm.
    pub signals: usize,
    /// The time from a webhook to its signal: median, 99th percentile, maximum.
    pub latency_s: [f64; 3],
    /// The time from the last webhook, or from the end of the outage, to the last signal.
    pub last_signal_s: f64,
    /// Requests to the provider: all, those for its list, the most in a minute, and those refused by the rate limit.
    pub requests: [usize; 4],
    /// The size of the longest list, in bytes.
    pub list_bytes: usize,
    /// Incidents: all, and those open at the end.
    pub incidents: (usize, usize),
    /// The keys of the first incidents.
    pub first_incidents: Vec<String>,
    /// Dispatches not published by their deadline, and how late the last mail about one was; none if one has no mail.
    pub mailed: (usize, Option<f64>),
    /// Deadlines checked, and how late the last check was.
    pub deadlines: (usize, f64),
    /// The most write units in a second.
    pub most_writes: u64,
    /// Invocations that exceeded their time-out.
    pub too_long: usize,
    /// Messages left in the queues.
    pub left: usize,
    /// The billed usage, including the time before the first webhook.
    pub usage: Usage,
    /// The missed goals, in words.
    pub missed: Vec<String>,
}

/// A webhook and its result.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) at: Timestamp,
    pub(super) id: String,
    pub(super) taken_at: Option<Timestamp>,
    signal_at: Option<Timestamp>,
    checked_at: Option<Timestamp>,
}

/// The observations.
pub(super) struct Seen {
    pub(super) posts: Vec<Post>,
    of: HashMap<String, usize>,
    pub(super) batches: u64,
    usage: Usage,
    too_long: usize,
}

impl Seen {
    pub(super) fn new(posts: Vec<(Timestamp, String)>) -> Self {
        let of = posts.iter().enumerate().map(|(number, (_, id))| (format!("{SOURCE}/{id}"), number)).collect();
        let post = |(at, id)| Post { at, id, taken_at: None, signal_at: None, checked_at: None };
        let posts = posts.into_iter().map(post).collect();
        Self { posts, of, batches: 0, usage: Usage::default(), too_long: 0 }
    }

    pub(super) fn ran(&mut self, _function: Function, is_http: bool, took: SignedDuration, most: SignedDuration) {
        self.usage.invocations += 1;
        self.usage.http += u64::from(is_http);
        self.usage.gb_s += took.as_secs_f64() * 0.25;
        self.too_long += usize::from(took > most);
    }

    pub(super) fn checked(&mut self, subject: &Subject, at: Timestamp) {
        if let Some(post) = self.of.get(subject.as_str()) {
            self.posts[*post].checked_at.get_or_insert(at);
        }
    }

    pub(super) fn signal(&mut self, subject: &str, at: Timestamp) {
        if let Some(post) = self.of.get(subject) {
            self.posts[*post].signal_at.get_or_insert(at);
        }
    }

    pub(super) fn outcome(
        self,
        storm: &Storm,
        storming: &Storming,
        outage: Option<(Timestamp, Timestamp)>,
        (incidents, first_incidents): ((usize, usize), Vec<String>),
        mails: &[(Timestamp, Mail)],
        fifo: usize,
    ) -> StormReport {
        let voltus = &storming.voltus;
        let mut latency_s: Vec<f64> =
            self.posts.iter().filter_map(|post| Some(post.signal_at?.duration_since(post.at).as_secs_f64())).collect();
        latency_s.sort_by(f64::total_cmp);
        let share = |tenths_of_percent: usize| {
            latency_s
                .get((latency_s.len() * tenths_of_percent / 1_000).min(latency_s.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0.0)
        };
        let last_post = self.posts.iter().map(|post| post.at).max().unwrap_or_default();
        let since = outage.map_or(last_post, |(_, back_at)| back_at.max(last_post));
        let last_signal = self.posts.iter().filter_map(|post| post.signal_at).max().unwrap_or(since);
        let last_announced = super::driver::begins() + storm.window;
        let late = self.posts.iter().filter_map(|post| {
            let published = post.signal_at?;
            // A dispatch published after its deadline was due cannot be checked in time.
            let due = (storm.start(post.at, last_announced) - LEAD).max(post.at + IMMEDIATE);
            (due > published).then_some(post.checked_at?.duration_since(due).as_secs_f64())
        });
        let late: Vec<f64> = late.collect();
        let left = Inner::READ.iter().filter_map(|queue| storming.lines.get(queue)).map(super::line::Line::len).sum();
        let usage = Usage {
            // Each acknowledgement also comes through the HTTP API.
            http: self.usage.http + u64::try_from(fifo).unwrap_or(0),
            standard: storming.standard + 2 * self.batches,
            fifo: storming.calls.get("signals.send").copied().unwrap_or(0),
            writes: storming.writes.values().sum(),
            reads: storming.half_reads / 2,
            mails: u64::try_from(mails.len()).unwrap_or(0),
            ..self.usage
        };
        let mut outcome = StormReport {
            webhooks: (self.posts.len(), self.posts.iter().filter(|post| post.taken_at.is_some()).count()),
            signals: latency_s.len(),
            latency_s: [share(500), share(990), share(1_000)],
            last_signal_s: last_signal.duration_since(since).as_secs_f64(),
            requests: [
                voltus.asked.len(),
                voltus.lists,
                voltus.most_in_a_minute(),
                voltus.asked.iter().filter(|(_, refused)| *refused).count(),
            ],
            list_bytes: voltus.list_bytes,
            incidents,
            first_incidents,
            mailed: self.mailed(mails),
            deadlines: (late.len(), late.iter().copied().fold(0.0, f64::max)),
            most_writes: storming.writes.values().copied().max().unwrap_or(0),
            too_long: self.too_long,
            left,
            usage,
            missed: Vec::new(),
        };
        outcome.missed = outcome.misses(storm);
        outcome
    }

    /// Dispatches not published by their deadline, and how late the last mail was.
    fn mailed(&self, mails: &[(Timestamp, Mail)]) -> (usize, Option<f64>) {
        let mut named: HashMap<&str, Timestamp> = HashMap::new();
        for (at, mail) in mails {
            let texts = [mail.subject.as_str(), mail.text.as_str()];
            let keys: HashSet<&str> = texts.iter().flat_map(|text| keys(text)).collect();
            for key in keys {
                named.entry(key).or_insert(*at);
            }
        }
        let overdue = self.posts.iter().filter_map(|post| {
            let due = post.taken_at? + IMMEDIATE;
            post.signal_at.is_none_or(|at| at > due).then_some((post, due))
        });
        let late = overdue.map(|(post, due)| {
            Some(named.get(format!("{SOURCE}/{}", post.id).as_str())?.duration_since(due).as_secs_f64())
        });
        let late: Vec<Option<f64>> = late.collect();
        (late.len(), late.into_iter().try_fold(0.0, |most, late| Some(late?.max(most))))
    }
}

/// The keys of the dispatches in a text.
fn keys(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(SOURCE).filter_map(|(at, _)| {
        let rest = &text[at..];
        let id = rest.strip_prefix(SOURCE)?.strip_prefix('/')?;
        let bytes = id.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(id.len());
        rest.get(..SOURCE.len() + 1 + bytes)
    })
}

impl StormReport {
    fn misses(&self, storm: &Storm) -> Vec<String> {
        let most = if storm.outage.is_some() { RECOVERED } else { LAST_SIGNAL }.as_secs_f64();
        let allowance = usize::try_from(storm.allowance).unwrap_or(usize::MAX);
        let goals = [
            (
                self.signals == self.webhooks.0,
                format!("{} of {} dispatches are published", self.signals, self.webhooks.0),
            ),
            (
                self.last_signal_s <= most,
                format!("the last signal comes {:.0} s after, not {most:.0} s", self.last_signal_s),
            ),
            (
                self.requests[2] <= allowance,
                format!("{} requests in a minute, {allowance} are allowed", self.requests[2]),
            ),
            (
                storm.outage.is_some() || self.incidents.0 == 0,
                format!("{} incidents, such as {}", self.incidents.0, self.first_incidents.join(", ")),
            ),
            (self.incidents.1 == 0, format!("{} incidents are not resolved", self.incidents.1)),
            (
                self.deadlines.1 <= CHECKED.as_secs_f64(),
                format!("a deadline is checked {:.1} s late", self.deadlines.1),
            ),
            (
                self.mailed.1.is_some_and(|late| late <= MAILED.as_secs_f64()),
                format!("of {} overdue dispatches one is mailed {:?} s late", self.mailed.0, self.mailed.1),
            ),
            (self.too_long == 0, format!("{} invocations took longer than they may", self.too_long)),
        ];
        goals.into_iter().filter(|(is_met, _)| !is_met).map(|(_, missed)| missed).collect()
    }
}
