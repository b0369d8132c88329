//! Incidents made by hand: what is stored that an incident is judged by, and hints at it. Their calls
//! are the receiver's, which makes none of these otherwise: [`crate::common::worth_a_fault`] leaves them out.

use dispatch::Subject;
use jiff::SignedDuration;
use pipeline::{
    conditions::{Condition, FIRST_STAGE, News, NotedEvent},
    config::{Config, Contacts, Escalation},
    incident::Incident,
    messages::{Hint, ToAlert, to_json},
    ports::{Deliveries, Lane, Pending, PortError, Refusal},
    retry::RetryState,
    work::{Task, Work},
};
use sim::{Function, Inner, Invocation, World};

use crate::common::config;

/// The dispatch that most incidents here are about.
pub(crate) const ABOUT: &str = "voltus-prod/dkmq";

/// The incident of its failing job.
pub(crate) const INCIDENT: &str = "hydration-failing/voltus-prod/dkmq";

/// The person on duty, in [`config`].
pub(crate) const DUTY: &str = "grid-duty@example.com";

/// A configuration with these reminders and steps.
pub(crate) fn notified_by(remind_s: u32, escalate: Vec<Escalation>) -> Config {
    let mut config = config();
    config.contacts = Contacts { remind_s, escalate, ..config.contacts };
    config
}

pub(crate) fn step(after_s: u32, email: &str) -> Escalation {
    Escalation { after_s, email: vec![email.to_owned()] }
}

fn by_hand(world: &World, act: impl AsyncFnOnce(&Invocation<'_>) -> Result<(), PortError>) {
    world.run(Function::Receiver, act).answer().expect("an answer").expect("stored");
}

/// A hint at a condition, as its producer sends it.
pub(crate) fn hint(world: &World, condition: Condition) {
    let queue = if Lane::of(&condition) == Lane::Urgent { Inner::Alerts } else { Inner::Reviews };
    let hint = Hint { condition, at: world.now(), attempt: 0, timer: false };
    world.put(queue, &to_json(&ToAlert::Hint(hint)).expect("JSON"));
}

fn source_of(key: &str) -> String {
    key.split('/').next().expect("a source").to_owned()
}

/// That a job fails whose key names something of a source.
pub(crate) fn failing(key: &str) -> Condition {
    Condition::Failing { source: source_of(key), key: key.to_owned() }
}

/// Has a job of that key wait for its next attempt, and a person know of it from now on. It never comes to that attempt.
pub(crate) fn books(world: &World, key: &str) {
    let now = world.now();
    let work = Work::fresh(key, &source_of(key), now, Task::Body("{}".to_owned()));
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
    by_hand(world, async |ports| ports.book(&Pending { work, state }, now).await.map(drop));
}

/// The same, with a hint at it.
pub(crate) fn fails(world: &World, key: &str) {
    books(world, key);
    hint(world, failing(key));
}

/// The job succeeds: nothing of it is left to be tried again.
pub(crate) fn settles(world: &World, key: &str) {
    let work = Work::fresh(key, &source_of(key), world.now(), Task::Body("{}".to_owned()));
    by_hand(world, async |ports| ports.settled(&work, work.received_at).await);
}

/// The same, with a hint at it.
pub(crate) fn works(world: &World, key: &str) {
    settles(world, key);
    hint(world, failing(key));
}

/// The provider refuses the key of Voltus, for half an hour. With a hint.
pub(crate) fn is_refused(world: &World) {
    let (source, now) = ("voltus-prod".to_owned(), world.now());
    let refusal = Refusal { source: source.clone(), since: now, at: now, detail: "401".to_owned() };
    by_hand(world, async |ports| ports.refuse(&refusal).await);
    hint(world, Condition::KeyRefused { source });
}

/// The provider accepts it again. With a hint.
pub(crate) fn is_accepted(world: &World) {
    let source = "voltus-prod".to_owned();
    by_hand(world, async |ports| ports.accept(&source, world.now()).await);
    hint(world, Condition::KeyRefused { source });
}

/// That something of a source, or of one of its dispatches, could not be read.
pub(crate) fn quarantined(about: &str) -> Condition {
    let subject = about.contains('/').then(|| Subject::from_stored(about));
    Condition::Quarantined { source: source_of(about), about: subject }
}

/// Something of it could not be read. Without a hint.
pub(crate) fn is_noted(world: &World, about: &str, detail: &str) {
    let news = News { stage: FIRST_STAGE.to_owned(), about: about.to_owned(), detail: detail.to_owned() };
    let event = NotedEvent { condition: quarantined(about), at: world.now(), news };
    by_hand(world, async |ports| ports.note(&event).await);
}

/// The same, with a hint.
pub(crate) fn is_quarantined(world: &World, about: &str, detail: &str) {
    is_noted(world, about, detail);
    hint(world, quarantined(about));
}

pub(crate) fn incident(world: &World, key: &str) -> Incident {
    world.incidents().get(key).expect("an incident")
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub(crate) fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}
