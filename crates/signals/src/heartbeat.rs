//! The heartbeat: what gridbell has sent, and by when it sends something again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Subject,
    text::{number_from_text, number_to_text},
};

/// `data.heartbeat` of `gridbell.heartbeat.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeartbeatSignal {
    /// When gridbell made it: RFC 3339, UTC.
    pub at: Timestamp,
    /// By when another signal comes, of any type, while gridbell works: RFC 3339, UTC.
    pub next_by: Timestamp,
    /// The newest version that gridbell has sent of each active dispatch and load target, in the heartbeat's epoch; the
    /// first to start come first. Tests are left out.
    pub active: Vec<ActiveVersion>,
    /// How many further dispatches and load targets are active and are not named, because the heartbeat is limited in
    /// size or their versions could not be read.
    pub more: u64,
}

/// A version of an active dispatch or load target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActiveVersion {
    /// The subject of its signal.
    pub subject: Subject,
    /// The sequence of its signal, a decimal number as text.
    #[serde(serialize_with = "number_to_text", deserialize_with = "number_from_text")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = "^[0-9]+$")))]
    pub sequence: u64,
    /// RFC 3339, UTC.
    pub start: Timestamp,
    /// RFC 3339, UTC; null until known.
    pub end: Option<Timestamp>,
}
