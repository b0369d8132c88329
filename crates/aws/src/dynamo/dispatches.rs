//! The table `dispatches`: a subject's state and the signals it still owes, in one item.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_types::SdkConfig;
use dispatch::{Origin, Plan, Signal, State, Subject};
use jiff::Timestamp;
use pipeline::{
    ports::{Active, Dispatches, PortError, WriteError},
    ramping::Ramping,
    record::{Ack, Due, Entry, Missed, Record},
};
use serde::{Deserialize, Serialize};

use super::{
    Store,
    item::{self, Item, days_after, instant, packed, unpacked},
    number, text,
};
use crate::client::unavailable;

/// How long a dispatch that no longer changes is kept: a year's settlement, and a month more.
const KEPT_DAYS: i64 = 400;
/// How many subjects one sweep looks at.
const SWEPT: i32 = 100;
/// The value of the attribute `unsent`: the index's one partition.
const UNSENT: &str = "1";
/// The value of the attribute `due`: likewise.
const DUE: &str = "1";

/// How many pages of the index `active`, a megabyte each, are read at most: of tens of thousands of dispatches, those that are
/// over last.
const ACTIVE_PAGES: usize = 8;
/// Sorts after every instant: what has no end is over last.
const OPEN: &str = "9999-12-31T23:59:59Z";

/// The table `dispatches`.
#[derive(Debug, Clone)]
pub struct DispatchesTable(pub(super) Store);

/// What people at the console need not read, compressed as one: state and signals say the same about thousands of meters.
#[derive(Deserialize)]
struct Body {
    origin: Origin,
    state: State,
    /// Owed while the item is in the index `unsent`; what stands here afterwards is a memory.
    outbox: Vec<Signal>,
    history: Vec<Entry>,
    #[serde(default)]
    due: Option<Due>,
    #[serde(default)]
    ack: Option<Ack>,
    #[serde(default)]
    failed_at: Option<Timestamp>,
    #[serde(default)]
    missed: Option<Missed>,
    #[serde(default)]
    ramping: Ramping,
}

#[derive(Serialize)]
struct BodyRef<'a> {
    origin: &'a Origin,
    state: &'a State,
    outbox: &'a [Signal],
    history: &'a [Entry],
    due: Option<Due>,
    ack: Option<&'a Ack>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_at: Option<Timestamp>,
    missed: Option<&'a Missed>,
    ramping: &'a Ramping,
}

impl DispatchesTable {
    /// The table of that name.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self(Store::new(aws, table, "dispatches", "subject"))
    }
}

impl Dispatches for DispatchesTable {
    async fn read(&self, subject: &Subject) -> Result<Option<Record>, PortError> {
        let Some(item) = self.0.get(subject.as_str()).await? else { return Ok(None) };
        from_item(&item).map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }

    async fn write(&self, record: &Record, expected: Option<u64>) -> Result<(), WriteError<Record>> {
        let item = to_item(record).map_err(|error| self.0.broken(error))?;
        self.0.write(item, expected, from_item).await
    }

    async fn sent(&self, subject: &Subject, revision: u64) -> Result<bool, PortError> {
        let request = self
            .0
            .client
            .update_item()
            .table_name(&self.0.table)
            .key(self.0.key, text(subject.as_str()))
            .update_expression("SET revision = :next REMOVE unsent")
            .condition_expression("revision = :expected")
            .expression_attribute_values(":expected", number(revision))
            .expression_attribute_values(":next", number(revision + 1));
        let Err(error) = Box::pin(request.send()).await else { return Ok(true) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(unavailable(self.0.port, error)),
        }
    }

    async fn unsent(&self, before: Timestamp) -> Result<Vec<Subject>, PortError> {
        self.indexed("unsent", "unsent = :one AND changed_at < :before", UNSENT, before).await
    }

    async fn due(&self, before: Timestamp) -> Result<Vec<Subject>, PortError> {
        self.indexed("due", "due = :one AND due_at < :before", DUE, before).await
    }

    async fn active(&self, source: &str, at: Timestamp) -> Result<Vec<Active>, PortError> {
        let mut active = Vec::new();
        let mut from = None;
        for _ in 0..ACTIVE_PAGES {
            let request = self
                .0
                .client
                .query()
                .table_name(&self.0.table)
                .index_name("active")
                .key_condition_expression("#active = :source AND #until > :at")
                .expression_attribute_names("#active", "active")
                .expression_attribute_names("#until", "until")
                .expression_attribute_values(":source", text(source))
                .expression_attribute_values(":at", instant(at))
                .scan_index_forward(false)
                .set_exclusive_start_key(from.take());
            let answer = Box::pin(request.send()).await.map_err(|error| unavailable(self.0.port, error))?;
            for item in answer.items() {
                active.push(planned(item).map_err(|reason| self.0.unreadable(item, &reason))?);
            }
            from = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                break;
            }
        }
        Ok(active)
    }
}

fn planned(item: &Item) -> Result<Active, String> {
    let plan: Plan = unpacked(item, "plan")?;
    Ok(Active { subject: Subject::from_stored(item::str(item, "subject")?), plan })
}

impl DispatchesTable {
    /// The subjects of a sparse index's one partition, the oldest first.
    async fn indexed(
        &self,
        index: &str,
        condition: &str,
        one: &str,
        before: Timestamp,
    ) -> Result<Vec<Subject>, PortError> {
        let request = self
            .0
            .client
            .query()
            .table_name(&self.0.table)
            .index_name(index)
            .key_condition_expression(condition)
            .expression_attribute_values(":one", text(one))
            .expression_attribute_values(":before", instant(before))
            .limit(SWEPT);
        let answer = Box::pin(request.send()).await.map_err(|error| unavailable(self.0.port, error))?;
        let subjects = answer.items().iter().filter_map(|item| item::str(item, self.0.key).ok());
        Ok(subjects.map(Subject::from_stored).collect())
    }
}

fn to_item(record: &Record) -> Result<Item, String> {
    let body = BodyRef {
        origin: &record.origin,
        state: &record.state,
        outbox: &record.outbox,
        history: &record.history,
        due: record.due,
        ack: record.ack.as_ref(),
        failed_at: record.failed_at,
        missed: record.missed.as_ref(),
        ramping: &record.ramping,
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
    if let Some((status, statement)) = record.state.published() {
        item.insert("status", text(item::word(&status)));
        item.insert("start", text(statement.start.to_string()));
        if let Some(end) = statement.end {
            item.insert("end", text(end.to_string()));
        }
    }
    if !record.outbox.is_empty() {
        item.insert("unsent", text(UNSENT));
    }
    if let Some(due) = record.due {
        item.insert("due", text(DUE));
        item.insert("due_at", instant(due.at));
    }
    if let Some(plan) = record.plan() {
        item.insert("active", text(&record.origin.source));
        item.insert("until", plan.until().map_or_else(|| text(OPEN), instant));
        item.insert("plan", packed(&plan)?);
    }
    if let Some(ack) = &record.ack {
        item.insert("acknowledged", text(item::word(&ack.state)));
    }
    Ok(item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(super) fn from_item(item: &Item) -> Result<Record, String> {
    let Body { origin, state, mut outbox, history, due, ack, failed_at, missed, ramping } = unpacked(item, "body")?;
    if !item.contains_key("unsent") {
        outbox.clear();
    }
    Ok(Record {
        subject: Subject::from_stored(item::str(item, "subject")?),
        revision: item::integer(item, "revision")?,
        write: item::str(item, "write")?.to_owned(),
        origin,
        state,
        outbox,
        changed_at: item::timestamp(item, "changed_at")?,
        history,
        due,
        ack,
        failed_at,
        missed,
        ramping,
    })
}
