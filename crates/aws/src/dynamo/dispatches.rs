//! The table `dispatches`: a subject's state and its pending signals, in one item.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_types::SdkConfig;
use dispatch::{Epoch, Origin, Signal, State, Subject, TraceParent, trace};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use pipeline::{
    dispatches::{ramping::Ramping, sent::SentVersion, unreadable::UnreadableFields},
    ports::{ActiveSubject, Changed, Dispatches, DueSubject, PortError, Stamp, WriteError},
    record::{Ack, MissedChange, SubjectRecord},
    timeline::TimelineEvent,
};
use serde::{Deserialize, Serialize};

use super::{
    Condition, PutError, Store,
    item::{self, Item, days_after, instant, packed, unpacked},
    large, number,
    sent::{Mark, Marks},
    text,
};
use crate::client::unavailable;

/// How long an unchanged dispatch is stored: a year for the settlement, and a month more.
const KEPT_DAYS: i64 = 400;
/// The number of partitions of the indexes `unsent` and `due`: one partition takes a thousand writes a second.
const SHARDS: u32 = 16;

/// The maximum number of pages, a megabyte each, that are read of a source's index: of hundreds of thousands of
/// dispatches, those that end last.
const PAGES: usize = 64;
/// How many shards are queried at the same time.
const AT_ONCE: usize = 8;
/// Sorts after every instant, since a dispatch without an end ends last.
const OPEN: &str = "9999-12-31T23:59:59Z";

/// The key of the epoch's item. It is no subject: every subject but `heartbeat` contains a slash.
const EPOCH: &str = "epoch";

/// The table `dispatches`.
#[derive(Debug, Clone)]
pub struct DispatchesTable(pub(super) Store, Arc<OnceLock<Epoch>>, Marks);

/// The part that people at the console need not read, compressed together: state and signals repeat thousands of
/// meters.
#[derive(Deserialize)]
struct Body {
    origin: Origin,
    state: State,
    /// Pending while the item is in the index `unsent`; afterwards only a record of what was sent.
    outbox: Vec<Signal>,
    /// Only of interest while signals are pending.
    #[serde(default)]
    sent: Option<SentVersion>,
    history: Vec<TimelineEvent>,
    #[serde(default)]
    due: Option<Timestamp>,
    #[serde(default)]
    lapsed: Option<Timestamp>,
    #[serde(default)]
    open_end: Option<Timestamp>,
    #[serde(default)]
    ack: Option<Ack>,
    #[serde(default)]
    missed: Option<Vec<MissedChange>>,
    #[serde(default)]
    ramping: Ramping,
    #[serde(default)]
    unreadable: UnreadableFields,
    #[serde(default, deserialize_with = "trace::lenient")]
    traceparent: Option<TraceParent>,
}

#[derive(Serialize)]
struct BodyRef<'a> {
    origin: &'a Origin,
    state: &'a State,
    outbox: &'a [Signal],
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<&'a SentVersion>,
    history: &'a [TimelineEvent],
    due: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lapsed: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_end: Option<Timestamp>,
    ack: Option<&'a Ack>,
    missed: Option<&'a [MissedChange]>,
    ramping: &'a Ramping,
    #[serde(skip_serializing_if = "UnreadableFields::is_empty")]
    unreadable: &'a UnreadableFields,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<TraceParent>,
}

impl DispatchesTable {
    /// The table with that name.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self(Store::new(aws, table, "dispatches", "subject"), Arc::default(), Marks::default())
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
        match self.0.put_after(layout.head, expected).await {
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
        self.2.set(&self.0, Mark { subject: subject.as_str().to_owned(), revision }).await
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

/// Its partition in a sharded index.
fn shard(subject: &Subject) -> String {
    let sum = subject.as_str().bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    (sum % SHARDS).to_string()
}

pub(super) fn to_item(record: &SubjectRecord) -> Result<Item, String> {
    let body = BodyRef {
        origin: &record.origin,
        state: &record.state,
        outbox: &record.outbox,
        sent: record.sent.as_ref(),
        history: &record.history,
        due: record.due,
        lapsed: record.lapsed,
        open_end: record.open_end,
        ack: record.ack.as_ref(),
        missed: record.missed.as_deref(),
        ramping: &record.ramping,
        unreadable: &record.unreadable,
        traceparent: record.traceparent,
    };
    let mut item = HashMap::from([
        ("subject", text(record.subject.as_str())),
        ("revision", number(record.revision)),
        ("write", text(&record.write)),
        ("changed_at", instant(record.changed_at)),
        ("expires_at", days_after(record.changed_at, KEPT_DAYS)),
        ("source", text(&record.origin.source)),
        ("provider", text(&record.origin.provider)),
        ("version", number(record.state.version)),
        ("body", packed(&body)?),
    ]);
    if let Some((status, terms)) = record.state.published() {
        item.insert("status", text(item::word(&status)));
        item.insert("start", text(terms.start.to_string()));
        if let Some(end) = terms.end {
            item.insert("end", text(end.to_string()));
        }
    }
    if !record.outbox.is_empty() {
        item.insert("unsent", text(shard(&record.subject)));
    }
    if let Some(look_at) = record.look_at() {
        item.insert("due", text(shard(&record.subject)));
        item.insert("due_at", instant(look_at));
    }
    if let Some(active) = record.active() {
        item.insert("active", text(&record.origin.source));
        item.insert("until", active.until().map_or_else(|| text(OPEN), instant));
        item.insert("summary", packed(&active)?);
    }
    if record.state.can_be_on() {
        item.insert("changed_in", text(&record.origin.source));
    }
    if let Some(ack) = &record.ack {
        item.insert("acknowledged", text(item::word(&ack.state)));
    }
    Ok(item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(super) fn from_item(item: &Item) -> Result<SubjectRecord, String> {
    let Body {
        origin,
        state,
        mut outbox,
        mut sent,
        history,
        due,
        lapsed,
        open_end,
        ack,
        missed,
        ramping,
        unreadable,
        traceparent,
    } = unpacked(item, "body")?;
    if !item.contains_key("unsent") {
        outbox.clear();
        sent = None;
    }
    Ok(SubjectRecord {
        subject: Subject::from_stored(item::full_key(item, "subject")?),
        revision: item::integer(item, "revision")?,
        write: item::str(item, "write")?.to_owned(),
        follows: None,
        origin,
        state,
        outbox,
        sent,
        changed_at: item::timestamp(item, "changed_at")?,
        history,
        due,
        lapsed,
        open_end,
        ack,
        missed,
        ramping,
        unreadable,
        traceparent,
    })
}
