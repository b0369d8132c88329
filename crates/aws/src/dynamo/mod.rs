//! The tables. One item per subject, delivery or incident; every write of state is conditional.

mod deliveries;
mod dispatches;
mod events;
mod health;
mod incidents;
mod inserts;
mod item;
mod large;
mod listing;
mod outputs;
mod parts;
mod polls;
mod record;
#[cfg(test)]
mod recorded;
mod retries;
mod sent;
mod statements;

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::{
        delete_item::{DeleteItemError, builders::DeleteItemFluentBuilder},
        put_item::PutItemError,
        query::builders::QueryFluentBuilder,
        update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    },
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use aws_types::SdkConfig;
use pipeline::{
    messages::{FORMAT, READS},
    ports::{PortError, WriteError},
};

pub use deliveries::{DeliveriesTable, Quarantined};
pub use dispatches::DispatchesTable;
pub use incidents::IncidentsTable;
pub(crate) use item::word;
pub use listing::{Failing, Listed, QuarantinedJob, StoredJob, Wanted};
pub use outputs::OutputsTable;

use crate::client::unavailable;
use item::Item;

/// The size limit of an item (400 KB).
const MAX_ITEM_BYTES: usize = 400 * 1_024;

/// How many items of an index one sweep lists at most, over all pages.
const MOST_LISTED: usize = 100_000;

/// One table.
#[derive(Debug, Clone)]
struct Store {
    client: Client,
    table: String,
    /// The table's name in errors.
    port: &'static str,
    /// The name of its key.
    key: &'static str,
}

/// The condition of a write.
struct Condition {
    expression: String,
    values: HashMap<String, AttributeValue>,
}

/// Why a put failed.
#[derive(Debug)]
enum PutError {
    /// The condition was false; the stored item.
    Refused(Option<Item>),
    /// The table did not answer, or cannot store the item.
    Port(PortError),
}

impl Store {
    fn new(aws: &SdkConfig, table: impl Into<String>, port: &'static str, key: &'static str) -> Self {
        Self { client: Client::new(aws), table: table.into(), port, key }
    }

    async fn get(&self, key: &str) -> Result<Option<Item>, PortError> {
        // DynamoDB answers an empty key with an exception, and no item can have one.
        if key.is_empty() {
            return Ok(None);
        }
        let request =
            self.client.get_item().table_name(&self.table).key(self.key, text(item::key(key))).consistent_read(true);
        let answer = Box::pin(request.send()).await.map_err(|error| unavailable(self.port, error))?;
        answer.item.map(|item| self.known(item)).transpose()
    }

    /// Returns the item, or an error if a later release wrote it in a format that this release cannot read. The job is
    /// then retried, as after a table failure, until that release is deployed again.
    fn known(&self, item: Item) -> Result<Item, PortError> {
        let v = item::version(&item).map_err(|reason| self.unreadable(&item, &reason))?;
        if v <= u64::from(READS) {
            return Ok(item);
        }
        let key = item::str(&item, self.key).unwrap_or("without a key");
        let reason = format!("the item {key} has format version {v}; this release reads up to {READS}");
        Err(PortError::Unavailable { port: self.port, reason })
    }

    /// The item as it is stored, with its size in bytes.
    fn stored(&self, item: Item) -> Result<(Item, usize), PutError> {
        let mut item = item::keyed(item, self.key);
        item.insert(item::VERSION.to_owned(), number(FORMAT.into()));
        let size = item::size(&item);
        if size > MAX_ITEM_BYTES {
            let reason = format!("an item of {size} bytes; DynamoDB takes {MAX_ITEM_BYTES}");
            return Err(PutError::Port(self.broken(reason)));
        }
        Ok((item, size))
    }

    async fn put(&self, item: Item, condition: Option<Condition>) -> Result<(), PutError> {
        let (item, _) = self.stored(item)?;
        let mut request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        if let Some(condition) = condition {
            request = request
                .condition_expression(condition.expression)
                .set_expression_attribute_values(Some(condition.values).filter(|values| !values.is_empty()))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        }
        let Err(error) = Box::pin(request.send()).await else { return Ok(()) };
        Err(match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                match refused.item.clone().map(|item| self.known(item)).transpose() {
                    Ok(old) => PutError::Refused(old),
                    Err(error) => PutError::Port(error),
                }
            }
            _ => PutError::Port(unavailable(self.port, error)),
        })
    }

    /// Puts an item whose `revision` follows the expected one. If another write was faster, returns the stored item.
    async fn put_after(&self, item: Item, expected: Option<u64>) -> Result<(), PutError> {
        let condition = match expected {
            None => Condition { expression: format!("attribute_not_exists({})", self.key), values: HashMap::new() },
            Some(revision) => Condition {
                expression: "revision = :expected".to_owned(),
                values: HashMap::from([(":expected".to_owned(), number(revision))]),
            },
        };
        self.put(item, Some(condition)).await
    }

    fn update(&self, key: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key(self.key, text(item::key(key)))
    }

    /// True if an update happened; false if its condition was false.
    async fn updated(&self, update: UpdateItemFluentBuilder) -> Result<bool, PortError> {
        let Err(error) = Box::pin(update.send()).await else { return Ok(true) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(unavailable(self.port, error)),
        }
    }

    fn query(&self, index: &str) -> QueryFluentBuilder {
        self.client.query().table_name(&self.table).index_name(index)
    }

    /// All items that a query of the sweep finds, up to a limit that bounds the memory. Later sweeps find the rest once
    /// these are processed.
    async fn listed(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, PortError> {
        let items = self.found(query, MOST_LISTED).await?;
        if items.len() >= MOST_LISTED {
            tracing::warn!(
                table.name = self.table,
                listed.count = items.len(),
                "more is in the index than one sweep lists"
            );
        }
        Ok(items)
    }

    /// The first `most` items that a query finds, over all pages.
    async fn found(&self, query: QueryFluentBuilder, most: usize) -> Result<Vec<Item>, PortError> {
        let (mut items, mut from) = (Vec::new(), None);
        while items.len() < most {
            let rest = i32::try_from(most - items.len()).unwrap_or(i32::MAX);
            let page = query.clone().limit(rest).set_exclusive_start_key(from.take());
            let page = Box::pin(page.send()).await.map_err(|error| unavailable(self.port, error))?;
            items.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                break;
            }
        }
        Ok(items)
    }

    fn deletion(&self, key: &str) -> DeleteItemFluentBuilder {
        self.client.delete_item().table_name(&self.table).key(self.key, text(item::key(key)))
    }

    /// Deletes the item if the condition is true; otherwise does nothing.
    async fn delete_if(&self, deletion: DeleteItemFluentBuilder) -> Result<(), PortError> {
        let Err(error) = Box::pin(deletion.send()).await else { return Ok(()) };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(unavailable(self.port, error)),
        }
    }

    /// Deletes the item if it has that revision; returns whether it did.
    async fn delete_revision(&self, key: &str, revision: u64) -> Result<bool, PortError> {
        let deletion = self
            .deletion(key)
            .condition_expression("revision = :expected")
            .expression_attribute_values(":expected", number(revision));
        let Err(error) = Box::pin(deletion.send()).await else { return Ok(true) };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(unavailable(self.port, error)),
        }
    }

    async fn delete(&self, key: &str) -> Result<bool, PortError> {
        let request = self.deletion(key).return_values(ReturnValue::AllOld);
        let answer = Box::pin(request.send()).await.map_err(|error| unavailable(self.port, error))?;
        Ok(answer.attributes.is_some_and(|old| !old.is_empty()))
    }

    /// Puts an item whose `revision` follows the expected one, or returns the stored item.
    async fn write<T>(
        &self,
        item: Item,
        expected: Option<u64>,
        read: impl FnOnce(&Item) -> Result<T, String>,
    ) -> Result<(), WriteError<T>> {
        match self.put_after(item, expected).await {
            Ok(()) => Ok(()),
            Err(PutError::Refused(None)) => Err(WriteError::Lost(None)),
            Err(PutError::Refused(Some(old))) => {
                let old = read(&old).map_err(|reason| self.unreadable(&old, &reason))?;
                Err(WriteError::Lost(Some(Box::new(old))))
            }
            Err(PutError::Port(error)) => Err(error.into()),
        }
    }

    fn broken(&self, reason: String) -> PortError {
        PortError::Broken { port: self.port, reason }
    }

    fn unreadable(&self, item: &Item, reason: &str) -> PortError {
        let key = item::str(item, self.key).unwrap_or("without a key");
        self.broken(format!("the item {key} cannot be read: {reason}"))
    }
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn named<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
