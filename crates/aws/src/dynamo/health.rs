//! The hydrator's heartbeat: one item of the table `deliveries`.

use jiff::Timestamp;
use pipeline::{
    messages::FORMAT,
    ports::{Answered, Health, PortError},
};

use super::{
    DeliveriesTable,
    item::{self, instant},
    number, text,
};

/// No delivery has this id: delivery ids contain no `#`.
const KEY: &str = "heartbeat#hydrator";

impl Health for DeliveriesTable {
    async fn answer(&self, sent_at: Timestamp, now: Timestamp) -> Result<(), PortError> {
        let update = self
            .0
            .update(KEY)
            .update_expression("SET answered = :at, answered_at = :now, kind = :kind, v = :v")
            .condition_expression("attribute_not_exists(answered) OR answered < :at")
            .expression_attribute_values(":at", instant(sent_at))
            .expression_attribute_values(":now", instant(now))
            .expression_attribute_values(":kind", text("heartbeat"))
            .expression_attribute_values(":v", number(FORMAT.into()));
        // If refused, a newer heartbeat has been answered.
        self.0.updated(update).await.map(drop)
    }

    async fn answered(&self) -> Result<Option<Answered>, PortError> {
        let Some(item) = self.0.get(KEY).await? else { return Ok(None) };
        let read = || -> Result<Answered, String> {
            let sent_at = item::timestamp(&item, "answered")?;
            // An earlier release did not store when it answered.
            let at = if item.contains_key("answered_at") { item::timestamp(&item, "answered_at")? } else { sent_at };
            Ok(Answered { sent_at, at })
        };
        read().map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }
}
