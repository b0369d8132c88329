//! What follows a failed attempt, and what follows when an output works again.

use jiff::{SignedDuration, Timestamp};

use super::{
    courier::{Courier, Named, States},
    lane::{FAILED_BEFORE_NOTIFY, Lane, LaneFailure},
    state::{self, Attempt, Backoff, NOTIFY_AFTER, OutputState, backoff_s},
};
use crate::{
    alerts::condition::Condition,
    messages::{MAX_DELAY_S, ToCourier},
    ports::{Clock, CourierQueue, JobQueue, Outputs, PortError, Ports, Random, SendError, SendFailure},
    update::{Change, From, Lanes, OutputStates, update},
};

/// How many lanes are released in a second when an output works again.
const RELEASED_A_SECOND: usize = 50;

/// How many are released at once; the sweep finds the others.
const MOST_RELEASED: usize = 2_000;

/// When and how often an output is tried again.
struct NextAttempt {
    at: Timestamp,
    /// This invocation must arrange the attempt.
    is_ours: bool,
    /// A person may have to know, this long from now.
    hint_after_s: Option<u32>,
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
        let mut next = if is_whole_output {
            self.output_failed(named.name, error, states).await?
        } else {
            let backoff =
                Backoff { attempts, most_s: u64::from(MAX_DELAY_S), retry_after_s: error.retry_after_s };
            let wait_s = backoff_s(backoff, |most| self.host.up_to(most));
            let at = self.host.now() + SignedDuration::from_secs(i64::from(wait_s));
            let hint_after_s = (attempts == FAILED_BEFORE_NOTIFY).then_some(0);
            NextAttempt { at, is_ours: true, hint_after_s }
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
        if next.is_ours {
            self.come_back(&key, next.at).await?;
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
            return Ok(NextAttempt { at: now, is_ours: true, hint_after_s: None });
        };
        let attempts = state.failing.as_ref().map_or(0, |failing| failing.attempts);
        let at = state.failing.as_ref().map_or(now, |failing| failing.next_at);
        states.lock().await.insert(name.to_owned(), state);
        let hint_after_s = match attempts {
            1 if is_ours => u32::try_from(NOTIFY_AFTER.as_secs()).ok(),
            state::FAILED_BEFORE_NOTIFY if is_ours => Some(0),
            _ => None,
        };
        Ok(NextAttempt { at, is_ours, hint_after_s })
    }

    /// An attempt worked. If the output failed before, all that waits for it is released.
    pub(super) async fn works_again(&self, name: &str, states: &States) -> Result<(), PortError> {
        let known = self.state(name, states).await?;
        if known.failing.is_none() {
            return Ok(());
        }
        let changed = update(OutputStates(self.outputs), name, From::Known(Some(known)), async |known| {
            let now = self.host.now();
            Ok::<_, PortError>(match known {
                Some(known) if known.failing.is_some() => {
                    let next = OutputState { failing: None, recovered_at: Some(now), ..known };
                    Change::Write(Box::new(next.following(self.host.unique())), None)
                }
                known => Change::Keep(known),
            })
        });
        let changed = changed.await?;
        let is_ours = changed.written.is_some();
        if let Some(state) = changed.written.or(changed.result) {
            states.lock().await.insert(name.to_owned(), state);
        }
        if is_ours {
            tracing::info!(output.name = name, "works again");
            let release = ToCourier::Release { output: name.to_owned() };
            self.courier_queue.courier(&[release.after(0)]).await?;
            let condition = Condition::OutputFailing { output: name.to_owned() };
            self.job_queue.hint(condition, self.host.now(), 0).await?;
        }
        Ok(())
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
