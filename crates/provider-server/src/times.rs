//! The real time, and instants in JSON that are relative to it.

use jiff::Timestamp;
pub use provider_sims::times::resolve;

/// The time. Served simulators and the demo run in real time.
#[expect(clippy::disallowed_methods, reason = "real time: no simulation replays this from a seed")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
