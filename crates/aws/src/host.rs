//! Time and chance as they are.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use pipeline::ports::{Clock, Random};
use uuid::Uuid;

/// The real world.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;

/// When the invocation of this process ends, in Unix milliseconds; a process has one at a time. Outside of Lambda none ends.
static ENDS_AT_MS: AtomicI64 = AtomicI64::new(i64::MAX);

/// Notes when the invocation that begins ends, in Unix milliseconds.
pub(crate) fn ends_at_ms(ends_at_ms: u64) {
    ENDS_AT_MS.store(i64::try_from(ends_at_ms).unwrap_or(i64::MAX), Ordering::Relaxed);
}

impl Clock for Host {
    #[expect(clippy::disallowed_methods, reason = "this is where the time comes in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn ends_at(&self) -> Timestamp {
        Timestamp::from_millisecond(ENDS_AT_MS.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
    }
}

impl Random for Host {
    #[expect(clippy::disallowed_methods, reason = "this is where chance comes in")]
    fn unique(&self) -> String {
        // Ordered by time, so that deliveries are listed as they came.
        Uuid::now_v7().to_string()
    }

    #[expect(clippy::disallowed_methods, reason = "this is where chance comes in")]
    fn secret(&self) -> String {
        // Two of 122 random bits each, from the system's generator.
        format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
    }

    fn up_to(&self, most: u64) -> u64 {
        fastrand::u64(0..=most)
    }
}
