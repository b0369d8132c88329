//! `stack.json`: the running local stack and its addresses, for other programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The contents of `stack.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The AWS-compatible endpoint.
    pub endpoint_url: String,
    /// The region of all resources.
    pub region: String,
    /// The base URL of `/hooks/…` and `/acks/…`, without a slash at the end.
    pub webhook_base: String,
    /// The queues' URLs: deliveries, retries, alerts, reviews, signals, `retries_dead`, `alerts_dead`.
    pub queues: BTreeMap<String, String>,
    /// The tables' names: dispatches, deliveries, alerts, config.
    pub tables: BTreeMap<String, String>,
    /// The sources by name.
    pub sources: BTreeMap<String, SourceDescription>,
    /// The URL at which a controller acknowledges.
    pub acks: String,
    /// The URL that returns the sent mails as JSON.
    pub mail: String,
}

/// A source in `stack.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDescription {
    /// The provider that sends its webhooks.
    pub provider: String,
    /// Ends in the token if `up` made it, otherwise in the source's name.
    pub url: String,
    /// Further headers that a webhook must have.
    pub headers: BTreeMap<String, String>,
}
