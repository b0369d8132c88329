//! The pulse of the hydrator, and the queues of what nobody could handle.
//!
//! Between a webhook's arrival and its first failure only the hydrator could tell that something is wrong, and a hydrator that is
//! stopped, throttled or dies at its start says nothing. So the sweep sends probes through the hydrator's own queue, and some
//! seconds after each the retrier looks whether it was answered. The first that was not is remembered: until one is answered that
//! is no older, no further ones pile up in front of the deliveries, but for one every few minutes.

use futures_util::future::join;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    incident::{Kind, Notice},
    ports::{Backlog, Chance, Clock, Depths, Health, Outlet, PortError, Vitals, Watched},
    work::Message,
};

/// Probes are sent so many seconds after each sweep: a dispatch that arrives right after the hydrator stopped is known to lie there
/// within [`ANSWER_WITHIN_S`] and half a minute, which the usual limit of 60 s allows.
const BEATS_S: [u32; 2] = [0, 30];

/// A probe must be answered within so many seconds: longer than any invocation that it may have to wait for.
const ANSWER_WITHIN_S: u32 = 22;

/// An inquiry that comes this long after its probe was held up itself, perhaps together with the probe: it is made once more.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// While nothing is answered, a fresh probe every so many minutes makes up for any that is lost.
const FRESH_EVERY_MIN: i64 = 5;

/// What incidents of gridbell's own parts name as their source.
const SOURCE: &str = "gridbell";

/// A question whether anybody is there. What travels in `deliveries` beside work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// When it is visible in the queue.
    #[serde(rename = "probe")]
    pub at: Timestamp,
}

/// Whether a probe was answered. What travels in `retries`, delayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inquiry {
    /// The probe's instant.
    #[serde(rename = "answered")]
    pub probe_at: Timestamp,
    /// It was made once already, and too late.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// The pulse.
#[derive(Debug)]
pub struct Pulse<'a, H, Q, O, C> {
    /// What is known of it.
    pub health: &'a H,
    /// What lies in the queues.
    pub queues: &'a Q,
    /// The inner queues.
    pub outlet: &'a O,
    /// Time and chance.
    pub world: &'a C,
}

/// The hydrator's part: takes the probes out of a batch and answers, before anything of the batch can fail. Returns the other
/// messages, and the ids of probes that could not be answered.
pub async fn answer(health: &impl Health, messages: Vec<Message>) -> (Vec<Message>, Vec<String>) {
    let (mut others, mut probes, mut latest) = (Vec::with_capacity(messages.len()), Vec::new(), None);
    for message in messages {
        match serde_json::from_str::<Probe>(&message.body) {
            Ok(probe) => {
                latest = latest.max(Some(probe.at));
                probes.push(message.id);
            }
            Err(_) => others.push(message),
        }
    }
    let answered = match latest {
        Some(at) => health.answered(at).await,
        None => Ok(()),
    };
    match answered {
        Ok(()) => (others, Vec::new()),
        Err(error) => {
            tracing::error!(%error, "a probe is left to be answered later");
            (others, probes)
        }
    }
}

impl<H: Health, Q: Depths, O: Outlet, C: Clock + Chance> Pulse<'_, H, Q, O, C> {
    /// Each minute: probes, or whether a lost one is answered by now; and what lies in the dead-letter queues.
    pub async fn minute(&self) -> Result<(), PortError> {
        let vitals = self.health.vitals().await?;
        let (probed, looked) = join(self.probe(&vitals), self.dead_letters(&vitals)).await;
        probed.and(looked)
    }

    /// Takes out of a batch what concerns the pulse; returns the other messages, and the ids of those that nobody took care of.
    pub async fn batch(&self, messages: Vec<Message>) -> (Vec<Message>, Vec<String>) {
        let (mut others, mut failed) = (Vec::with_capacity(messages.len()), Vec::new());
        for message in messages {
            if let Ok(inquiry) = serde_json::from_str::<Inquiry>(&message.body) {
                if let Err(error) = self.inquire(inquiry).await {
                    tracing::error!(%error, "whether the hydrator answers is asked again later");
                    failed.push(message.id);
                }
            } else if serde_json::from_str::<Probe>(&message.body).is_err() {
                // A probe that a queue handed over has been missed already.
                others.push(message);
            }
        }
        (others, failed)
    }

    async fn probe(&self, vitals: &Vitals) -> Result<(), PortError> {
        let now = self.world.now();
        let Some(lost_at) = vitals.told(Watched::Deliveries) else {
            for delay_s in BEATS_S {
                let at = now + SignedDuration::from_secs(i64::from(delay_s));
                self.outlet.probe(Probe { at }, delay_s).await?;
                let inquiry = Inquiry { probe_at: at, again: false };
                self.outlet.inquiry(inquiry, delay_s + ANSWER_WITHIN_S).await?;
            }
            return Ok(());
        };
        if vitals.answers(lost_at) {
            return self.recovered(lost_at).await;
        }
        if now.duration_since(lost_at).as_mins() % FRESH_EVERY_MIN == 0 {
            self.outlet.probe(Probe { at: now }, 0).await?;
        }
        self.tell_silence(vitals, lost_at).await
    }

    async fn inquire(&self, Inquiry { probe_at, again }: Inquiry) -> Result<(), PortError> {
        let vitals = self.health.vitals().await?;
        let told = vitals.told(Watched::Deliveries);
        if vitals.answers(probe_at) {
            return match told.filter(|lost_at| vitals.answers(*lost_at)) {
                Some(lost_at) => self.recovered(lost_at).await,
                None => Ok(()),
            };
        }
        if !again && self.world.now().duration_since(probe_at) > LATE {
            return self.outlet.inquiry(Inquiry { probe_at, again: true }, ANSWER_WITHIN_S).await;
        }
        if told.is_none() {
            // First marked: who dies before it tells leaves it to the next sweep, which tells of whatever is marked.
            self.health.told(Watched::Deliveries, probe_at).await?;
            return self.tell_silence(&vitals, probe_at).await;
        }
        Ok(())
    }

    async fn tell_silence(&self, vitals: &Vitals, lost_at: Timestamp) -> Result<(), PortError> {
        let now = self.world.now();
        // It must be told even where nobody can say how much waits.
        let waits = match self.queues.depth(Watched::Deliveries).await {
            Ok(Backlog { waiting, in_hand }) => {
                let probes = 2 + now.duration_since(lost_at).as_mins() / FRESH_EVERY_MIN;
                format!(
                    "about {waiting} messages wait and {in_hand} are in flight, some {probes} of them gridbell's own probes"
                )
            }
            Err(error) => format!("how much waits cannot be said ({error})"),
        };
        let since = match vitals.answered {
            Some(answered) => format!("since {answered:.0}"),
            None => "so far".to_owned(),
        };
        let detail = format!(
            "the hydrator has read nothing from the queue {since}: {waits}; what the waiting deliveries say is not known yet, \
            the provider's portal shows it"
        );
        tracing::error!(pulse.lost_at = %lost_at, "the hydrator does not answer");
        self.outlet.notice(&happens(Kind::HydrationFailing, Watched::Deliveries, now, detail), 0).await
    }

    async fn recovered(&self, lost_at: Timestamp) -> Result<(), PortError> {
        let detail = "the hydrator reads from the queue again".to_owned();
        self.over(Kind::HydrationFailing, Watched::Deliveries, lost_at, detail).await
    }

    async fn dead_letters(&self, vitals: &Vitals) -> Result<(), PortError> {
        let [retries, alerts] = [Watched::RetriesDead, Watched::AlertsDead]
            .map(|queue| async move { self.dead_letters_of(queue, vitals.told(queue)).await });
        let (retries, alerts) = join(retries, alerts).await;
        retries.and(alerts)
    }

    async fn dead_letters_of(&self, queue: Watched, told: Option<Timestamp>) -> Result<(), PortError> {
        let now = self.world.now();
        let Backlog { waiting, in_hand } = self.queues.depth(queue).await?;
        match (waiting + in_hand, told) {
            (0, Some(since)) => self.over(Kind::DeadLetter, queue, since, "the queue is empty again".to_owned()).await,
            (0, None) => Ok(()),
            // Told once more now and then: who marked it may have died before he told.
            (1.., Some(since)) if now.duration_since(since).as_mins() % FRESH_EVERY_MIN != 0 => Ok(()),
            (dead, told) => {
                if told.is_none() {
                    self.health.told(queue, now).await?;
                }
                let detail = format!(
                    "{dead} message(s) in the queue {queue}, on each of which a function failed five times without a word; \
                    the runbook in infra/README.md says how to read them and how to send them back"
                );
                self.outlet.notice(&happens(Kind::DeadLetter, queue, now, detail), 0).await
            }
        }
    }

    /// First said, then forgotten: saying it twice is harmless.
    async fn over(&self, kind: Kind, of: Watched, since: Timestamp, detail: String) -> Result<(), PortError> {
        let over = Notice::over(kind, SOURCE, of.as_str(), self.world.now(), detail);
        self.outlet.notice(&over, 0).await?;
        self.health.over(of, since).await
    }
}

fn happens(kind: Kind, about: Watched, at: Timestamp, detail: String) -> Notice {
    Notice::happens(kind, SOURCE, about.to_string(), at, detail).gathered_by(about.to_string()).until_over()
}
