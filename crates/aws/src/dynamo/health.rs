//! The hydrator's heartbeat: one item of the table `deliveries`.

use jiff::Timestamp;
use pipeline::ports::{Health, PortError};

use super::{
    DeliveriesTable,
    item::{self, instant},
    text,
};

/// No delivery is called so: their ids hold no `#`.
const KEY: &str = "heartbeat#hydrator";

impl Health for DeliveriesTable {
    async fn answer(&self, sent_at: Timestamp) -> Result<(), PortError> {
        let update = self
            .0
            .update(KEY)
            .update_expression("SET answered = :at, kind = :kind")
            .condition_expression("attribute_not_exists(answered) OR answered < :at")
            .expression_attribute_values(":at", instant(sent_at))
            .expression_attribute_values(":kind", text("heartbeat"));
        // Refused: a newer one has been answered.
        self.0.updated(update).await.map(drop)
    }

    async fn answered(&self) -> Result<Option<Timestamp>, PortError> {
        let Some(item) = self.0.get(KEY).await? else { return Ok(None) };
        item::timestamp(&item, "answered").map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }
}
