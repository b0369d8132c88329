//! The result of parsing a webhook body or an API response: facts, requests to fetch, and diagnostics for people.

use dispatch::{Fact, Origin, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An accepted webhook.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// gridbell's id of the delivery.
    pub id: &'a str,
    /// When the receiver accepted it.
    pub received_at: Timestamp,
    /// The source that received it.
    pub origin: &'a Origin,
}

/// The parsed content. Empty: a handshake or an empty list. Only diagnostics: a person must interpret the body.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Parsed {
    /// What the provider stated.
    pub facts: Vec<Fact>,
    /// What must be fetched first.
    pub fetches: Vec<FetchRequest>,
    /// What is reported to a person.
    pub diagnostics: Vec<Diagnostic>,
}

/// One API request to make. It travels through queues, so it contains all that [`crate::Provider::request`] needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// The subject of the request.
    pub subject: Subject,
    /// Requests with the same key are duplicates: the later fetch returns all that the earlier one would have returned.
    pub key: String,
    /// The provider's own context: ids, time windows.
    pub context: Value,
}

/// A problem that is reported to a person, in addition to a fact or instead of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Diagnostic {
    /// A part of a body or a response is unreadable and is in no fact; the rest was parsed. Unreadable fields of a fact
    /// are in the fact's own field errors.
    Unreadable {
        /// The part, such as `meter_dispatches[0].timeslots[1]`.
        part: String,
        /// The reason.
        reason: String,
        /// The dispatch that is lost with it, if its id is readable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Subject>,
    },
    /// An unknown event type. The parser does not guess its meaning.
    UnknownEvent {
        /// The provider's name for it.
        name: String,
    },
    /// A data centre did not reach its target by the end of the ramp.
    NotCompliant {
        /// The subject of the power events.
        subject: Subject,
        /// The measured load and the target, in words.
        what: String,
    },
    /// The provider reports that it rotated API keys: the configured key may stop working.
    KeysRotated {
        /// The event's identity: each event is reported to a person.
        event: String,
    },
}

/// The pages of the response to a fetch.
#[derive(Debug, Clone, Copy)]
pub struct ApiResponse<'a> {
    /// The source that was queried.
    pub origin: &'a Origin,
    /// The request.
    pub fetch: &'a FetchRequest,
    /// When the fetch began: the response describes the state at this time.
    pub began_at: Timestamp,
    /// The bodies, in order; at least one.
    pub pages: &'a [String],
}

/// An authentic body that the parser cannot interpret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(
    /// Where and why. It never contains the value.
    pub String,
);

/// A response that is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableResponse {
    /// Not the documented structure.
    #[error("the answer cannot be read: {0}")]
    Shape(String),
    /// The response is about another id.
    #[error("asked for {asked:?}, the answer is about {answered:?}")]
    OtherId {
        /// The requested id.
        asked: String,
        /// The id in the response.
        answered: String,
    },
    /// The requested item is not in the response.
    #[error("the answer does not hold {0:?}")]
    Missing(String),
    /// The request was not made by this provider.
    #[error("not a look of this provider: {0}")]
    Foreign(String),
}
