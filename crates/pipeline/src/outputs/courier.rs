//! The courier: takes signals from `signals` in order, and messages of the queue `outputs`.

use std::collections::BTreeMap;

use dispatch::Subject;
use futures_util::{future::join_all, lock::Mutex};
use jiff::{SignedDuration, Timestamp};

use super::{
    event::OutputEvent,
    lane::{Entered, EventBody, Lane, LaneKey, Next, StoredEvent, WaitingEvent},
    state::OutputState,
};
use crate::{
    config::{Config, Output},
    job::Message,
    messages::{self, ToCourier, hop_s},
    ports::{Clock, CourierQueue, Outputs, PortError, Ports, Random},
    update::{Change, From, Lanes, update},
};

/// A larger text is stored in items of its own, in bytes.
const MOST_INLINE_BYTES: usize = 16 * 1_024;

/// So is any further text of a lane that has so much in its own item, in bytes.
const MOST_INLINE_IN_ALL_BYTES: usize = 96 * 1_024;

/// No attempt begins with less time left of the invocation.
pub(super) const LEAST_LEFT: SignedDuration = SignedDuration::from_secs(8);

/// No further message is begun with less time left of the invocation.
const LEAST_TO_STORE: SignedDuration = SignedDuration::from_secs(3);

/// A message that is early by less than this was sent in time, by another clock.
pub(super) const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(10);

/// The courier.
#[derive(Debug)]
pub struct Courier<'a, P: Ports> {
    /// The outputs.
    pub config: &'a Config,
    /// `outputs`.
    pub outputs: &'a P::Outputs,
    /// Where the outputs are.
    pub targets: &'a P::OutputTargets,
    /// The queue `outputs`.
    pub courier_queue: &'a P::CourierQueue,
    /// The inner queues: acknowledgements for the retrier, hints for the alerter.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

/// What one batch knows of the outputs' states: read once each, changed with each write.
pub(super) type States = Mutex<BTreeMap<String, OutputState>>;

/// An output of the configuration, by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) output: &'a Output,
}

/// When a lane is delivered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// When its next attempt is due.
    WhenDue,
    /// Now: to find out whether its output works.
    Now,
}

/// What must follow the entry of an event.
enum Follows {
    /// Nothing: it is known, another invocation delivers it, or it waits for its output.
    Nothing,
    /// This invocation has claimed the lane.
    Deliver,
    /// A message must come back to the lane at that instant.
    ComeBack(Timestamp),
}

impl<P: Ports> Courier<'_, P> {
    /// Handles a batch of the queue `signals`. Returns the ids of the messages to deliver again: of a subject, the first
    /// that could not be stored and all after it.
    pub async fn signals(&self, messages: Vec<Message>) -> Vec<String> {
        if self.config.outputs.is_empty() {
            // A controller may read them. Taking them would lose them.
            tracing::error!("the configuration has no outputs: signals stay in their queue");
            return messages.into_iter().map(|message| message.id).collect();
        }
        let (mut subjects, mut failed) = (BTreeMap::<Subject, Vec<(String, OutputEvent)>>::new(), Vec::new());
        for Message { id, body, .. } in messages {
            match OutputEvent::parse(body, self.config) {
                Ok(event) => subjects.entry(event.head.subject.clone()).or_default().push((id, event)),
                // It stays in the queue, where an alarm on the age of the oldest message finds it.
                Err(error) => {
                    tracing::error!(message.id = id, error, "a message of signals is none of gridbell's");
                    failed.push(id);
                }
            }
        }
        let states = &States::default();
        let each = subjects.into_values().map(|events| async move {
            let mut events = events.into_iter();
            while let Some((id, event)) = events.next() {
                let Err(error) = self.signal(&event, states).await else { continue };
                tracing::error!(message.id = id, event.id = event.head.id, %error, "left to be delivered again");
                return std::iter::once(id).chain(events.map(|(id, _)| id)).collect();
            }
            Vec::new()
        });
        failed.extend(join_all(each).await.into_iter().flatten());
        failed
    }

    /// Stores a signal for every output that wants it, and delivers it where nothing is in the way.
    async fn signal(&self, event: &OutputEvent, states: &States) -> Result<(), PortError> {
        if self.left() < LEAST_TO_STORE {
            return Err(PortError::Unavailable { port: "outputs", reason: "the invocation ends".to_owned() });
        }
        let wants = self.config.outputs.iter().filter(|(_, output)| output.wants(event.head.routed()));
        let each = wants.map(|(name, output)| self.take(Named { name, output }, event, states));
        join_all(each).await.into_iter().collect()
    }

    async fn take(&self, named: Named<'_>, event: &OutputEvent, states: &States) -> Result<(), PortError> {
        let key = LaneKey { output: named.name.to_owned(), subject: event.head.subject.clone() };
        let now = self.host.now();
        let resting_until = self.state(named.name, states).await?.resting_until(now);
        let may_deliver = resting_until.is_none() && self.left() >= LEAST_LEFT;
        // A subject's first signal has no lane yet: the refused write returns it if there is one after all.
        let from = if event.head.version.sequence == 1 { From::Known(None) } else { From::Stored };
        let (mut stored, mut garbage) = (None, Vec::new());
        let changed = update(Lanes(self.outputs), &key, from, async |lane| {
            let now = self.host.now();
            let mut lane = lane.unwrap_or_else(|| Lane::new(key.clone(), now));
            garbage.clear();
            if event.head.version > lane.newest {
                let body = self.body_of(event, &lane, &mut stored).await?;
                let waiting = WaitingEvent { head: event.head.clone(), stored_at: now, body, split: false };
                if let Entered::Waits { replaced } = lane.enter(waiting) {
                    garbage = replaced;
                }
            } else if lane.waiting.is_empty() {
                return Ok(Change::Keep(Follows::Nothing));
            }
            let write = self.host.unique();
            let follows = match lane.next(now) {
                Next::Nothing => Follows::Nothing,
                Next::Due if may_deliver => {
                    lane.claim(&write, now, self.host.ends_at(), true);
                    Follows::Deliver
                }
                Next::Due => {
                    let at = resting_until.unwrap_or(now);
                    lane.next_at = Some(at);
                    // Few attempts find out whether a failing output works again. This one is not needed.
                    if resting_until.is_some() { Follows::Nothing } else { Follows::ComeBack(at) }
                }
                Next::Claimed(until) => {
                    lane.next_at = Some(until);
                    Follows::ComeBack(until)
                }
                Next::Later(at) => {
                    lane.next_at = Some(at);
                    Follows::Nothing
                }
            };
            Ok::<_, PortError>(Change::Write(Box::new(lane.following(write, now)), follows))
        });
        let changed = changed.await?;
        self.forget(&garbage).await;
        match changed.result {
            Follows::Nothing => Ok(()),
            Follows::Deliver => match changed.written {
                Some(lane) => self.deliver(named, lane, states).await,
                None => Ok(()),
            },
            Follows::ComeBack(at) => self.come_back(&key, at).await,
        }
    }

    /// Handles a batch of the queue `outputs`. Returns the ids of the messages to deliver again.
    pub async fn batch(&self, messages: Vec<Message>) -> Vec<String> {
        let states = &States::default();
        let handled = messages.into_iter().map(|message| async move {
            let Err(error) = self.one(&message, states).await else { return None };
            tracing::error!(message.id = message.id, %error, "left to be delivered again");
            Some(message.id)
        });
        join_all(handled).await.into_iter().flatten().collect()
    }

    async fn one(&self, message: &Message, states: &States) -> Result<(), BatchError> {
        match messages::read(&message.body)? {
            ToCourier::Deliver(key) => Ok(self.look_at(&key, Haste::WhenDue, states).await?),
            ToCourier::Probe { output } => Ok(self.probe(&output, states).await?),
            ToCourier::Release { output } => Ok(self.release(&output, states).await?),
            ToCourier::Replay { output, subject } => Ok(self.replay(&output, subject).await?),
            ToCourier::Test { output, id } => Ok(self.test(&output, &id, states).await?),
        }
    }

    /// Delivers what waits in a lane, if it is due.
    pub(super) async fn look_at(&self, key: &LaneKey, haste: Haste, states: &States) -> Result<(), PortError> {
        let Some(named) = self.named(&key.output) else {
            tracing::warn!(output.name = key.output, "the configuration has no such output any more");
            return Ok(());
        };
        let now = self.host.now();
        // Few attempts find out whether a failing output works again. This one is not needed.
        if self.state(&key.output, states).await?.resting_until(now).is_some() {
            return Ok(());
        }
        if self.left() < LEAST_LEFT {
            return self.come_back(key, now).await;
        }
        let changed = update(Lanes(self.outputs), key, From::Stored, async |lane| {
            let now = self.host.now();
            let Some(mut lane) = lane else { return Ok(Change::Keep(Follows::Nothing)) };
            let next = lane.next(now);
            Ok::<_, PortError>(match next {
                Next::Due | Next::Later(_) if next == Next::Due || haste == Haste::Now => {
                    let write = self.host.unique();
                    lane.claim(&write, now, self.host.ends_at(), false);
                    Change::Write(Box::new(lane.following(write, now)), Follows::Nothing)
                }
                Next::Later(at) if at.duration_since(now) < CLOCKS_DIFFER => Change::Keep(Follows::ComeBack(at)),
                // The sweep finds what is due later. Sending each early message again would keep a duplicated one
                // alive for ever.
                Next::Due | Next::Later(_) | Next::Claimed(_) | Next::Nothing => Change::Keep(Follows::Nothing),
            })
        });
        let changed = changed.await?;
        match (changed.written, changed.result) {
            (Some(lane), _) => self.deliver(named, lane, states).await,
            (None, Follows::ComeBack(at)) => self.come_back(key, at).await,
            (None, _) => Ok(()),
        }
    }

    /// An event's text as its lane stores it. What does not fit is stored before the lane names it, once.
    async fn body_of(
        &self,
        event: &OutputEvent,
        lane: &Lane,
        stored: &mut Option<StoredEvent>,
    ) -> Result<EventBody, PortError> {
        let inline = lane.waiting.iter().chain(&lane.kept).map(|waiting| match &waiting.body {
            EventBody::Inline(text) => text.len(),
            EventBody::Stored(_) => 0,
        });
        let bytes = event.body.len();
        if bytes <= MOST_INLINE_BYTES && inline.sum::<usize>() + bytes <= MOST_INLINE_IN_ALL_BYTES {
            return Ok(EventBody::Inline(event.body.clone()));
        }
        let known = match stored.take() {
            Some(known) => known,
            None => self.outputs.keep_text(&self.host.unique(), &event.body, self.host.now()).await?,
        };
        Ok(EventBody::Stored(stored.insert(known).clone()))
    }

    /// Deletes the texts of events that are not needed any more. What a failure leaves expires.
    pub(super) async fn forget(&self, events: &[WaitingEvent]) {
        for event in events {
            let EventBody::Stored(stored) = &event.body else { continue };
            if let Err(error) = self.outputs.forget_text(stored).await {
                tracing::warn!(event.id = event.head.id, %error, "its text is left to expire");
            }
        }
    }

    /// A message comes back to a lane at that instant.
    pub(super) async fn come_back(&self, key: &LaneKey, at: Timestamp) -> Result<(), PortError> {
        let delay_s = hop_s(at, self.host.now());
        self.courier_queue.courier(&[ToCourier::Deliver(key.clone()).after(delay_s)]).await
    }

    pub(super) fn named(&self, name: &str) -> Option<Named<'_>> {
        self.config.outputs.get_key_value(name).map(|(name, output)| Named { name, output })
    }

    /// The time that is left of this invocation.
    pub(super) fn left(&self) -> SignedDuration {
        self.host.ends_at().duration_since(self.host.now())
    }

    /// The state of an output, read once for a batch.
    pub(super) async fn state(&self, output: &str, states: &States) -> Result<OutputState, PortError> {
        let mut states = states.lock().await;
        if let Some(known) = states.get(output) {
            return Ok(known.clone());
        }
        let stored = self.outputs.output_state(output).await?.unwrap_or_else(|| OutputState::new(output));
        states.insert(output.to_owned(), stored.clone());
        Ok(stored)
    }
}

/// Why a message must be delivered again.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error(transparent)]
    Read(#[from] messages::ReadError),
    #[error(transparent)]
    Port(#[from] PortError),
}
