//! The time of what runs in real time, and instants in JSON that are told relative to it.

use jiff::Timestamp;
pub use provider_sims::times::resolve;

/// The time. A simulator that is served and the demo live in real time.
#[expect(clippy::disallowed_methods, reason = "the edge: nothing here is replayed from a seed")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
