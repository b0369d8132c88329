//! Known bugs. Each is a small change in a port or in the driver; the pipeline does not know of them. The checker must
//! catch every one.

use dispatch::Signal;
use jiff::SignedDuration;
use pipeline::{
    conditions::Condition,
    group::AlertGroup,
    incident::Incident,
    job::{Job, JobKind},
    messages::{ToAlert, ToHydrate},
    record::SubjectRecord,
};
use serde_json::{Value, json};

use crate::{Function, Invocation, Sent, sim::State};

macro_rules! saboteurs {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// A broken variant.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Saboteur {
            $($(#[$doc])* $name,)*
        }

        impl Saboteur {
            /// All of them.
            pub const ALL: &[Saboteur] = &[$(Saboteur::$name,)*];

            /// As it stands on a command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Saboteur::$name => $text,)*
                }
            }
        }
    };
}

saboteurs! {
    /// The receiver remembers a body before the queue accepts it, and drops its repetition.
    DeduplicateBeforeEnqueue "deduplicate-before-enqueue",
    /// A thin webhook with the same bytes as another is dropped.
    DeduplicateThinByBody "deduplicate-thin-by-body",
    /// A write does not check the stored revision.
    NoVersionCheck "no-version-check",
    /// Signals are sent before their state is stored.
    SendThenWrite "send-then-write",
    /// A batch reports no failure, whatever failed.
    BlindAcknowledgement "blind-acknowledgement",
    /// A batch is deleted before it is processed.
    DeleteBeforeWork "delete-before-work",
    /// Every claim has the same owner, so an invocation takes another's write for its own.
    ClaimWithoutOwner "claim-without-owner",
    /// A failed job is retried for ever as if for the first time.
    RetryWithoutCap "retry-without-cap",
    /// The outbox is cleared before the signal is sent.
    OutboxClearedBeforeSend "outbox-cleared-before-send",
    /// The last answer wins, whatever its number or time.
    LastAnswerWins "last-answer-wins",
    /// No deadline is monitored.
    DeadlineNeverArmed "deadline-never-armed",
    /// A deadline is monitored only after the dispatch was read: a dispatch that cannot be read is never reported.
    DeadlineAfterHydration "deadline-after-hydration",
    /// No provider's list is ever read.
    ListNeverRead "list-never-read",
    /// The link in a mail works more than once.
    LinkNeverUsedUp "link-never-used-up",
    /// A test is published as real.
    TestFlagDropped "test-flag-dropped",
    /// Each hint sends a mail.
    AlertPerRetry "alert-per-retry",
    /// A signal gets a new deduplication id each time.
    FreshDeduplicationId "fresh-deduplication-id",
    /// An error's text contains the key.
    KeyInFailure "key-in-failure",
    /// A restored table continues in the old epoch.
    RestoreWithoutEpoch "restore-without-epoch",
    /// The receiver accepts any token.
    AnyTokenAdmits "any-token-admits",
    /// Hints are lost, and incidents are not reviewed every minute.
    LostHintWithoutReview "lost-hint-without-review",
    /// Mails are grouped without regard to deadlines.
    GroupingIgnoresDeadlines "grouping-ignores-deadlines",
    /// A dispatch with an unreadable field is not published, although no controller acts on that field.
    OddFieldDropsDispatch "odd-field-drops-dispatch",
    /// Only the first page of an index is read.
    OnePageOnly "one-page-only",
    /// A heartbeat names the stored version, sent or not.
    HeartbeatNamesStored "heartbeat-names-stored",
    /// A heartbeat leaves out the dispatch that starts first.
    HeartbeatLeavesOut "heartbeat-leaves-out",
    /// A channel accepts a message, and that is taken for a refusal.
    RingAnswerIgnored "ring-answer-ignored",
    /// Two invocations deliver from one lane at the same time.
    LaneWithoutClaim "lane-without-claim",
    /// A lane is delivered from its end.
    LaneBackwards "lane-backwards",
    /// A version that a newer one has replaced is delivered after it.
    ReplacedVersionReturns "replaced-version-returns",
    /// A signal begins a trace of its own.
    TraceBroken "trace-broken",
}

impl Saboteur {
    /// The saboteur with that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|saboteur| saboteur.name() == name)
    }
}

impl State {
    /// A unique name for that function.
    pub(crate) fn unique(&mut self, function: Function) -> String {
        if function != Function::Receiver && self.sabotaged(Saboteur::ClaimWithoutOwner) {
            return "nobody".to_owned();
        }
        self.name("d")
    }

    pub(crate) fn sabotaged(&self, by: Saboteur) -> bool {
        self.swarm.as_ref().is_some_and(|live| live.saboteur == Some(by))
    }

    /// A stored record as the pipeline reads it.
    pub(crate) fn shown(&self, record: Option<SubjectRecord>) -> Option<SubjectRecord> {
        if self.sabotaged(Saboteur::LastAnswerWins) { record.map(forgetful) } else { record }
    }

    /// A stored incident as the pipeline reads it.
    pub(crate) fn shown_incident(&self, incident: Option<Incident>) -> Option<Incident> {
        if self.sabotaged(Saboteur::AlertPerRetry) {
            return incident.map(|incident| Incident { mails: std::collections::BTreeMap::new(), ..incident });
        }
        incident
    }

    /// A stored alert group as the pipeline reads it.
    pub(crate) fn shown_group(&self, group: Option<AlertGroup>) -> Option<AlertGroup> {
        if self.sabotaged(Saboteur::GroupingIgnoresDeadlines) {
            let flushed_at = Some(self.now + SignedDuration::from_mins(2));
            return group.map(|group| AlertGroup { flushed_at, ..group });
        }
        group
    }

    /// A job as the queue receives it.
    pub(crate) fn retried(&self, mut job: Job) -> Job {
        if self.sabotaged(Saboteur::RetryWithoutCap) {
            (job.attempt, job.failures) = (0, Vec::new());
        }
        job
    }

    /// Whether the message never reaches the hydrator.
    pub(crate) fn swallows_delivery(&self, message: &ToHydrate) -> bool {
        let is_poll = matches!(message, ToHydrate::Job(job) if job.kind == JobKind::Poll);
        is_poll && self.sabotaged(Saboteur::ListNeverRead)
    }

    /// Whether the message never reaches the alerter: a hint about a failing read, any hint, or the review of every
    /// minute.
    pub(crate) fn swallows_alert(&mut self, message: &ToAlert) -> bool {
        match message {
            ToAlert::Hint(hint) if matches!(hint.condition, Condition::Failing { .. }) => {
                let is_unread = |subject: dispatch::Subject| self.dispatches.get(subject.as_str()).is_none();
                self.sabotaged(Saboteur::DeadlineAfterHydration) && hint.condition.subject().is_some_and(is_unread)
            }
            ToAlert::Hint(hint) => {
                let is_lost = self.sabotaged(Saboteur::LostHintWithoutReview) && !hint.timer;
                is_lost && self.seed.up_to(2) == 0
            }
            ToAlert::Review { .. } => self.sabotaged(Saboteur::LostHintWithoutReview),
            ToAlert::Flush { .. } => false,
        }
    }

    /// A signal as the queue receives it.
    pub(crate) fn sent_as(&mut self, mut sent: Sent) -> Sent {
        if self.sabotaged(Saboteur::TestFlagDropped) {
            sent.body = sent.body.replace("\"test\":true", "\"test\":false");
        }
        if self.sabotaged(Saboteur::TraceBroken)
            && let Some(at) = sent.body.find(TRACE_ID).map(|at| at + TRACE_ID.len())
        {
            sent.body.replace_range(at..at + 32, &"f".repeat(32));
        }
        if self.sabotaged(Saboteur::FreshDeduplicationId) {
            sent.deduplication = self.name("fresh");
        }
        if sent.group == "heartbeat" {
            sent.body = self.spoilt_heartbeat(sent.body);
        }
        sent
    }

    /// A heartbeat as the queue receives it.
    fn spoilt_heartbeat(&self, body: String) -> String {
        let (stored, leaves_out) =
            (self.sabotaged(Saboteur::HeartbeatNamesStored), self.sabotaged(Saboteur::HeartbeatLeavesOut));
        let Some(mut event) = serde_json::from_str::<Value>(&body).ok().filter(|_| stored || leaves_out) else {
            return body;
        };
        let Some(Value::Array(active)) = event.pointer_mut("/data/heartbeat/active") else { return body };
        if leaves_out {
            active.drain(..active.len().min(1));
            return event.to_string();
        }
        let on = self.dispatches.rows().filter_map(|record| Some((record, record.active()?)));
        *active = on
            .filter(|(record, active)| !active.test && record.state.version > 0)
            .map(|(record, active)| {
                let sequence = record.state.version.to_string();
                json!({ "subject": record.subject, "sequence": sequence, "start": active.start, "end": active.end })
            })
            .collect();
        event.to_string()
    }

    /// Whether the signal never reaches the queue.
    pub(crate) fn drops(&self, signal: &Signal) -> bool {
        self.sabotaged(Saboteur::OddFieldDropsDispatch)
            && self.dispatches.get(signal.subject.as_str()).is_some_and(|record| !record.unreadable.is_empty())
    }

    /// Clears the outbox of a signal's subject.
    pub(crate) fn clear_outbox(&mut self, signal: &Signal) {
        if let Some(record) = self.dispatches.get(signal.subject.as_str()) {
            let expected = record.revision;
            let next = SubjectRecord { revision: expected + 1, outbox: Vec::new(), ..record };
            // The revision was just read, and nothing else writes in between.
            let _ = self.dispatches.write(&next, Some(expected));
        }
    }
}

impl Invocation<'_> {
    pub(crate) fn sabotaged(&self, by: Saboteur) -> bool {
        self.sim.with(|state| state.sabotaged(by))
    }
}

/// What stands before the trace's id in a signal.
const TRACE_ID: &str = "\"traceparent\":\"00-";

/// The record with every fact at the lowest rank, so that the next one wins.
fn forgetful(record: SubjectRecord) -> SubjectRecord {
    let ancient = "1970-01-01T00:00:00Z";
    let Ok(mut row) = serde_json::to_value(&record) else { return record };
    if let Some(merged) = row.pointer_mut("/state/stream/dispatch/merged") {
        for (register, rank) in
            [("numbered", json!({ "numbered": [0, ancient] })), ("plain", json!({ "fetched": ancient }))]
        {
            if let Some(Value::Object(ranked)) = merged.get_mut(register) {
                ranked.insert("rank".to_owned(), rank);
            }
        }
    }
    serde_json::from_value(row).unwrap_or(record)
}
