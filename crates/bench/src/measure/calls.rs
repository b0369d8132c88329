//! AWS calls per delivery, counted by the stand-in. The functions are warm: connections are open, keys are read.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use bytes::Bytes;

use super::{courier, start};
use crate::{
    artifacts::Artifact,
    instance::Instance,
    scene::{self, Scene},
    stub::{Call, Capacity},
};

/// The number of meters in the largest notification: 1.95 MB of JSON.
const METERS: usize = 50_000;

/// The number of deliveries in a full batch.
pub(crate) const BATCH: usize = 10;

/// The cost of one step of a delivery.
#[derive(Debug)]
pub(crate) struct Counted {
    /// The step.
    pub(crate) what: &'static str,
    /// The function that makes the calls.
    pub(crate) function: &'static str,
    /// For a single delivery; none if the step only exists for many.
    pub(crate) alone: Option<Did>,
    /// For ten in one batch; none if the step has no batches.
    pub(crate) batch: Option<Did>,
}

/// The result of one invocation.
#[derive(Debug, Clone)]
pub(crate) struct Did {
    /// Its AWS calls.
    pub(crate) calls: Vec<Call>,
    /// The size of its log, in bytes.
    pub(crate) logged: u64,
}

impl Did {
    /// Invokes a function. Returns its answer as well.
    pub(super) async fn of(scene: &Scene, function: &mut Instance, event: Bytes) -> Result<(Self, Bytes)> {
        scene.aws.take_calls();
        let before = function.logged_bytes()?;
        let answer = function.invoke(event).await?;
        Ok((Self { calls: scene.aws.take_calls(), logged: function.logged_bytes()? - before }, answer))
    }

    /// The consumed table capacity.
    pub(crate) fn capacity(&self) -> Capacity {
        let mut sum = Capacity::default();
        self.calls.iter().for_each(|call| sum += call.capacity);
        sum
    }
}

/// Runs every case of a delivery, and the idle minute, with `stored` past dispatches in the table.
pub(crate) async fn count(scene: &Scene, artifacts: &[Artifact], stored: usize) -> Result<Vec<Counted>> {
    scene.aws.reset();
    let mut play = Play::begin(scene, artifacts).await?;
    scene.aws.store_past(stored);
    let mut counted = play.deliveries().await?;
    counted.extend(play.idle().await?);
    counted.extend(play.alerts().await?);
    counted.extend(play.large().await?);
    // Last: the sweep would find the deadlines of these dispatches.
    counted.extend(play.storm().await?);
    counted.extend(courier::count(scene, artifacts).await?);
    Ok(counted)
}

/// The provider's event, and how many signals it must lead to, for each dispatch.
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
    first: Option<Did>,
}

impl<'a> Play<'a> {
    async fn begin(scene: &'a Scene, artifacts: &[Artifact]) -> Result<Self> {
        let mut running = BTreeMap::new();
        for artifact in artifacts {
            if !matches!(artifact.name, "hello" | "raw" | "courier") {
                running.insert(artifact.name, start(artifact, scene).await?);
            }
        }
        let mut take = |name: &str| running.remove(name).ok_or_else(|| anyhow::anyhow!("{name} is missing"));
        let (receiver, hydrator, retrier, alerter) =
            (take("receiver")?, take("hydrator")?, take("retrier")?, take("alerter")?);
        let mut play = Self { scene, receiver, hydrator, retrier, alerter, first: None };
        play.first = Some(play.hydrate(NEW, &["begin"]).await?);
        Ok(play)
    }

    async fn deliveries(&mut self) -> Result<Vec<Counted>> {
        let ten: Vec<String> = (0..BATCH).map(|index| format!("ten{index}")).collect();
        let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
        let mut counted = vec![Counted::alone("a webhook is accepted", "receiver", self.receive().await?)];
        let mut step = |what, alone, batch| {
            counted.push(Counted { what, function: "hydrator", alone: Some(alone), batch: Some(batch) });
        };
        let new = self.hydrate(NEW, &["one"]).await?;
        step("a new thin dispatch", new, self.hydrate(NEW, &ten).await?);
        let again = self.hydrate(AGAIN, &["one"]).await?;
        step("an unchanged redelivery of it", again, self.hydrate(AGAIN, &ten).await?);
        ten.iter().chain(&["one"]).for_each(|id| self.scene.voltus.modify(id));
        let update = self.hydrate(UPDATE, &["one"]).await?;
        step("an update", update, self.hydrate(UPDATE, &ten).await?);
        let again = self.hydrate(AGAIN, &["one"]).await?;
        step("an unchanged redelivery of that", again, self.hydrate(AGAIN, &ten).await?);
        let first = self.first.take();
        counted.insert(
            2,
            Counted {
                what: "… the API key is read first (each 5 minutes)",
                function: "hydrator",
                alone: first,
                batch: None,
            },
        );
        Ok(counted)
    }

    async fn storm(&mut self) -> Result<Vec<Counted>> {
        let soon: Vec<String> = (0..BATCH).map(|index| format!("soon{index}")).collect();
        let soon: Vec<&str> = soon.iter().map(String::as_str).collect();
        let step = |what, alone, batch| Counted { what, function: "hydrator", alone, batch: Some(batch) };
        let one = self.hydrate(NEW, &["soonest"]).await?;
        let ten = self.hydrate(NEW, &soon).await?;
        let storm = self.hydrate(NEW, &["storm"; BATCH]).await?;
        Ok(vec![
            step("a new thin dispatch that starts in ten minutes", Some(one), ten),
            step("ten webhooks of one new dispatch", None, storm),
        ])
    }

    /// A minute without deliveries: a sweep, its heartbeats and the checks after them, sometimes a poll.
    async fn idle(&mut self) -> Result<Vec<Counted>> {
        let due = Self::done(self.scene, &mut self.retrier, scene::sweep()).await?;
        let (beats, polls): (Vec<_>, Vec<_>) =
            self.scene.take("deliveries").into_iter().partition(|message| is_a(message, "heartbeat"));
        let checks = self.scene.take("retries");
        ensure!(polls.len() == 1 && !beats.is_empty(), "a sweep sent {} polls, {} beats", polls.len(), beats.len());
        let poll = Self::done(self.scene, &mut self.hydrator, scene::batch("deliveries", &polls)).await?;
        let beat = Self::done(self.scene, &mut self.hydrator, scene::batch("deliveries", &beats[..1])).await?;
        let check = Self::done(self.scene, &mut self.retrier, scene::batch("retries", &checks[..1])).await?;
        let sweep = Self::done(self.scene, &mut self.retrier, scene::sweep()).await?;
        for queue in ["deliveries", "retries"] {
            self.scene.take(queue);
        }
        Ok(vec![
            Counted::alone("a sweep with nothing due", "retrier", sweep),
            Counted::alone("… that has a source polled", "retrier", due),
            Counted::alone("a heartbeat is answered", "hydrator", beat),
            Counted::alone("… and checked", "retrier", check),
            Counted::alone("a poll that finds nothing new", "hydrator", poll),
        ])
    }

    async fn alerts(&mut self) -> Result<Vec<Counted>> {
        self.receiver.invoke(scene::webhook("dispatch.unheard-of", "one")).await?;
        let messages = self.scene.take("deliveries");
        let unknown = Self::done(self.scene, &mut self.hydrator, scene::batch("deliveries", &messages)).await?;
        let failed = self.scene.take("retries");
        let quarantined = Self::done(self.scene, &mut self.retrier, scene::batch("retries", &failed)).await?;
        let hints = self.scene.take("reviews");
        let opened = Self::done(self.scene, &mut self.alerter, scene::batch("reviews", &hints)).await?;
        let flushes = self.scene.take("reviews");
        ensure!(hints.len() == 1 && flushes.len() == 1, "{} hints, {} flushes", hints.len(), flushes.len());
        let mailed = Self::done(self.scene, &mut self.alerter, scene::batch("reviews", &flushes)).await?;
        let again = Self::done(self.scene, &mut self.alerter, scene::batch("reviews", &hints)).await?;
        let ten: Vec<String> = hints.iter().cycle().take(BATCH).cloned().collect();
        let ten = Self::done(self.scene, &mut self.alerter, scene::batch("reviews", &ten)).await?;
        // Open incidents are reviewed each minute.
        Self::done(self.scene, &mut self.retrier, scene::sweep()).await?;
        let reviews = self.scene.take("reviews");
        ensure!(reviews.len() == 1 && is_a(&reviews[0], "review"), "a sweep sent {reviews:?}");
        let reviewed = Self::done(self.scene, &mut self.alerter, scene::batch("reviews", &reviews)).await?;
        for queue in ["deliveries", "retries"] {
            self.scene.take(queue);
        }
        Ok(vec![
            Counted::alone("an unknown event", "hydrator", unknown),
            Counted::alone("… is quarantined", "retrier", quarantined),
            Counted::alone("… becomes an incident", "alerter", opened),
            Counted::alone("… and is mailed", "alerter", mailed),
            Counted {
                what: "another hint at that incident",
                function: "alerter",
                alone: Some(again),
                batch: Some(ten),
            },
            Counted::alone("its review, once a minute", "alerter", reviewed),
        ])
    }

    /// Nearly the largest notification that the endpoint accepts: its body, its record and its signal come in parts.
    async fn large(&mut self) -> Result<Vec<Counted>> {
        let accepted = Self::done(self.scene, &mut self.receiver, scene::group("large", METERS)).await?;
        let messages = self.scene.take("deliveries");
        let hydrated = Self::done(self.scene, &mut self.hydrator, scene::batch("deliveries", &messages)).await?;
        let (failed, sent) = (self.scene.take("retries"), self.scene.take("signals.fifo"));
        ensure!(failed.is_empty() && sent.len() > 1, "{} meters led to {} signals, {failed:?}", METERS, sent.len());
        // The jobs scheduled for a minute later are not run here.
        self.scene.take("deliveries");
        Ok(vec![
            Counted::alone("a notification of 50,000 meters is accepted", "receiver", accepted),
            Counted::alone("… and published in parts", "hydrator", hydrated),
        ])
    }

    async fn receive(&mut self) -> Result<Did> {
        let event = scene::webhook("dispatch.create", "received");
        let did = Self::done(self.scene, &mut self.receiver, event).await?;
        let taken = self.scene.take("deliveries");
        ensure!(taken.len() == 1, "the receiver queued {} messages", taken.len());
        Ok(did)
    }

    /// Sends a webhook for each dispatch through both functions, with the deliveries in one batch. Returns the
    /// hydrator's calls.
    async fn hydrate(&mut self, (event, signals): Plot, dispatches: &[&str]) -> Result<Did> {
        for dispatch in dispatches {
            self.receiver.invoke(scene::webhook(event, dispatch)).await?;
        }
        let messages = self.scene.take("deliveries");
        let did = Self::done(self.scene, &mut self.hydrator, scene::batch("deliveries", &messages)).await?;
        let mut failed = self.scene.take("retries");
        // A deadline check in the same queue is not a failure.
        failed.retain(|message| !is_a(message, "deadline"));
        let sent = self.scene.take("signals.fifo");
        let distinct = dispatches.iter().collect::<std::collections::BTreeSet<_>>().len();
        ensure!(
            failed.is_empty() && sent.len() == signals * distinct,
            "{event} of {dispatches:?} led to {} signals and to the failures {failed:?}",
            sent.len(),
        );
        Ok(did)
    }

    async fn done(scene: &Scene, function: &mut Instance, event: Bytes) -> Result<Did> {
        Ok(Did::of(scene, function, event).await?.0)
    }
}

impl Counted {
    fn alone(what: &'static str, function: &'static str, did: Did) -> Self {
        Self { what, function, alone: Some(did), batch: None }
    }
}

/// Whether a queue's message is of that type.
fn is_a(message: &str, sort: &str) -> bool {
    let message: serde_json::Value = serde_json::from_str(message).unwrap_or_default();
    message["message"].get(sort).is_some()
}

/// The calls as text: `GetItem, 2 × PutItem (1 refused)`.
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
