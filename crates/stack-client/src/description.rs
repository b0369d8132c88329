//! `stack.json`: what is up on this machine and where, for other programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The contents of `stack.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The AWS-compatible endpoint.
    pub endpoint_url: String,
    /// The region everything is in.
    pub region: String,
    /// What `/hooks/…` and `/acks/…` stand behind, without a slash at the end.
    pub webhook_base: String,
    /// The queues' URLs: deliveries, retries, alerts, reviews, signals, `retries_dead`, `alerts_dead`.
    pub queues: BTreeMap<String, String>,
    /// The tables' names: dispatches, deliveries, alerts, config.
    pub tables: BTreeMap<String, String>,
    /// The sources by name.
    pub sources: BTreeMap<String, SourceDescription>,
    /// Where a controller acknowledges.
    pub acks: String,
    /// Where the mail sent can be read as JSON.
    pub mail: String,
}

/// A source in `stack.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDescription {
    /// Whose webhooks it takes.
    pub provider: String,
    /// Ends in the token where `up` made it, else at the source's name.
    pub url: String,
    /// Headers that a webhook must carry besides.
    pub headers: BTreeMap<String, String>,
}
