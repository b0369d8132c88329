//! The clock of the measurements.

use std::time::{Duration, Instant, SystemTime};

/// The current instant, for durations.
#[expect(clippy::disallowed_methods, reason = "this crate measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time since 1970, to compare with a queue's timestamps.
#[expect(clippy::disallowed_methods, reason = "compared with a queue's timestamps")]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
