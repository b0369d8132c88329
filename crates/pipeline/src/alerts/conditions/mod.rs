//! What people are notified of. Each incident has a condition: a pure function from the contents of tables and queues
//! to firing or resolved.
//!
//! A component that sees a change sends a hint, as often as it likes, and stores nothing. The alerter collects the
//! [evidence](Evidence) and judges it. A success removes the evidence, which resolves the incident.

mod controller;
mod events;
mod outputs;
mod records;
mod services;
mod sources;

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

pub(crate) use controller::ends_at;

use crate::{
    alerts::channels::ChannelHealth,
    dispatches::record::SubjectRecord,
    outputs::{lane::LaneSummary, reach::Reach, state::OutputState},
    polling::state::PollState,
    ports::Refusal,
    queues::Backlog,
    retry::state::RetryState,
};

pub use crate::alerts::condition::{Condition, FIRST_STAGE, GRIDBELL, NotedEvent, StageReport};

/// An event counts as resolved this long after its last occurrence. So does an incident without news.
pub const QUIET: SignedDuration = SignedDuration::from_hours(24);

impl Condition {
    /// Judges the evidence. `asked` is the instant that the open incident is about; without an open incident, the
    /// hint's own.
    pub fn judge(&self, evidence: &Evidence, asked: Timestamp, now: Timestamp) -> Verdict {
        let record = evidence.record.as_ref();
        match self {
            Self::Failing { .. } => services::failing(evidence.retry.as_ref(), record, now),
            Self::PartsUnsent { .. } => records::parts_unsent(record, now),
            Self::DeliveriesUnread => services::deliveries_unread(evidence.answered, evidence.backlog, asked, now),
            Self::KeyRefused { .. } => sources::key_refused(evidence.refusal.as_ref(), evidence.poll.as_ref(), now),
            Self::NotAcknowledged { .. } => controller::not_acknowledged(record, evidence, now),
            Self::ControllerFailed { .. } => controller::failed(record, now),
            Self::NoEnd { .. } => records::no_end(record, now),
            Self::MissedDelivery { .. } => records::missed_delivery(record, now),
            Self::NotCompliant { .. } => records::not_compliant(record, now),
            Self::SourceDown { .. } => sources::source_down(evidence.poll.as_ref(), now),
            Self::Quarantined { about: None, .. } => {
                events::quarantined(&evidence.events, evidence.poll.as_ref(), None, now)
            }
            Self::Quarantined { about: Some(_), .. } => events::quarantined(&evidence.events, None, record, now),
            Self::KeysRotated { .. } | Self::UnknownEvent { .. } | Self::GivenUp { .. } => {
                events::in_window(&evidence.events, now)
            }
            Self::DeadLetters { queue } => services::dead_letters(*queue, evidence.backlog, asked, now),
            Self::ChannelFailing { .. } => services::channel_failing(evidence.channel.as_ref(), now),
            Self::OutputFailing { output } => outputs::failing(output, evidence.output.as_ref(), now),
        }
    }
}

/// The contents of tables and queues that a condition needs.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The record of [`Condition::subject`].
    pub record: Option<SubjectRecord>,
    /// The job that waits for its next attempt.
    pub retry: Option<RetryState>,
    /// The latest refusal of the source's key.
    pub refusal: Option<Refusal>,
    /// The state of the source's polling.
    pub poll: Option<PollState>,
    /// The events of the last [`QUIET`], oldest first.
    pub events: Vec<NotedEvent>,
    /// The queue that the condition is about.
    pub backlog: Option<Backlog>,
    /// The latest heartbeat that the hydrator answered.
    pub answered: Option<Timestamp>,
    /// The state of the channel that the condition is about.
    pub channel: Option<ChannelHealth>,
    /// A controller acknowledges; otherwise reading the signals queue counts, or the delivery to the outputs.
    pub has_acknowledgements: bool,
    /// How far the current version has come, if the configuration has outputs.
    pub reach: Option<Reach>,
    /// The output that the condition is about.
    pub output: Option<OutputEvidence>,
}

/// What is stored of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputEvidence {
    /// The configuration still has it.
    pub is_configured: bool,
    /// Its state; none if it never failed.
    pub state: Option<OutputState>,
    /// What waits for it, or is kept.
    pub lanes: Vec<LaneSummary>,
}

/// The current state of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A person must know.
    Firing(Firing),
    /// It has ended, or never fired.
    Resolved(Resolved),
    /// Not known at this moment: the incident stays as it is.
    Undecided,
}

/// Why a person must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// Since when.
    pub since: Timestamp,
    /// The reports, oldest first. Each stage is mailed once.
    pub news: Vec<StageReport>,
}

/// Why a person need not know any longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Since when.
    pub at: Timestamp,
    /// Why, in words.
    pub why: String,
    /// The deadline passed, then the dispatch ended: if no person was notified yet, one still is.
    pub lapsed: Option<Firing>,
}

impl Verdict {
    fn firing(since: Timestamp, about: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Firing(Firing::new(since, about, detail))
    }

    fn resolved(at: Timestamp, why: impl Into<String>) -> Self {
        Self::Resolved(Resolved { at, why: why.into(), lapsed: None })
    }
}

impl Firing {
    /// With one stage, the first.
    pub(crate) fn new(since: Timestamp, about: impl Into<String>, detail: impl Into<String>) -> Self {
        let news = StageReport { stage: FIRST_STAGE.to_owned(), about: about.into(), detail: detail.into() };
        Self { since, news: vec![news] }
    }

    fn staged(mut self, stage: impl Into<String>) -> Self {
        let stage = stage.into();
        for news in &mut self.news {
            news.stage.clone_from(&stage);
        }
        self
    }
}
