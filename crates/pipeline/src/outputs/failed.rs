//! What follows a failed attempt, and what follows when an output works again.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::{
    courier::{CLOCKS_DIFFER, Courier, Haste, Named, States},
    lane::{FAILED_BEFORE_NOTIFY, Lane, LaneFailure, LaneKey},
    state::{self, Attempt, Backoff, NOTIFY_AFTER, OutputState, backoff_s},
};
use crate::{
    alerts::condition::Condition,
    messages::{MAX_DELAY_S, ToCourier, hop_s},
    ports::{Clock, CourierQueue, JobQueue, Outputs, PortError, Ports, Random, SendError, SendFailure},
    update::{Change, From, Lanes, OutputStates, update},
};

/// How many lanes are released in a second when an output works again.
const RELEASED_A_SECOND: usize = 50;

/// The longest wait of a lane that failed with its output, in seconds.
const MOST_WITH_OUTPUT_S: u64 = 60;

/// So many lanes find out whether an output that fails works again: several, since one of them may be the cause.
const PROBES: usize = 3;

/// How many are released at once; the sweep finds the others.
const MOST_RELEASED: usize = 2_000;

/// When the lane is tried again, and what brings that about.
struct NextAttempt {
    at: Timestamp,
    /// When the output as a whole is tried again, if it fails.
    probe_at: Option<Timestamp>,
    /// The message that brings the attempt; none if another invocation has sent it.
    message: Option<ToCourier>,
    /// A person may have to know, this long from now.
    hint_after_s: Option<u32>,
}

/// Why an output no longer counts as failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Because {
    Delivered,
    NothingWaits,
}

impl<P: Ports> Courier<'_, P> {
    /// An attempt failed: the lane is released until the next one.
    pub(super) async fn failed(
        &self,
        named: Named<'_>,
        lane: Lane,
        by: &str,
        error: &SendError,
        states: &States,
    ) -> Result<(), PortError> {
        let is_whole_output = error.kind == SendFailure::Output;
        let attempts = lane.failing.as_ref().map_or(0, |failing| failing.attempts).saturating_add(1);
        let most_s = if is_whole_output { MOST_WITH_OUTPUT_S } else { u64::from(MAX_DELAY_S) };
        let backoff = Backoff { attempts, most_s, retry_after_s: error.retry_after_s };
        let wait_s = backoff_s(backoff, |most| self.host.up_to(most));
        let at = self.host.now() + SignedDuration::from_secs(i64::from(wait_s));
        let mut next = if is_whole_output {
            let next = self.output_failed(named.name, error, states).await?;
            NextAttempt { at: next.at.max(at), ..next }
        } else {
            let hint_after_s = (attempts == FAILED_BEFORE_NOTIFY).then_some(0);
            NextAttempt { at, probe_at: None, message: Some(ToCourier::Deliver(lane.key.clone())), hint_after_s }
        };
        tracing::warn!(output.name = named.name, lane.subject = %lane.key.subject, attempts, reason = error.detail, "not delivered");
        let key = lane.key.clone();
        let changed = update(Lanes(self.outputs), &key, From::Known(Some(lane)), async |lane| {
            let now = self.host.now();
            let Some(mut lane) = lane.filter(|lane| lane.is_claimed_by(by)) else { return Ok(Change::Keep(0)) };
            let since = lane.failing.as_ref().map_or(now, |failing| failing.since);
            let detail = error.detail.clone();
            lane.failing = Some(LaneFailure { since, attempts, next_at: next.at, is_whole_output, detail });
            let kept = lane.keep_expired(now);
            lane.release(by, next.at);
            Ok::<_, PortError>(Change::Write(Box::new(lane.following(self.host.unique(), now)), kept))
        });
        if changed.await?.result > 0 {
            next.hint_after_s = Some(0);
        }
        if let Some(message) = next.message {
            let probe_at = next.probe_at.unwrap_or(next.at);
            let delay_s = hop_s(probe_at, self.host.now());
            self.courier_queue.courier(&[message.after(delay_s)]).await?;
        }
        if let Some(after_s) = next.hint_after_s {
            let at = self.host.now() + SignedDuration::from_secs(i64::from(after_s));
            let condition = Condition::OutputFailing { output: key.output };
            self.job_queue.hint(condition, at, after_s).await?;
        }
        Ok(())
    }

    /// An attempt failed because of the output as a whole.
    async fn output_failed(&self, name: &str, error: &SendError, states: &States) -> Result<NextAttempt, PortError> {
        let known = self.state(name, states).await?;
        let known = Some(known).filter(|known| known.revision > 0);
        let changed = update(OutputStates(self.outputs), name, From::Known(known), async |known| {
            let now = self.host.now();
            let known = known.unwrap_or_else(|| OutputState::new(name));
            let attempt = Attempt { detail: &error.detail, retry_after_s: error.retry_after_s, now };
            Ok::<_, PortError>(match known.failed(attempt, |most| self.host.up_to(most)) {
                Some(failing) => {
                    let next = OutputState { failing: Some(failing), ..known };
                    Change::Write(Box::new(next.following(self.host.unique())), None)
                }
                None => Change::Keep(Some(known)),
            })
        });
        let changed = changed.await?;
        let is_ours = changed.written.is_some();
        let now = self.host.now();
        let Some(state) = changed.written.or(changed.result) else {
            return Ok(NextAttempt { at: now, probe_at: None, message: None, hint_after_s: None });
        };
        let attempts = state.failing.as_ref().map_or(0, |failing| failing.attempts);
        let at = state.failing.as_ref().map_or(now, |failing| failing.next_at);
        states.lock().await.insert(name.to_owned(), state);
        let hint_after_s = match attempts {
            1 if is_ours => u32::try_from(NOTIFY_AFTER.as_secs()).ok(),
            state::FAILED_BEFORE_NOTIFY if is_ours => Some(0),
            _ => None,
        };
        let message = is_ours.then(|| ToCourier::Probe { output: name.to_owned() });
        Ok(NextAttempt { at, probe_at: Some(at), message, hint_after_s })
    }

    /// An attempt worked. If the output failed before, all that waits for it is released. Once a minute, the delivery is
    /// noted for people.
    pub(super) async fn works_again(&self, name: &str, states: &States) -> Result<(), PortError> {
        self.no_longer_fails(name, Because::Delivered, states).await
    }

    async fn no_longer_fails(&self, name: &str, because: Because, states: &States) -> Result<(), PortError> {
        let known = self.state(name, states).await?;
        let must_note = |known: &OutputState, now| because == Because::Delivered && known.must_note_delivery(now);
        if known.failing.is_none() && !must_note(&known, self.host.now()) {
            return Ok(());
        }
        let known = Some(known).filter(|known| known.revision > 0);
        let changed = update(OutputStates(self.outputs), name, From::Known(known), async |known| {
            let now = self.host.now();
            let known = known.unwrap_or_else(|| OutputState::new(name));
            let failed = known.failing.is_some();
            if !failed && !must_note(&known, now) {
                return Ok(Change::Keep((false, Some(known))));
            }
            let recovered_at = if failed { Some(now) } else { known.recovered_at };
            let delivered_at = if because == Because::Delivered { Some(now) } else { known.delivered_at };
            let next = OutputState { failing: None, recovered_at, delivered_at, ..known };
            Ok::<_, PortError>(Change::Write(Box::new(next.following(self.host.unique())), (failed, None)))
        });
        let changed = changed.await?;
        let (failed, kept) = changed.result;
        if let Some(state) = changed.written.or(kept) {
            states.lock().await.insert(name.to_owned(), state);
        }
        if failed {
            tracing::info!(output.name = name, "works again");
            let release = ToCourier::Release { output: name.to_owned() };
            self.courier_queue.courier(&[release.after(0)]).await?;
            let condition = Condition::OutputFailing { output: name.to_owned() };
            self.job_queue.hint(condition, self.host.now(), 0).await?;
        }
        Ok(())
    }

    /// Finds out whether an output that fails works again, with the lanes that were tried the longest time ago.
    pub(super) async fn probe(&self, output: &str, states: &States) -> Result<(), PortError> {
        let state = self.state(output, states).await?;
        if self.named(output).is_none() || state.failing.is_none() {
            return Ok(());
        }
        let now = self.host.now();
        if let Some(until) = state.resting_until(now) {
            if until.duration_since(now) < CLOCKS_DIFFER {
                let again = ToCourier::Probe { output: output.to_owned() };
                self.courier_queue.courier(&[again.after(hop_s(until, now))]).await?;
            }
            return Ok(());
        }
        let lanes = self.outputs.lanes(output, Timestamp::MAX, MOST_RELEASED).await?;
        let lanes = lanes.into_iter().filter(|lane| lane.waiting > 0).take(PROBES);
        let keys: Vec<LaneKey> = lanes.map(|lane| lane.key).collect();
        if keys.is_empty() {
            // The last lane was delivered by an invocation that did not know of the failure yet.
            return self.no_longer_fails(output, Because::NothingWaits, states).await;
        }
        let probes = keys.iter().map(|key| self.look_at(key, Haste::Now, states));
        join_all(probes).await.into_iter().collect()
    }

    /// Sends a message for each lane of an output in which something waits, over some seconds.
    pub(super) async fn release(&self, output: &str, states: &States) -> Result<(), PortError> {
        if self.named(output).is_none() || self.state(output, states).await?.failing.is_some() {
            return Ok(());
        }
        let lanes = self.outputs.lanes(output, Timestamp::MAX, MOST_RELEASED).await?;
        let lanes = lanes.into_iter().filter(|lane| lane.waiting > 0);
        let messages = lanes.enumerate().map(|(place, lane)| {
            let delay_s = u32::try_from(place / RELEASED_A_SECOND).unwrap_or(MAX_DELAY_S);
            ToCourier::Deliver(lane.key).after(delay_s.min(MAX_DELAY_S))
        });
        self.courier_queue.courier(&messages.collect::<Vec<_>>()).await
    }
}
