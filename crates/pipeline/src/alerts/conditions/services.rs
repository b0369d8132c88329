//! The state of gridbell's own components: waiting jobs, the hydrator's heartbeat, the dead-letter queues, the channels of
//! alerts.

use jiff::Timestamp;

use super::{QUIET, Verdict};
use crate::{
    alerts::channels::ChannelHealth,
    dispatches::record::SubjectRecord,
    ports::{Backlog, Watched},
    retry::state::RetryState,
};

/// A job has failed too often, or its next attempt comes too late.
pub(super) fn failing(retry: Option<&RetryState>, record: Option<&SubjectRecord>, now: Timestamp) -> Verdict {
    let known = record.filter(|record| record.state.version > 0);
    let Some(retry) = retry else {
        let why = known.map_or_else(
            || "nothing of it is left to be tried again".to_owned(),
            |record| format!("it worked: version {} is published", record.state.version),
        );
        return Verdict::resolved(now, why);
    };
    let fetched_at = known.and_then(|record| record.state.rank()).map(dispatch::Rank::observed_at);
    if let Some(at) = fetched_at.filter(|at| *at > retry.failed_at) {
        return Verdict::resolved(now, format!("the answer to a later request, at {at:.0}, holds what it would bring"));
    }
    if now.duration_since(retry.next_at) > QUIET {
        return Verdict::resolved(now, "nothing was heard of it for a day");
    }
    if now < retry.notify_at {
        return Verdict::Undecided;
    }
    let next = format!("attempt {}; the next at {:.0}", retry.attempt, retry.next_at);
    Verdict::firing(retry.notify_at, retry.about.clone(), format!("{} ({next})", retry.detail))
}

/// The hydrator answered neither the heartbeat sent at `asked` nor a later one.
pub(super) fn deliveries_unread(
    answered: Option<Timestamp>,
    backlog: Option<Backlog>,
    asked: Timestamp,
    now: Timestamp,
) -> Verdict {
    if answered.is_some_and(|answered| answered >= asked) {
        return Verdict::resolved(now, "the hydrator reads from the queue again");
    }
    // A person must be notified even if the depth of the queue cannot be read.
    let waits = backlog.map_or_else(
        || "how much waits is not known".to_owned(),
        |Backlog { waiting, in_hand }| {
            format!("about {waiting} messages wait and {in_hand} are in flight, gridbell's own heartbeats among them")
        },
    );
    let since = answered.map_or_else(|| "so far".to_owned(), |answered| format!("since {answered:.0}"));
    let detail = format!(
        "the hydrator has read nothing from the queue {since}: {waits}; what the waiting deliveries say is not known yet, the \
         provider's portal shows it"
    );
    Verdict::firing(asked, Watched::Deliveries.as_str(), detail)
}

/// A function failed on messages five times and reported no failure.
pub(super) fn dead_letters(queue: Watched, backlog: Option<Backlog>, asked: Timestamp, now: Timestamp) -> Verdict {
    let Some(Backlog { waiting, in_hand }) = backlog else { return Verdict::Undecided };
    let dead = waiting + in_hand;
    if dead == 0 {
        return Verdict::resolved(now, "the queue is empty again");
    }
    let detail = format!(
        "{dead} message(s) in the queue {queue}, on each of which a function failed five times without a word; the runbook in \
         infra/README.md says how to read them and how to send them back"
    );
    Verdict::firing(asked, queue.as_str(), detail)
}

/// A channel has taken no alert several times in a row.
pub(super) fn channel_failing(health: Option<&ChannelHealth>, now: Timestamp) -> Verdict {
    let Some(health) = health else { return Verdict::resolved(now, "nothing is known of it any more") };
    let Some(since) = health.failing_since else { return Verdict::resolved(now, "it takes alerts again") };
    if health.is_failing(now) {
        let error = health.error.as_deref().unwrap_or("no reason is known");
        let detail = format!("{error} ({} time(s) in a row since {since:.0})", health.failures);
        return Verdict::firing(since, health.name.clone(), detail);
    }
    if health.is_quiet(now) {
        return Verdict::resolved(
            now,
            "nothing was to be sent there for half an hour, so whether it works is not known",
        );
    }
    Verdict::Undecided
}
