//! The traits that the use cases need, and no more.
//!
//! Every implementation (AWS, the simulation) passes the same contract tests. A call may succeed and its answer be
//! lost: a writer must recognise its own write ([`crate::dispatches::record::SubjectRecord::write`]).

#![expect(
    async_fn_in_trait,
    reason = "the callers are generic: whether a future is Send is checked where the types are known"
)]

mod bundle;
mod dispatches;
mod metrics;
mod outputs;

use dispatch::{Signal, TraceParent};
use jiff::{SignedDuration, Timestamp};
use providers::{ApiRequest, Elements};
use serde::{Deserialize, Serialize};

use crate::{
    alerts::{
        channels::{ChannelHealth, ChannelMessage},
        condition::{Condition, NotedEvent},
        group::{AckLink, AlertGroup},
        incident::Incident,
        mail::Mail,
    },
    config::{Channel, Source},
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
pub(crate) use metrics::ms;
pub use metrics::{Measurement, Metrics};
pub use outputs::{CourierQueue, OutputTargets, Outputs, ResponseAck, SendError, SendFailure, Sending};

/// The clock.
pub trait Clock {
    /// Now.
    fn now(&self) -> Timestamp;
    /// When this invocation is ended, finished or not.
    fn ends_at(&self) -> Timestamp {
        Timestamp::MAX
    }
}

/// Random numbers.
pub trait Random {
    /// A unique name.
    fn unique(&self) -> String;
    /// A name that cannot be guessed: at least 128 random bits, as letters and digits that need no escape in a URL.
    fn secret(&self) -> String;
    /// A uniformly distributed number from 0 to `most`, both included.
    fn up_to(&self, most: u64) -> u64;
    /// 64 random bits for the ids of a trace. Nothing that is acted on may depend on them.
    fn bits(&self) -> u64;
}

/// A port failed, or its answer was lost.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// A later call may succeed.
    #[error("{port}: {reason}")]
    Unavailable {
        /// The port.
        port: &'static str,
        /// The reason, in words.
        reason: String,
    },
    /// No later call will succeed: the stored data is unreadable, or the sent data is too large.
    #[error("{port}: {reason}")]
    Broken {
        /// The port.
        port: &'static str,
        /// The reason, in words.
        reason: String,
    },
}

/// The queue `deliveries`, as the receiver uses it.
pub trait IngestQueue {
    /// Queues a message unchanged, durably.
    async fn take(&self, message: &str) -> Result<(), PortError>;
}

/// The inner queues, for the functions behind the endpoints.
pub trait JobQueue {
    /// Sends the hydrator a message after a delay of at most 900 s.
    async fn deliver(&self, message: ToHydrate, delay_s: u32) -> Result<(), PortError>;
    /// Sends messages to the retrier.
    async fn retry(&self, messages: &[Delayed]) -> Result<(), PortError>;
    /// Sends the alerter a message after a delay of at most 900 s.
    async fn alert(&self, message: &ToAlert, lane: Lane, delay_s: u32) -> Result<(), PortError>;

    /// Sends a hint that a condition may have changed, after a delay of at most 900 s.
    async fn hint(&self, condition: Condition, at: Timestamp, delay_s: u32) -> Result<(), PortError> {
        self.hint_in(None, condition, at, delay_s).await
    }

    /// The same from a span of a trace.
    async fn hint_in(
        &self,
        traceparent: Option<TraceParent>,
        condition: Condition,
        at: Timestamp,
        delay_s: u32,
    ) -> Result<(), PortError> {
        let lane = Lane::of(&condition);
        self.alert(&ToAlert::Hint(Hint { traceparent, ..Hint::new(condition, at) }), lane, delay_s).await
    }
}

/// The queue of a message for the alerter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// `alerts`: a dispatch may depend on it.
    Urgent,
    /// `reviews`: it can wait for a minute.
    CanWait,
}

impl Lane {
    /// The lane of a condition's hints.
    pub fn of(condition: &Condition) -> Self {
        if condition.is_urgent() { Self::Urgent } else { Self::CanWait }
    }
}

/// The FIFO queue `signals`.
pub trait SignalStream {
    /// The size limit of one signal's body, in bytes.
    fn limit_bytes(&self) -> usize;
    /// Sends signals of one subject in order. After an error none, some or all of them are sent; sending them again is
    /// harmless.
    async fn publish(&self, signals: &[Signal]) -> Result<(), PortError>;
}

/// A conditional write that failed, or whose answer was lost.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<T> {
    /// Another write came first (or this write's own answer was lost): the stored row.
    #[error("another write came first")]
    Lost(Option<Box<T>>),
    /// The table did not answer.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A job that waits for its next attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingRetry {
    /// The job.
    pub job: Job,
    /// The state of its attempts.
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
    /// The provider's reason, in words.
    pub detail: String,
}

/// The table `deliveries`: waiting jobs, quarantined jobs, and the state of each source.
pub trait Deliveries {
    /// Books the next attempt under [`Job::key`], unless another booking for the same key is later than `now`: then
    /// returns false, and this job can end, since the later request will see everything that this one would. A booking
    /// of the same delivery is only replaced by a later attempt: a message that a queue duplicated joins its twin.
    async fn book(&self, pending: &PendingRetry, now: Timestamp) -> Result<bool, PortError>;
    /// The booking under a key, read consistently.
    async fn retry_state(&self, key: &str) -> Result<Option<RetryState>, PortError>;
    /// Makes the notification time of a booking this instant, if it was later.
    async fn hasten(&self, key: &str, notify_at: Timestamp) -> Result<(), PortError>;
    /// Deletes the booking under the job's key if it is the job's own or was made before `as_of`.
    async fn settled(&self, job: &Job, as_of: Timestamp) -> Result<(), PortError>;
    /// Booked jobs of a source whose attempt was due before that instant: their messages are lost, or they succeeded
    /// before they were booked. Leaves out jobs whose body is too large to be stored with the booking.
    async fn overdue(&self, source: &str, before: Timestamp) -> Result<Vec<PendingRetry>, PortError>;
    /// Stores that a source's key is refused.
    async fn refuse(&self, refusal: &Refusal) -> Result<(), PortError>;
    /// Deletes a refusal made before `as_of`.
    async fn accept(&self, source: &str, as_of: Timestamp) -> Result<(), PortError>;
    /// The latest refusal, read consistently.
    async fn refusal(&self, source: &str) -> Result<Option<Refusal>, PortError>;
    /// Quarantines a job under [`Job::quarantined_as`] with its raw body, whatever its size, for a replay after a fix;
    /// and stores its events, which count until it is replayed.
    async fn quarantine(&self, job: &Job, reason: &Failure, events: &[NotedEvent]) -> Result<(), PortError>;
    /// Stores an event under its condition and stage. Storing it again updates its instant.
    async fn note(&self, event: &NotedEvent) -> Result<(), PortError>;
    /// The events of a condition since an instant that were not replayed, oldest first; of very many the latest. Events
    /// stored a moment ago may be missing.
    async fn events(&self, condition: &Condition, since: Timestamp) -> Result<Vec<NotedEvent>, PortError>;
    /// Conditions that may be firing in a source now: jobs that a person must know of, and events of the last hour.
    /// Data stored a moment ago may be missing.
    async fn firing(&self, source: &str, now: Timestamp) -> Result<Vec<Condition>, PortError>;
    /// Stores a part of the delivery's body. Idempotent.
    async fn keep_part(&self, delivery: &str, part: &BodyPart, at: Timestamp) -> Result<(), PortError>;
    /// A body that arrived in parts, read consistently; none if one of its chunks is missing.
    async fn body(&self, stored: &StoredBody) -> Result<Option<String>, PortError>;
    /// The poll state of a source, read consistently; none before its first poll.
    async fn poll_state(&self, source: &str) -> Result<Option<PollState>, PortError>;
    /// Writes a poll state if `expected` is the stored revision (none: if nothing is stored).
    async fn write_poll_state(&self, state: &PollState, expected: Option<u64>) -> Result<(), WriteError<PollState>>;
    /// The dispatches of the latest list that fetch requests waited for, read consistently.
    async fn shown(&self, source: &str) -> Result<Option<Shown>, PortError>;
    /// Stores them; the latest list counts.
    async fn show(&self, shown: &Shown) -> Result<(), PortError>;
}

/// A heartbeat that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was answered.
    pub at: Timestamp,
}

/// The hydrator's heartbeat, in the table `deliveries` under a key that no delivery has.
pub trait Health {
    /// Stores that the heartbeat sent at `sent_at` was answered now. An older one never replaces a newer one.
    async fn answer(&self, sent_at: Timestamp, now: Timestamp) -> Result<(), PortError>;
    /// The latest heartbeat that was answered; read consistently.
    async fn answered(&self) -> Result<Option<Answered>, PortError>;
}

/// The depth of the queues.
pub trait Depths {
    /// How many messages wait, and how many are in flight; both approximate, without delayed ones.
    async fn depth(&self, queue: Watched) -> Result<Backlog, PortError>;
}

/// A failed request to a provider.
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
        /// How many requests a minute it allows, if stated.
        a_minute: Option<u32>,
    },
    /// No answer, or no acceptable one: a redirect, too slow, empty, or a proxy's page.
    #[error("{0}")]
    Answer(String),
    /// An answer that no further attempt makes readable: compressed, too large, or not JSON.
    #[error("{0}")]
    Unreadable(String),
}

/// The size limit of a list, in bytes: about 90,000 dispatches.
pub const MAX_LIST_BYTES: usize = 64 * 1_024 * 1_024;

/// A provider's API, limited in time and size, without redirects.
pub trait ProviderApi {
    /// Sends a request to the source's configured host and to no other. The call, including reading the key, takes
    /// `within` at most.
    async fn fetch(
        &self,
        name: &str,
        source: &Source,
        request: &ApiRequest,
        within: SignedDuration,
    ) -> Result<String, FetchError>;

    /// The same for a list, which is split while it arrives and may be far longer, up to [`MAX_LIST_BYTES`].
    async fn fetch_list(
        &self,
        name: &str,
        source: &Source,
        request: &ApiRequest,
        within: SignedDuration,
        list: Elements,
    ) -> Result<Elements, FetchError>;
}

/// The table `alerts`: incidents, alert groups, links and the state of the channels.
pub trait Incidents {
    /// The stored incident, read consistently.
    async fn read(&self, incident: &str) -> Result<Option<Incident>, PortError>;
    /// Writes an incident if `expected` is the stored revision (none: if nothing is stored).
    async fn write(&self, incident: &Incident, expected: Option<u64>) -> Result<(), WriteError<Incident>>;
    /// The keys of incidents with a pending mail in a group, the most urgent first, `limit` at most. Incidents written
    /// a moment ago may be missing.
    async fn waiting(&self, group: &str, limit: usize) -> Result<Vec<String>, PortError>;
    /// An alert group, read consistently.
    async fn group(&self, group: &str) -> Result<Option<AlertGroup>, PortError>;
    /// Writes an alert group, as [`Incidents::write`] does.
    async fn write_group(&self, group: &AlertGroup, expected: Option<u64>) -> Result<(), WriteError<AlertGroup>>;
    /// A link, read consistently.
    async fn link(&self, link: &str) -> Result<Option<AckLink>, PortError>;
    /// Writes a link, as [`Incidents::write`] does.
    async fn write_link(&self, link: &AckLink, expected: Option<u64>) -> Result<(), WriteError<AckLink>>;
    /// The state of a channel, read consistently.
    async fn channel(&self, channel: &str) -> Result<Option<ChannelHealth>, PortError>;
    /// Writes the state of a channel, as [`Incidents::write`] does.
    async fn write_channel(
        &self,
        channel: &ChannelHealth,
        expected: Option<u64>,
    ) -> Result<(), WriteError<ChannelHealth>>;
}

/// The index of open incidents, for the review.
pub trait OpenIncidentIndex {
    /// A page of the keys of incidents that are open or have a mail to send, after the end of an earlier page.
    /// Incidents written a moment ago may be missing.
    async fn open(&self, after: Option<&str>) -> Result<OpenPage, PortError>;
}

/// A page of open incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenPage {
    /// Their keys, a hundred at most.
    pub incidents: Vec<String>,
    /// Where the next page begins; none: this is the last.
    pub next: Option<String>,
}

/// SES.
pub trait Mailer {
    /// Sends a mail.
    async fn send(&self, mail: &Mail) -> Result<(), PortError>;

    /// Whether few mails are left of the daily quota, so that mails which can wait must leave them to urgent ones.
    async fn is_short(&self) -> bool {
        false
    }
}

/// A channel did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The channel has not got it.
    #[error("{0}")]
    Refused(String),
    /// It is unknown whether the channel has got it: its answer is lost, or says nothing clear.
    #[error("{0}")]
    Unanswered(String),
}

/// The channels besides mail: SNS, PagerDuty, webhooks. Limited in time and size, without redirects.
pub trait Ringer {
    /// Sends a message to a channel, once.
    async fn ring(&self, channel: &Channel, message: &ChannelMessage) -> Result<(), ChannelError>;
}
