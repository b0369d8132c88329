//! The timeline of a subject, as typed events. [`std::fmt::Display`] puts an event into words, for the command line and
//! for mails.

use std::fmt;

use dispatch::{DispatchTerms, Epoch, PowerEventKind, Rank, Request, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dispatches::ack::AckState;

/// How many events of a subject are stored: the first, and the latest.
const REMEMBERED: usize = 64;

/// One event of a subject's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// When.
    pub at: Timestamp,
    /// The delivery that caused it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// What.
    pub event: Event,
}

/// What a version asks for, in short: only the current version is stored as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The start.
    pub start: Timestamp,
    /// The end, if one is stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// What all sites together are asked for.
    pub request: Request,
    /// The number of sites or meters.
    pub targets: usize,
}

impl From<&DispatchTerms> for Asked {
    fn from(terms: &DispatchTerms) -> Self {
        Self { start: terms.start, end: terms.end, request: terms.request, targets: terms.targets.len() }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A version was stored, to be published.
    Published {
        /// The signal's type.
        signal: String,
        /// Its number.
        sequence: u64,
        /// How many messages carry it, if more than one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parts: Option<u32>,
        /// The grounds for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grounds: Option<Rank>,
        /// Further remarks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remark: Option<String>,
        /// What it asks for, if it is a dispatch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Asked>,
    },
    /// The tables were restored, and sequences count from 1 again.
    EpochBegan {
        /// The new epoch.
        epoch: Epoch,
        /// How many signals must be sent in it.
        signals: usize,
    },
    /// The controller answered.
    Acknowledged {
        /// To which version.
        version: u64,
        /// Its answer.
        state: AckState,
        /// The person who answered in place of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The deadline is closed.
    DeadlineClosed {
        /// The reason.
        why: Closed,
    },
    /// A chain of messages that `gridbell verify` began came to its end.
    ChainPassed {
        /// How many messages it had.
        messages: u32,
    },
    /// Another load target replaced this one.
    ReplacedBy {
        /// The new target.
        subject: Subject,
    },
    /// This load target replaced another one.
    Replaces {
        /// The earlier target.
        subject: Subject,
    },
    /// The end of a ramp is no longer awaited.
    RampSettled,
    /// The end of a ramp was not reported for a day, and is no longer awaited.
    RampUnreported {
        /// The event that started it.
        ramp: PowerEventKind,
    },
}

/// Why a deadline is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// The controller acknowledged.
    Acknowledged,
    /// The signal was read from the queue, which counts if no controller acknowledges.
    Read,
    /// Every required output has taken the signal, which counts if no controller acknowledges.
    Delivered,
    /// The dispatch is no longer active.
    Inactive,
    /// The dispatch ended, and no controller acknowledged.
    Lapsed,
}

impl TimelineEvent {
    /// An event without a delivery.
    pub fn new(at: Timestamp, event: Event) -> Self {
        Self { at, delivery: None, event }
    }

    /// An event that a delivery caused.
    pub fn of(delivery: &str, at: Timestamp, event: Event) -> Self {
        Self { at, delivery: Some(delivery.to_owned()).filter(|delivery| !delivery.is_empty()), event }
    }
}

/// Drops all events but the first and the latest.
pub(crate) fn trim(history: &mut Vec<TimelineEvent>) {
    if let Some(excess) = history.len().checked_sub(REMEMBERED) {
        history.drain(1..=excess);
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published { signal, sequence, parts, grounds, remark, asked: _ } => {
                write!(f, "{signal} #{sequence}")?;
                if let Some(parts) = parts {
                    write!(f, " in {parts} parts")?;
                }
                match grounds {
                    Some(Rank::Pushed(_)) => f.write_str(", as the webhook stated")?,
                    Some(Rank::Fetched(at)) => write!(f, ", as fetched at {at:.3}")?,
                    Some(Rank::Numbered(number, at)) => write!(f, ", modification {number} as fetched at {at:.3}")?,
                    None => {}
                }
                remark.as_ref().map_or(Ok(()), |remark| write!(f, ": {remark}"))
            }
            Self::EpochBegan { epoch, signals } => {
                write!(f, "epoch {epoch} begins: sequences count from 1 again, {signals} signal(s) to send")
            }
            Self::Acknowledged { version, state, by } => {
                write!(f, "version {version} acknowledged: {}", state.word())?;
                by.as_ref().map_or(Ok(()), |by| write!(f, ", by hand, by {by}"))
            }
            Self::DeadlineClosed { why } => write!(f, "its deadline needs no watching any more: {why}"),
            Self::ChainPassed { messages } => write!(f, "the last of a chain of {messages} messages arrived"),
            Self::ReplacedBy { subject } => write!(f, "replaced by {subject}"),
            Self::Replaces { subject } => write!(f, "replaces {subject}"),
            Self::RampSettled => f.write_str("no end of a ramp is awaited any more"),
            Self::RampUnreported { ramp } => write!(f, "{} did not report its end within a day", ramp.as_str()),
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acknowledged => "the controller acknowledged it",
            Self::Read => "its signal was read from the queue",
            Self::Delivered => "every required output has taken its signal",
            Self::Inactive => "the dispatch is no longer active",
            Self::Lapsed => "its time has passed, and no controller acknowledged it",
        })
    }
}
