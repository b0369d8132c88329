//! A controller's answer to a version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A controller's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// To which version.
    pub version: u64,
    /// The state that it reports.
    pub state: AckState,
    /// The controller's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The person who answered in place of a controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The state of a version at the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckState {
    /// It will act.
    Accepted,
    /// It has acted.
    Completed,
    /// It cannot act.
    Failed,
}

impl AckState {
    /// The word in the request.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}
