//! Time, for those who measure it.

use std::time::{Duration, Instant, SystemTime};

/// Now, for durations.
#[expect(clippy::disallowed_methods, reason = "measuring time is what this crate is for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Now, as queues stamp their messages: since 1970.
#[expect(clippy::disallowed_methods, reason = "compared with the stamps of a queue")]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
