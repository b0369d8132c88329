//! A history, one event per line, and its checker. The history comes from the swarm, or from a stack with real queues
//! and processes.
//!
//! A [`Checker`] takes the [`Line`]s in order of time: first the dispatches and streams of the providers, then the
//! observations, at the end the final states.

mod checker;
mod deadlines;
mod end;
pub mod envelope;
mod expected;
mod heartbeats;
mod mails;
mod provider_timeline;
mod rings;
mod signals;
mod traces;

use std::{borrow::Cow, fmt};

use dispatch::Epoch;
use jiff::Timestamp;
use pipeline::incident::Incident;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    checker::{Broken, Checker, Circumstances, judge},
    expected::mismatch,
    provider_timeline::{Happening, Oddity, Provider, ProviderTimeline, Said, StreamStory},
};

pub(crate) use self::provider_timeline::wire;

/// A source's name, or another text that is mostly a constant.
pub type Name = Cow<'static, str>;

/// What a webhook is about. Numbers count from 0, in the order in which the history introduces the dispatches and
/// streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Version (second number) of a dispatch (first number).
    Dispatch(usize, usize),
    /// Happening (second number) of a stream (first number).
    Stream(usize, usize),
    /// An unreadable body.
    Poison,
    /// Nothing: it is forged.
    Forged,
}

/// A version of a subject: its epoch and its sequence in the epoch, ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Numbered {
    /// The epoch.
    pub epoch: u64,
    /// Counts from 1.
    pub sequence: u64,
}

impl From<(Epoch, u64)> for Numbered {
    fn from((epoch, sequence): (Epoch, u64)) -> Self {
        Self { epoch: epoch.as_millisecond(), sequence }
    }
}

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.epoch, self.sequence)
    }
}

/// One event and its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When; for a signal, when the queue accepted it.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// An event of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Event {
    /// A dispatch, with every version that its provider states and from when each applies.
    Dispatch {
        /// Its timeline. Numbered in order, from 0.
        story: ProviderTimeline,
    },
    /// Events that happen once, through one source.
    Stream {
        /// Its timeline. Numbered in order, from 0.
        story: StreamStory,
    },
    /// The receiver answered a webhook, or its sender hung up.
    Answered {
        /// The source that received it.
        source: Name,
        /// What it was about.
        about: About,
        /// The body.
        body: String,
        /// The receiver's status; none if the sender saw no answer.
        status: Option<u16>,
    },
    /// A delivery was queued, or a poll was sent, in a trace.
    Began {
        /// Its trace, and the span that sent it.
        traceparent: String,
        /// Its source.
        source: String,
        /// The delivery's body; none for a poll, and for a body that no single message carries as it is.
        body: Option<String>,
    },
    /// The queue `signals` accepted a message.
    Signal {
        /// Its message group.
        group: String,
        /// Its deduplication id.
        deduplication: String,
        /// The event as text.
        body: String,
        /// The version stored at that time, if it could be read.
        stored: Option<Numbered>,
    },
    /// A row of the table `alerts` was written. If writes cannot be observed: the row at the end.
    Incident {
        /// The row.
        row: Box<Incident>,
    },
    /// A mail was sent.
    Mail {
        /// Its subject.
        subject: String,
        /// The plain text.
        text: String,
        /// The same as HTML.
        html: String,
    },
    /// A channel besides mail accepted a message.
    Ring {
        /// The channel.
        channel: String,
        /// The invocation that sent it.
        invocation: u64,
        /// The message, as a webhook gets it.
        body: Value,
    },
    /// A mail, or a message to another channel, may be sent twice: the alerter died, or one of its calls failed or was
    /// repeated.
    MailRepeats {
        /// The invocation of the alerter, if known.
        #[serde(default)]
        invocation: Option<u64>,
    },
    /// An invocation timed out: its messages come again after their visibility timeout.
    TimeOut,
    /// A controller's acknowledgement was noted.
    Noted {
        /// Which dispatch.
        subject: String,
        /// Which version.
        version: Numbered,
    },
    /// At the end: the stored version of a dispatch.
    Stored {
        /// Which dispatch.
        subject: String,
        /// The version.
        version: Numbered,
    },
    /// At the end: a body is quarantined.
    Quarantined {
        /// Its source.
        source: String,
        /// The body.
        body: String,
    },
    /// At the end: a message is in a dead-letter queue.
    Dead {
        /// Which queue.
        queue: String,
        /// Its body.
        body: String,
    },
    /// At the end: something is still to be done.
    Left {
        /// What it is, in words.
        still: String,
    },
}

impl Line {
    /// Reads a line of a recorded history; none if the checker does not use that event.
    pub fn read(line: &Value) -> Option<Self> {
        Self::deserialize(line).ok()
    }
}
