//! What is still to be done: whether a sweep has work, and what keeps a history from its end.

use jiff::{SignedDuration, Timestamp};
use pipeline::record::SubjectRecord;

use super::driver::Driver;
use crate::Inner;

impl Driver<'_> {
    /// Whether a sweep has work: after the faults, hours pass without any.
    pub(super) fn sweep_matters(&self, now: Timestamp) -> bool {
        self.sim.with(|state| {
            let quiet = state.swarm.as_ref().is_some_and(|live| live.healed && now >= live.polled_until);
            let soon = now + SignedDuration::from_mins(4);
            let due = |record: &SubjectRecord| !state.is_covered(record) && record.due.is_some_and(|due| due < soon);
            let is_left = state.has_unsent() || state.undelivered().is_some() || !state.is_well();
            !quiet || is_left || state.dispatches.rows().any(due)
        }) || !self.resolved_since.is_empty()
    }

    /// Whether only incidents are left whose end is not reported.
    pub(super) fn only_incidents(&self) -> bool {
        self.sim.with(|state| {
            let is_done = !state.has_unsent()
                && state.is_well()
                && state.dispatches.rows().all(|record| record.due.is_none() || state.is_covered(record));
            is_done
                && [Inner::Deliveries, Inner::Retries].into_iter().all(|queue| state.queue(queue).messages().is_empty())
        })
    }

    /// What is still to be done, in words.
    pub(super) fn left(&self) -> String {
        self.sim.with(|state| {
            let mut left = Vec::new();
            for queue in Inner::READ_WITH_COURIER {
                // A heartbeat is always on its way.
                let is_heartbeat = |body: &str| body.starts_with(r#"{"v":1,"message":{"heartbeat"#);
                let count = state.queue(queue).messages().iter().filter(|message| !is_heartbeat(&message.body)).count();
                if count > 0 {
                    left.push(format!("{count} in {queue:?}"));
                }
            }
            left.extend(state.has_unsent().then(|| "signals are pending in the outbox".to_owned()));
            let due =
                state.dispatches.rows().filter(|record| record.due.is_some() && !state.is_covered(record)).count();
            left.extend((due > 0).then(|| format!("{due} deadlines")));
            left.extend(state.undelivered());
            left.extend(state.ails());
            left.join(", ")
        })
    }
}
