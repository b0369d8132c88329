//! The table `deliveries`: what fails and when it is tried again, what was put aside, how the polling of a source stands.

use std::collections::HashMap;

use aws_sdk_dynamodb::{operation::delete_item::DeleteItemError, primitives::Blob, types::AttributeValue};
use aws_types::SdkConfig;
use jiff::Timestamp;
use pipeline::{
    poll::PollState,
    ports::{Deliveries, Pending, PortError, WriteError},
    work::{BodyPart, StoredBody, Task, Trouble, Work, pack, unpack},
};

use super::{
    Condition, PutError, Store,
    item::{self, Item, days_after, instant, packed},
    number, parts, polls, text,
};
use crate::client::unavailable;

/// How long what was put aside waits for a mend.
const QUARANTINED_DAYS: i64 = 90;
/// How long the chunks of a body are kept: longer than what was put aside waits.
const CHUNKS_DAYS: i64 = QUARANTINED_DAYS + 14;
/// How long a booking that nobody settled is kept after its attempt: as long as the queue keeps the message.
const BOOKED_DAYS: i64 = 14;
/// The most of a booked task that is kept beside the booking; the message itself travels in the queue.
const BOOKED_TASK_BYTES: usize = 64 * 1_024;

/// The table `deliveries`.
#[derive(Debug, Clone)]
pub struct DeliveriesTable(pub(super) Store);

/// Work that was put aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantined {
    /// The key that it stands under.
    pub id: String,
    /// The work, with its raw body.
    pub work: Work,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

impl DeliveriesTable {
    /// The table of that name.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self(Store::new(aws, table, "deliveries", "delivery"))
    }

    pub(super) fn store(&self) -> &Store {
        &self.0
    }

    /// What was put aside under an id; none where nothing was.
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

    async fn put(&self, item: Item) -> Result<(), PortError> {
        match self.0.put(item, None).await {
            Ok(()) => Ok(()),
            Err(PutError::Port(error)) => Err(error),
            Err(PutError::Refused(_)) => Err(self.0.broken("an unconditional write was refused".to_owned())),
        }
    }
}

impl Deliveries for DeliveriesTable {
    async fn book(&self, pending: &Pending, now: Timestamp) -> Result<bool, PortError> {
        let item = booking(pending).map_err(|error| self.0.broken(error))?;
        let condition = Condition {
            // With its own instant it is the same write, sent again because its answer was lost.
            expression: "attribute_not_exists(delivery) OR next_at <= :now \
                OR (chain = :me AND (attempt < :attempt OR next_at = :next))"
                .to_owned(),
            values: HashMap::from([
                (":me".to_owned(), text(&pending.work.delivery)),
                (":now".to_owned(), instant(now)),
                (":next".to_owned(), instant(pending.next_at)),
                (":attempt".to_owned(), number(pending.work.attempt.into())),
            ]),
        };
        match self.0.put(item, Some(condition)).await {
            Ok(()) => Ok(true),
            Err(PutError::Refused(_)) => Ok(false),
            Err(PutError::Port(error)) => Err(error),
        }
    }

    async fn settled(&self, work: &Work) -> Result<(), PortError> {
        let request = self
            .0
            .client
            .delete_item()
            .table_name(&self.0.table)
            .key(self.0.key, text(booking_key(work)))
            .condition_expression("chain = :me")
            .expression_attribute_values(":me", text(&work.delivery));
        let Err(error) = Box::pin(request.send()).await else { return Ok(()) };
        match error.as_service_error() {
            // Never booked, or another delivery's by now.
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(unavailable(self.0.port, error)),
        }
    }

    async fn quarantine(&self, work: &Work, reason: &Trouble) -> Result<(), PortError> {
        let json = serde_json::to_string(work).map_err(|error| self.0.broken(error.to_string()))?;
        let gz = pack(&json);
        let id = quarantine_key(work);
        let expires_at = days_after(reason.at, QUARANTINED_DAYS);
        let (whole, split) = parts::split(&gz);
        // The head comes last: whoever finds it finds all of it.
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
            ("source", text(&work.source)),
            ("received_at", instant(work.received_at)),
            ("quarantined_at", instant(reason.at)),
            ("trouble", text(item::word(&reason.kind))),
            ("reason", text(&reason.detail)),
            ("parts", number(u64::try_from(split.len()).unwrap_or_default())),
            ("expires_at", expires_at),
        ]);
        if let Some(gz) = whole {
            head.insert("body".to_owned(), AttributeValue::B(Blob::new(gz)));
        }
        self.put(head).await
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
}

fn read(id: &str, head: &Item, gz: &[u8]) -> Result<Quarantined, String> {
    let json = unpack(gz).map_err(|error| error.to_string())?;
    Ok(Quarantined {
        id: id.to_owned(),
        work: serde_json::from_str(&json).map_err(|error| error.to_string())?,
        reason: item::str(head, "reason")?.to_owned(),
        at: item::timestamp(head, "quarantined_at")?,
    })
}

/// What people need to see of a failing unit; its message, with the body, travels in the queue.
fn booking(pending: &Pending) -> Result<Item, String> {
    let Pending { work, next_at } = pending;
    let mut item = named([
        ("delivery", text(booking_key(work))),
        ("kind", text("retry")),
        ("chain", text(&work.delivery)),
        ("next_at", instant(*next_at)),
        ("source", text(&work.source)),
        ("received_at", instant(work.received_at)),
        ("attempt", number(work.attempt.into())),
        ("troubles", packed(&work.troubles)?),
        ("expires_at", days_after(*next_at, BOOKED_DAYS)),
    ]);
    let task = match &work.task {
        Task::Body(body) | Task::Packed(body) if body.len() > BOOKED_TASK_BYTES => None,
        Task::Part(_) => None,
        task => Some(packed(task)?),
    };
    item.extend(task.map(|task| ("task".to_owned(), task)));
    Ok(item)
}

fn booking_key(work: &Work) -> String {
    item::key(&format!("retry#{}", work.key())).into_owned()
}

/// A body stands under its delivery's id. A look that began with the same delivery must not replace it.
fn quarantine_key(work: &Work) -> String {
    match &work.task {
        Task::Look(look) => item::key(&format!("{}/{}", work.delivery, look.key)).into_owned(),
        _ => work.delivery.clone(),
    }
}

fn chunk_key(delivery: &str, number: u32) -> String {
    format!("body#{delivery}#{number}")
}

fn named<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn blob(item: &Item) -> Option<&[u8]> {
    item.get("body").and_then(|value| value.as_b().ok()).map(AsRef::as_ref)
}
