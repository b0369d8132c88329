//! The table `outputs`: a lane for each output and subject, the state of each output, and long texts in items of their
//! own.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use pipeline::{
    job::{CHUNK_BYTES, pack, unpack},
    outputs::{
        lane::{Lane, LaneKey, LaneSummary, StoredEvent},
        state::OutputState,
    },
    ports::{Outputs, PortError, WriteError},
};

use super::{
    PutError, Store,
    item::{self, Item, bytes, days_after, instant, packed, unpacked},
    named, number, text,
};

/// How long a lane is stored after its last change: as long as its dispatch.
const KEPT_DAYS: i64 = 400;

/// The table `outputs`.
#[derive(Debug, Clone)]
pub struct OutputsTable(pub(super) Store);

impl OutputsTable {
    /// The table with that name.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self(Store::new(aws, table, "outputs", "lane_key"))
    }

    async fn row<T>(&self, key: &str, read: impl FnOnce(&Item) -> Result<T, String>) -> Result<Option<T>, PortError> {
        let Some(item) = self.0.get(key).await? else { return Ok(None) };
        read(&item).map(Some).map_err(|reason| self.0.unreadable(&item, &reason))
    }
}

impl Outputs for OutputsTable {
    async fn lane(&self, key: &LaneKey) -> Result<Option<Lane>, PortError> {
        self.row(&lane_key(key), from_item).await
    }

    async fn write_lane(&self, lane: &Lane, expected: Option<u64>) -> Result<(), WriteError<Lane>> {
        let item = to_item(lane).map_err(|error| self.0.broken(error))?;
        self.0.write(item, expected, from_item).await
    }

    async fn lanes(&self, output: &str, before: Timestamp, limit: usize) -> Result<Vec<LaneSummary>, PortError> {
        let query = self
            .0
            .query("waiting")
            .key_condition_expression("waiting_for = :output AND next_at <= :before")
            .expression_attribute_values(":output", text(output))
            .expression_attribute_values(":before", instant(before));
        let items = self.0.found(query, limit).await?;
        let read = |item: &Item| unpacked(item, "summary").map_err(|reason| self.0.unreadable(item, &reason));
        let lanes = items.iter().filter_map(|item| match read(item) {
            Ok(summary) => Some(summary),
            // An item that this release cannot read must not hide the others.
            Err(error) => {
                tracing::warn!(%error, "left out of the sweep");
                None
            }
        });
        Ok(lanes.collect())
    }

    async fn keep_text(&self, name: &str, event: &str, now: Timestamp) -> Result<StoredEvent, PortError> {
        let gz = pack(event);
        let chunks = gz.chunks(CHUNK_BYTES).collect::<Vec<_>>();
        let puts = (1..).zip(&chunks).map(|(number, chunk)| {
            let item = named([
                ("lane_key", text(text_key(name, number))),
                ("kind", text("text")),
                ("chunk", bytes(*chunk)),
                ("expires_at", days_after(now, KEPT_DAYS)),
            ]);
            async { self.0.put(item, None).await.map_err(|error| self.refused(error)) }
        });
        try_join_all(puts).await?;
        let chunks = u32::try_from(chunks.len()).map_err(|error| self.0.broken(error.to_string()))?;
        Ok(StoredEvent { name: name.to_owned(), chunks, bytes: event.len() })
    }

    async fn text(&self, stored: &StoredEvent) -> Result<Option<String>, PortError> {
        let keys = (1..=stored.chunks).map(|number| text_key(&stored.name, number));
        let chunks = try_join_all(keys.map(async |key| self.0.get(&key).await)).await?;
        let mut gz = Vec::new();
        for chunk in chunks {
            let Some(AttributeValue::B(chunk)) = chunk.as_ref().and_then(|item| item.get("chunk")) else {
                return Ok(None);
            };
            gz.extend_from_slice(chunk.as_ref());
        }
        unpack(&gz).map(Some).map_err(|error| self.0.broken(format!("{}: {error}", stored.name)))
    }

    async fn forget_text(&self, stored: &StoredEvent) -> Result<(), PortError> {
        let keys = (1..=stored.chunks).map(|number| text_key(&stored.name, number));
        try_join_all(keys.map(async |key| self.0.delete(&key).await)).await.map(drop)
    }

    async fn output_state(&self, output: &str) -> Result<Option<OutputState>, PortError> {
        self.row(&state_key(output), |item| unpacked(item, "state")).await
    }

    async fn write_output_state(
        &self,
        state: &OutputState,
        expected: Option<u64>,
    ) -> Result<(), WriteError<OutputState>> {
        // It never expires: each output has one.
        let item = named([
            ("lane_key", text(state_key(&state.output))),
            ("kind", text("output")),
            ("revision", number(state.revision)),
            ("state", packed(state).map_err(|error| self.0.broken(error))?),
        ]);
        self.0.write(item, expected, |item| unpacked(item, "state")).await
    }
}

impl OutputsTable {
    fn refused(&self, error: PutError) -> PortError {
        match error {
            PutError::Port(error) => error,
            PutError::Refused(_) => self.0.broken("an unconditional write was refused".to_owned()),
        }
    }
}

pub(super) fn to_item(lane: &Lane) -> Result<Item, String> {
    let mut item = named([
        ("lane_key", text(lane_key(&lane.key))),
        ("kind", text("lane")),
        ("revision", number(lane.revision)),
        ("output", text(&lane.key.output)),
        ("subject", text(lane.key.subject.as_str())),
        ("changed_at", instant(lane.changed_at)),
        ("expires_at", days_after(lane.changed_at, KEPT_DAYS)),
        ("lane", packed(lane)?),
    ]);
    if let Some(at) = lane.indexed_at() {
        item.insert("waiting_for".to_owned(), text(&lane.key.output));
        item.insert("next_at".to_owned(), instant(at));
        item.insert("summary".to_owned(), packed(&lane.summary())?);
    }
    Ok(item)
}

pub(super) fn from_item(item: &Item) -> Result<Lane, String> {
    unpacked(item, "lane")
}

fn lane_key(key: &LaneKey) -> String {
    item::key(&format!("lane/{key}")).into_owned()
}

fn state_key(output: &str) -> String {
    format!("output/{output}")
}

fn text_key(name: &str, number: u32) -> String {
    format!("text/{name}/{number}")
}
