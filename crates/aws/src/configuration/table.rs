//! The table `config` as the CLI uses it. Only the CLI writes to it.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::transact_write_items::TransactWriteItemsError,
    primitives::Blob,
    types::{AttributeValue, Put, TransactWriteItem},
};
use aws_types::SdkConfig;
use jiff::Timestamp;

use super::{
    CURRENT, KEY, PERMIT,
    stored::{FORMAT, MAX_PACKED_BYTES, Stored, Version, key, packed, unpacked},
};
use crate::client::with_causes;

type Item = HashMap<String, AttributeValue>;

/// The table `config`.
#[derive(Debug, Clone)]
pub struct ConfigTable {
    pub(super) client: Client,
    pub(super) table: String,
}

/// A version without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// SHA-256 of its JSON, in hex.
    pub digest: String,
    /// When it was applied.
    pub at: Timestamp,
    /// Who applied it.
    pub by: String,
}

/// Why the table could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The table does not answer, or refuses the call.
    #[error("the table of configurations: {0}")]
    Unavailable(String),
    /// The item cannot be read.
    #[error("{key} in the table of configurations cannot be read: {reason}")]
    Unreadable {
        /// Its key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration does not fit into an item.
    #[error("the configuration takes {bytes} bytes compressed, and an item holds {MAX_PACKED_BYTES}")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
}

/// Why the current version was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// Another apply was faster.
    #[error("another `config apply` came first; nothing was changed")]
    Overtaken,
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl ConfigTable {
    /// The table with that name.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self { client: Client::new(aws), table: table.into() }
    }

    /// The content of `current`; none if nothing was ever applied.
    ///
    /// # Errors The table does not answer, or this release cannot read the item.
    pub async fn current(&self) -> Result<Option<Stored>, TableError> {
        let Some(item) = self.item(CURRENT).await? else { return Ok(None) };
        stored(&item).map(Some).map_err(|reason| TableError::Unreadable { key: CURRENT.to_owned(), reason })
    }

    /// Reads a version by its number.
    ///
    /// # Errors As [`ConfigTable::current`].
    pub async fn version(&self, number: u64) -> Result<Option<Version>, TableError> {
        let key = key(number);
        let Some(item) = self.item(&key).await? else { return Ok(None) };
        match stored(&item) {
            Ok(Stored::Applied(version)) => Ok(Some(version)),
            Ok(Stored::Withdrawn { .. }) => Ok(None),
            Err(reason) => Err(TableError::Unreadable { key, reason }),
        }
    }

    /// All applied versions, the latest first.
    ///
    /// # Errors As [`ConfigTable::current`].
    pub async fn history(&self) -> Result<Vec<Head>, TableError> {
        let mut heads = Vec::new();
        let mut pages = self.client.scan().table_name(&self.table).consistent_read(true).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| TableError::Unavailable(with_causes(error)))?;
            for item in page.items.unwrap_or_default() {
                let key = string(&item, KEY).unwrap_or_default().to_owned();
                if key != CURRENT && key != PERMIT {
                    heads.push(head(&item).map_err(|reason| TableError::Unreadable { key, reason })?);
                }
            }
        }
        heads.sort_by_key(|head| std::cmp::Reverse(head.number));
        Ok(heads)
    }

    /// Stores a version and makes it the current one, in one transaction, if `current` still has the number `expected`.
    ///
    /// # Errors [`ReplaceError::Overtaken`] if it has another number.
    pub async fn replace(&self, expected: Option<u64>, version: &Version) -> Result<(), ReplaceError> {
        let item = item(version)?;
        let numbered = self.put(item.clone(), key(version.number), None);
        self.write(vec![numbered, self.put(item, CURRENT.to_owned(), expected)]).await
    }

    /// Withdraws the first version, which has no earlier version to return to: the functions have no configuration
    /// again.
    ///
    /// # Errors As [`ConfigTable::replace`].
    pub async fn withdraw(&self, number: u64) -> Result<(), ReplaceError> {
        let item = HashMap::from([("number".to_owned(), count(number)), ("format".to_owned(), count(FORMAT))]);
        self.write(vec![self.put(item, CURRENT.to_owned(), Some(number))]).await
    }

    pub(super) async fn item(&self, key: &str) -> Result<Option<Item>, TableError> {
        let request = self.client.get_item().table_name(&self.table).key(KEY, text(key)).consistent_read(true);
        let answer = Box::pin(request.send()).await.map_err(|error| TableError::Unavailable(with_causes(error)))?;
        Ok(answer.item)
    }

    /// A put that succeeds only if the key is free, or has the version `expected`.
    fn put(&self, mut item: Item, key: String, expected: Option<u64>) -> TransactWriteItem {
        item.insert(KEY.to_owned(), text(key));
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = match expected {
            None => put.condition_expression("attribute_not_exists(#key)").expression_attribute_names("#key", KEY),
            Some(number) => put
                .condition_expression("#number = :expected")
                .expression_attribute_names("#number", "number")
                .expression_attribute_values(":expected", count(number)),
        };
        // Table name and item are set, so this cannot fail.
        let put = put.build().ok();
        TransactWriteItem::builder().set_put(put).build()
    }

    async fn write(&self, puts: Vec<TransactWriteItem>) -> Result<(), ReplaceError> {
        let request = self.client.transact_write_items().set_transact_items(Some(puts));
        let Err(error) = Box::pin(request.send()).await else { return Ok(()) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
                let lost = ["ConditionalCheckFailed", "TransactionConflict"];
                if codes.into_iter().any(|code| lost.contains(&code)) {
                    return Err(ReplaceError::Overtaken);
                }
                Err(TableError::Unavailable(with_causes(error)).into())
            }
            _ => Err(TableError::Unavailable(with_causes(error)).into()),
        }
    }
}

fn item(version: &Version) -> Result<Item, TableError> {
    let packed = packed(&version.json).map_err(|error| TableError::Unavailable(error.to_string()))?;
    if packed.len() > MAX_PACKED_BYTES {
        return Err(TableError::TooLarge { bytes: packed.len() });
    }
    let attributes = [
        ("number", count(version.number)),
        ("format", count(FORMAT)),
        ("digest", text(&version.digest)),
        ("json", AttributeValue::B(Blob::new(packed))),
        ("at", text(version.at.to_string())),
        ("by", text(&version.by)),
    ];
    Ok(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn stored(item: &Item) -> Result<Stored, String> {
    let number = number(item, "number")?;
    if self::number(item, "format")? > FORMAT {
        return Err("it was written by a newer release of gridbell".to_owned());
    }
    let Some(AttributeValue::B(bytes)) = item.get("json") else { return Ok(Stored::Withdrawn { number }) };
    let json = unpacked(bytes.as_ref())?;
    let Head { number, digest, at, by } = head(item)?;
    Ok(Stored::Applied(Version { number, digest, json, at, by }))
}

fn head(item: &Item) -> Result<Head, String> {
    let at = string(item, "at")?.parse().map_err(|error| format!("at: {error}"))?;
    let own = |name| string(item, name).map(str::to_owned);
    Ok(Head { number: number(item, "number")?, digest: own("digest")?, at, by: own("by")? })
}

fn string<'i>(item: &'i Item, name: &str) -> Result<&'i str, String> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or_else(|| format!("{name} is missing"))
}

fn number(item: &Item, name: &str) -> Result<u64, String> {
    let value = item.get(name).and_then(|value| value.as_n().ok());
    value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("{name} is no number"))
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn count(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
