//! The clock of the measurements.

use std::time::{Duration, Instant, SystemTime};

/// The current instant, for durations.
#[expect(clippy::disallowed_methods, reason = "measuring time is what this crate is for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time since 1970, to compare with a queue's timestamps.
#[expect(clippy::disallowed_methods, reason = "compared with the stamps of a queue")]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
