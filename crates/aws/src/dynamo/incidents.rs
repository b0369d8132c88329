//! The table `alerts`: one item per incident, and beside them gates and links, which carry no `status`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use jiff::Timestamp;
use pipeline::{
    held::{Gate, Link},
    incident::{Incident, IncidentStatus},
    ports::{Incidents, PortError, WriteError},
};
use serde::de::DeserializeOwned;

use super::{
    Store,
    item::{Item, days_after, instant, packed, unpacked},
    number, text,
};

/// How long an incident is kept after its last notice.
const KEPT_DAYS: i64 = 400;

/// How long a gate is kept after it was last passed, and a link after it has expired.
const KEPT_BESIDE_DAYS: i64 = 30;

/// The table `alerts`.
#[derive(Debug, Clone)]
pub struct IncidentsTable(pub(super) Store);

impl IncidentsTable {
    /// The table of that name.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self(Store::new(aws, table, "alerts", "incident"))
    }
}

impl Incidents for IncidentsTable {
    async fn read(&self, incident: &str) -> Result<Option<Incident>, PortError> {
        let Some(item) = self.0.get(incident).await? else { return Ok(None) };
        from_item(&item).map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }

    async fn write(&self, incident: &Incident, expected: Option<u64>) -> Result<(), WriteError<Incident>> {
        let item = to_item(incident).map_err(|error| self.0.broken(error))?;
        self.0.write(item, expected, from_item).await
    }

    async fn gate(&self, gate: &str) -> Result<Option<Gate>, PortError> {
        self.beside(gate, "gate").await
    }

    async fn write_gate(&self, gate: &Gate, expected: Option<u64>) -> Result<(), WriteError<Gate>> {
        let body = packed(gate).map_err(|error| self.0.broken(error))?;
        let item = beside(&gate.gate, gate.revision, ("gate", body), gate.last_at);
        self.0.write(item, expected, |item| unpacked(item, "gate")).await
    }

    async fn link(&self, link: &str) -> Result<Option<Link>, PortError> {
        self.beside(link, "link").await
    }

    async fn write_link(&self, link: &Link, expected: Option<u64>) -> Result<(), WriteError<Link>> {
        let body = packed(link).map_err(|error| self.0.broken(error))?;
        let item = beside(&link.link, link.revision, ("link", body), link.expires_at);
        self.0.write(item, expected, |item| unpacked(item, "link")).await
    }
}

impl IncidentsTable {
    async fn beside<T: DeserializeOwned>(&self, key: &str, name: &str) -> Result<Option<T>, PortError> {
        let Some(item) = self.0.get(key).await? else { return Ok(None) };
        unpacked(&item, name).map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }
}

fn beside(key: &str, revision: u64, (name, body): (&str, AttributeValue), until: Timestamp) -> Item {
    HashMap::from([
        ("incident".to_owned(), text(key)),
        ("revision".to_owned(), number(revision)),
        ("expires_at".to_owned(), days_after(until, KEPT_BESIDE_DAYS)),
        (name.to_owned(), body),
    ])
}

fn to_item(incident: &Incident) -> Result<Item, String> {
    let status = match incident.status {
        IncidentStatus::Open => "open",
        IncidentStatus::Acknowledged => "acknowledged",
        IncidentStatus::Over => "over",
    };
    let item = HashMap::from([
        ("incident", text(&incident.incident)),
        ("revision", number(incident.revision)),
        ("kind", text(incident.kind.as_str())),
        ("source", text(&incident.source)),
        ("about", text(&incident.about)),
        ("status", text(status)),
        ("opened_at", instant(incident.opened_at)),
        ("last_at", instant(incident.last_at)),
        ("count", number(incident.count)),
        ("expires_at", days_after(incident.last_at, KEPT_DAYS)),
        ("body", packed(incident)?),
    ]);
    Ok(item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(super) fn from_item(item: &Item) -> Result<Incident, String> {
    unpacked(item, "body")
}
