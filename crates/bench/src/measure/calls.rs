//! AWS calls per delivery, counted by the stand-in that answers them, with warm functions: connections stand, keys are read.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::start;
use crate::{
    artifacts::Artifact,
    instance::Instance,
    scene::{self, Scene},
    stub::Call,
};

/// How many deliveries a full batch holds.
pub(crate) const BATCH: usize = 10;

/// What one step of a delivery's way costs.
#[derive(Debug)]
pub(crate) struct Counted {
    /// The step.
    pub(crate) what: &'static str,
    /// The function that makes the calls.
    pub(crate) function: &'static str,
    /// For one delivery alone.
    pub(crate) alone: Vec<Call>,
    /// For ten in one batch; none where there are no batches.
    pub(crate) batch: Option<Vec<Call>>,
}

/// Plays everything that a delivery can meet.
pub(crate) async fn count(scene: &Scene, artifacts: &[Artifact]) -> Result<Vec<Counted>> {
    scene.aws.reset();
    let mut play = Play::begin(scene, artifacts).await?;
    let mut counted = play.deliveries().await?;
    counted.extend(play.alerts().await?);
    // Last: the deadlines that these leave would turn up in the sweep.
    counted.extend(play.storm().await?);
    Ok(counted)
}

/// Which of the provider's events, and how many signals it must lead to, for each dispatch.
type Plot = (&'static str, usize);

const NEW: Plot = ("dispatch.create", 1);
const UPDATE: Plot = ("dispatch.update", 1);
const AGAIN: Plot = ("dispatch.update", 0);

struct Play<'a> {
    scene: &'a Scene,
    receiver: Instance,
    hydrator: Instance,
    retrier: Instance,
    alerter: Instance,
    first: Vec<Call>,
}

impl<'a> Play<'a> {
    async fn begin(scene: &'a Scene, artifacts: &[Artifact]) -> Result<Self> {
        let mut running = BTreeMap::new();
        for artifact in artifacts {
            if !matches!(artifact.name, "hello" | "raw") {
                running.insert(artifact.name, start(artifact, scene).await?);
            }
        }
        let mut take = |name: &str| running.remove(name).ok_or_else(|| anyhow::anyhow!("{name} is missing"));
        let (receiver, hydrator, retrier, alerter) =
            (take("receiver")?, take("hydrator")?, take("retrier")?, take("alerter")?);
        let mut play = Self { scene, receiver, hydrator, retrier, alerter, first: Vec::new() };
        play.first = play.hydrate(NEW, &["begin"]).await?;
        Ok(play)
    }

    async fn deliveries(&mut self) -> Result<Vec<Counted>> {
        let ten: Vec<String> = (0..BATCH).map(|index| format!("ten{index}")).collect();
        let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
        let mut counted = Vec::new();
        let step = |what, alone, batch| Counted { what, function: "hydrator", alone, batch };
        counted.push(Counted {
            what: "a webhook is accepted",
            function: "receiver",
            alone: self.receive().await?,
            batch: None,
        });
        let new = self.hydrate(NEW, &["one"]).await?;
        counted.push(step("a new thin dispatch", new, Some(self.hydrate(NEW, &ten).await?)));
        counted.push(step("… the API key is read first (each 5 minutes)", self.first.clone(), None));
        let again = self.hydrate(AGAIN, &["one"]).await?;
        counted.push(step("an unchanged redelivery of it", again, Some(self.hydrate(AGAIN, &ten).await?)));
        ten.iter().chain(&["one"]).for_each(|id| self.scene.voltus.modify(id));
        let update = self.hydrate(UPDATE, &["one"]).await?;
        counted.push(step("an update", update, Some(self.hydrate(UPDATE, &ten).await?)));
        let again = self.hydrate(AGAIN, &["one"]).await?;
        counted.push(step("an unchanged redelivery of that", again, Some(self.hydrate(AGAIN, &ten).await?)));
        Ok(counted)
    }

    async fn storm(&mut self) -> Result<Vec<Counted>> {
        let step = |what, alone, batch| Counted { what, function: "hydrator", alone, batch: Some(batch) };
        let mut counted = Vec::new();
        let soon: Vec<String> = (0..BATCH).map(|index| format!("soon{index}")).collect();
        let soon: Vec<&str> = soon.iter().map(String::as_str).collect();
        let one = self.hydrate(NEW, &["soonest"]).await?;
        counted.push(step("a new thin dispatch that starts in ten minutes", one, self.hydrate(NEW, &soon).await?));
        let storm = self.hydrate(NEW, &["storm"; BATCH]).await?;
        counted.push(step("ten webhooks of one new dispatch", Vec::new(), storm));
        Ok(counted)
    }

    async fn alerts(&mut self) -> Result<Vec<Counted>> {
        let step = |what, function, alone, batch| Counted { what, function, alone, batch };
        let mut counted = Vec::new();
        self.retrier.invoke(scene::sweep()).await?;
        counted.push(step("a sweep with nothing due", "retrier", self.scene.aws.take_calls(), None));
        self.receiver.invoke(scene::webhook("dispatch.unheard-of", "one")).await?;
        let messages = self.scene.take("deliveries");
        self.scene.aws.take_calls();
        self.hydrator.invoke(scene::batch("deliveries", &messages)).await?;
        counted.push(step("an unknown event", "hydrator", self.scene.aws.take_calls(), None));
        let failed = self.scene.take("retries");
        self.retrier.invoke(scene::batch("retries", &failed)).await?;
        counted.push(step("… is put aside", "retrier", self.scene.aws.take_calls(), None));
        let notices = self.scene.take("alerts");
        self.alerter.invoke(scene::batch("alerts", &notices)).await?;
        counted.push(step("… and mailed as a new incident", "alerter", self.scene.aws.take_calls(), None));
        self.alerter.invoke(scene::batch("alerts", &notices)).await?;
        let again = self.scene.aws.take_calls();
        let ten: Vec<String> = notices.iter().cycle().take(BATCH * notices.len()).cloned().collect();
        self.alerter.invoke(scene::batch("alerts", &ten)).await?;
        counted.push(step("another notice of that incident", "alerter", again, Some(self.scene.aws.take_calls())));
        Ok(counted)
    }

    async fn receive(&mut self) -> Result<Vec<Call>> {
        self.scene.aws.take_calls();
        self.receiver.invoke(scene::webhook("dispatch.create", "received")).await?;
        let taken = self.scene.take("deliveries");
        ensure!(taken.len() == 1, "the receiver queued {} messages", taken.len());
        Ok(self.scene.aws.take_calls())
    }

    /// Takes a webhook for each dispatch through both functions, the deliveries in one batch; the hydrator's calls.
    async fn hydrate(&mut self, (event, signals): Plot, dispatches: &[&str]) -> Result<Vec<Call>> {
        for dispatch in dispatches {
            self.receiver.invoke(scene::webhook(event, dispatch)).await?;
        }
        let messages = self.scene.take("deliveries");
        self.scene.aws.take_calls();
        let answer = self.hydrator.invoke(scene::batch("deliveries", &messages)).await?;
        let calls = self.scene.aws.take_calls();
        let mut failed = self.scene.take("retries");
        // Deadlines that fire through the same queue are no failures.
        failed.retain(|message| !message.starts_with("{\"check\""));
        let sent = self.scene.take("signals.fifo");
        let distinct = dispatches.iter().collect::<std::collections::BTreeSet<_>>().len();
        ensure!(
            failed.is_empty() && sent.len() == signals * distinct,
            "{event} of {dispatches:?} led to {} signals and to the failures {failed:?}; the hydrator said {}",
            sent.len(),
            String::from_utf8_lossy(&answer)
        );
        Ok(calls)
    }
}

/// The calls in words: `GetItem, 2 × PutItem (1 refused)`.
pub(crate) fn in_words(calls: &[Call]) -> String {
    let mut by_name: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for call in calls {
        let (made, refused) = by_name.entry(call.operation.rsplit(':').next().unwrap_or_default()).or_default();
        *made += 1;
        *refused += usize::from(call.refused);
    }
    let words = by_name.into_iter().map(|(name, (made, refused))| {
        let times = if made > 1 { format!("{made} × ") } else { String::new() };
        let lost = if refused > 0 { format!(" ({refused} refused)") } else { String::new() };
        format!("{times}{name}{lost}")
    });
    words.collect::<Vec<_>>().join(", ")
}
