//! Once faults have stopped: everything is reflected, told, drained and closed.

use pipeline::incident::IncidentStatus;

use super::{Broken, Monitor, mails::names};
use crate::{
    Inner,
    swarm::{
        live::Live,
        model::{About, Provider, Story},
        plan::Kind,
    },
    world::State,
};

pub(super) fn look(monitor: &Monitor, state: &mut State, live: &Live) -> Option<Broken> {
    let stories = live.model.dispatches.iter().enumerate();
    let dispatches = stories.filter_map(|(number, story)| dispatch(monitor, state, live, (number, story)));
    let mut found: Vec<Broken> = dispatches.collect();
    found.extend(streams(monitor, state, live));
    found.extend(poison(state, live));
    // While our own services fail, the news that something is over may be lost; that it happens may not.
    if !live.plan.kinds().any(Kind::is_ours) {
        found.extend(incidents(state));
    }
    found.extend(dead_letters(state));
    found.into_iter().next()
}

/// The last signal says what the provider says, as of the last webhook that was answered 2xx; or a person was told why not.
fn dispatch(monitor: &Monitor, state: &State, live: &Live, (number, story): (usize, &Story)) -> Option<Broken> {
    let taken = live.model.posts.iter().filter(|post| post.taken_at.is_some());
    let newest = taken
        .filter_map(|post| {
            if let About::Dispatch(of, version) = post.about { (of == number).then_some(version) } else { None }
        })
        .max()?;
    let last = monitor.signals.last(story);
    let reflected = last.is_some_and(|last| last.reflects(story, newest));
    let unsearched = story.provider == Provider::Leap { searched: false };
    if reflected || (unsearched && last.is_some()) || given_up(state, &story.subject) {
        return None;
    }
    let said = last.map_or("nothing".to_owned(), |last| {
        format!("#{} ({}, version {:?})", last.sequence, last.status, last.versions)
    });
    Some(("truth-arrives", story.subject.clone(), format!("the last signal is {said}, version {newest} was accepted")))
}

fn given_up(state: &State, subject: &str) -> bool {
    state.mails.iter().any(|(_, mail)| mail.subject.contains("dead-letter") && names(&mail.subject, subject))
}

/// What was accepted of streams was told.
fn streams(monitor: &Monitor, state: &State, live: &Live) -> Option<Broken> {
    for post in live.model.posts.iter().filter(|post| post.taken_at.is_some()) {
        let About::Stream(number, place) = post.about else { continue };
        let signals = &live.model.streams[number].happenings[place].signals;
        for (which, (subject, kind, _)) in signals.iter().enumerate() {
            if !monitor.signals.told.contains(&(number, place, which)) && !given_up(state, subject) {
                return Some(("truth-arrives", subject.clone(), format!("{kind} was accepted and never told")));
            }
        }
    }
    None
}

/// What nobody can read is kept, and a person knows.
fn poison(state: &State, live: &Live) -> Option<Broken> {
    for post in live.model.posts.iter().filter(|post| post.about == About::Poison && post.taken_at.is_some()) {
        let kept = state.kept.values().any(|kept| {
            kept.work.source == post.source && kept.work.body().and_then(Result::ok).as_deref() == Some(&post.body)
        });
        let told = state.mails.iter().any(|(_, mail)| {
            (mail.subject.contains("quarantined") || mail.subject.contains("unknown-event"))
                && mail.subject.contains(post.source)
        });
        // The mail may be lost where the alerter dies over a doubled notice (TESTING.md names it).
        let excused = live.plan.kinds().any(Kind::is_ours);
        if !kept || !(told || excused) {
            return Some((
                "poison-is-kept",
                post.source.to_owned(),
                format!("{} was kept: {kept}, told: {told}", post.body),
            ));
        }
    }
    None
}

/// Every incident was told, and is over.
fn incidents(state: &State) -> Option<Broken> {
    for row in state.incidents.rows() {
        if row.status != IncidentStatus::Over {
            return Some(("incident-closes", row.incident.clone(), format!("it is open still: {}", row.detail)));
        }
        // What was over before its mail could go out needs none.
        let told = row.mails.values().any(|mail| mail.sent_at.is_some());
        if told && row.mails.get("over").is_none_or(|mail| mail.sent_at.is_none()) {
            return Some(("incident-closes", row.incident.clone(), "nobody was told that it is over".to_owned()));
        }
    }
    None
}

/// Nothing was given up but what is none of ours.
fn dead_letters(state: &mut State) -> Option<Broken> {
    for queue in [Inner::RetriesDead, Inner::AlertsDead] {
        let lost = state.queue(queue).messages().iter().find(|message| !message.body.contains("foreign"));
        if let Some(lost) = lost {
            return Some(("nothing-is-dropped", format!("{queue:?}"), lost.body.clone()));
        }
    }
    None
}
