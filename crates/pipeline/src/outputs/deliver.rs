//! Delivers from a lane that this invocation has claimed: the event at the front, then the next one.

use dispatch::Epoch;
use jiff::{SignedDuration, Timestamp};
use tracing::Instrument;

use super::{
    courier::{Courier, LEAST_LEFT, Named, States},
    event::{EventHead, OutputEvent},
    lane::{EventBody, Lane, LaneAck, WaitingEvent},
    split::split,
};
use crate::{
    alerts::condition::Condition,
    messages::{OutputAck, ToRetry},
    ports::{Clock, JobQueue, OutputTargets, Outputs, PortError, Ports, Random, ResponseAck, SendFailure, Sending},
    trace::{self, Hop},
    update::{Change, From, Lanes, update},
};

/// The longest an output may take for one event, with connecting.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_secs(5);

/// This much of an invocation is left for storing the result.
const TO_STORE: SignedDuration = SignedDuration::from_secs(3);

/// Every target takes an event of this size, in bytes: what is refused as too large is split into parts of it.
const SMALL_BYTES: usize = 256 * 1_024 - 4 * 1_024;

/// What becomes of the event at the front of a lane.
enum Front {
    /// It can be sent.
    Ready(String),
    /// It waits for the other parts of its version, which must be split together.
    Incomplete,
    /// It must be split into parts of that many bytes.
    Split(usize),
    /// No attempt can deliver it.
    Hopeless(&'static str),
}

impl<P: Ports> Courier<'_, P> {
    /// Delivers from a claimed lane until nothing waits, an attempt fails, or the invocation ends.
    pub(super) async fn deliver(&self, named: Named<'_>, mut lane: Lane, states: &States) -> Result<(), PortError> {
        let by = lane.claim.as_ref().map(|claim| claim.by.clone()).unwrap_or_default();
        while let Some(front) = lane.waiting.first().cloned() {
            let next = match self.front(named, &lane, &front).await? {
                Front::Ready(body) => {
                    let EventHead { id, traceparent, .. } = &front.head;
                    let source = front.head.source_name().unwrap_or_default();
                    let span = Hop::after(*traceparent, self.host).span("deliver", source, id);
                    self.attempt(named, lane, &by, &front, &body, states).instrument(span).await?
                }
                Front::Split(limit_bytes) => self.in_parts(lane, &front, limit_bytes).await?,
                Front::Incomplete => return self.put_back(lane, &by, self.host.now() + LONGEST).await,
                Front::Hopeless(why) => self.keep(lane, &front.head, why).await?,
            };
            match next {
                Some(next) => lane = next,
                None => return Ok(()),
            }
        }
        self.put_back(lane, &by, self.host.now()).await
    }

    /// Sends the event at the front. Returns the lane if this invocation goes on with it.
    async fn attempt(
        &self,
        named: Named<'_>,
        lane: Lane,
        by: &str,
        front: &WaitingEvent,
        body: &str,
        states: &States,
    ) -> Result<Option<Lane>, PortError> {
        let sending = Sending { name: named.name, output: named.output, head: &front.head, body };
        let within = LONGEST.min(self.left() - TO_STORE);
        if !within.is_positive() {
            // Its text was read slowly.
            return self.put_back(lane, by, self.host.now()).await.map(|()| None);
        }
        match self.targets.send(sending, within).await {
            Ok(ack) => self.confirmed(named, lane, by, &front.head, ack, states).await,
            Err(error) if error.kind == SendFailure::TooLarge && may_split(front, SMALL_BYTES) => {
                self.in_parts(lane, front, SMALL_BYTES).await
            }
            Err(error) => {
                trace::failed(&error.detail);
                self.failed(named, lane, by, &error, states).await.map(|()| None)
            }
        }
    }

    /// What becomes of the event at the front.
    async fn front(&self, named: Named<'_>, lane: &Lane, front: &WaitingEvent) -> Result<Front, PortError> {
        let sending = Sending { name: named.name, output: named.output, head: &front.head, body: "" };
        let limit_bytes = self.targets.limit_bytes(sending).filter(|_| !front.split);
        if let Some(limit_bytes) = limit_bytes {
            if !lane.has_all_parts(&front.head) {
                return Ok(Front::Incomplete);
            }
            let version = front.head.version.whole();
            let mut of_it = lane.waiting.iter().filter(|waiting| waiting.head.version.whole() == version);
            if of_it.any(|waiting| waiting.bytes() > limit_bytes) {
                return Ok(if front.head.is_dispatch() {
                    Front::Split(limit_bytes)
                } else {
                    Front::Hopeless("it is larger than its target takes, and only dispatches come in parts")
                });
            }
        }
        let text = self.text(front).await?;
        Ok(text.map_or(Front::Hopeless("its text is not stored any more"), Front::Ready))
    }

    async fn text(&self, event: &WaitingEvent) -> Result<Option<String>, PortError> {
        match &event.body {
            EventBody::Inline(text) => Ok(Some(text.clone())),
            EventBody::Stored(stored) => self.outputs.text(stored).await,
        }
    }

    /// The output has taken an event. Returns the lane if this invocation goes on with it.
    async fn confirmed(
        &self,
        named: Named<'_>,
        lane: Lane,
        by: &str,
        head: &EventHead,
        ack: Option<ResponseAck>,
        states: &States,
    ) -> Result<Option<Lane>, PortError> {
        let key = lane.key.clone();
        let ack = ack.filter(|_| head.is_dispatch());
        let mut garbage = Vec::new();
        let changed = update(Lanes(self.outputs), &key, From::Known(Some(lane)), async |lane| {
            let now = self.host.now();
            let mut lane = lane.unwrap_or_else(|| Lane::new(key.clone(), now));
            garbage = lane.confirm(head, now).into_iter().collect();
            if let Some(ResponseAck { state, detail }) = ack.clone() {
                lane.acknowledge(LaneAck { version: head.version.whole(), state, detail, at: now });
            }
            let goes_on = lane.is_claimed_by(by) && !lane.waiting.is_empty() && self.left() >= LEAST_LEFT;
            let is_left = lane.is_claimed_by(by) && !lane.waiting.is_empty() && !goes_on;
            if goes_on {
                lane.claim(by, now, self.host.ends_at(), false);
            } else {
                lane.release(by, now);
            }
            Ok::<_, PortError>(Change::Write(Box::new(lane.following(self.host.unique(), now)), (goes_on, is_left)))
        });
        let changed = changed.await?;
        self.forget(&garbage).await;
        if let Some(ResponseAck { state, detail }) = ack {
            let (output, subject) = (named.name.to_owned(), head.subject.clone());
            let (epoch, version) = (Epoch::from(head.version.epoch), head.version.sequence);
            let said = ToRetry::Acknowledged(OutputAck { output, subject, epoch, version, state, detail });
            self.job_queue.retry(&[said.at_once()]).await?;
        }
        tracing::info!(output.name = named.name, event.id = head.id, "delivered");
        self.works_again(named.name, states).await?;
        let (goes_on, is_left) = changed.result;
        if is_left {
            self.come_back(&key, self.host.now()).await?;
        }
        Ok(changed.written.filter(|_| goes_on))
    }

    /// Replaces a version in the lane by smaller parts. What cannot be split is kept for a replay.
    async fn in_parts(&self, lane: Lane, front: &WaitingEvent, limit_bytes: usize) -> Result<Option<Lane>, PortError> {
        let version = front.head.version;
        let of_it = lane.waiting.iter().filter(|waiting| waiting.head.version.whole() == version.whole());
        let (mut texts, mut is_test) = (Vec::new(), false);
        for waiting in of_it {
            is_test |= waiting.head.test;
            match self.text(waiting).await? {
                Some(whole) => texts.push(whole),
                None => return self.keep(lane, &front.head, "its text is not stored any more").await,
            }
        }
        let Some(parts) = split(&texts, limit_bytes) else {
            return self.keep(lane, &front.head, "it is larger than its target takes and cannot be split").await;
        };
        let mut events = Vec::new();
        for text in parts {
            let Ok(OutputEvent { head, body }) = OutputEvent::parse(text, self.config) else {
                return self.keep(lane, &front.head, "its parts cannot be read").await;
            };
            let stored = self.outputs.keep_text(&self.host.unique(), &body, self.host.now()).await?;
            let head = EventHead { test: is_test || head.test, ..head };
            events.push(WaitingEvent {
                head,
                stored_at: front.stored_at,
                body: EventBody::Stored(stored),
                split: true,
            });
        }
        let mut garbage = Vec::new();
        let key = lane.key.clone();
        let changed = update(Lanes(self.outputs), &key, From::Known(Some(lane)), async |lane| {
            let now = self.host.now();
            let mut lane = lane.unwrap_or_else(|| Lane::new(key.clone(), now));
            garbage = lane.replace(version, events.clone());
            // A newer version may have replaced it meanwhile.
            let unused = if garbage.is_empty() { events.clone() } else { Vec::new() };
            Ok::<_, PortError>(Change::Write(Box::new(lane.following(self.host.unique(), now)), unused))
        });
        let changed = changed.await?;
        self.forget(&garbage).await;
        self.forget(&changed.result).await;
        Ok(changed.written)
    }

    /// Keeps an event that no attempt can deliver for a replay, and notifies a person.
    async fn keep(&self, lane: Lane, head: &EventHead, why: &str) -> Result<Option<Lane>, PortError> {
        tracing::error!(output.name = lane.key.output, event.id = head.id, reason = why, "kept, not delivered");
        let key = lane.key.clone();
        let changed = update(Lanes(self.outputs), &key, From::Known(Some(lane)), async |lane| {
            let now = self.host.now();
            let mut lane = lane.unwrap_or_else(|| Lane::new(key.clone(), now));
            lane.keep_event(head.version);
            Ok::<_, PortError>(Change::Write(Box::new(lane.following(self.host.unique(), now)), ()))
        });
        let changed = changed.await?;
        let condition = Condition::OutputFailing { output: key.output.clone() };
        self.job_queue.hint(condition, self.host.now(), 0).await?;
        Ok(changed.written)
    }

    /// Ends the claim; what still waits is found by the sweep after that instant.
    async fn put_back(&self, lane: Lane, by: &str, next_at: Timestamp) -> Result<(), PortError> {
        let key = lane.key.clone();
        let changed = update(Lanes(self.outputs), &key, From::Known(Some(lane)), async |lane| {
            Ok::<_, PortError>(match lane.filter(|lane| lane.is_claimed_by(by)) {
                Some(mut lane) => {
                    lane.release(by, next_at);
                    Change::Write(Box::new(lane.following(self.host.unique(), self.host.now())), ())
                }
                None => Change::Keep(()),
            })
        });
        changed.await.map(drop)
    }
}

/// Whether a smaller form of the event may be taken.
fn may_split(front: &WaitingEvent, limit_bytes: usize) -> bool {
    front.head.is_dispatch() && !front.split && front.head.parts.is_none() && front.bytes() > limit_bytes
}
