//! Random dispatches: versions over time.

use jiff::{SignedDuration, Timestamp};

use super::{super::scenario::STORM, Pace};
use crate::{
    Seed,
    history::{Oddity, Provider, ProviderTimeline, Said},
};

fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))
}

/// A random dispatch.
pub fn dispatch_story(random: &mut Seed, number: usize, begins_at: Timestamp, pace: &Pace) -> ProviderTimeline {
    let (source, provider, test) = match random.up_to(9) {
        0..=2 => ("voltus-prod", Provider::Voltus { numbered: true }, None),
        3 => ("voltus-prod", Provider::Voltus { numbered: false }, None),
        4 => ("voltus-prod", Provider::Voltus { numbered: true }, Some("self")),
        5 => ("voltus-sandbox", Provider::Voltus { numbered: true }, Some("sandbox")),
        6..=7 => ("leap-prod", Provider::Leap { searched: true }, None),
        8 => ("leap-prod", Provider::Leap { searched: true }, Some("communication")),
        _ => ("leap-prod", Provider::Leap { searched: false }, Some("integration")),
    };
    let id = format!("{}{number}", if matches!(provider, Provider::Voltus { .. }) { "v" } else { "e-" });
    let at = begins_at + seconds(random.up_to(pace.within_s));
    let start = at + SignedDuration::from_secs([-60, 30, 300, 900, 2_400][random.place(5)]);
    let end = [None, Some(600), Some(3_600)][random.place(3)].map(|length| start + seconds(length));
    let targets = (0..=random.place(2)).map(|site| (format!("site-{site}"), 1 + random.up_to(9))).collect();
    let first = Said { at, authorized: true, start, end: end.filter(|end| *end > at), targets, note: 1 };
    let mut story = ProviderTimeline {
        source: source.into(),
        provider,
        subject: format!("{source}/{id}"),
        id,
        test: test.map(Into::into),
        versions: vec![first],
        oddity: oddity(at),
    };
    for _ in 0..random.up_to(4) {
        let Some(last) = story.versions.last() else { break };
        let gap = pace.gaps_s[random.place(5)];
        let next = changed(random, &story.versions, Said { at: last.at + seconds(gap), ..last.clone() });
        story.versions.push(next);
    }
    story
}

/// One of many dispatches that are announced together.
pub(super) fn storm_story(number: usize, at: Timestamp) -> ProviderTimeline {
    let start = at + seconds(1_200);
    let id = format!("w{number}");
    let targets = vec![(format!("site-{number}"), 5)];
    let first = Said { at, authorized: true, start, end: Some(start + seconds(1_800)), targets, note: 1 };
    ProviderTimeline {
        source: STORM.into(),
        provider: Provider::Voltus { numbered: true },
        subject: format!("{STORM}/{id}"),
        id,
        test: None,
        versions: vec![first],
        oddity: Oddity::None,
    }
}

/// Every other dispatch is odd; each oddity is equally frequent.
fn oddity(at: Timestamp) -> Oddity {
    let draw = usize::try_from(at.as_second().unsigned_abs() % 10).unwrap_or(0);
    Oddity::ALL.get(draw + 1).copied().unwrap_or_default()
}

/// The end of a dispatch that is cancelled before its start: in the past by any clock.
fn called_off(said: &Said) -> Timestamp {
    said.at - SignedDuration::from_secs(300)
}

/// The provider's next change of a dispatch.
fn changed(random: &mut Seed, before: &[Said], mut next: Said) -> Said {
    next.note += 1;
    if !next.authorized {
        // A cancelled dispatch stays cancelled or is scheduled again.
        next.authorized = random.up_to(1) == 1;
        return next;
    }
    match random.up_to(9) {
        0..=1 => next.targets.iter_mut().for_each(|(_, kw)| *kw += 1 + random.up_to(5)),
        2 => next.start += seconds(60 * (1 + random.up_to(10))),
        3 => next.end = Some(next.start.max(next.at) + seconds(1_800)),
        4 => next.end = Some(if next.start < next.at { next.at } else { called_off(&next) }),
        5..=6 => next.authorized = false,
        7..=8 if before.len() > 1 => {
            // It returns to the terms of an earlier version.
            let earlier = &before[random.place(before.len() - 1)];
            next = Said { at: next.at, note: next.note, ..earlier.clone() };
        }
        _ => {}
    }
    if next.end.is_some_and(|end| end <= next.start) && next.end != Some(called_off(&next)) {
        next.end = None;
    }
    next
}
