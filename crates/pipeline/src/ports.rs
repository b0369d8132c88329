//! What the use cases need of the world, and no more.
//!
//! Every implementation (AWS, the simulator) passes the same contract. A call may succeed and its answer be lost: whoever writes
//! must recognise its own write ([`crate::dispatches::record::SubjectRecord::write`]).

#![expect(
    async_fn_in_trait,
    reason = "the callers are generic: whether a future is Send shows where the types are known"
)]

mod bundle;
mod dispatches;

use dispatch::Signal;
use jiff::{SignedDuration, Timestamp};
use providers::{ApiRequest, Elements};
use serde::{Deserialize, Serialize};

use crate::{
    alerts::{
        condition::{Condition, NotedEvent},
        group::{AckLink, AlertGroup},
        incident::Incident,
        mail::Mail,
    },
    config::Source,
    job::{BodyPart, Failure, Job, StoredBody},
    messages::{Delayed, Hint, ToAlert, ToHydrate},
    polling::{budget::Shown, state::PollState},
    retry::state::RetryState,
};

pub use crate::{
    fifo::fifo_id,
    queues::{Backlog, Watched},
};
pub use bundle::Ports;
pub use dispatches::{ActiveSubject, Changed, Dispatches, DueSubject, Stamp};

/// The time.
pub trait Clock {
    /// Now.
    fn now(&self) -> Timestamp;
    /// When this invocation is ended, finished or not.
    fn ends_at(&self) -> Timestamp {
        Timestamp::MAX
    }
}

/// Chance.
pub trait Random {
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
pub trait IngestQueue {
    /// Queues a message as it is, durably.
    async fn take(&self, message: &str) -> Result<(), PortError>;
}

/// The inner queues, for those who work behind the endpoint.
pub trait JobQueue {
    /// A message for the hydrator, after a delay of at most 900 s.
    async fn deliver(&self, message: ToHydrate, delay_s: u32) -> Result<(), PortError>;
    /// Messages for the retrier.
    async fn retry(&self, messages: &[Delayed]) -> Result<(), PortError>;
    /// A message for the alerter, after a delay of at most 900 s.
    async fn alert(&self, message: &ToAlert, lane: Lane, delay_s: u32) -> Result<(), PortError>;

    /// A hint that a condition may have changed, after a delay of at most 900 s.
    async fn hint(&self, condition: Condition, at: Timestamp, delay_s: u32) -> Result<(), PortError> {
        let lane = Lane::of(&condition);
        self.alert(&ToAlert::Hint(Hint { condition, at, attempt: 0, timer: false }), lane, delay_s).await
    }
}

/// Which of the alerter's queues carries a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// `alerts`: a dispatch may depend on it.
    Urgent,
    /// `reviews`: it can wait for a minute.
    CanWait,
}

impl Lane {
    /// That of a condition's hints.
    pub fn of(condition: &Condition) -> Self {
        if condition.is_urgent() { Self::Urgent } else { Self::CanWait }
    }
}

/// The FIFO queue `signals`.
pub trait SignalStream {
    /// The most that the body of one signal may be, in bytes.
    fn limit_bytes(&self) -> usize;
    /// Sends signals of one subject in order. After an error none, some or all of them are out; sending them again is harmless.
    async fn publish(&self, signals: &[Signal]) -> Result<(), PortError>;
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

/// A job that waits for its next attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingRetry {
    /// What fails.
    pub job: Job,
    /// How its attempts stand.
    pub state: RetryState,
}

/// A provider refuses the key of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The source.
    pub source: String,
    /// Since when.
    pub since: Timestamp,
    /// The latest refusal.
    pub at: Timestamp,
    /// What the provider said, in words.
    pub detail: String,
}

/// The table `deliveries`: jobs that wait, what is quarantined, and how each source stands.
pub trait Deliveries {
    /// Books the next attempt under [`Job::key`], unless one for the same key still lies ahead of `now`: then false, and this
    /// one need not go on, since that later request will see all that this one would. Of its own deliveries' bookings only a later
    /// attempt replaces one that lies ahead: a message that a queue doubled joins its twin.
    async fn book(&self, pending: &PendingRetry, now: Timestamp) -> Result<bool, PortError>;
    /// What is booked under a key, read consistently.
    async fn retry_state(&self, key: &str) -> Result<Option<RetryState>, PortError>;
    /// Has a person notified of what is booked under a key by that instant, if it was to be later.
    async fn hasten(&self, key: &str, notify_at: Timestamp) -> Result<(), PortError>;
    /// Forgets what is booked under the key of the work: its own booking, and one that was made before `as_of`.
    async fn settled(&self, job: &Job, as_of: Timestamp) -> Result<(), PortError>;
    /// Jobs of a source whose attempt was due before that instant, and which still are booked: their messages are lost, or they
    /// succeeded before they were booked. A job whose body is too large to be stored with its booking is left out.
    async fn overdue(&self, source: &str, before: Timestamp) -> Result<Vec<PendingRetry>, PortError>;
    /// Stores that a source's key is refused.
    async fn refuse(&self, refusal: &Refusal) -> Result<(), PortError>;
    /// Forgets that, where it was refused before `as_of`.
    async fn accept(&self, source: &str, as_of: Timestamp) -> Result<(), PortError>;
    /// The latest refusal, read consistently.
    async fn refusal(&self, source: &str) -> Result<Option<Refusal>, PortError>;
    /// Quarantines work under [`Job::quarantined_as`] with its raw body, whatever its size, to be replayed after a mend; and the events that
    /// it is, which count until it is replayed.
    async fn quarantine(&self, job: &Job, reason: &Failure, events: &[NotedEvent]) -> Result<(), PortError>;
    /// Stores an event under its condition and stage. Storing it again moves its instant.
    async fn note(&self, event: &NotedEvent) -> Result<(), PortError>;
    /// The events of a condition since an instant that are not replayed, oldest first; of very many the latest. What was stored a
    /// moment ago may be missing.
    async fn events(&self, condition: &Condition, since: Timestamp) -> Result<Vec<NotedEvent>, PortError>;
    /// What may be firing in a source as of now: jobs of which a person must know, and events of the last hour. What was stored a
    /// moment ago may be missing.
    async fn firing(&self, source: &str, now: Timestamp) -> Result<Vec<Condition>, PortError>;
    /// Keeps a share of the delivery's body. Keeping it again changes nothing.
    async fn keep_part(&self, delivery: &str, part: &BodyPart, at: Timestamp) -> Result<(), PortError>;
    /// A body that came in parts, read consistently; none where one of its chunks is not there.
    async fn body(&self, stored: &StoredBody) -> Result<Option<String>, PortError>;
    /// How the polling of a source stands, read consistently; none before its first poll.
    async fn poll_state(&self, source: &str) -> Result<Option<PollState>, PortError>;
    /// Writes that where `expected` is the stored revision (none: where nothing is stored).
    async fn write_poll_state(&self, state: &PollState, expected: Option<u64>) -> Result<(), WriteError<PollState>>;
    /// What the latest list that looks waited for showed, read consistently.
    async fn shown(&self, source: &str) -> Result<Option<Shown>, PortError>;
    /// Stores that; the latest counts.
    async fn show(&self, shown: &Shown) -> Result<(), PortError>;
}

/// A heartbeat that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The instant that it bears.
    pub sent_at: Timestamp,
    /// When it was answered.
    pub at: Timestamp,
}

/// The hydrator's heartbeat, in the table `deliveries` under a key that no delivery bears.
pub trait Health {
    /// Notes a heartbeat, by the instant that it bears, that was answered now. An older one never replaces a newer one.
    async fn answer(&self, sent_at: Timestamp, now: Timestamp) -> Result<(), PortError>;
    /// The latest heartbeat that was answered; read consistently.
    async fn answered(&self) -> Result<Option<Answered>, PortError>;
}

/// How much lies in the queues.
pub trait Depths {
    /// How many messages wait, and how many a consumer has in hand; both roughly, the delayed ones not counted.
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
        /// How many requests a minute it allows, where it says so.
        a_minute: Option<u32>,
    },
    /// No answer, or none that may be taken: redirect, too slow, empty, the page of a proxy on the way.
    #[error("{0}")]
    Answer(String),
    /// An answer that no further attempt makes readable: compressed, too large, or something else than JSON.
    #[error("{0}")]
    Unreadable(String),
}

/// The most that is taken of a list, in bytes: some 90,000 dispatches.
pub const MAX_LIST_BYTES: usize = 64 * 1_024 * 1_024;

/// A provider's API, bounded in time and size, following no redirect.
pub trait ProviderApi {
    /// Asks the source's configured host and nobody else. All of it, the key included, takes `within` at most.
    async fn fetch(
        &self,
        name: &str,
        source: &Source,
        request: &ApiRequest,
        within: SignedDuration,
    ) -> Result<String, FetchError>;

    /// The same for a list, which is taken apart as it arrives and may be far longer, up to [`MAX_LIST_BYTES`].
    async fn fetch_list(
        &self,
        name: &str,
        source: &Source,
        request: &ApiRequest,
        within: SignedDuration,
        list: Elements,
    ) -> Result<Elements, FetchError>;
}

/// The table `alerts`: incidents, and beside them alert groups and links.
pub trait Incidents {
    /// What stands there, read consistently.
    async fn read(&self, incident: &str) -> Result<Option<Incident>, PortError>;
    /// Writes where `expected` is the stored revision (none: where nothing is stored).
    async fn write(&self, incident: &Incident, expected: Option<u64>) -> Result<(), WriteError<Incident>>;
    /// The keys of incidents with a mail that waits in a group, the most urgent first, `limit` at most. What was written a moment ago
    /// may be missing.
    async fn waiting(&self, group: &str, limit: usize) -> Result<Vec<String>, PortError>;
    /// An alert group, read consistently.
    async fn group(&self, group: &str) -> Result<Option<AlertGroup>, PortError>;
    /// Writes an alert group, as [`Incidents::write`] does.
    async fn write_group(&self, group: &AlertGroup, expected: Option<u64>) -> Result<(), WriteError<AlertGroup>>;
    /// A link, read consistently.
    async fn link(&self, link: &str) -> Result<Option<AckLink>, PortError>;
    /// Writes a link, as [`Incidents::write`] does.
    async fn write_link(&self, link: &AckLink, expected: Option<u64>) -> Result<(), WriteError<AckLink>>;
}

/// Which incidents are open, for whoever has them reviewed.
pub trait OpenIncidentIndex {
    /// A page of the keys of incidents that are open or have a mail to send, after what an earlier page ended with. What was written
    /// a moment ago may be missing.
    async fn open(&self, after: Option<&str>) -> Result<OpenPage, PortError>;
}

/// A page of open incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenPage {
    /// Their keys, a hundred at most.
    pub incidents: Vec<String>,
    /// What the next page begins after; none: this is the last.
    pub next: Option<String>,
}

/// SES.
pub trait Mailer {
    /// Sends a mail.
    async fn send(&self, mail: &Mail) -> Result<(), PortError>;

    /// Whether few mails are left of the daily quota, so that those which can wait must leave them to urgent ones.
    async fn is_short(&self) -> bool {
        false
    }
}
