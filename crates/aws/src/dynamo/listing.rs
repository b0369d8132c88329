//! Listings for people: whole table scans, filtered by DynamoDB. The functions do not use them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use dispatch::TraceParent;
use jiff::Timestamp;
use pipeline::{
    incident::Incident,
    job::{Failure, JobKind},
    ports::PortError,
    record::SubjectRecord,
};

use super::{
    DeliveriesTable, DispatchesTable, IncidentsTable, Store, incidents,
    item::{self, Item, instant, unpacked},
    retries, text,
};
use crate::client::unavailable;

/// The result of a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// The items, unordered.
    pub found: Vec<T>,
    /// Keys of items that could not be read, each with the reason.
    pub unreadable: Vec<String>,
}

/// Which dispatches to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only of this source.
    pub source: Option<String>,
    /// Only of this status, as stored: `scheduled`, `cancelled`, `ended`.
    pub status: Option<String>,
    /// Only those that last beyond this instant, have no end, or changed after it.
    pub since: Option<Timestamp>,
}

/// A failing job with a scheduled next attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Failing {
    /// Its key in the table.
    pub id: String,
    /// Its first delivery.
    pub delivery: String,
    /// The source that received it.
    pub source: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// When its next attempt is.
    pub next_at: Timestamp,
    /// How often it has failed.
    pub attempt: u64,
    /// The failures, oldest first.
    pub failures: Vec<Failure>,
    /// The kind of the job; none if the queue has a long body and the table does not.
    pub kind: Option<JobKind>,
    /// Its trace.
    pub traceparent: Option<TraceParent>,
}

/// A quarantined job, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedJob {
    /// Its key in the table.
    pub id: String,
    /// The source that received it.
    pub source: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// When it was quarantined.
    pub at: Timestamp,
    /// The kind of failure, as stored.
    pub kind: String,
    /// Why it was quarantined.
    pub reason: String,
    /// The delivery of its last replay.
    pub replayed_as: Option<String>,
}

/// The jobs in the table `deliveries`.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredJob {
    /// It is being retried.
    Failing(Box<Failing>),
    /// It is quarantined until a person replays it.
    Quarantined(QuarantinedJob),
}

impl DispatchesTable {
    /// Every record: dispatches, load targets, meters, accounts.
    pub async fn all_records(&self) -> Result<Listed<SubjectRecord>, PortError> {
        self.records(Filter::new("attribute_exists(revision)")).await
    }

    /// The dispatches that match.
    pub async fn all(&self, wanted: &Wanted) -> Result<Listed<SubjectRecord>, PortError> {
        let mut filter = Filter::new("attribute_exists(#start)").named("#start", "start");
        if let Some(source) = &wanted.source {
            filter = filter.and("#source = :source").named("#source", "source").valued(":source", text(source));
        }
        if let Some(status) = &wanted.status {
            filter = filter.and("#status = :status").named("#status", "status").valued(":status", text(status));
        }
        if let Some(since) = wanted.since {
            filter = filter
                .and("(changed_at > :since OR #end > :since OR (attribute_not_exists(#end) AND #status = :on))")
                .named("#end", "end")
                .named("#status", "status")
                .valued(":since", instant(since))
                .valued(":on", text("scheduled"));
        }
        self.records(filter).await
    }

    async fn records(&self, filter: Filter) -> Result<Listed<SubjectRecord>, PortError> {
        let mut listed = Listed { found: Vec::new(), unreadable: Vec::new() };
        for head in self.0.scan(filter).await? {
            match self.record(head).await {
                Ok(record) => listed.found.extend(record),
                Err(PortError::Broken { reason, .. }) => listed.unreadable.push(reason),
                Err(error) => return Err(error),
            }
        }
        Ok(listed)
    }

    /// The time of the last change, by source.
    pub async fn last_changes(&self) -> Result<BTreeMap<String, Timestamp>, PortError> {
        let filter = Filter { projection: Some("#source, changed_at"), ..Filter::default() };
        let mut last = BTreeMap::<String, Timestamp>::new();
        for item in self.0.scan(filter.named("#source", "source")).await? {
            let (Ok(source), Ok(at)) = (item::str(&item, "source"), item::timestamp(&item, "changed_at")) else {
                continue;
            };
            let known = last.entry(source.to_owned()).or_insert(at);
            *known = at.max(*known);
        }
        Ok(last)
    }
}

impl IncidentsTable {
    /// All incidents, or only the open ones.
    pub async fn all(&self, open: bool) -> Result<Listed<Incident>, PortError> {
        let mut filter = Filter::new("attribute_exists(opened_at)");
        if open {
            filter =
                filter.and("#status <> :resolved").named("#status", "status").valued(":resolved", text("resolved"));
        }
        Ok(self.0.read_all(self.0.scan(filter).await?, incidents::from_item))
    }
}

impl DeliveriesTable {
    /// The failing and quarantined jobs of one source or of all, without their bodies.
    pub async fn all(&self, source: Option<&str>) -> Result<Listed<StoredJob>, PortError> {
        let mut filter = Filter::new("kind IN (:retry, :quarantined)")
            .valued(":retry", text("retry"))
            .valued(":quarantined", text("quarantined"))
            .named("#source", "source");
        filter.projection = Some(
            "delivery, kind, chain, next_at, #source, received_at, attempt, failures, job, quarantined_at, failure, reason, replayed_as",
        );
        if let Some(source) = source {
            filter = filter.and("#source = :source").valued(":source", text(source));
        }
        Ok(self.0.read_all(self.0.scan(filter).await?, stored_job))
    }

    /// One job by its key; none if there is none.
    pub async fn job(&self, id: &str) -> Result<Option<StoredJob>, PortError> {
        let Some(item) = self.0.get(id).await? else { return Ok(None) };
        if !matches!(item::str(&item, "kind"), Ok("retry" | "quarantined")) {
            return Ok(None);
        }
        stored_job(&item).map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }

    /// Records that a quarantined job was replayed as another delivery, and ends its events.
    pub async fn replayed(&self, id: &str, delivery: &str, at: Timestamp) -> Result<(), PortError> {
        let request = self
            .0
            .update(id)
            .update_expression("SET replayed_as = :delivery, replayed_at = :at")
            .condition_expression("attribute_exists(delivery)")
            .expression_attribute_values(":delivery", text(delivery))
            .expression_attribute_values(":at", instant(at));
        Box::pin(request.send()).await.map_err(|error| unavailable(self.0.port, error))?;
        self.replayed_events(id).await
    }
}

fn stored_job(item: &Item) -> Result<StoredJob, String> {
    let id = item::str(item, "delivery")?.to_owned();
    let source = item::str(item, "source")?.to_owned();
    let received_at = item::timestamp(item, "received_at")?;
    if item::str(item, "kind")? == "quarantined" {
        return Ok(StoredJob::Quarantined(QuarantinedJob {
            id,
            source,
            received_at,
            at: item::timestamp(item, "quarantined_at")?,
            kind: item::str(item, "failure")?.to_owned(),
            reason: item::str(item, "reason")?.to_owned(),
            replayed_as: item::str(item, "replayed_as").ok().map(str::to_owned),
        }));
    }
    Ok(StoredJob::Failing(Box::new(Failing {
        id,
        delivery: item::str(item, "chain")?.to_owned(),
        source,
        received_at,
        next_at: item::timestamp(item, "next_at")?,
        attempt: item::integer(item, "attempt")?,
        failures: unpacked(item, "failures")?,
        kind: item.contains_key("job").then(|| unpacked(item, "job")).transpose()?,
        traceparent: retries::traceparent(item),
    })))
}

/// A filter of a scan.
#[derive(Default)]
struct Filter {
    expression: Option<String>,
    projection: Option<&'static str>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Filter {
    fn new(expression: &str) -> Self {
        Self { expression: Some(expression.to_owned()), ..Self::default() }
    }

    fn and(mut self, expression: &str) -> Self {
        self.expression = Some(match self.expression {
            Some(before) => format!("{before} AND {expression}"),
            None => expression.to_owned(),
        });
        self
    }

    fn named(mut self, name: &str, attribute: &str) -> Self {
        self.names.insert(name.to_owned(), attribute.to_owned());
        self
    }

    fn valued(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }
}

impl Store {
    async fn scan(&self, filter: Filter) -> Result<Vec<Item>, PortError> {
        let Filter { expression, projection, names, values } = filter;
        let request = self
            .client
            .scan()
            .table_name(&self.table)
            .set_filter_expression(expression)
            .set_projection_expression(projection.map(str::to_owned))
            .set_expression_attribute_names(Some(names).filter(|names| !names.is_empty()))
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()))
            .consistent_read(true);
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let page = request.clone().set_exclusive_start_key(from.take());
            let page = Box::pin(page.send()).await.map_err(|error| unavailable(self.port, error))?;
            items.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(items);
            }
        }
    }

    fn read_all<T>(&self, items: Vec<Item>, read: impl Fn(&Item) -> Result<T, String>) -> Listed<T> {
        let mut listed = Listed { found: Vec::new(), unreadable: Vec::new() };
        for item in items {
            match read(&item) {
                Ok(one) => listed.found.push(one),
                Err(reason) => {
                    let key = item::str(&item, self.key).unwrap_or("an item without a key");
                    listed.unreadable.push(format!("{key}: {reason}"));
                }
            }
        }
        listed
    }
}
