//! Time and chance as they are.

use jiff::Timestamp;
use pipeline::ports::{Chance, Clock};
use uuid::Uuid;

/// The real world.
#[derive(Debug, Clone, Copy, Default)]
pub struct World;

impl Clock for World {
    #[expect(clippy::disallowed_methods, reason = "this is where the time comes in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Chance for World {
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
