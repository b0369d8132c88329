//! A delivery that did not go through, as people and scripts see it.

use aws::dynamo::{Failing, QuarantinedJob, StoredJob};
use jiff::Timestamp;
use pipeline::job::{Failure, JobKind};
use serde::Serialize;

use super::dead;
use crate::console::Console;

/// The state of such a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryKind {
    /// It fails, and its next attempt is scheduled.
    Failing,
    /// It is quarantined until a person replays it.
    Quarantined,
    /// A function failed on it five times without an error report, and SQS moved it away.
    DeadLetter,
}

/// A delivery that did not go through.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryView {
    /// Its id, which every verb accepts.
    pub id: String,
    /// Its state.
    pub kind: DeliveryKind,
    /// Its source.
    pub source: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// Since when it is quarantined, or when it last failed.
    pub at: Timestamp,
    /// The kind of the failure.
    pub failure: String,
    /// The reason.
    pub reason: String,
    /// What it would fetch, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// How many times it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// When it is retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// The id of its latest replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed_as: Option<String>,
}

impl From<&StoredJob> for DeliveryView {
    fn from(stored: &StoredJob) -> Self {
        match stored {
            StoredJob::Failing(failing) => Self::from(&**failing),
            StoredJob::Quarantined(quarantined) => Self::from(quarantined),
        }
    }
}

impl From<&Failing> for DeliveryView {
    fn from(failing: &Failing) -> Self {
        let last: Option<&Failure> = failing.failures.last();
        Self {
            id: failing.id.clone(),
            kind: DeliveryKind::Failing,
            source: failing.source.clone(),
            received_at: failing.received_at,
            at: last.map_or(failing.received_at, |failure| failure.at),
            failure: last.map(|failure| crate::show::word(&failure.kind)).unwrap_or_default(),
            reason: last.map(|failure| failure.detail.clone()).unwrap_or_default(),
            about: match &failing.kind {
                Some(JobKind::Fetch(fetch)) => Some(fetch.subject.to_string()),
                _ => None,
            },
            attempt: Some(failing.attempt),
            next_at: Some(failing.next_at),
            replayed_as: None,
        }
    }
}

impl From<&QuarantinedJob> for DeliveryView {
    fn from(quarantined: &QuarantinedJob) -> Self {
        Self {
            id: quarantined.id.clone(),
            kind: DeliveryKind::Quarantined,
            source: quarantined.source.clone(),
            received_at: quarantined.received_at,
            at: quarantined.at,
            failure: quarantined.kind.clone(),
            reason: quarantined.reason.clone(),
            about: quarantined.id.split_once('/').map(|(_, about)| about.to_owned()),
            attempt: None,
            next_at: None,
            replayed_as: quarantined.replayed_as.clone(),
        }
    }
}

/// Filters for quarantined and failing deliveries.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Chosen {
    /// Show only this source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Show only this kind
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) kind: Option<DeliveryKind>,
    /// Show only deliveries received after this instant (2026-03-01T14:00:00Z) or within this time (90m, 24h, 7d)
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
}

impl Chosen {
    /// All matching deliveries that did not go through, latest first; and what cannot be read.
    pub(crate) async fn find(
        &self,
        console: &Console,
        now: Timestamp,
    ) -> anyhow::Result<(Vec<DeliveryView>, Vec<String>)> {
        self.since(now)?;
        let stored = console.deliveries().all(self.source.as_deref()).await.map_err(|error| console.refusal(error))?;
        let mut views: Vec<DeliveryView> = stored.found.iter().map(DeliveryView::from).collect();
        if self.kind.is_none_or(|kind| kind == DeliveryKind::DeadLetter) {
            views.extend(dead::all(console).await?.iter().map(DeliveryView::from));
        }
        Ok((self.of(views, now)?, stored.unreadable))
    }

    fn since(&self, now: Timestamp) -> anyhow::Result<Timestamp> {
        let Some(since) = &self.since else { return Ok(Timestamp::MIN) };
        crate::show::instant_or_age(since, now).map_err(crate::usage::error)
    }

    /// Those of the views that match, latest first.
    pub(crate) fn of(&self, mut views: Vec<DeliveryView>, now: Timestamp) -> anyhow::Result<Vec<DeliveryView>> {
        let since = self.since(now)?;
        let of_source = |view: &DeliveryView| self.source.as_ref().is_none_or(|source| *source == view.source);
        views.retain(|view| {
            view.received_at >= since && self.kind.is_none_or(|kind| kind == view.kind) && of_source(view)
        });
        views.sort_by(|a, b| b.received_at.cmp(&a.received_at).then_with(|| a.id.cmp(&b.id)));
        Ok(views)
    }
}
