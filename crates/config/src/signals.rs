//! What the stack publishes besides the providers' facts.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// The part of the configuration about signals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// How often a heartbeat is sent, in seconds; 0: never.
    #[serde(default)]
    pub heartbeat_s: u32,
}

impl Signals {
    /// The interval of the heartbeats; none if none are sent.
    pub fn heartbeat(self) -> Option<SignedDuration> {
        (self.heartbeat_s > 0).then(|| SignedDuration::from_secs(self.heartbeat_s.into()))
    }

    /// Whether it is as without the section.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
