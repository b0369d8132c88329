//! The table `alerts`: one item per incident.

use std::collections::HashMap;

use aws_types::SdkConfig;
use pipeline::{
    incident::{Incident, IncidentStatus},
    ports::{Incidents, PortError, WriteError},
};

use super::{
    Store,
    item::{Item, days_after, instant, packed, unpacked},
    number, text,
};

/// How long an incident is kept after its last notice.
const KEPT_DAYS: i64 = 400;

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
}

fn to_item(incident: &Incident) -> Result<Item, String> {
    let status = match incident.status {
        IncidentStatus::Open => "open",
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
