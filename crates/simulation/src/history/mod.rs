//! What happened, one line after the other, and whether it may have. The checker knows nothing of who tells it: the swarm, or a
//! stack with real queues and processes.
//!
//! A [`Checker`] takes the [`Line`]s in the order of their instants. First come the dispatches and streams that the providers speak
//! of, then whatever was seen; what can be known only in the end comes last.

mod checker;
mod deadlines;
mod end;
mod mails;
mod provider_timeline;
mod signals;

use std::{borrow::Cow, fmt};

use dispatch::Epoch;
use jiff::Timestamp;
use pipeline::incident::Incident;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    checker::{Broken, Checker, Circumstances, judge},
    provider_timeline::{Happening, Oddity, Provider, ProviderTimeline, Said, StreamStory},
};

pub(crate) use self::provider_timeline::wire;

/// A source's name, and whatever else a story mostly has from a constant.
pub type Name = Cow<'static, str>;

/// What a webhook is about; numbers count from 0 in the order in which the history introduces them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// That version of that dispatch.
    Dispatch(usize, usize),
    /// That happening of that stream.
    Stream(usize, usize),
    /// A body that nobody can read.
    Poison,
    /// Nothing: a stranger made it up.
    Forged,
}

/// A version of a subject: its epoch, and its sequence in it. In order.
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

/// One thing that was seen, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When; for a signal, when the queue took it.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What can be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Event {
    /// A dispatch, with every version that its provider states of it, and from when on each holds.
    Dispatch {
        /// The next number.
        story: ProviderTimeline,
    },
    /// Things that happen once through one source.
    Stream {
        /// The next number.
        story: StreamStory,
    },
    /// A webhook was answered, or its sender hung up.
    Answered {
        /// To whom it was sent.
        source: Name,
        /// What it told of.
        about: About,
        /// The body.
        body: String,
        /// The receiver's answer; none: the sender never saw one of it.
        status: Option<u16>,
    },
    /// The queue `signals` took a message.
    Signal {
        /// Its message group.
        group: String,
        /// Its deduplication id.
        deduplication: String,
        /// The event as text.
        body: String,
        /// The version that was stored just then, where somebody could look.
        stored: Option<Numbered>,
    },
    /// A row of the table `alerts` was written; where nobody sees the writing, the row as it stands in the end.
    Incident {
        /// The row.
        row: Box<Incident>,
    },
    /// A mail went out.
    Mail {
        /// Its subject.
        subject: String,
        /// The plain text.
        text: String,
        /// The same as HTML.
        html: String,
    },
    /// A mail may go out twice: the alerter died, or a call that it made failed or was repeated.
    MailRepeats,
    /// An invocation's time was up: its messages come again when they are visible again.
    TimeOut,
    /// A controller's acknowledgement was noted.
    Noted {
        /// Of which dispatch.
        subject: String,
        /// Of which version.
        version: Numbered,
    },
    /// In the end: the version that is stored of a dispatch.
    Stored {
        /// Which dispatch.
        subject: String,
        /// The version.
        version: Numbered,
    },
    /// In the end: a body is kept aside.
    Kept {
        /// Whose.
        source: String,
        /// The body.
        body: String,
    },
    /// In the end: a message lies in a dead-letter queue.
    Dead {
        /// Which.
        queue: String,
        /// Its body.
        body: String,
    },
    /// In the end: something is still to be done.
    Left {
        /// It, in words.
        still: String,
    },
}

impl Line {
    /// Reads a line of a recorded history; none where it tells of something that the checker does not look at.
    pub fn read(line: &Value) -> Option<Self> {
        Self::deserialize(line).ok()
    }
}
