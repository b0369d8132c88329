//! The real clock and the real random generator.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use pipeline::ports::{Clock, Measurement, Metrics, Random};
use uuid::Uuid;

use crate::metrics;

/// Time, randomness and measurements of the host.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;

/// When the current invocation ends, in Unix milliseconds; a process has one at a time. Outside of Lambda there is no
/// end.
static ENDS_AT_MS: AtomicI64 = AtomicI64::new(i64::MAX);

/// Sets when the current invocation ends, in Unix milliseconds.
pub(crate) fn ends_at_ms(ends_at_ms: u64) {
    ENDS_AT_MS.store(i64::try_from(ends_at_ms).unwrap_or(i64::MAX), Ordering::Relaxed);
}

impl Clock for Host {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn ends_at(&self) -> Timestamp {
        Timestamp::from_millisecond(ENDS_AT_MS.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
    }
}

impl Random for Host {
    #[expect(clippy::disallowed_methods, reason = "the only place that creates random values")]
    fn unique(&self) -> String {
        // Ordered by time, so that deliveries sort as they came.
        Uuid::now_v7().to_string()
    }

    #[expect(clippy::disallowed_methods, reason = "the only place that creates random values")]
    fn secret(&self) -> String {
        // Two UUIDs with 122 random bits each, from the system's generator.
        format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
    }

    fn up_to(&self, most: u64) -> u64 {
        fastrand::u64(0..=most)
    }

    fn bits(&self) -> u64 {
        fastrand::u64(..)
    }
}

impl Metrics for Host {
    fn measure(&self, measurement: Measurement<'_>) {
        metrics::measure(measurement);
    }
}
