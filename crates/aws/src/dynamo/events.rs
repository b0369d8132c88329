//! Events that happened once, as items of the table `deliveries`: one for each incident and stage.
//!
//! An item stays in the indexes while it counts: until the last body that was quarantined with it is replayed. It lists
//! those bodies, and beside each body an item lists its events.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, future::join, stream};
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    conditions::{Condition, NotedEvent},
    messages::FORMAT,
    ports::{PortError, fifo_id},
};

use super::{
    DeliveriesTable,
    item::{self, Item, days_after, instant, packed, unpacked},
    number, retries, text,
};

/// How long an event is stored after it last happened.
const KEPT_DAYS: i64 = 14;

/// How many bodies an event lists at most. With more, a replay cannot end it; a day without the event does.
const NAMED_BODIES: u64 = 100;

/// A body with this many events gets no more events that a replay can end.
const LISTED_EVENTS: usize = 1_000;

/// How many of the latest events of an incident are read.
const READ: usize = 50;

/// For how long the sweep finds an event.
const SWEPT: SignedDuration = SignedDuration::from_hours(1);

/// How many updates run at the same time.
const AT_ONCE: usize = 16;

const SET: &str = "SET kind = :kind, #source = :source, incident = :incident, #condition = :condition, news = :news, \
    #at = :at, watched = :watched, watched_at = :at, expires_at = :expires_at, v = :v";

impl DeliveriesTable {
    /// Stores an event; `body` was quarantined with it.
    pub(super) async fn put_event(&self, event: &NotedEvent, body: Option<&str>) -> Result<(), PortError> {
        let broken = |error| self.0.broken(error);
        let (condition, news) = (packed(&event.condition).map_err(broken)?, packed(&event.news).map_err(broken)?);
        let source = event.condition.source();
        let update = self
            .0
            .update(&key(event))
            .expression_attribute_names("#source", "source")
            .expression_attribute_names("#condition", "condition")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":kind", text("event"))
            .expression_attribute_values(":v", number(FORMAT.into()))
            .expression_attribute_values(":source", text(source))
            .expression_attribute_values(":incident", incident(&event.condition))
            .expression_attribute_values(":condition", condition)
            .expression_attribute_values(":news", news)
            .expression_attribute_values(":at", instant(event.at))
            .expression_attribute_values(":watched", text(of_source(source)))
            .expression_attribute_values(":expires_at", days_after(event.at, KEPT_DAYS));
        if let Some(body) = body {
            let naming = update
                .clone()
                .update_expression(format!("{SET} ADD #open :bodies"))
                .condition_expression("attribute_not_exists(#open) OR size(#open) < :most OR contains(#open, :body)")
                .expression_attribute_names("#open", "open")
                .expression_attribute_values(":bodies", AttributeValue::Ss(vec![body.to_owned()]))
                .expression_attribute_values(":body", text(body))
                .expression_attribute_values(":most", number(NAMED_BODIES));
            if self.0.updated(naming).await? {
                return Ok(());
            }
        }
        let lasting = update
            .update_expression(format!("{SET}, lasts = :true"))
            .expression_attribute_values(":true", AttributeValue::Bool(true));
        self.0.updated(lasting).await.map(drop)
    }

    /// Stores the events of a quarantined body.
    pub(super) async fn put_events(&self, events: &[NotedEvent], body: Option<&str>) -> Result<(), PortError> {
        let puts = stream::iter(events).map(|event| self.put_event(event, body)).buffer_unordered(AT_ONCE);
        puts.collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Lists the events of a quarantined body beside it; false if there are too many.
    pub(super) async fn list_events(&self, body: &str, events: &[NotedEvent]) -> Result<bool, PortError> {
        if events.is_empty() || events.len() > LISTED_EVENTS {
            return Ok(false);
        }
        let keys: BTreeSet<String> = events.iter().map(key).collect();
        let latest = events.iter().map(|event| event.at).max().unwrap_or(Timestamp::MIN);
        let update = self
            .0
            .update(&list_key(body))
            .update_expression("SET kind = :kind, expires_at = :expires_at, v = :v ADD #events :events")
            .condition_expression("attribute_not_exists(#events) OR size(#events) < :most")
            .expression_attribute_names("#events", "events")
            .expression_attribute_values(":kind", text("events"))
            .expression_attribute_values(":v", number(FORMAT.into()))
            .expression_attribute_values(":expires_at", days_after(latest, KEPT_DAYS))
            .expression_attribute_values(":most", number(LISTED_EVENTS as u64))
            .expression_attribute_values(":events", AttributeValue::Ss(keys.into_iter().collect()));
        self.0.updated(update).await
    }

    /// Ends the events of a replayed body, unless other bodies of them wait for a replay.
    pub(super) async fn replayed_events(&self, body: &str) -> Result<(), PortError> {
        let Some(item) = self.0.get(&list_key(body)).await? else { return Ok(()) };
        let Some(AttributeValue::Ss(keys)) = item.get("events") else { return Ok(()) };
        let replays = stream::iter(keys).map(|key| self.replayed_event(key, body)).buffer_unordered(AT_ONCE);
        replays.collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn replayed_event(&self, key: &str, body: &str) -> Result<(), PortError> {
        let done = self
            .0
            .update(key)
            .update_expression("DELETE #open :bodies")
            .condition_expression("attribute_exists(delivery)")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":bodies", AttributeValue::Ss(vec![body.to_owned()]));
        self.0.updated(done).await?;
        let over = self
            .0
            .update(key)
            .update_expression("REMOVE watched_at")
            .condition_expression(
                "attribute_exists(delivery) AND attribute_not_exists(#open) AND attribute_not_exists(lasts)",
            )
            .expression_attribute_names("#open", "open");
        self.0.updated(over).await.map(drop)
    }

    /// The latest events of an incident, oldest first.
    pub(super) async fn stored_events(
        &self,
        condition: &Condition,
        since: Timestamp,
    ) -> Result<Vec<NotedEvent>, PortError> {
        let query = self
            .0
            .query("events")
            .key_condition_expression("incident = :incident AND watched_at >= :since")
            .expression_attribute_values(":incident", incident(condition))
            .expression_attribute_values(":since", instant(since))
            .scan_index_forward(false);
        let event = |item: &Item| -> Result<NotedEvent, String> {
            let (at, news) = (item::timestamp(item, "watched_at")?, unpacked(item, "news")?);
            Ok(NotedEvent { condition: condition.clone(), at, news })
        };
        let items = self.0.found(query, READ).await?;
        let read = |item: &Item| event(item).map_err(|reason| self.0.unreadable(item, &reason));
        items.iter().rev().map(read).collect()
    }

    /// The conditions of a source in the index `watched`, the latest first.
    pub(super) async fn watched(&self, source: &str, now: Timestamp) -> Result<Vec<Condition>, PortError> {
        let query = |of: String, condition: &str, at: Timestamp| {
            let query = self
                .0
                .query("watched")
                .key_condition_expression(format!("watched = :of AND watched_at {condition} :at"))
                .expression_attribute_values(":of", text(of))
                .expression_attribute_values(":at", instant(at))
                .scan_index_forward(false);
            self.0.listed(query)
        };
        let hour_ago = now.saturating_sub(SWEPT).unwrap_or(Timestamp::MIN);
        let (jobs, events) =
            join(query(retries::of_source(source), "<=", now), query(of_source(source), ">=", hour_ago)).await;
        let condition = |item: Item| match unpacked(&item, "condition") {
            Ok(condition) => Some(condition),
            Err(reason) => {
                // An item that this release cannot read must not hide the others.
                tracing::warn!(error = %self.0.unreadable(&item, &reason), "left out of the sweep");
                None
            }
        };
        Ok(jobs?.into_iter().chain(events?).filter_map(condition).collect())
    }
}

/// The key of an event: its incident and stage, or their hash.
fn key(event: &NotedEvent) -> String {
    format!("event#{}", fifo_id(&format!("{}#{}", event.condition.incident(), event.news.stage)))
}

fn list_key(body: &str) -> String {
    format!("{body}#events")
}

/// The incident's key in the index.
fn incident(condition: &Condition) -> AttributeValue {
    text(item::key(&condition.incident()))
}

/// The key of a source's events in the index `watched`, which sorts them by time.
pub(super) fn of_source(source: &str) -> String {
    format!("event/{source}")
}
