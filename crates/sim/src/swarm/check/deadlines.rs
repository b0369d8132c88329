//! No dispatch passes in silence: acknowledged, or a person was told in time.
//!
//! While our own services fail, time is not promised: then it counts from when they work again.

use jiff::{SignedDuration, Timestamp};

use super::{Broken, Monitor, mails::names, signals::Published};
use crate::{
    swarm::{
        consumer::Consumer,
        live::Live,
        model::{About, Provider, Story},
        plan::Kind,
    },
    world::State,
};

/// How long after the deadline the mail may be on its way: a sweep, a hop, a batch, and clocks that differ.
const MARGIN: SignedDuration = SignedDuration::from_secs(150);

/// A delivery that is not reflected by then has been told of: five quick attempts, each as late as a provider may ask for.
const HYDRATED: SignedDuration = SignedDuration::from_mins(8);

/// The lead and the immediate deadline of the configuration, in seconds.
const LEAD_S: i64 = 600;
const IMMEDIATE_S: i64 = 60;

pub(super) fn look(monitor: &Monitor, state: &State, live: &Live, consumer: &Consumer) -> Option<Broken> {
    for (number, story) in live.model.dispatches.iter().enumerate() {
        let silent = acknowledgement(monitor, state, live, story, consumer);
        if let Some(broken) = silent.or_else(|| hydration(monitor, state, live, (number, story))) {
            return Some(broken);
        }
    }
    None
}

/// From when on time counts.
fn counts_from(live: &Live, at: Timestamp) -> Timestamp {
    let excused = live.plan.kinds().any(Kind::is_ours);
    if excused { at.max(live.plan.heals_at + SignedDuration::from_mins(5)) } else { at }
}

/// Each published version that was to be acted on was acknowledged, superseded, or told of.
fn acknowledgement(
    monitor: &Monitor,
    state: &State,
    live: &Live,
    story: &Story,
    consumer: &Consumer,
) -> Option<Broken> {
    let silent = live.plan.has(Kind::Silent);
    if !live.plan.acknowledge && !silent {
        return None;
    }
    let published = monitor.signals.published.get(&story.subject)?;
    for (place, signal) in published.iter().enumerate().filter(|(_, signal)| signal.status == "scheduled") {
        let said = &story.versions[*signal.versions.last()?];
        let due =
            (said.start - SignedDuration::from_secs(LEAD_S)).max(signal.at + SignedDuration::from_secs(IMMEDIATE_S));
        let limit = counts_from(live, due) + MARGIN;
        let superseded = published.get(place + 1).is_some_and(|next| next.at <= limit);
        let over = said.end.is_some_and(|end| end <= limit);
        let acknowledged = if live.plan.acknowledge {
            consumer.noted.get(&(story.subject.clone(), signal.sequence)).is_some_and(|at| *at <= limit)
        } else {
            live.plan.heals_at <= limit
        };
        if !superseded && !over && !acknowledged && !told_by(state, story, signal, limit) {
            let what = format!("#{} was due at {due} and neither acknowledged nor told of by {limit}", signal.sequence);
            return Some(("told-in-time", story.subject.clone(), what));
        }
    }
    None
}

fn told_by(state: &State, story: &Story, _signal: &Published, limit: Timestamp) -> bool {
    let about = |subject: &str| subject.contains("dispatch-at-risk") && names(subject, &story.subject);
    state.mails.iter().any(|(at, mail)| *at <= limit && about(&mail.subject))
}

/// Each webhook that was answered 2xx is reflected soon, or a person knows that it is not.
fn hydration(monitor: &Monitor, state: &State, live: &Live, (number, story): (usize, &Story)) -> Option<Broken> {
    let posts = live.model.posts.iter().filter_map(|post| Some((post, post.taken_at?)));
    for (post, taken_at) in posts {
        let About::Dispatch(of, version) = post.about else { continue };
        if of != number {
            continue;
        }
        let limit = counts_from(live, taken_at) + HYDRATED;
        let published = monitor.signals.published.get(&story.subject);
        let mut in_time = published.into_iter().flatten().filter(|signal| signal.at <= limit);
        let reflected = in_time.any(|signal| signal.reflects(story, version));
        let told = state.mails.iter().any(|(at, mail)| {
            let credentials = mail.subject.contains("credentials") && mail.subject.contains(story.source);
            *at <= limit && (credentials || names(&mail.subject, &story.subject) || mail.subject.contains(story.source))
        });
        // A test that its own search does not know has no order but that of arrival: an earlier push may come last.
        let unsearched = story.provider == Provider::Leap { searched: false } && published.is_some();
        if !reflected && !told && !unsearched {
            let what =
                format!("version {version}, accepted at {taken_at}, is neither reflected nor told of by {limit}");
            return Some(("told-in-time", story.subject.clone(), what));
        }
    }
    None
}
