//! The table `dispatches`: a subject's state and its pending signals, in one item.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_types::SdkConfig;
use dispatch::{Epoch, Subject};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use pipeline::{
    ports::{ActiveSubject, Changed, Dispatches, DueSubject, PortError, Stamp, WriteError},
    record::SubjectRecord,
};

use super::{
    Condition, PutError, Store,
    inserts::Inserts,
    item::{self, Item, instant},
    large, number,
    record::{SHARDS, from_item, to_item},
    sent::{Mark, Marks},
    text,
};
use crate::client::unavailable;

/// The maximum number of pages, a megabyte each, that are read of a source's index: of hundreds of thousands of
/// dispatches, those that end last.
const PAGES: usize = 64;
/// How many shards are queried at the same time.
const AT_ONCE: usize = 8;

/// The key of the epoch's item. It is no subject: every subject but `heartbeat` contains a slash.
const EPOCH: &str = "epoch";

/// The table `dispatches`.
#[derive(Debug, Clone)]
pub struct DispatchesTable(pub(super) Store, Arc<OnceLock<Epoch>>, Inserts, Marks);

impl DispatchesTable {
    /// The table with that name.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self(Store::new(aws, table, "dispatches", "subject"), Arc::default(), Inserts::default(), Marks::default())
    }

    /// The stored epoch; none before the first publication.
    pub async fn stored_epoch(&self) -> Result<Option<Epoch>, PortError> {
        let Some(item) = self.0.get(EPOCH).await? else { return Ok(None) };
        item::integer(&item, "epoch")
            .map(|epoch| Some(epoch.into()))
            .map_err(|reason| self.0.unreadable(&item, &reason))
    }

    /// Deletes a record of that revision: of a test that is over, when no function changes it any more. False if it was
    /// changed or is gone.
    pub async fn remove(&self, record: &SubjectRecord) -> Result<bool, PortError> {
        self.0.delete_revision(record.subject.as_str(), record.revision).await
    }

    /// Begins a new epoch: after a restore, while no function runs. Running processes keep the epoch that they know.
    pub async fn begin_epoch(&self, now: Timestamp) -> Result<Epoch, PortError> {
        let epoch = self.stored_epoch().await?.unwrap_or_default().after(now);
        match self.0.put(epoch_item(epoch), None).await {
            Ok(()) => Ok(epoch),
            Err(PutError::Port(error)) => Err(error),
            Err(PutError::Refused(_)) => Err(self.0.broken("an unconditional write was refused".to_owned())),
        }
    }
}

impl Dispatches for DispatchesTable {
    async fn epoch(&self, now: Timestamp) -> Result<Epoch, PortError> {
        if let Some(epoch) = self.1.get() {
            return Ok(*epoch);
        }
        let epoch = match self.stored_epoch().await? {
            Some(epoch) => epoch,
            None => self.first_epoch(Epoch::at(now)).await?,
        };
        Ok(*self.1.get_or_init(|| epoch))
    }

    async fn read(&self, subject: &Subject) -> Result<Option<SubjectRecord>, PortError> {
        match self.0.get(subject.as_str()).await? {
            Some(head) => self.record(head).await,
            None => Ok(None),
        }
    }

    async fn write(&self, record: &SubjectRecord, expected: Option<u64>) -> Result<(), WriteError<SubjectRecord>> {
        let layout = to_item(record).and_then(|head| large::layout(head, &record.write, record.active().as_ref()));
        let layout = layout.map_err(|error| self.0.broken(error))?;
        let (subject, is_divided) = (record.subject.as_str(), layout.is_divided());
        self.0.put_others(&layout).await?;
        let put = match expected {
            None => self.2.put(&self.0, layout.head).await,
            Some(_) => self.0.put_after(layout.head, expected).await,
        };
        match put {
            Ok(()) => {
                if let (true, Some(replaced)) = (is_divided, &record.follows) {
                    self.0.forget_others(subject, replaced).await;
                }
                Ok(())
            }
            Err(PutError::Port(error)) => Err(error.into()),
            Err(PutError::Refused(old)) => {
                let old = match old {
                    Some(head) => self.record(head).await?,
                    None => None,
                };
                // The answer to an earlier attempt of this write may have been lost: then the items that it put are in
                // use.
                if is_divided && old.as_ref().is_none_or(|old| old.write != record.write) {
                    self.0.forget_others(subject, &record.write).await;
                }
                Err(WriteError::Lost(old.map(Box::new)))
            }
        }
    }

    async fn sent(&self, subject: &Subject, revision: u64) -> Result<bool, PortError> {
        self.3.set(&self.0, Mark { subject: subject.as_str().to_owned(), revision }).await
    }

    async fn unsent(&self, before: Timestamp) -> Result<Vec<Subject>, PortError> {
        let query = self
            .0
            .query("unsent")
            .key_condition_expression("unsent = :shard AND changed_at < :before")
            .expression_attribute_values(":before", instant(before));
        let items = self.in_shards(&query).await?;
        Ok(items.iter().filter_map(|item| item::str(item, self.0.key).ok()).map(Subject::from_stored).collect())
    }

    async fn due(&self, before: Timestamp) -> Result<Vec<DueSubject>, PortError> {
        let query = self
            .0
            .query("due")
            .key_condition_expression("due = :shard AND due_at < :before")
            .expression_attribute_values(":before", instant(before));
        let due = |item: &Item| -> Result<DueSubject, String> {
            // For a long subject this is the hash, under which its record is found too.
            let subject = Subject::from_stored(item::str(item, "subject")?);
            Ok(DueSubject { at: item::timestamp(item, "due_at")?, subject })
        };
        let items = self.in_shards(&query).await?;
        let read = |item: &Item| match due(item) {
            Ok(due) => Some(due),
            Err(reason) => {
                // An item that this release cannot read must not hide the others.
                tracing::warn!(error = %self.0.unreadable(item, &reason), "left out of the sweep");
                None
            }
        };
        let mut due: Vec<DueSubject> = items.iter().filter_map(read).collect();
        due.sort();
        Ok(due)
    }

    async fn active(&self, source: &str, at: Timestamp) -> Result<Vec<ActiveSubject>, PortError> {
        let query = self
            .0
            .query("active")
            .key_condition_expression("#active = :source AND #until > :at")
            .expression_attribute_names("#active", "active")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":source", text(source))
            .expression_attribute_values(":at", instant(at))
            .scan_index_forward(false);
        let items = self.pages(query).await?;
        large::active(&items).map_err(|(item, reason)| self.0.unreadable(item, &reason))
    }

    async fn changed(
        &self,
        source: &str,
        since: Timestamp,
        is_known: impl Fn(&Subject, Stamp) -> bool,
    ) -> Result<Vec<Changed>, PortError> {
        let query = self
            .0
            .query("changes")
            .key_condition_expression("changed_in = :source AND changed_at >= :since")
            .expression_attribute_values(":source", text(source))
            .expression_attribute_values(":since", instant(since));
        let items = self.pages(query).await?;
        large::changed(&items, is_known).map_err(|(item, reason)| self.0.unreadable(item, &reason))
    }
}

impl DispatchesTable {
    /// Stores the epoch of new tables; if another process was faster, returns that one's epoch.
    async fn first_epoch(&self, epoch: Epoch) -> Result<Epoch, PortError> {
        let condition = Condition { expression: "attribute_not_exists(subject)".to_owned(), values: HashMap::new() };
        match self.0.put(epoch_item(epoch), Some(condition)).await {
            Ok(()) => Ok(epoch),
            Err(PutError::Port(error)) => Err(error),
            Err(PutError::Refused(_)) => {
                let stored = self.stored_epoch().await?;
                stored.ok_or_else(|| self.0.broken("the epoch was stored and is not there".to_owned()))
            }
        }
    }

    /// The items that a query finds in all shards of its index; several shards are queried at the same time.
    async fn in_shards(&self, query: &QueryFluentBuilder) -> Result<Vec<Item>, PortError> {
        let asked = (0..SHARDS).map(|shard| {
            let query = query.clone().expression_attribute_values(":shard", text(shard.to_string()));
            self.0.listed(query)
        });
        let found: Vec<Result<Vec<Item>, PortError>> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        let found = found.into_iter().collect::<Result<Vec<Vec<Item>>, PortError>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// All pages of a query, up to [`PAGES`].
    async fn pages(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, PortError> {
        let (mut items, mut from) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = query.clone().set_exclusive_start_key(from.take());
            let page = Box::pin(page.send()).await.map_err(|error| unavailable(self.0.port, error))?;
            items.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                break;
            }
        }
        Ok(items)
    }

    /// Reads a record from its item and the items that it names.
    pub(super) async fn record(&self, head: Item) -> Result<Option<SubjectRecord>, PortError> {
        let Some(item) = self.0.whole(head).await? else { return Ok(None) };
        from_item(&item).map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }
}

fn epoch_item(epoch: Epoch) -> Item {
    Item::from([("subject".to_owned(), text(EPOCH)), ("epoch".to_owned(), number(epoch.as_millisecond()))])
}
