//! Every dispatch is acknowledged, or a mail reports it in time.
//!
//! While our own services fail, no time limit applies; the time counts from when they work again.

use jiff::{SignedDuration, Timestamp};

use super::{About, Broken, Checker, Circumstances, Provider, ProviderTimeline, mails::names};
use crate::Standard;

/// The latest sending of a mail after its due time (contract, section 6), while gridbell's own services work.
const IN_TIME: SignedDuration = SignedDuration::from_secs(10);

/// The same after an outage of our services: time for a sweep, a queue, a batch, and clock differences.
const IN_TIME_AGAIN: SignedDuration = SignedDuration::from_secs(150);

/// How long messages stay hidden after an invocation times out. It happens to one message at most `MOST_STARVED` times.
const STARVED: SignedDuration = Standard::VISIBILITY;
const MOST_STARVED: i32 = 5;

/// The lead time and the immediate deadline in the configuration, in seconds.
const LEAD_S: i64 = 600;
const IMMEDIATE_S: i64 = 60;

pub(super) fn check(seen: &Checker) -> Vec<Broken> {
    let mut found = Vec::new();
    for (number, story) in seen.dispatches.iter().enumerate() {
        found.extend(acknowledgement(seen, story).or_else(|| hydration(seen, (number, story))));
    }
    found
}

/// When the time limit starts.
fn counts_from(seen: &Checker, at: Timestamp) -> Timestamp {
    let circumstances = &seen.circumstances;
    let works_again = circumstances.heals_at + SignedDuration::from_mins(5);
    // With turns by priority, an invocation can wait until it times out although nothing fails.
    let starved = STARVED * seen.timed_out.min(MOST_STARVED);
    if circumstances.ours_fail { at.max(works_again) } else { at + starved }
}

/// How long after its due time a mail may be sent.
fn margin(seen: &Checker) -> SignedDuration {
    let Circumstances { ours_fail, slack_s, .. } = seen.circumstances;
    if ours_fail { IN_TIME_AGAIN } else { IN_TIME + SignedDuration::from_secs(i64::from(slack_s)) }
}

/// The deadline for notifying a person of a dispatch with that start, announced or changed at `at`.
fn due_at(start: Option<Timestamp>, at: Timestamp) -> Timestamp {
    let immediate = at + SignedDuration::from_secs(IMMEDIATE_S);
    start.map_or(immediate, |start| (start - SignedDuration::from_secs(LEAD_S)).max(immediate))
}

/// Each published version that requires action is acknowledged, superseded, or reported by mail.
fn acknowledgement(seen: &Checker, story: &ProviderTimeline) -> Option<Broken> {
    let circumstances = &seen.circumstances;
    if !circumstances.acknowledges && !circumstances.is_silent {
        return None;
    }
    let published = seen.signals.published.get(&story.subject)?;
    let newest = published.iter().map(|signal| signal.number.epoch).max();
    for (place, signal) in published.iter().enumerate().filter(|(_, signal)| signal.status == "scheduled") {
        // A restore removed this version. The webhooks after it must be published or reported by mail, which
        // `hydration` checks.
        if Some(signal.number.epoch) < newest {
            continue;
        }
        let said = &story.versions[*signal.versions.last()?];
        let due = due_at(Some(said.start), signal.at);
        let limit = counts_from(seen, due) + margin(seen);
        let superseded = published.get(place + 1).is_some_and(|next| next.at <= limit);
        let over = said.end.is_some_and(|end| end <= limit);
        // By the controller, or by a person who has curtailed by hand.
        let is_noted = seen.noted.get(&(story.subject.clone(), signal.number)).is_some_and(|at| *at <= limit);
        let is_read = !circumstances.acknowledges && circumstances.heals_at <= limit;
        let acknowledged = is_noted || is_read;
        if !superseded && !over && !acknowledged && !seen.mails.at_risk_by(limit, &story.subject) {
            let what = format!("{} was due at {due} and neither acknowledged nor mailed by {limit}", signal.number);
            return Some(Broken::new("notified-in-time", &story.subject, what));
        }
    }
    None
}

/// Whether a mail reports that the dispatch, its source or one of its source's deliveries cannot be read.
fn reports(mail: &str, story: &ProviderTimeline) -> bool {
    let gathered = format!("(hydration-failing, {})", story.source);
    let of_source = ["credentials", "source-down", "quarantined", "unknown-event", ", delivery ", &gathered];
    names(mail, &story.subject) || (mail.contains(&*story.source) && of_source.iter().any(|kind| mail.contains(kind)))
}

/// Each webhook answered with 2xx is published soon, or a mail reports that it is not.
fn hydration(seen: &Checker, (number, story): (usize, &ProviderTimeline)) -> Option<Broken> {
    for accepted in &seen.accepted {
        let About::Dispatch(of, version) = accepted.about else { continue };
        if of != number {
            continue;
        }
        let published = seen.signals.published.get(&story.subject);
        // A signal published before the deadline decides the deadline: it has the start.
        let by = accepted.at + SignedDuration::from_secs(IMMEDIATE_S);
        let known = published.into_iter().flatten().rfind(|signal| signal.at <= by);
        let start = known.and_then(|signal| Some(story.versions[*signal.versions.last()?].start));
        let limit = counts_from(seen, due_at(start, accepted.at)) + margin(seen);
        let mut in_time = published.into_iter().flatten().filter(|signal| signal.at <= limit);
        let reflected = in_time.any(|signal| signal.reflects(story, version));
        let mailed = seen.mails.sent.iter().any(|mail| mail.at <= limit && reports(&mail.subject, story));
        // A test that the provider's search does not know is ordered only by arrival: an earlier push may come last.
        let unsearched = story.provider == Provider::Leap { searched: false } && published.is_some();
        if !reflected && !mailed && !unsearched {
            let what =
                format!("version {version}, accepted at {}, is neither reflected nor mailed by {limit}", accepted.at);
            return Some(Broken::new("notified-in-time", &story.subject, what));
        }
    }
    None
}
