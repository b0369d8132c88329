//! The faults in one seed's history: a random subset of all kinds, each with its own rate.
//!
//! A subset, because faults hide each other: if everything fails at once, little gets far enough to break.

mod kinds;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub use self::kinds::FaultKind;
use crate::Seed;

/// The failure of a service, or of a provider's source, for some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) of: &'static str,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

impl Outage {
    pub(crate) fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// A deployment over some time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Release {
    /// When the hydrator is deployed.
    pub(crate) from: Timestamp,
    /// When the other functions are deployed, or the hydrator is rolled back.
    pub(crate) until: Timestamp,
    /// Whether it is not rolled back. After a rollback it is deployed again at the end.
    pub(crate) stays: bool,
}

/// The circumstances of one seed's history, besides the providers' state.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are independent")]
pub(crate) struct Scenario {
    /// Kind → how many of a thousand chances cause the fault.
    rates: BTreeMap<FaultKind, u64>,
    /// Turns go by priority (as in PCT) and not evenly: uniform turns hide stale writes.
    pub(crate) by_priority: bool,
    /// The controller acknowledges and does not only read.
    pub(crate) acknowledge: bool,
    /// How often a source is polled while no dispatch is near, in seconds; 0: never.
    pub(crate) poll_s: u32,
    /// Each sweep sends a heartbeat to the hydrator and checks for dead letters.
    pub(crate) heartbeat: bool,
    /// A person opens the links in mails.
    pub(crate) reads_mail: bool,
    /// The most concurrent invocations of one queue.
    pub(crate) concurrency: usize,
    /// How long a mapping waits for more messages, in milliseconds.
    pub(crate) window_ms: u64,
    /// The largest error of a clock, in milliseconds.
    pub(crate) skew_ms: u64,
    /// When the faults end.
    pub(crate) heals_at: Timestamp,
    /// Services that are down for some time, by the start of their ports' names.
    pub(crate) outages: Vec<Outage>,
    /// Sources whose API is down.
    pub(crate) down: Vec<Outage>,
    /// Sources whose key is refused.
    pub(crate) refused: Vec<Outage>,
    /// When the table of dispatches is backed up, and when it is restored to that.
    pub(crate) restore: Option<(Timestamp, Timestamp)>,
    /// The maximum size of a signal's body: small, so that signals come in parts.
    pub(crate) signal_limit_bytes: Option<usize>,
    /// The account's limit of concurrent invocations; none: unlimited.
    pub(crate) account: Option<usize>,
    /// When a later release is deployed.
    pub(crate) release: Option<Release>,
    /// A throttled index: when, its queries, and the writes to its table.
    pub(crate) hot_index: Option<(Outage, &'static [&'static str])>,
    /// The most entries in one page of a query.
    pub(crate) page_items: usize,
    /// Redriven messages keep their receive count.
    pub(crate) keeps_receives: bool,
    /// The number of additional dispatches announced while their source's API is down.
    pub(crate) storm: usize,
    /// The longest delay of an index, in milliseconds.
    pub(crate) index_lag_ms: u64,
    /// How often a heartbeat signal is sent, in seconds; 0: never.
    pub(crate) heartbeat_s: u32,
    pub(crate) rings: Rings,
    /// The configuration has outputs, and a courier delivers to them.
    pub(crate) has_outputs: bool,
    /// When each output is down.
    pub(crate) outputs_down: Vec<Outage>,
}

/// The channels besides mail.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rings {
    /// SNS, PagerDuty and a webhook ring …
    pub(crate) on: bool,
    /// … for test traffic too.
    pub(crate) tests: bool,
}

/// The services that an outage can affect, by the start of their ports' names.
const SERVICES: [&str; 7] = ["deliveries.take", "jobs", "dispatches", "signals", "alerts", "mailer", "deliveries"];

/// The size of a signal with about two sites: a dispatch over more comes in parts.
const SMALL_SIGNAL_BYTES: usize = 1_500;

/// Queries of an index, and the writes that update it.
const INDEXES: [(&str, &[&str]); 7] = [
    ("dispatches.due", &["dispatches.write", "dispatches.sent"]),
    ("dispatches.unsent", &["dispatches.write", "dispatches.sent"]),
    ("dispatches.active", &["dispatches.write"]),
    ("deliveries.overdue", &["deliveries.book", "deliveries.settled"]),
    ("deliveries.firing", &["deliveries.book", "deliveries.note", "deliveries.quarantine"]),
    ("alerts.open", &["alerts.write"]),
    ("alerts.waiting", &["alerts.write"]),
];

/// The concurrency limit of a new account, and each mapping's limit in it by the template's defaults.
const NEW_ACCOUNT: usize = 10;
const OF_EACH_MAPPING: usize = 2;

/// The ports of the channels besides mail; the last one stands for all.
const CHANNEL_PORTS: [&str; 4] = ["channel.sns", "channel.pagerduty", "channel.webhook", "channel."];

/// Kinds drawn after all others, so that a new kind leaves the other draws unchanged.
const DRAWN_LAST: [FaultKind; 11] = [
    FaultKind::Restore,
    FaultKind::Release,
    FaultKind::HotIndex,
    FaultKind::Account,
    FaultKind::Storm,
    FaultKind::IndexLag,
    FaultKind::ChannelDown,
    FaultKind::ChannelSlow,
    FaultKind::Outputs,
    FaultKind::OutputFails,
    FaultKind::OutputAcks,
];

/// The source of a storm.
pub(crate) const STORM: &str = "voltus-prod";

/// Sources with an API.
const APIS: [&str; 4] = ["voltus-prod", "voltus-sandbox", "leap-prod", "openvolt-prod"];

impl Scenario {
    pub(crate) fn new(random: &mut Seed, begins_at: Timestamp, without: &[FaultKind]) -> Self {
        let minutes = |minutes: u64| SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(0));
        let share = [100, 300, 600][random.place(3)];
        // Time limits apply only while our own services work.
        let ours_work = random.place(3) == 0;
        let mut rates = BTreeMap::new();
        for kind in FaultKind::ALL.iter().filter(|kind| !DRAWN_LAST.contains(kind)) {
            let (on, rate) = (random.up_to(999) < share, [5, 20, 60, 150][random.place(4)]);
            if on && !without.contains(kind) && !(ours_work && kind.is_ours()) {
                rates.insert(*kind, rate);
            }
        }
        let heals_at = begins_at + minutes(15 + random.up_to(20));
        let mut outage = |kind: FaultKind, names: &[&'static str], most: u64| {
            let count = 1 + random.up_to(1);
            let list: Vec<Outage> = (0..count)
                .map(|_| {
                    let from = begins_at + minutes(random.up_to(20));
                    let until = (from + minutes(1 + random.up_to(most - 1))).min(heals_at);
                    Outage { of: names[random.place(names.len())], from, until }
                })
                .collect();
            if rates.contains_key(&kind) { list } else { Vec::new() }
        };
        let outages = outage(FaultKind::Outage, &SERVICES, 10);
        let down = outage(FaultKind::Down, &APIS, 30);
        let refused = outage(FaultKind::KeyRefused, &APIS, 10);
        let mut scenario = Self {
            by_priority: random.up_to(1) == 1,
            acknowledge: random.up_to(9) < 7,
            poll_s: [0, 0, 60, 300][random.place(4)],
            heartbeat: random.up_to(3) == 0,
            reads_mail: random.up_to(1) == 0,
            concurrency: 1 + random.place(3),
            window_ms: [0, 0, 300, 2_000][random.place(4)],
            skew_ms: [50, 1_000, 10_000, 60_000][random.place(4)],
            heals_at,
            rates,
            outages,
            down,
            refused,
            restore: None,
            signal_limit_bytes: None,
            account: None,
            keeps_receives: false,
            release: None,
            hot_index: None,
            page_items: 100,
            storm: 0,
            index_lag_ms: 0,
            heartbeat_s: 0,
            rings: Rings::default(),
            has_outputs: false,
            outputs_down: Vec::new(),
        };
        // Drawn last, so that the seeds from before these kinds still find the same.
        scenario.signal_limit_bytes = (random.place(3) == 0).then_some(SMALL_SIGNAL_BYTES);
        let restored_at = begins_at + minutes(4 + random.up_to(9));
        let backup_at = restored_at - minutes(1 + random.up_to(2));
        if random.up_to(999) < share && !ours_work && !without.contains(&FaultKind::Restore) {
            scenario.restore = Some((backup_at, restored_at));
            scenario.rates.insert(FaultKind::Restore, 1);
        }
        scenario.storms(random, begins_at, without);
        scenario.follow_aws(random, begins_at, |kind, random: &mut Seed| {
            random.up_to(999) < share && !ours_work && !without.contains(&kind)
        });
        scenario.lag_indexes(random, without);
        scenario.heartbeat_s = [0, 0, 60, 300][random.place(4)];
        scenario.deliver_to_outputs(random, begins_at, without);
        let is_on = |kind, random: &mut Seed| random.up_to(999) < share && !without.contains(&kind);
        scenario.ring(random, begins_at, is_on);
        scenario
    }

    /// Draws whether channels ring besides mail, and how they fail. That is no failure of our own services: mails come in
    /// time all the same.
    fn ring(&mut self, random: &mut Seed, begins_at: Timestamp, is_on: impl Fn(FaultKind, &mut Seed) -> bool) {
        let minutes = |minutes: u64| SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(0));
        self.rings = Rings { on: random.up_to(2) > 0, tests: random.up_to(2) == 0 };
        let (of, from) = (CHANNEL_PORTS[random.place(CHANNEL_PORTS.len())], begins_at + minutes(random.up_to(20)));
        let until = (from + minutes(1 + random.up_to(9))).min(self.heals_at);
        if is_on(FaultKind::ChannelDown, random) && self.rings.on {
            self.outages.push(Outage { of, from, until });
            self.rates.insert(FaultKind::ChannelDown, 1);
        }
        if is_on(FaultKind::ChannelSlow, random) && self.rings.on {
            self.rates.insert(FaultKind::ChannelSlow, 200);
        }
    }

    fn storms(&mut self, random: &mut Seed, begins_at: Timestamp, without: &[FaultKind]) {
        if random.up_to(29) != 0 || without.contains(&FaultKind::Storm) {
            return;
        }
        self.storm = 10 + random.place(30);
        // As in the template: no mapping waits for more messages, and each runs several invocations.
        (self.window_ms, self.concurrency) = (0, 3);
        self.rates.insert(FaultKind::Storm, 1);
        let minutes = i64::try_from(11 + random.up_to(8)).unwrap_or(0);
        let until = (begins_at + SignedDuration::from_mins(minutes)).min(self.heals_at);
        self.down.push(Outage { of: STORM, from: begins_at, until });
    }

    /// Draws whether there are outputs, and how they fail.
    fn deliver_to_outputs(&mut self, random: &mut Seed, begins_at: Timestamp, without: &[FaultKind]) {
        let (is_on, fails, acks) = (random.up_to(2) == 0, [0, 20, 60, 150][random.place(4)], [0, 60][random.place(2)]);
        // A restored table would number anew what the outputs know; a later release does not exist for the courier.
        if !is_on || without.contains(&FaultKind::Outputs) || !self.acknowledge || self.release.is_some() {
            return;
        }
        self.has_outputs = true;
        self.rates.insert(FaultKind::Outputs, 1);
        // A claim outlives its invocation by five seconds.
        self.skew_ms = self.skew_ms.min(1_000);
        for (kind, rate) in [(FaultKind::OutputFails, fails), (FaultKind::OutputAcks, acks)] {
            if rate > 0 && !without.contains(&kind) {
                self.rates.insert(kind, rate);
            }
        }
        super::outputs::outages(self, random, begins_at);
    }

    fn lag_indexes(&mut self, random: &mut Seed, without: &[FaultKind]) {
        let most_ms = [0, 200, 1_000, 5_000][random.place(4)];
        if most_ms > 0 && !without.contains(&FaultKind::IndexLag) {
            self.index_lag_ms = most_ms;
            self.rates.insert(FaultKind::IndexLag, 1);
        }
    }

    /// Draws what AWS decides, and a deployment.
    fn follow_aws(&mut self, random: &mut Seed, begins_at: Timestamp, is_on: impl Fn(FaultKind, &mut Seed) -> bool) {
        let minutes = |minutes: u64| SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(0));
        self.keeps_receives = random.up_to(1) == 0;
        let (from, takes) = (begins_at + minutes(1 + random.up_to(10)), minutes(1 + random.up_to(4)));
        let stays = random.up_to(1) == 0;
        // A backup may contain records of a release that was rolled back since, which only that release reads.
        if is_on(FaultKind::Release, random) && self.restore.is_none() {
            // Every function becomes the later release: a rollback after that would leave unreadable records.
            let until = (from + takes).min(self.heals_at);
            self.release = Some(Release { from, until, stays });
            self.rates.insert(FaultKind::Release, 1);
        }
        self.page_items = [1, 2, 5, 100][random.place(4)];
        if is_on(FaultKind::Account, random) && self.storm == 0 {
            (self.account, self.concurrency) = (Some(NEW_ACCOUNT), OF_EACH_MAPPING);
            self.rates.insert(FaultKind::Account, 1);
        }
        let (of, writes) = INDEXES[random.place(INDEXES.len())];
        let from = begins_at + minutes(random.up_to(15));
        let until = (from + minutes(1 + random.up_to(7))).min(self.heals_at);
        if is_on(FaultKind::HotIndex, random) {
            self.hot_index = Some((Outage { of, from, until }, writes));
            self.rates.insert(FaultKind::HotIndex, 1);
        }
    }

    pub(crate) fn has(&self, kind: FaultKind) -> bool {
        self.rates.contains_key(&kind)
    }

    pub(crate) fn rate(&self, kind: FaultKind) -> u64 {
        self.rates.get(&kind).copied().unwrap_or(0)
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = FaultKind> {
        self.rates.keys().copied()
    }
}
