//! What comes of reading a body or an answer: facts, places to look, and what a person has to be told.

use dispatch::{Fact, Origin, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A webhook as it was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Our id of it.
    pub id: &'a str,
    /// When we took it.
    pub received_at: Timestamp,
    /// The source that it came through.
    pub origin: &'a Origin,
}

/// What was read. Nothing at all is a handshake or an empty list; findings alone mean that only a person can make sense of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Parsed {
    /// What the provider stated.
    pub facts: Vec<Fact>,
    /// What has to be fetched before anything is known.
    pub fetches: Vec<FetchRequest>,
    /// What a person has to be told.
    pub diagnostics: Vec<Diagnostic>,
}

/// Something to be fetched. It travels through queues, so it holds all that [`crate::Provider::request`] needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// What it is about.
    pub subject: Subject,
    /// Two looks with one key are one: the later fetch sees all that the earlier would have seen.
    pub key: String,
    /// The provider's own context: ids, windows.
    pub context: Value,
}

/// What a person has to be told, beside or instead of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Diagnostic {
    /// Part of a body or an answer could not be read and is part of no fact; the rest was taken. What of a fact could not be read
    /// stands in its diagnostics.
    Unreadable {
        /// Where, such as `meter_dispatches[0].timeslots[1]`.
        part: String,
        /// Why.
        reason: String,
        /// The dispatch that is lost with it, where its id can be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Subject>,
    },
    /// A type of event that we do not know. What it means is not guessed.
    UnknownEvent {
        /// The provider's name of it.
        name: String,
    },
    /// A data centre did not reach its target by the end of the ramp.
    NotCompliant {
        /// The power correlation.
        subject: Subject,
        /// Measured and wanted load in words.
        what: String,
    },
    /// The provider says that API keys were rotated: ours may stop working.
    KeysRotated {
        /// The identity of the event: of each a person is told.
        event: String,
    },
}

/// The pages of an answer to a look.
#[derive(Debug, Clone, Copy)]
pub struct ApiResponse<'a> {
    /// The source that was asked.
    pub origin: &'a Origin,
    /// What was asked.
    pub fetch: &'a FetchRequest,
    /// When the fetch began: the answer holds as of then.
    pub began_at: Timestamp,
    /// The bodies, in order; at least one.
    pub pages: &'a [String],
}

/// An authentic body that the parser does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(
    /// Where and why, without echoing the value.
    pub String,
);

/// An answer that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableResponse {
    /// Not the documented shape.
    #[error("the answer cannot be read: {0}")]
    Shape(String),
    /// It speaks of something else than was asked for.
    #[error("asked for {asked:?}, the answer is about {answered:?}")]
    OtherId {
        /// The id that was asked for.
        asked: String,
        /// The id that came.
        answered: String,
    },
    /// It does not hold what was asked for.
    #[error("the answer does not hold {0:?}")]
    Missing(String),
    /// The look itself is none of this provider's.
    #[error("not a look of this provider: {0}")]
    Foreign(String),
}
