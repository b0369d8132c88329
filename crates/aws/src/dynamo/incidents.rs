//! The table `alerts`: one item per incident, and alert groups, links and the state of channels, which have no `status`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use jiff::Timestamp;
use pipeline::{
    alerts::channels::ChannelHealth,
    group::{AckLink, AlertGroup},
    incident::Incident,
    ports::{Incidents, OpenIncidentIndex, OpenPage, PortError, WriteError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Store,
    item::{self, Item, days_after, instant, packed, unpacked},
    named, number, text,
};
use crate::client::unavailable;

/// How long an incident is stored after its last change.
const KEPT_DAYS: i64 = 400;

/// How long an alert group is stored after its last use, and a link after it has expired.
const KEPT_BESIDE_DAYS: i64 = 30;

/// How many open incidents a page lists.
const PAGE: i32 = 100;

/// The value of the attribute `open`: the index has one partition.
const OPEN: &str = "open";

/// The table `alerts`.
#[derive(Debug, Clone)]
pub struct IncidentsTable(pub(super) Store);

impl IncidentsTable {
    /// The table with that name.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self(Store::new(aws, table, "alerts", "incident"))
    }

    /// Deletes an incident of that revision: of a test that is over. False if it was changed or is gone.
    pub async fn remove(&self, incident: &Incident) -> Result<bool, PortError> {
        self.0.delete_revision(&incident.incident, incident.revision).await
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

    async fn waiting(&self, group: &str, limit: usize) -> Result<Vec<String>, PortError> {
        let query = self
            .0
            .query("waiting")
            .key_condition_expression("waiting_in = :group")
            .expression_attribute_values(":group", text(group));
        let mut incidents = Vec::new();
        for item in self.0.found(query, limit).await? {
            let key = self.key(&item)?;
            // The index contains the key; for a long incident that is the hash.
            let full = if key.contains('/') { None } else { self.0.get(&key).await? };
            incidents
                .push(full.and_then(|item| Some(item::full_key(&item, "incident").ok()?.to_owned())).unwrap_or(key));
        }
        Ok(incidents)
    }

    async fn group(&self, group: &str) -> Result<Option<AlertGroup>, PortError> {
        self.beside(group, "group").await
    }

    async fn write_group(&self, group: &AlertGroup, expected: Option<u64>) -> Result<(), WriteError<AlertGroup>> {
        let body = packed(group).map_err(|error| self.0.broken(error))?;
        let item =
            beside(Beside { key: &group.group, revision: group.revision, name: "group", body, until: group.last_at });
        self.0.write(item, expected, |item| unpacked(item, "group")).await
    }

    async fn link(&self, link: &str) -> Result<Option<AckLink>, PortError> {
        self.beside(link, "link").await
    }

    async fn write_link(&self, link: &AckLink, expected: Option<u64>) -> Result<(), WriteError<AckLink>> {
        let body = packed(link).map_err(|error| self.0.broken(error))?;
        let item =
            beside(Beside { key: &link.link, revision: link.revision, name: "link", body, until: link.expires_at });
        self.0.write(item, expected, |item| unpacked(item, "link")).await
    }

    async fn channel(&self, channel: &str) -> Result<Option<ChannelHealth>, PortError> {
        self.beside(channel, "channel").await
    }

    async fn write_channel(
        &self,
        channel: &ChannelHealth,
        expected: Option<u64>,
    ) -> Result<(), WriteError<ChannelHealth>> {
        let body = packed(channel).map_err(|error| self.0.broken(error))?;
        let ChannelHealth { channel: key, revision, last_at: until, .. } = channel;
        let item = beside(Beside { key, revision: *revision, name: "channel", body, until: *until });
        self.0.write(item, expected, |item| unpacked(item, "channel")).await
    }
}

/// Where a page of the index `open` ended.
#[derive(Serialize, Deserialize)]
struct End {
    incident: String,
    opened_at: String,
}

impl OpenIncidentIndex for IncidentsTable {
    async fn open(&self, after: Option<&str>) -> Result<OpenPage, PortError> {
        let after = after.map(|after| serde_json::from_str(after).map_err(|error| self.0.broken(error.to_string())));
        let after = after.transpose()?.map(|End { incident, opened_at }| {
            named([("open", text(OPEN)), ("incident", text(incident)), ("opened_at", text(opened_at))])
        });
        let request = self
            .0
            .query("open")
            .key_condition_expression("#open = :open")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":open", text(OPEN))
            .limit(PAGE)
            .set_exclusive_start_key(after);
        let answer = Box::pin(request.send()).await.map_err(|error| unavailable(self.0.port, error))?;
        let incidents = answer.items().iter().map(|item| self.key(item)).collect::<Result<Vec<_>, _>>()?;
        let end = answer.last_evaluated_key.filter(|key| !key.is_empty());
        let next = end.map(|end| {
            let at = |name| item::str(&end, name).map(str::to_owned).map_err(|reason| self.0.unreadable(&end, &reason));
            let end = End { incident: at("incident")?, opened_at: at("opened_at")? };
            serde_json::to_string(&end).map_err(|error| self.0.broken(error.to_string()))
        });
        Ok(OpenPage { incidents, next: next.transpose()? })
    }
}

impl IncidentsTable {
    async fn beside<T: DeserializeOwned>(&self, key: &str, name: &str) -> Result<Option<T>, PortError> {
        let Some(item) = self.0.get(key).await? else { return Ok(None) };
        unpacked(&item, name).map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }

    fn key(&self, item: &Item) -> Result<String, PortError> {
        item::str(item, "incident").map(str::to_owned).map_err(|reason| self.0.unreadable(item, &reason))
    }
}

/// An item of the table that is not an incident.
struct Beside<'a> {
    key: &'a str,
    revision: u64,
    /// The attribute with its body.
    name: &'a str,
    body: AttributeValue,
    /// It expires some days after this.
    until: Timestamp,
}

fn beside(Beside { key, revision, name, body, until }: Beside<'_>) -> Item {
    HashMap::from([
        ("incident".to_owned(), text(key)),
        ("revision".to_owned(), number(revision)),
        ("expires_at".to_owned(), days_after(until, KEPT_BESIDE_DAYS)),
        (name.to_owned(), body),
    ])
}

pub(super) fn to_item(incident: &Incident) -> Result<Item, String> {
    let mut item = named([
        ("incident", text(&incident.incident)),
        ("revision", number(incident.revision)),
        ("kind", text(incident.kind().as_str())),
        ("source", text(incident.source())),
        ("about", text(&incident.about)),
        ("status", text(incident.status.as_str())),
        ("opened_at", instant(incident.opened_at)),
        ("last_at", instant(incident.last_at)),
        ("expires_at", days_after(incident.last_at, KEPT_DAYS)),
        ("body", packed(incident)?),
    ]);
    if incident.is_reviewed() {
        item.insert("open".to_owned(), text(OPEN));
    }
    if let Some(waiting) = &incident.waiting {
        item.insert("waiting_in".to_owned(), text(&waiting.group));
        item.insert("sorts_by".to_owned(), instant(waiting.sorts_by));
    }
    Ok(item)
}

pub(super) fn from_item(item: &Item) -> Result<Incident, String> {
    unpacked(item, "body")
}
