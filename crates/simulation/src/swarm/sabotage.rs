//! Known ways to get it wrong. Each is a small change of what a port or the driver does; the pipeline itself knows none of them.
//! A checker that does not catch every one of them is worth nothing.

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
    /// The receiver remembers a body before the queue has it, and takes its repetition for done.
    DeduplicateBeforeEnqueue "deduplicate-before-enqueue",
    /// A thin webhook that repeats another byte for byte is dropped.
    DeduplicateThinByBody "deduplicate-thin-by-body",
    /// A write overwrites whatever stands there.
    NoVersionCheck "no-version-check",
    /// Signals go out before their state is stored.
    SendThenWrite "send-then-write",
    /// A batch reports that nothing failed, whatever failed.
    BlindAcknowledgement "blind-acknowledgement",
    /// A batch is deleted before it is worked off.
    DeleteBeforeWork "delete-before-work",
    /// Whoever claims something does so in nobody's name, and takes another's write for its own.
    ClaimWithoutOwner "claim-without-owner",
    /// What fails is tried again for ever as if for the first time.
    RetryWithoutCap "retry-without-cap",
    /// What is owed is struck off before it is sent.
    OutboxClearedBeforeSend "outbox-cleared-before-send",
    /// The last answer wins, whatever its number or time.
    LastAnswerWins "last-answer-wins",
    /// No deadline is armed.
    DeadlineNeverArmed "deadline-never-armed",
    /// A deadline is armed only once the dispatch could be read: that it cannot be is told of no dispatch that is not stored.
    DeadlineAfterHydration "deadline-after-hydration",
    /// No list of a provider is ever read.
    ListNeverRead "list-never-read",
    /// The link in a mail is never used up.
    LinkNeverUsedUp "link-never-used-up",
    /// A test looks like the real thing.
    TestFlagDropped "test-flag-dropped",
    /// Each hint is a mail.
    AlertPerRetry "alert-per-retry",
    /// A signal is sent under a new name each time.
    FreshDeduplicationId "fresh-deduplication-id",
    /// An error's text holds the key.
    KeyInTrouble "key-in-trouble",
    /// A restored table goes on counting in the epoch of before.
    RestoreWithoutEpoch "restore-without-epoch",
    /// Any token opens the hook.
    AnyTokenAdmits "any-token-admits",
    /// Hints get lost, and incidents are not reviewed every minute.
    LostHintWithoutReview "lost-hint-without-review",
    /// Mails are grouped without regard to deadlines.
    GroupingIgnoresDeadlines "grouping-ignores-deadlines",
    /// A dispatch with a field that cannot be read is not published, though nobody acts on that field.
    OddFieldDropsDispatch "odd-field-drops-dispatch",
    /// Of an index only the first page is read.
    OnePageOnly "one-page-only",
}

impl Saboteur {
    /// The saboteur of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|saboteur| saboteur.name() == name)
    }
}

impl State {
    /// A name that nothing else bears, as that function asks for it.
    pub(crate) fn unique(&mut self, function: Function) -> String {
        if function != Function::Receiver && self.sabotaged(Saboteur::ClaimWithoutOwner) {
            return "nobody".to_owned();
        }
        self.name("d")
    }

    pub(crate) fn sabotaged(&self, by: Saboteur) -> bool {
        self.swarm.as_ref().is_some_and(|live| live.saboteur == Some(by))
    }

    /// A stored record as the pipeline gets to see it.
    pub(crate) fn shown(&self, record: Option<SubjectRecord>) -> Option<SubjectRecord> {
        if self.sabotaged(Saboteur::LastAnswerWins) { record.map(forgetful) } else { record }
    }

    /// A stored incident as the pipeline gets to see it.
    pub(crate) fn shown_incident(&self, incident: Option<Incident>) -> Option<Incident> {
        if self.sabotaged(Saboteur::AlertPerRetry) {
            return incident.map(|incident| Incident { mails: std::collections::BTreeMap::new(), ..incident });
        }
        incident
    }

    /// A stored alert group as the pipeline gets to see it.
    pub(crate) fn shown_group(&self, group: Option<AlertGroup>) -> Option<AlertGroup> {
        if self.sabotaged(Saboteur::GroupingIgnoresDeadlines) {
            let flushed_at = Some(self.now + SignedDuration::from_mins(2));
            return group.map(|group| AlertGroup { flushed_at, ..group });
        }
        group
    }

    /// Work as the queue gets to see it.
    pub(crate) fn retried(&self, mut job: Job) -> Job {
        if self.sabotaged(Saboteur::RetryWithoutCap) {
            (job.attempt, job.failures) = (0, Vec::new());
        }
        job
    }

    /// Whether the hydrator never gets a message.
    pub(crate) fn swallows_delivery(&self, message: &ToHydrate) -> bool {
        let is_poll = matches!(message, ToHydrate::Job(job) if job.kind == JobKind::Poll);
        is_poll && self.sabotaged(Saboteur::ListNeverRead)
    }

    /// Whether the alerter never gets a message: a hint at what could not be read yet, any hint, or the minute's review.
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

    /// A signal as the queue gets to see it.
    pub(crate) fn sent_as(&mut self, mut sent: Sent) -> Sent {
        if self.sabotaged(Saboteur::TestFlagDropped) {
            sent.body = sent.body.replace("\"test\":true", "\"test\":false");
        }
        if self.sabotaged(Saboteur::FreshDeduplicationId) {
            sent.deduplication = self.name("fresh");
        }
        sent
    }

    /// Whether the queue never gets to see the signal.
    pub(crate) fn drops(&self, signal: &Signal) -> bool {
        self.sabotaged(Saboteur::OddFieldDropsDispatch)
            && self.dispatches.get(signal.subject.as_str()).is_some_and(|record| !record.unreadable.is_empty())
    }

    /// Clears what a signal's subject owes.
    pub(crate) fn clear_outbox(&mut self, signal: &Signal) {
        if let Some(record) = self.dispatches.get(signal.subject.as_str()) {
            let expected = record.revision;
            let next = SubjectRecord { revision: expected + 1, outbox: Vec::new(), ..record };
            // Its own revision was just read: nobody else writes in between.
            let _ = self.dispatches.write(&next, Some(expected));
        }
    }
}

impl Invocation<'_> {
    pub(crate) fn sabotaged(&self, by: Saboteur) -> bool {
        self.sim.with(|state| state.sabotaged(by))
    }
}

/// The same record with every fact ranked lowest, so that whatever comes next holds.
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
