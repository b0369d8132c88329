//! After the faults: everything is published, notified, drained and resolved.

use pipeline::{
    conditions::Condition,
    incident::{Incident, IncidentKind, IncidentStatus},
};

use super::{About, Broken, Checker, Provider, ProviderTimeline, mails::names};

pub(super) fn check(seen: &Checker) -> Vec<Broken> {
    let stories = seen.dispatches.iter().enumerate();
    let mut found: Vec<Broken> = stories.filter_map(|(number, story)| dispatch(seen, (number, story))).collect();
    found.extend(streams(seen));
    found.extend(poison(seen));
    if !seen.circumstances.ours_fail || seen.is_complete {
        found.extend(incidents(seen));
    }
    found.extend(dead_letters(seen));
    // If our own services fail, a signal may be sent and not yet noted as sent.
    found.extend(seen.signals.heartbeats_left_out().filter(|_| !seen.circumstances.ours_fail));
    found.extend(seen.left.iter().map(|left| Broken::new("drains", "queues and outbox", left.clone())));
    found
}

/// The last signal matches the provider's state as of the last webhook answered with 2xx, or a mail reported why not.
fn dispatch(seen: &Checker, (number, story): (usize, &ProviderTimeline)) -> Option<Broken> {
    let accepted = seen.accepted.iter().filter_map(|accepted| {
        if let About::Dispatch(of, version) = accepted.about { (of == number).then_some(version) } else { None }
    });
    let listed = (seen.polls && story.is_listed()).then(|| story.versions.len() - 1);
    let newest = accepted.chain(listed).max()?;
    let last = seen.signals.last(story);
    let reflected = last.is_some_and(|last| last.reflects(story, newest));
    let unsearched = story.provider == Provider::Leap { searched: false };
    if reflected || (unsearched && last.is_some()) || given_up(seen, &story.subject) {
        return None;
    }
    let said = last
        .map_or("nothing".to_owned(), |last| format!("{} ({}, version {:?})", last.number, last.status, last.versions));
    let what = format!("the last signal is {said}, version {newest} was accepted or listed");
    Some(Broken::new("truth-arrives", &story.subject, what))
}

/// Whether a mail reported that gridbell gave up: after days of failures, or on unreadable answers.
fn given_up(seen: &Checker, subject: &str) -> bool {
    let is_sent = |row: &Incident| row.mails.contains_key("about given up");
    let unreadable =
        |row: &Incident| row.kind() == IncidentKind::Quarantined && row.incident.ends_with(subject) && is_sent(row);
    seen.mails.rows().any(unreadable)
        || seen.mails.subjects().any(|mail| mail.contains("dead-letter") && names(mail, subject))
}

/// Every accepted event of a stream was published.
fn streams(seen: &Checker) -> Vec<Broken> {
    let mut found = Vec::new();
    for accepted in &seen.accepted {
        let About::Stream(number, place) = accepted.about else { continue };
        let Some(happening) = seen.streams.get(number).and_then(|story| story.happenings.get(place)) else { continue };
        for (which, (subject, kind, _)) in happening.signals.iter().enumerate() {
            if !seen.signals.happenings.contains_key(&(number, place, which)) && !given_up(seen, subject) {
                found.push(Broken::new("truth-arrives", subject, format!("{kind} was accepted and never published")));
            }
        }
    }
    found
}

/// Every unreadable body is quarantined and reported by mail.
fn poison(seen: &Checker) -> Vec<Broken> {
    let mut found = Vec::new();
    for accepted in seen.accepted.iter().filter(|accepted| accepted.about == About::Poison) {
        let quarantined =
            seen.quarantined.iter().any(|(source, body)| *source == accepted.source && *body == accepted.body);
        let mailed = seen.mails.subjects().any(|mail| {
            (mail.contains("quarantined") || mail.contains("unknown-event")) && mail.contains(&*accepted.source)
        });
        let excused = seen.circumstances.ours_fail && !seen.is_complete;
        if !quarantined || !(mailed || excused) {
            let what = format!("{} was quarantined: {quarantined}, mailed: {mailed}", accepted.body);
            found.push(Broken::new("poison-is-quarantined", &accepted.source, what));
        }
    }
    found
}

/// Every incident was mailed and is resolved. Events count for one day.
fn incidents(seen: &Checker) -> Vec<Broken> {
    let mut found = Vec::new();
    for row in seen.mails.rows() {
        let lasts = !row.condition.awaits_a_person()
            || matches!(row.condition, Condition::NotCompliant { .. } | Condition::DeadLetters { .. });
        if row.status != IncidentStatus::Resolved {
            if !lasts {
                found.push(Broken::new("incident-closes", &row.incident, format!("it is open still: {}", row.detail)));
            }
            continue;
        }
        if row.has_message_waiting() {
            found.push(Broken::new("ring-arrives", &row.incident, "a message to a channel still waits"));
        }
        // An incident that was resolved before its first mail needs no mail.
        if !row.mails.is_empty() && !row.mails.contains_key("resolved") {
            found.push(Broken::new("incident-closes", &row.incident, "no mail said that it is resolved"));
        }
    }
    found
}

/// The dead-letter queues contain only foreign messages.
fn dead_letters(seen: &Checker) -> Vec<Broken> {
    let lost = seen.dead.iter().filter(|(_, body)| !body.contains("foreign"));
    lost.map(|(queue, body)| Broken::new("nothing-is-dropped", queue, body.clone())).collect()
}
