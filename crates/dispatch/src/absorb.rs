//! Merges facts into a subject's state and makes the signals that publish the change.

mod heartbeat;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use signals::DispatchChange;

use crate::{
    ActiveDispatch, Dispatch, DispatchFact, DispatchTerms, EffectiveTargets, Epoch, Fact, FactBody, MergedDispatch,
    Origin, Publication, Ramps, Rank, Signal, Status, Subject,
    parts::Version,
    payload::{Payload, account_payload, meter_payload, power_identity, power_payload},
    signal::Stamp,
};

/// How many events of a stream without own versions are remembered, to recognise repetitions.
const REMEMBERED: usize = 512;

/// Everything known about one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The number of versions published in this epoch.
    pub version: u64,
    /// The numbering that the version belongs to.
    pub epoch: Epoch,
    stream: Stream,
    /// The ramps that result from the power events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ramps: Option<Ramps>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stream {
    Dispatch(Box<Tracked>),
    /// Power events, meter data, account events: each is published once. Identity → when it was first seen.
    Events(BTreeMap<String, Timestamp>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tracked {
    id: String,
    merged: Dispatch,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published: Option<Published>,
}

/// The content of the last signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Published {
    status: Status,
    /// None if equal to the merged terms, so that a dispatch over thousands of meters is stored once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terms: Option<DispatchTerms>,
}

/// How to treat a push that contradicts the known state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// Return it as unsettled; the caller fetches the dispatch from the provider.
    Fetch,
    /// Accept the later push: the provider was asked and does not know the dispatch (its webhook test invented it).
    TakeLatest,
}

/// The result of absorbing facts.
#[derive(Debug)]
pub struct Absorbed {
    /// The state to store.
    pub state: State,
    /// True if it differs from the stored state.
    pub changed: bool,
    /// The signals to send, in order.
    pub signals: Vec<Signal>,
    /// Pushes that contradict the known state. They are not merged; a fetch from the provider must decide.
    pub unsettled: Vec<Fact>,
    /// Remarks for people, by the signal's sequence: how the load of a power event compares to its target.
    pub remarks: BTreeMap<u64, String>,
}

impl State {
    /// The dispatch as last published: its status and terms.
    pub fn published(&self) -> Option<(Status, DispatchTerms)> {
        let Stream::Dispatch(tracked) = &self.stream else { return None };
        let last = tracked.published.as_ref()?;
        Some((last.status, tracked.last_terms()?))
    }

    /// True if `after` is a dispatch that differs only in the instant of its observation. A fetch that repeats every
    /// minute is then not stored. The cost: a slower answer whose fetch began earlier is not recognised as older.
    pub fn holds_the_same_as(&self, after: &Self) -> bool {
        self.merged().zip(after.merged()).is_some_and(|(before, after)| before.holds_the_same_as(after))
    }

    /// The provider's id of the dispatch; none for streams of events.
    pub fn dispatch_id(&self) -> Option<&str> {
        match &self.stream {
            Stream::Dispatch(tracked) => Some(&tracked.id),
            Stream::Events(_) => None,
        }
    }

    /// The rank of the current fact; none for streams of events.
    pub fn rank(&self) -> Option<Rank> {
        self.merged()?.view().map(|view| view.rank)
    }

    /// The ramps of a load target; none for other streams.
    pub fn ramps(&self) -> Option<&Ramps> {
        self.ramps.as_ref()
    }

    /// True for a dispatch or a load target: only these can be active.
    pub fn can_be_on(&self) -> bool {
        matches!(self.stream, Stream::Dispatch(_)) || self.ramps.is_some()
    }

    /// What it requests of which targets, if it is active.
    pub fn active(&self, sandbox: bool) -> Option<ActiveDispatch> {
        match self.published() {
            Some((Status::Scheduled, terms)) => Some(ActiveDispatch::of_dispatch(&terms)),
            Some(_) => None,
            None => ActiveDispatch::of_ramps(self.ramps()?, sandbox),
        }
    }

    /// The dispatch's last version with `effective` added to some targets: as many signals as that version has parts.
    /// None if `last` is not a signal of that version.
    pub fn with_effective(
        &self,
        origin: &Origin,
        last: &Signal,
        effective: &EffectiveTargets,
        limit_bytes: usize,
    ) -> Option<Vec<Signal>> {
        let is_last = (last.epoch, last.sequence) == (self.epoch, self.version);
        let (status, terms) = self.published().filter(|_| is_last)?;
        let id = self.dispatch_id()?;
        let version = Version { origin, subject: &last.subject, id, number: self.version, status, terms: &terms };
        let payloads = version.payloads_of(&last.kind.as_str().into(), limit_bytes, effective).into_iter();
        let Signal { epoch, sequence, time, traceparent, .. } = *last;
        let stamp = Stamp { epoch, sequence, time, traceparent };
        Some(payloads.map(|payload| Signal::new(origin, &last.subject, stamp, payload)).collect())
    }

    /// The same state in a newer epoch, in which nothing has been published yet. An active dispatch is published again
    /// as its first version. `unsent` are the signals pending in the outbox; they get new numbers. None if the state
    /// already belongs to that epoch or a newer one.
    pub fn in_epoch(
        &self,
        origin: &Origin,
        subject: &Subject,
        unsent: &[Signal],
        publication: Publication,
    ) -> Option<(Self, Vec<Signal>)> {
        let Publication { epoch, now, .. } = publication;
        if self.epoch >= epoch {
            return None;
        }
        let mut state = Self { version: 0, epoch, ..self.clone() };
        let Stream::Dispatch(tracked) = &mut state.stream else {
            // A heartbeat that names sequences of the earlier epoch is not worth sending.
            let unsent = if subject.is_heartbeat() { &[][..] } else { unsent };
            let sequences = (1..).zip(unsent);
            let signals: Vec<Signal> =
                sequences.map(|(sequence, signal)| signal.clone().restamped(epoch, sequence)).collect();
            state.version = signals.len() as u64;
            return Some((state, signals));
        };
        let is_on =
            |view: &MergedDispatch| view.status == Status::Scheduled && view.terms.end.is_none_or(|end| end > now);
        if unsent.is_empty() && !tracked.merged.view().as_ref().is_some_and(is_on) {
            return Some((state, Vec::new()));
        }
        tracked.published = None;
        let mut absorbing = Absorbing::new(subject, Some(state), publication);
        absorbing.publish_dispatch(origin, None);
        Some((absorbing.state?, absorbing.signals))
    }

    /// True if a fact of it was fetched, not only pushed.
    pub fn was_fetched(&self) -> bool {
        self.merged().is_some_and(Dispatch::was_fetched)
    }

    /// None for streams of events: each new event makes a signal, so nothing else can change.
    fn merged(&self) -> Option<&Dispatch> {
        match &self.stream {
            Stream::Dispatch(tracked) => Some(&tracked.merged),
            Stream::Events(_) => None,
        }
    }

    fn learns_from(&self, after: &Self) -> bool {
        self.merged().zip(after.merged()).is_some_and(|(before, after)| before.learns_from(after))
    }
}

impl Tracked {
    fn last_terms(&self) -> Option<DispatchTerms> {
        match &self.published.as_ref()?.terms {
            Some(terms) => Some(terms.clone()),
            None => self.merged.view().map(|view| view.terms),
        }
    }
}

/// Merges facts about one subject into its state. The state must belong to the publication's epoch
/// ([`State::in_epoch`]). The publication's time only dates the signals.
///
/// Returns none if there is neither a state nor a fact that makes one.
pub fn absorb(
    state: Option<State>,
    subject: &Subject,
    facts: Vec<Fact>,
    contradiction: Contradiction,
    publication: Publication,
) -> Option<Absorbed> {
    let before = state.clone();
    let origin = facts.first().map(|fact| fact.origin.clone());
    // A fetched answer settles a push of the same batch, so answers go first.
    let (pushed, fetched): (Vec<Fact>, Vec<Fact>) = facts.into_iter().partition(is_push);
    let settled = !fetched.is_empty() || contradiction == Contradiction::TakeLatest;
    // A restored table may not know the last signals of the earlier epoch, so the provider's next fact is published
    // even if nothing changed.
    let last = state.as_ref().filter(|state| state.version > 0).and_then(State::published);
    let mut absorbing = Absorbing::new(subject, state, publication);
    for fact in fetched.into_iter().chain(pushed) {
        absorbing.take(fact, settled);
    }
    if let Some(origin) = origin {
        absorbing.publish_dispatch(&origin, last);
    }
    let Absorbing { state, signals, unsettled, remarks, .. } = absorbing;
    let state = state?;
    let changed = before.is_none_or(|before| !signals.is_empty() || before.learns_from(&state));
    Some(Absorbed { state, changed, signals, unsettled, remarks })
}

fn is_push(fact: &Fact) -> bool {
    matches!(&fact.body, FactBody::Dispatch(DispatchFact { rank: Rank::Pushed(_), .. }))
}

struct Absorbing<'a> {
    subject: &'a Subject,
    publication: Publication,
    state: Option<State>,
    signals: Vec<Signal>,
    unsettled: Vec<Fact>,
    remarks: BTreeMap<u64, String>,
}

impl<'a> Absorbing<'a> {
    fn new(subject: &'a Subject, state: Option<State>, publication: Publication) -> Self {
        let (signals, unsettled, remarks) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { subject, publication, state, signals, unsettled, remarks }
    }

    fn take(&mut self, fact: Fact, settled: bool) {
        let (origin, now) = (&fact.origin, self.publication.now);
        match &fact.body {
            FactBody::Dispatch(stated) => {
                if self.take_dispatch(stated, settled) == Taken::Unsettled {
                    self.unsettled.push(fact);
                }
            }
            FactBody::Power(event) => {
                let payload = |subject: &Subject| power_payload(origin, subject, event);
                if let Some(state) = self.publish_once(origin, power_identity(event), payload) {
                    state.ramps = Some(state.ramps.take().unwrap_or_default().join(Ramps::of(event, now)));
                    let sequence = state.version;
                    self.remarks.insert(sequence, event.in_words());
                }
            }
            FactBody::Meter(data) => {
                self.publish_once(origin, data.identity.clone(), |subject| meter_payload(origin, subject, data));
            }
            FactBody::Account(event) => {
                self.publish_once(origin, event.identity.clone(), |_| account_payload(origin, event));
            }
        }
    }

    fn take_dispatch(&mut self, stated: &DispatchFact, settled: bool) -> Taken {
        let epoch = self.publication.epoch;
        let state = self.state.get_or_insert_with(|| State {
            version: 0,
            epoch,
            stream: Stream::Dispatch(Box::new(Tracked {
                id: stated.id.clone(),
                merged: Dispatch::default(),
                published: None,
            })),
            ramps: None,
        });
        let Stream::Dispatch(tracked) = &mut state.stream else { return Taken::Merged };
        if let (Rank::Pushed(_), Some(view)) = (stated.rank, tracked.merged.view()) {
            let same = stated.terms.end == view.stated_end;
            if same && stated.terms.asks_the_same_but_for_the_end(&view.terms) {
                // A redelivery: it adds only that a push, too, marks it as real (or as a test).
                tracked.merged = std::mem::take(&mut tracked.merged).marked_by(stated);
                return Taken::Merged;
            }
            if !settled {
                return Taken::Unsettled;
            }
        }
        tracked.merged = std::mem::take(&mut tracked.merged).with(stated);
        Taken::Merged
    }

    fn publish_dispatch(&mut self, origin: &Origin, last: Option<(Status, DispatchTerms)>) {
        let Publication { now, limit_bytes, traceparent, .. } = self.publication;
        let Some(State { version, epoch, stream: Stream::Dispatch(tracked), .. }) = &mut self.state else { return };
        let Some(MergedDispatch { terms: merged, status, .. }) = tracked.merged.view() else { return };
        let terms = match &last {
            Some((_, sent)) => merged.clone().with_names_of(sent),
            None => merged.clone(),
        };
        // Stored only if it differs from the merged terms.
        let published =
            |status, sent: DispatchTerms| Some(Published { status, terms: (sent != merged).then_some(sent) });
        let Some(change) = change(last.as_ref(), status, &terms) else {
            // Nothing to publish. Keep the last published terms, since a detail of the merged terms may have changed.
            tracked.published = last.and_then(|(status, sent)| published(status, sent));
            return;
        };
        *version += 1;
        let subject = self.subject;
        let stamp = Stamp { epoch: *epoch, sequence: *version, time: now, traceparent };
        let next = Version { origin, subject, id: &tracked.id, number: *version, status, terms: &terms };
        let payloads = next.payloads(change, limit_bytes).into_iter();
        self.signals.extend(payloads.map(|payload| Signal::new(origin, subject, stamp, payload)));
        tracked.published = published(status, terms);
    }

    /// None if it was published before.
    fn publish_once(
        &mut self,
        origin: &Origin,
        identity: String,
        payload: impl FnOnce(&Subject) -> Payload,
    ) -> Option<&mut State> {
        let Publication { epoch, now, traceparent, .. } = self.publication;
        let fresh = || State { version: 0, epoch, stream: Stream::Events(BTreeMap::new()), ramps: None };
        let state = self.state.get_or_insert_with(fresh);
        let Stream::Events(seen) = &mut state.stream else { return None };
        if seen.contains_key(&identity) {
            return None;
        }
        seen.insert(identity, now);
        while seen.len() > REMEMBERED {
            let Some(oldest) = seen.iter().min_by_key(|(_, at)| **at).map(|(identity, _)| identity.clone()) else {
                break;
            };
            seen.remove(&oldest);
        }
        state.version += 1;
        let stamp = Stamp { epoch: state.epoch, sequence: state.version, time: now, traceparent };
        self.signals.push(Signal::new(origin, self.subject, stamp, payload(self.subject)));
        Some(state)
    }
}

#[derive(PartialEq, Eq)]
enum Taken {
    Merged,
    Unsettled,
}

/// The signal type of the change since the last signal; none if there is nothing to publish.
fn change(last: Option<&(Status, DispatchTerms)>, status: Status, terms: &DispatchTerms) -> Option<DispatchChange> {
    let as_first = match status {
        Status::Scheduled => DispatchChange::Scheduled,
        Status::Cancelled => DispatchChange::Cancelled,
        Status::Ended => DispatchChange::Ended,
    };
    let Some((last_status, last_terms)) = last else { return Some(as_first) };
    // An impossible end is not published; only the status shows that the dispatch was called off.
    let is_called_off = |status, terms: &DispatchTerms| status == Status::Ended && terms.end.is_none();
    let is_so_still = is_called_off(*last_status, last_terms) == is_called_off(status, terms);
    // Not published: a known end passes, or a fact repeats the terms without adding a name.
    if is_so_still && last_terms.asks_the_same(terms) && terms.names() <= last_terms.names() {
        return None;
    }
    match (*last_status, status) {
        (Status::Cancelled, Status::Cancelled) => None,
        (Status::Cancelled, Status::Scheduled) => Some(DispatchChange::Scheduled),
        (_, Status::Scheduled) => Some(DispatchChange::Updated),
        (_, Status::Cancelled) => Some(DispatchChange::Cancelled),
        (_, Status::Ended) => Some(DispatchChange::Ended),
    }
}
