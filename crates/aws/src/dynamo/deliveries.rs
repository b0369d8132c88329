//! The table `deliveries`: failed jobs with their next attempt, quarantined jobs, and the state of each source.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use aws_types::SdkConfig;
use jiff::Timestamp;
use pipeline::{
    conditions::{Condition, NotedEvent},
    job::{BodyPart, Failure, Job, StoredBody, pack, unpack},
    polling::{budget::Shown, state::PollState},
    ports::{Deliveries, PendingRetry, PortError, Refusal, WriteError},
    retry::state::RetryState,
};

use super::{
    PutError, Store,
    item::{self, Item, days_after, instant},
    named, number, parts, polls, text,
};

/// How long a quarantined job is stored.
const QUARANTINED_DAYS: i64 = 90;
/// How long the chunks of a body are stored: longer than a quarantined job.
const CHUNKS_DAYS: i64 = QUARANTINED_DAYS + 14;
/// The table `deliveries`.
#[derive(Debug, Clone)]
pub struct DeliveriesTable(pub(super) Store);

/// A quarantined job.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantined {
    /// Its key in the table.
    pub id: String,
    /// The job, with its raw body.
    pub job: Job,
    /// Why it was quarantined.
    pub reason: String,
    /// When it was quarantined.
    pub at: Timestamp,
}

impl DeliveriesTable {
    /// The table with that name.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self(Store::new(aws, table, "deliveries", "delivery"))
    }

    /// The job quarantined under an id; none if there is none.
    pub async fn quarantined(&self, id: &str) -> Result<Option<Quarantined>, PortError> {
        let Some(head) = self.0.get(id).await? else { return Ok(None) };
        if item::str(&head, "kind") != Ok("quarantined") {
            return Ok(None);
        }
        let mut gz = blob(&head).unwrap_or_default().to_vec();
        for part in 1..=item::integer(&head, "parts").unwrap_or_default() {
            let key = parts::key(id, usize::try_from(part).unwrap_or(usize::MAX));
            let part = self.0.get(&key).await?;
            gz.extend_from_slice(part.as_ref().and_then(blob).unwrap_or_default());
        }
        read(id, &head, &gz).map(Some).map_err(|reason| self.0.unreadable(&head, &reason))
    }

    pub(super) async fn put(&self, item: Item) -> Result<(), PortError> {
        match self.0.put(item, None).await {
            Ok(()) => Ok(()),
            Err(PutError::Port(error)) => Err(error),
            Err(PutError::Refused(_)) => Err(self.0.broken("an unconditional write was refused".to_owned())),
        }
    }
}

impl Deliveries for DeliveriesTable {
    async fn book(&self, pending: &PendingRetry, now: Timestamp) -> Result<bool, PortError> {
        self.put_booking(pending, now).await
    }

    async fn retry_state(&self, key: &str) -> Result<Option<RetryState>, PortError> {
        self.booked(key).await
    }

    async fn hasten(&self, key: &str, notify_at: Timestamp) -> Result<(), PortError> {
        self.notify_earlier(key, notify_at).await
    }

    async fn settled(&self, job: &Job, as_of: Timestamp) -> Result<(), PortError> {
        self.forget_booking(job, as_of).await
    }

    async fn overdue(&self, source: &str, before: Timestamp) -> Result<Vec<PendingRetry>, PortError> {
        self.overdue_bookings(source, before).await
    }

    async fn refuse(&self, refusal: &Refusal) -> Result<(), PortError> {
        self.put_refusal(refusal).await
    }

    async fn accept(&self, source: &str, as_of: Timestamp) -> Result<(), PortError> {
        self.forget_refusal(source, as_of).await
    }

    async fn refusal(&self, source: &str) -> Result<Option<Refusal>, PortError> {
        self.stored_refusal(source).await
    }

    async fn quarantine(&self, job: &Job, reason: &Failure, events: &[NotedEvent]) -> Result<(), PortError> {
        let json = serde_json::to_string(job).map_err(|error| self.0.broken(error.to_string()))?;
        let gz = pack(&json);
        let id = item::key(&job.quarantined_as()).into_owned();
        let expires_at = days_after(reason.at, QUARANTINED_DAYS);
        let (whole, split) = parts::split(&gz);
        let is_listed = self.list_events(&id, events).await?;
        // The head is written last, so a reader that finds it finds all parts.
        for (index, part) in split.iter().enumerate() {
            let key = text(parts::key(&id, index + 1));
            let part = [
                ("delivery", key),
                ("kind", text("part")),
                ("body", AttributeValue::B(Blob::new(*part))),
                ("expires_at", expires_at.clone()),
            ];
            self.put(named(part)).await?;
        }
        let mut head = named([
            ("delivery", text(&id)),
            ("kind", text("quarantined")),
            ("source", text(&job.source)),
            ("received_at", instant(job.received_at)),
            ("quarantined_at", instant(reason.at)),
            ("failure", text(item::word(&reason.kind))),
            ("reason", text(&reason.detail)),
            ("parts", number(split.len() as u64)),
            ("expires_at", expires_at),
        ]);
        if let Some(gz) = whole {
            head.insert("body".to_owned(), AttributeValue::B(Blob::new(gz)));
        }
        self.put(head).await?;
        self.put_events(events, is_listed.then_some(id.as_str())).await
    }

    async fn note(&self, event: &NotedEvent) -> Result<(), PortError> {
        self.put_event(event, None).await
    }

    async fn events(&self, condition: &Condition, since: Timestamp) -> Result<Vec<NotedEvent>, PortError> {
        self.stored_events(condition, since).await
    }

    async fn firing(&self, source: &str, now: Timestamp) -> Result<Vec<Condition>, PortError> {
        self.watched(source, now).await
    }

    async fn keep_part(&self, delivery: &str, part: &BodyPart, at: Timestamp) -> Result<(), PortError> {
        let chunks = part.chunks().map_err(|error| self.0.broken(error.to_string()))?;
        for (number, chunk) in chunks {
            let item = [
                ("delivery", text(chunk_key(delivery, number))),
                ("kind", text("chunk")),
                ("body", AttributeValue::B(Blob::new(chunk))),
                ("expires_at", days_after(at, CHUNKS_DAYS)),
            ];
            self.put(named(item)).await?;
        }
        Ok(())
    }

    async fn body(&self, stored: &StoredBody) -> Result<Option<String>, PortError> {
        let mut gz = Vec::new();
        for number in 0..stored.chunks {
            let item = self.0.get(&chunk_key(&stored.delivery, number)).await?;
            let Some(chunk) = item.as_ref().and_then(blob) else { return Ok(None) };
            gz.extend_from_slice(chunk);
        }
        unpack(&gz).map(Some).map_err(|error| self.0.broken(format!("a body in chunks: {error}")))
    }

    async fn poll_state(&self, source: &str) -> Result<Option<PollState>, PortError> {
        let Some(item) = self.0.get(&polls::key(source)).await? else { return Ok(None) };
        polls::from_item(&item).map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }

    async fn write_poll_state(&self, state: &PollState, expected: Option<u64>) -> Result<(), WriteError<PollState>> {
        let item = polls::to_item(state).map_err(|error| self.0.broken(error))?;
        self.0.write(item, expected, polls::from_item).await
    }

    async fn shown(&self, source: &str) -> Result<Option<Shown>, PortError> {
        let Some(item) = self.0.get(&polls::shown_key(source)).await? else { return Ok(None) };
        polls::shown_from_item(&item).map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }

    async fn show(&self, shown: &Shown) -> Result<(), PortError> {
        self.put(polls::shown_to_item(shown).map_err(|error| self.0.broken(error))?).await
    }
}

fn read(id: &str, head: &Item, gz: &[u8]) -> Result<Quarantined, String> {
    let json = unpack(gz).map_err(|error| error.to_string())?;
    Ok(Quarantined {
        id: id.to_owned(),
        job: serde_json::from_str(&json).map_err(|error| error.to_string())?,
        reason: item::str(head, "reason")?.to_owned(),
        at: item::timestamp(head, "quarantined_at")?,
    })
}

fn chunk_key(delivery: &str, number: u32) -> String {
    format!("body#{delivery}#{number}")
}

fn blob(item: &Item) -> Option<&[u8]> {
    item.get("body").and_then(|value| value.as_b().ok()).map(AsRef::as_ref)
}
