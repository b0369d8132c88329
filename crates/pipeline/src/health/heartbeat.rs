//! The hydrator's heartbeat, and the dead-letter queues.
//!
//! A hydrator that is stopped, throttled or dies at its start reports nothing. So the sweep sends heartbeats through
//! the hydrator's own queue, and some seconds after each the retrier checks whether the hydrator answered.

use futures_util::future::join;
use jiff::SignedDuration;

use crate::{
    alerts::{condition::Condition, review::OpenIncidents},
    messages::{Heartbeat, HeartbeatCheck, ToHydrate, ToRetry},
    ports::{Clock, Depths, Health, JobQueue, Measurement, Metrics, PortError, Ports, Watched},
};

/// When heartbeats are sent, in seconds after each sweep. If the hydrator stops right before a dispatch arrives, that
/// is noticed within [`ANSWER_WITHIN_S`] and half a minute, which fits the usual limit of 60 s.
const BEATS_S: [u32; 2] = [0, 30];

/// A heartbeat must be answered within so many seconds: longer than any invocation that it may wait for.
const ANSWER_WITHIN_S: u32 = 22;

/// If a heartbeat is not answered, the retrier checks again after so many seconds.
const LOOKS_AGAIN_S: u32 = 5;

/// A hydrator that does other work must answer a heartbeat within so many seconds. A longer wait in its queue is too
/// long for a dispatch and deserves an alert, whatever the cause.
const BEHIND_S: i64 = 120;

/// A check that is this late was delayed itself, perhaps together with its heartbeat: it is made once more.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// While the hydrator does not answer, one heartbeat is sent every so many minutes: more would pile up in front of the
/// deliveries.
const FRESH_EVERY_MIN: i64 = 5;

/// The retrier's part of the heartbeat.
#[derive(Debug)]
pub struct Heartbeats<'a, P: Ports> {
    /// The latest answer.
    pub health: &'a P::Deliveries,
    /// The depth of the queues.
    pub queues: &'a P::Depths,
    /// Whether the stack has a courier, and thus its queue.
    pub has_courier: bool,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

impl<P: Ports> Heartbeats<'_, P> {
    /// Each minute: sends heartbeats, and hints if a dead-letter queue is not empty.
    pub async fn minute(&self, open: &OpenIncidents) -> Result<(), PortError> {
        let (sent, looked) = join(self.send(open), self.dead_letters(open)).await;
        sent.and(looked)
    }

    /// Sends a hint if the hydrator has not answered and does no other work either.
    pub async fn check(&self, check: HeartbeatCheck) -> Result<(), PortError> {
        let HeartbeatCheck { sent_at, again, lay } = check;
        let answered = self.health.answered().await?;
        if let Some(answered) = answered {
            let age_s = self.host.now().duration_since(answered.at).as_secs();
            self.host.measure(Measurement::HeartbeatAge { age_s });
        }
        if answered.is_some_and(|answered| answered.sent_at >= sent_at) {
            return Ok(());
        }
        let waited_s = self.host.now().duration_since(sent_at).as_secs();
        if !again && lay.is_none() && waited_s > LATE.as_secs() {
            return self.check_after(HeartbeatCheck { again: true, ..check }, ANSWER_WITHIN_S).await;
        }
        if waited_s < BEHIND_S {
            // If the depth cannot be read, nothing shows that the hydrator works.
            let lies = self.queues.depth(Watched::Deliveries).await.ok().map(|depth| depth.waiting + depth.in_hand);
            match (lay, lies) {
                (None, Some(lies)) => {
                    return self.check_after(HeartbeatCheck { lay: Some(lies), ..check }, LOOKS_AGAIN_S).await;
                }
                (Some(lay), Some(lies)) if lies < lay || answered.is_some_and(|other| other.at > sent_at) => {
                    tracing::warn!(heartbeat.sent_at = %sent_at, queue.depth = lies, "the hydrator is behind");
                    let rest_s = u32::try_from(BEHIND_S - waited_s).unwrap_or_default();
                    return self.check_after(check, rest_s).await;
                }
                _ => {}
            }
        }
        tracing::error!(heartbeat.sent_at = %sent_at, "the hydrator does not answer");
        self.job_queue.hint(Condition::DeliveriesUnread, sent_at, 0).await
    }

    async fn check_after(&self, check: HeartbeatCheck, delay_s: u32) -> Result<(), PortError> {
        self.job_queue.retry(&[ToRetry::HeartbeatCheck(check).after(delay_s)]).await
    }

    async fn send(&self, open: &OpenIncidents) -> Result<(), PortError> {
        let now = self.host.now();
        if open.covers(&Condition::DeliveriesUnread) {
            if now.as_second() / 60 % FRESH_EVERY_MIN == 0 {
                self.job_queue.deliver(ToHydrate::Heartbeat(Heartbeat { at: now }), 0).await?;
            }
            return Ok(());
        }
        for delay_s in BEATS_S {
            let at = now + SignedDuration::from_secs(i64::from(delay_s));
            self.job_queue.deliver(ToHydrate::Heartbeat(Heartbeat { at }), delay_s).await?;
            let check = ToRetry::HeartbeatCheck(HeartbeatCheck::of(at));
            self.job_queue.retry(&[check.after(delay_s + ANSWER_WITHIN_S)]).await?;
        }
        Ok(())
    }

    async fn dead_letters(&self, open: &OpenIncidents) -> Result<(), PortError> {
        let of_courier = self.has_courier.then_some(Watched::OutputsDead);
        for queue in [Watched::RetriesDead, Watched::AlertsDead].into_iter().chain(of_courier) {
            let condition = Condition::DeadLetters { queue };
            let depth = self.queues.depth(queue).await?;
            if depth.waiting + depth.in_hand > 0 && !open.covers(&condition) {
                self.job_queue.hint(condition, self.host.now(), 0).await?;
            }
        }
        Ok(())
    }
}
