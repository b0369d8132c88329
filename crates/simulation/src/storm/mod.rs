//! A storm: thousands of dispatches announced within a minute, in virtual time, with AWS's service times and
//! concurrency. The functions are the pipeline's own code. The provider refuses requests beyond its rate limit.
//!
//! [`run`] simulates it; [`StormReport::missed`] lists the goals that it missed.

mod aws;
mod driver;
mod line;
mod provider;
mod report;

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use pipeline::ports::{Backlog, FetchError};
use providers::ApiRequest;

pub use self::{
    aws::{Aws, Range},
    report::{StormReport, Usage},
};
use self::{line::Line, provider::Voltus};
use crate::{Call, Inner, Seed, swarm::live::Side};

/// The parameters of a storm.
#[derive(Debug, Clone)]
pub struct Storm {
    /// The seed of the choices that the services leave open.
    pub seed: u64,
    /// The number of announced dispatches.
    pub dispatches: usize,
    /// The time within which they are announced.
    pub window: SignedDuration,
    /// The number of dispatches that are already active and known.
    pub active: usize,
    /// The sites of each dispatch.
    pub sites: usize,
    /// The provider's rate limit, in requests a minute.
    pub allowance: u32,
    /// The time of a provider's answer, in milliseconds.
    pub latency_ms: Range,
    /// How long the provider is down, from the middle of the window.
    pub outage: Option<SignedDuration>,
    /// The time from a dispatch's announcement to its start.
    pub notice: SignedDuration,
    /// All of them start at one instant: `notice` after the last announcement.
    pub same_start: bool,
    /// AWS's service times and limits.
    pub aws: Aws,
}

impl Default for Storm {
    fn default() -> Self {
        Self {
            seed: 0,
            dispatches: 10_000,
            window: SignedDuration::from_secs(60),
            active: 0,
            sites: 1,
            allowance: 300,
            latency_ms: (50, 500),
            outage: None,
            notice: SignedDuration::from_secs(700),
            same_start: false,
            aws: Aws::default(),
        }
    }
}

impl Storm {
    /// The start of a dispatch announced at `announced`, if the last one is announced at `last`.
    fn start(&self, announced: Timestamp, last: Timestamp) -> Timestamp {
        (if self.same_start { last } else { announced }) + self.notice
    }
}

/// Simulates a storm.
pub fn run(storm: &Storm) -> StormReport {
    driver::run(storm)
}

/// The part of a storm that the ports use.
#[derive(Debug)]
pub(crate) struct Storming {
    aws: Aws,
    latency_ms: Range,
    random: Seed,
    pub(crate) voltus: Voltus,
    lines: BTreeMap<Inner, Line>,
    /// The number of calls, by port.
    calls: BTreeMap<&'static str, u64>,
    /// Write units, by second since 1970.
    writes: BTreeMap<i64, u64>,
    half_reads: u64,
    standard: u64,
    /// Until when each invocation's CPU is busy.
    busy_until: HashMap<u64, Timestamp>,
}

/// SQS bills a request for each 64 KB of a message.
const BILLED_BYTES: usize = 64 * 1_024;

impl Storming {
    fn new(storm: &Storm, voltus: Voltus) -> Self {
        Self {
            aws: storm.aws.clone(),
            latency_ms: storm.latency_ms,
            random: Seed::new(storm.seed ^ 0x0073_746f_726d),
            voltus,
            lines: BTreeMap::new(),
            calls: BTreeMap::new(),
            writes: BTreeMap::new(),
            half_reads: 0,
            standard: 0,
            busy_until: HashMap::new(),
        }
    }

    fn within(&mut self, (from, to): Range) -> u64 {
        from + self.random.up_to(to.saturating_sub(from))
    }

    /// Until when a call waits on that side of its effect, which is in the middle of the call. The CPU does one thing
    /// at a time.
    pub(crate) fn rests_until(&mut self, now: Timestamp, invocation: u64, port: &str, side: Side) -> Timestamp {
        let range = if port == "api.fetch" { self.latency_ms } else { self.aws.range(port) };
        let half_us = self.within((range.0 * 500, range.1 * 500));
        let begins = if side == Side::Before {
            let free = self.busy_until.get(&invocation).copied().unwrap_or(now).max(now);
            let done = free + micros(self.aws.cpu_us);
            self.busy_until.insert(invocation, done);
            done
        } else {
            now
        };
        begins + micros(half_us)
    }

    pub(crate) fn counts(&mut self, call: &Call) {
        *self.calls.entry(call.port).or_default() += 1;
        self.wrote(call.at, aws::write_units(call.port));
        self.half_reads += aws::half_reads(call.port);
    }

    fn wrote(&mut self, at: Timestamp, units: u64) {
        *self.writes.entry(at.as_second()).or_default() += units;
    }

    /// Counts an eventually consistent read of a whole index: half a unit for each 4 KB.
    pub(crate) fn read_index(&mut self, bytes: usize) {
        self.half_reads += bytes.div_ceil(4_096) as u64;
    }

    /// Counts a read or a write of one item.
    pub(crate) fn moved(&mut self, at: Timestamp, bytes: usize, is_write: bool) {
        if is_write {
            self.wrote(at, bytes.div_ceil(1_024) as u64);
        } else {
            self.half_reads += 2 * bytes.div_ceil(4_096) as u64;
        }
    }

    pub(crate) fn send(&mut self, queue: Inner, id: String, body: &str, now: Timestamp, delay_s: u32) {
        self.standard += body.len().div_ceil(BILLED_BYTES) as u64;
        self.line(queue).send(id, body, now + SignedDuration::from_secs(delay_s.into()));
    }

    fn line(&mut self, queue: Inner) -> &mut Line {
        self.lines.entry(queue).or_default()
    }

    pub(crate) fn backlog(&self, queue: Inner, now: Timestamp) -> Backlog {
        self.lines.get(&queue).map(|line| line.backlog(now)).unwrap_or_default()
    }

    pub(crate) fn answers(&mut self, now: Timestamp, request: &ApiRequest) -> Result<String, FetchError> {
        self.voltus.answers(now, request)
    }
}

fn micros(micros: u64) -> SignedDuration {
    SignedDuration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
