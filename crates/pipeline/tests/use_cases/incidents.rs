//! Incidents made by hand: their stored evidence, and hints. These calls count as the receiver's, which makes no such
//! calls otherwise: [`crate::common::worth_a_fault`] leaves them out.

use dispatch::Subject;
use jiff::SignedDuration;
use pipeline::{
    conditions::{Condition, FIRST_STAGE, NotedEvent, StageReport},
    config::{Config, Contacts, Escalation},
    incident::Incident,
    job::{Job, JobKind},
    messages::{Hint, ToAlert, to_json},
    ports::{Deliveries, Lane, PendingRetry, PortError, Refusal},
    retry::state::RetryState,
};
use simulation::{Function, Inner, Invocation, Simulation};

use crate::common::config;

/// The dispatch that most incidents here are about.
pub(crate) const ABOUT: &str = "voltus-prod/dkmq";

/// The incident of its failing job.
pub(crate) const INCIDENT: &str = "hydration-failing/voltus-prod/dkmq";

/// The person on duty, in [`config`].
pub(crate) const DUTY: &str = "grid-duty@example.com";

/// A configuration with these reminders and escalation steps.
pub(crate) fn notified_by(remind_s: u32, escalate: Vec<Escalation>) -> Config {
    let mut config = config();
    config.contacts = Contacts { remind_s, escalate, ..config.contacts };
    config
}

pub(crate) fn step(after_s: u32, email: &str) -> Escalation {
    Escalation { after_s, email: vec![email.to_owned()] }
}

fn by_hand(sim: &Simulation, act: impl AsyncFnOnce(&Invocation<'_>) -> Result<(), PortError>) {
    sim.run(Function::Receiver, act).answer().expect("an answer").expect("stored");
}

/// Sends a hint at a condition, as its producer does.
pub(crate) fn hint(sim: &Simulation, condition: Condition) {
    let queue = if Lane::of(&condition) == Lane::Urgent { Inner::Alerts } else { Inner::Reviews };
    let hint = Hint::new(condition, sim.now());
    sim.put(queue, &to_json(&ToAlert::Hint(hint)).expect("JSON"));
}

fn source_of(key: &str) -> String {
    key.split('/').next().expect("a source").to_owned()
}

/// The condition that a job with this key fails.
pub(crate) fn failing(key: &str) -> Condition {
    Condition::Failing { source: source_of(key), key: key.to_owned() }
}

/// Books a job with that key for its next attempt, with a person to be notified from now on. The attempt never runs.
pub(crate) fn books(sim: &Simulation, key: &str) {
    let now = sim.now();
    let job = Job::fresh(key, &source_of(key), now, JobKind::Body("{}".to_owned()));
    let state = RetryState {
        source: source_of(key),
        about: key.to_owned(),
        delivery: key.to_owned(),
        attempt: 5,
        failed_at: now,
        next_at: now + SignedDuration::from_hours(24 * 30),
        notify_at: now,
        detail: "500".to_owned(),
    };
    by_hand(sim, async |ports| ports.book(&PendingRetry { job, state }, now).await.map(drop));
}

/// The same, with a hint at it.
pub(crate) fn fails(sim: &Simulation, key: &str) {
    books(sim, key);
    hint(sim, failing(key));
}

/// The job succeeds: its booking is deleted.
pub(crate) fn settles(sim: &Simulation, key: &str) {
    let job = Job::fresh(key, &source_of(key), sim.now(), JobKind::Body("{}".to_owned()));
    by_hand(sim, async |ports| ports.settled(&job, job.received_at).await);
}

/// The same, with a hint at it.
pub(crate) fn works(sim: &Simulation, key: &str) {
    settles(sim, key);
    hint(sim, failing(key));
}

/// The provider refuses the key of Voltus for half an hour. With a hint.
pub(crate) fn is_refused(sim: &Simulation) {
    let (source, now) = ("voltus-prod".to_owned(), sim.now());
    let refusal = Refusal { source: source.clone(), since: now, at: now, detail: "401".to_owned() };
    by_hand(sim, async |ports| ports.refuse(&refusal).await);
    hint(sim, Condition::KeyRefused { source });
}

/// The provider accepts it again. With a hint.
pub(crate) fn is_accepted(sim: &Simulation) {
    let source = "voltus-prod".to_owned();
    by_hand(sim, async |ports| ports.accept(&source, sim.now()).await);
    hint(sim, Condition::KeyRefused { source });
}

/// The condition that a source, or one of its dispatches, has unreadable content.
pub(crate) fn quarantined(about: &str) -> Condition {
    let subject = about.contains('/').then(|| Subject::from_stored(about));
    Condition::Quarantined { source: source_of(about), about: subject }
}

/// Stores an unreadable-content event. Without a hint.
pub(crate) fn is_noted(sim: &Simulation, about: &str, detail: &str) {
    let news = StageReport { stage: FIRST_STAGE.to_owned(), about: about.to_owned(), detail: detail.to_owned() };
    let event = NotedEvent { condition: quarantined(about), at: sim.now(), news };
    by_hand(sim, async |ports| ports.note(&event).await);
}

/// The same, with a hint.
pub(crate) fn is_quarantined(sim: &Simulation, about: &str, detail: &str) {
    is_noted(sim, about, detail);
    hint(sim, quarantined(about));
}

pub(crate) fn incident(sim: &Simulation, key: &str) -> Incident {
    sim.incidents().get(key).expect("an incident")
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub(crate) fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}
