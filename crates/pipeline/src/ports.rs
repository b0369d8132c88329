//! What the use cases need of the world, and no more.
//!
//! Every implementation (AWS, the simulator) passes the same contract. A call may succeed and its answer be lost: whoever writes
//! must recognise its own write ([`crate::record::Record::write`]).

#![expect(
    async_fn_in_trait,
    reason = "the callers are generic: whether a future is Send shows where the types are known"
)]

use std::{collections::BTreeMap, fmt};

use dispatch::{Epoch, Plan, Signal, Subject};
use jiff::Timestamp;
use providers::Ask;

use crate::{
    config::Source,
    held::{Gate, Link},
    incident::{Incident, Notice},
    mail::Mail,
    poll::PollState,
    pulse::{Inquiry, Probe},
    record::Record,
    work::{BodyPart, Check, Failed, StoredBody, Trouble, Work},
};

/// The time.
pub trait Clock {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Chance.
pub trait Chance {
    /// A name that nothing else bears.
    fn unique(&self) -> String;
    /// A name that nobody guesses: at least 128 random bits, as letters and digits that need no escape in a URL.
    fn secret(&self) -> String;
    /// A number from 0 to `most`, both included, evenly.
    fn up_to(&self, most: u64) -> u64;
}

/// A port that did not do what it was asked, or whose answer was lost.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// It may work later.
    #[error("{port}: {reason}")]
    Unavailable {
        /// Which.
        port: &'static str,
        /// What it said, in words.
        reason: String,
    },
    /// It will never work: what is stored there cannot be read, or what is sent is too large.
    #[error("{port}: {reason}")]
    Broken {
        /// Which.
        port: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// The door into `deliveries`.
pub trait Intake {
    /// Queues a message as it is, durably.
    async fn take(&self, message: &str) -> Result<(), PortError>;
}

/// The inner queues, for those who work behind the door.
pub trait Outlet {
    /// Work for the hydrator, after a delay of at most 900 s.
    async fn work(&self, work: &Work, delay_s: u32) -> Result<(), PortError>;
    /// A failure for the retrier.
    async fn failed(&self, failed: &Failed) -> Result<(), PortError>;
    /// Deadlines for the retrier, each after a delay of at most 900 s.
    async fn checks(&self, checks: &[(Check, u32)]) -> Result<(), PortError>;
    /// A probe for the hydrator, after a delay of at most 900 s.
    async fn probe(&self, probe: Probe, delay_s: u32) -> Result<(), PortError>;
    /// For the retrier, whether it was answered, after a delay of at most 900 s.
    async fn inquiry(&self, inquiry: Inquiry, delay_s: u32) -> Result<(), PortError>;
    /// A notice for the alerter, after a delay of at most 900 s.
    async fn notice(&self, notice: &Notice, delay_s: u32) -> Result<(), PortError>;
}

/// The FIFO queue `signals`.
pub trait SignalStream {
    /// The most that the body of one signal may be, in bytes.
    fn limit_bytes(&self) -> usize;
    /// Sends signals of one subject in order. After an error none, some or all of them are out; sending them again is harmless.
    async fn publish(&self, signals: &[Signal]) -> Result<(), PortError>;
    /// How many signals nobody has read yet, and how many somebody is reading right now; both roughly.
    async fn backlog(&self) -> Result<Backlog, PortError>;
}

/// What lies in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Nobody has read them yet.
    pub waiting: u64,
    /// Somebody has them in hand.
    pub in_hand: u64,
}

/// A conditional write that did not happen, as far as its answer tells.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<T> {
    /// Somebody else wrote (or this write's own answer was lost): what stands there now.
    #[error("another write came first")]
    Lost(Option<Box<T>>),
    /// The table did not answer.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A subject that is on, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// The key.
    pub subject: Subject,
    /// What it wants of whom.
    pub plan: Plan,
}

/// The table `dispatches`.
pub trait Dispatches {
    /// The epoch of the table. The first caller stores `now` as it, on the condition that none is stored; it is read once in the
    /// life of a process.
    async fn epoch(&self, now: Timestamp) -> Result<Epoch, PortError>;
    /// What stands there, read consistently.
    async fn read(&self, subject: &Subject) -> Result<Option<Record>, PortError>;
    /// Writes a record where `expected` is the stored revision (none: where nothing is stored).
    async fn write(&self, record: &Record, expected: Option<u64>) -> Result<(), WriteError<Record>>;
    /// Empties the outbox of that revision and moves on to the next; false where another write came first.
    async fn sent(&self, subject: &Subject, revision: u64) -> Result<bool, PortError>;
    /// Subjects that have owed signals since before that instant.
    async fn unsent(&self, before: Timestamp) -> Result<Vec<Subject>, PortError>;
    /// Subjects that must be acknowledged before that instant, the most urgent first.
    async fn due(&self, before: Timestamp) -> Result<Vec<Subject>, PortError>;
    /// A source's subjects that are on and not over at that instant, the last to be over first. What was written a moment ago
    /// may be missing; of thousands, those that are over soonest may be.
    async fn active(&self, source: &str, at: Timestamp) -> Result<Vec<Active>, PortError>;
}

/// A failing unit of work as the table `deliveries` knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// What fails.
    pub work: Work,
    /// When it will be tried again.
    pub next_at: Timestamp,
}

/// The table `deliveries`: what fails, what was put aside, and how the polling of each source stands.
pub trait Deliveries {
    /// Books the next attempt under [`Work::key`], unless one for the same key still lies ahead of `now`: then false, and this
    /// one need not go on, since that later look will see all that this one would. Of its own deliveries' bookings only a later
    /// attempt replaces one that lies ahead: a message that a queue doubled joins its twin.
    async fn book(&self, pending: &Pending, now: Timestamp) -> Result<bool, PortError>;
    /// Forgets the booking, where it is still this delivery's.
    async fn settled(&self, work: &Work) -> Result<(), PortError>;
    /// Puts work aside under [`Work::kept_as`] with its raw body, whatever its size, to be replayed after a mend.
    async fn quarantine(&self, work: &Work, reason: &Trouble) -> Result<(), PortError>;
    /// Keeps a share of the delivery's body. Keeping it again changes nothing.
    async fn keep_part(&self, delivery: &str, part: &BodyPart, at: Timestamp) -> Result<(), PortError>;
    /// A body that came in parts, read consistently; none where one of its chunks is not there.
    async fn body(&self, stored: &StoredBody) -> Result<Option<String>, PortError>;
    /// How the polling of a source stands, read consistently; none before its first poll.
    async fn poll_state(&self, source: &str) -> Result<Option<PollState>, PortError>;
    /// Writes that where `expected` is the stored revision (none: where nothing is stored).
    async fn write_poll_state(&self, state: &PollState, expected: Option<u64>) -> Result<(), WriteError<PollState>>;
}

/// What gridbell watches of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// The queue `deliveries`: whether the hydrator reads it.
    Deliveries,
    /// The dead letters of `retries`: whether there are any.
    RetriesDead,
    /// The dead letters of `alerts`: whether there are any.
    AlertsDead,
}

impl Watched {
    /// All.
    pub const ALL: [Self; 3] = [Self::Deliveries, Self::RetriesDead, Self::AlertsDead];

    /// The queue's name, as `stack.json` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries",
            Self::RetriesDead => "retries_dead",
            Self::AlertsDead => "alerts_dead",
        }
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What gridbell knows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// The latest probe that the hydrator answered, by the instant that it bears.
    pub answered: Option<Timestamp>,
    /// What a person was told of and nobody has called over, and since when; of `deliveries` the first probe that was lost.
    pub told: BTreeMap<Watched, Timestamp>,
}

impl Vitals {
    /// Whether that probe was answered, or a later one.
    pub fn answers(&self, probe_at: Timestamp) -> bool {
        self.answered.is_some_and(|answered| answered >= probe_at)
    }

    /// Since when a person has been told of it.
    pub fn told(&self, of: Watched) -> Option<Timestamp> {
        self.told.get(&of).copied()
    }
}

/// What gridbell knows of itself, in the table `deliveries` under a key that no delivery bears.
pub trait Health {
    /// Notes an answered probe. An older one never replaces a newer one.
    async fn answered(&self, probe_at: Timestamp) -> Result<(), PortError>;
    /// What is known, read consistently.
    async fn vitals(&self) -> Result<Vitals, PortError>;
    /// Notes that a person is being told of it, unless that is noted already.
    async fn told(&self, of: Watched, since: Timestamp) -> Result<(), PortError>;
    /// Forgets what was noted with that instant.
    async fn over(&self, of: Watched, since: Timestamp) -> Result<(), PortError>;
}

/// How much lies in the inner queues.
pub trait Depths {
    /// How many messages wait, and how many somebody has in hand; both roughly, the delayed ones not counted.
    async fn depth(&self, queue: Watched) -> Result<Backlog, PortError>;
}

/// A request to a provider that brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// 401 or 403.
    #[error("the provider refused the API key ({status})")]
    Refused {
        /// The status.
        status: u16,
    },
    /// The key could not be read.
    #[error("the API key cannot be read: {0}")]
    Key(String),
    /// 404.
    #[error("the provider does not know it (404)")]
    Missing,
    /// Any other status than 200.
    #[error("the provider answered {status}")]
    Status {
        /// The status.
        status: u16,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// No answer, or none that may be taken: redirect, too slow, empty, the page of a proxy on the way.
    #[error("{0}")]
    Answer(String),
    /// An answer that no further attempt makes readable: compressed, too large, or something else than JSON.
    #[error("{0}")]
    Unreadable(String),
}

/// A provider's API, bounded in time and size, following no redirect.
pub trait ProviderApi {
    /// Asks the source's configured host and nobody else.
    async fn fetch(&self, name: &str, source: &Source, ask: &Ask) -> Result<String, FetchError>;
}

/// The table `alerts`: incidents, and beside them gates and links.
pub trait Incidents {
    /// What stands there, read consistently.
    async fn read(&self, incident: &str) -> Result<Option<Incident>, PortError>;
    /// Writes where `expected` is the stored revision (none: where nothing is stored).
    async fn write(&self, incident: &Incident, expected: Option<u64>) -> Result<(), WriteError<Incident>>;
    /// A gate, read consistently.
    async fn gate(&self, gate: &str) -> Result<Option<Gate>, PortError>;
    /// Writes a gate, as [`Incidents::write`] does.
    async fn write_gate(&self, gate: &Gate, expected: Option<u64>) -> Result<(), WriteError<Gate>>;
    /// A link, read consistently.
    async fn link(&self, link: &str) -> Result<Option<Link>, PortError>;
    /// Writes a link, as [`Incidents::write`] does.
    async fn write_link(&self, link: &Link, expected: Option<u64>) -> Result<(), WriteError<Link>>;
}

/// SES.
pub trait Mailer {
    /// Sends a mail.
    async fn send(&self, mail: &Mail) -> Result<(), PortError>;
}
