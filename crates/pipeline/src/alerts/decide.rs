//! Applies a verdict to an incident. Pure: after a lost write, the alerter decides again.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use dispatch::Status;
use jiff::{SignedDuration, Timestamp};

use super::{
    occasion::{LATE_WORDS, Occasion, RESOLVED},
    stages::{self, Rules},
};
use crate::{
    alerts::{
        channels::log::{self, Calls, Opened, Wanted},
        condition::{Condition, StageReport},
        conditions::{Firing, Resolved, Verdict},
        group::Urgency,
        incident::{Incident, IncidentStatus, Waiting},
    },
    job::clip,
};

/// The most mails of news for one incident, whatever arrives over HTTP.
const MAX_MAILS: usize = 6;

/// The same for the daily question: it covers the whole retention time of a dispatch.
const MAX_DAYS: usize = 400;

/// The longest detail or name that is stored, in characters.
const MAX_DETAIL: usize = 2_000;
const MAX_ABOUT: usize = 500;

/// A pending mail that is overdue by this is scheduled again: its flush was lost.
const OVERDUE: SignedDuration = SignedDuration::from_secs(20);

/// A mail that is sent this long after its deadline states why.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// A dispatch that starts sooner is urgent.
const SOON: SignedDuration = SignedDuration::from_mins(15);

#[derive(Debug)]
pub(super) struct Decided {
    /// The incident. It contains the pending mail, whose group is not chosen yet.
    pub(super) next: Incident,
    /// The occasion of the mail, if one must be scheduled.
    pub(super) occasion: Option<Occasion>,
    pub(super) opens: bool,
}

/// Decides the next state of an incident; none: no change.
pub(super) fn decide(
    known: Option<&Incident>,
    condition: &Condition,
    verdict: &Verdict,
    rules: Rules<'_>,
    now: Timestamp,
) -> Option<Decided> {
    let open = known.filter(|known| known.status != IncidentStatus::Resolved);
    match (verdict, open) {
        (Verdict::Firing(firing), Some(open)) => fires(open, firing, rules, now).or_else(|| overdue(open, now)),
        (Verdict::Firing(firing), None) => Some(opens(known, condition, firing, rules, now)),
        (Verdict::Resolved(resolved), Some(open)) => Some(resolves(open, resolved, rules, now)),
        (Verdict::Resolved(resolved), None) => {
            lapses(known, condition, resolved, rules, now).or_else(|| overdue(known?, now))
        }
        (Verdict::Undecided, Some(open)) => ticks(open, rules, now).or_else(|| overdue(open, now)),
        (Verdict::Undecided, None) => overdue(known?, now),
    }
}

fn opens(
    known: Option<&Incident>,
    condition: &Condition,
    firing: &Firing,
    rules: Rules<'_>,
    now: Timestamp,
) -> Decided {
    // The instant distinguishes occurrences, and this clock may be behind the clock that opened the earlier one.
    let opened_at = match known.map(|known| known.opened_at).filter(|earlier| *earlier >= firing.since) {
        Some(earlier) => now.max(earlier + SignedDuration::from_millis(1)),
        None => firing.since,
    };
    // People who were notified of the earlier occurrence and not yet of its end.
    let notified = known.filter(|known| !known.mails.contains_key(RESOLVED));
    let next = Incident {
        incident: condition.incident(),
        revision: known.map_or(0, |known| known.revision),
        write: String::new(),
        condition: condition.clone(),
        about: String::new(),
        status: IncidentStatus::Open,
        opened_at,
        last_at: now,
        resolved_at: None,
        acknowledged: None,
        snoozed: None,
        level: 0,
        detail: String::new(),
        mails: BTreeMap::new(),
        notified: notified.map(|known| known.notified.clone()).unwrap_or_default(),
        waiting: None,
        channels: known.map(|known| log::carried(&known.channels)).unwrap_or_default(),
    };
    let mut decided = Decided { next, occasion: None, opens: true };
    decided.say(firing.news.clone(), Occasion::First, rules, now);
    decided
}

/// The condition still fires.
fn fires(open: &Incident, firing: &Firing, rules: Rules<'_>, now: Timestamp) -> Option<Decided> {
    let of_news = |stage: &&String| Occasion::of(stage) == Occasion::First;
    let waiting = open.waiting.iter().flat_map(|waiting| &waiting.stages).map(|news| &news.stage);
    let known: BTreeSet<&String> = open.mails.keys().chain(waiting).filter(of_news).collect();
    let most = if matches!(open.condition, Condition::NoEnd { .. }) { MAX_DAYS } else { MAX_MAILS };
    let fresh = firing.news.iter().filter(|news| !known.contains(&stages::of_news(&news.stage)));
    let fresh: Vec<StageReport> = fresh.take(most.saturating_sub(known.len())).cloned().collect();
    let mut decided = Decided { next: open.clone(), occasion: None, opens: false };
    if !fresh.is_empty() {
        decided.say(fresh, Occasion::First, rules, now);
        return Some(decided);
    }
    let detail = firing.news.last().map(|news| clip(&news.detail, MAX_DETAIL));
    let is_newer = detail.filter(|detail| *detail != open.detail && open.waiting.is_none());
    match (ticks(open, rules, now), is_newer) {
        (Some(decided), _) => Some(decided),
        (None, Some(detail)) => {
            (decided.next.detail, decided.next.last_at) = (detail, now);
            Some(decided)
        }
        (None, None) => None,
    }
}

/// The incident's own clock: the start of its dispatch, an escalation step, a reminder.
fn ticks(open: &Incident, rules: Rules<'_>, now: Timestamp) -> Option<Decided> {
    let (stage, _) = stages::next(open, rules, now).filter(|(_, at)| *at <= now)?;
    let occasion = Occasion::of(&stage);
    let news = StageReport { stage, about: open.about.clone(), detail: open.detail.clone() };
    let mut decided = Decided { next: open.clone(), occasion: None, opens: false };
    decided.say(vec![news], occasion, rules, now);
    Some(decided)
}

fn resolves(open: &Incident, resolved: &Resolved, rules: Rules<'_>, now: Timestamp) -> Decided {
    let mut next = Incident {
        status: IncidentStatus::Resolved,
        resolved_at: Some(resolved.at.max(open.opened_at)),
        last_at: now,
        ..open.clone()
    };
    next.settle_channels(now);
    let mut occasion = None;
    if open.mails.is_empty() {
        // A pending first mail is dropped, unless a deadline has passed meanwhile: people must know that.
        if rules.deadline_passed {
            occasion = next.waiting.as_ref().filter(|waiting| waiting.send_at + OVERDUE < now).map(occasion_of);
        } else {
            next.waiting = None;
        }
        if next.waiting.is_none() {
            next.detail = clip(&resolved.why, MAX_DETAIL);
        }
        return Decided { next, occasion, opens: false };
    }
    next.waiting = None;
    let mut decided = Decided { next, occasion: None, opens: false };
    let news = StageReport { stage: RESOLVED.to_owned(), about: open.about.clone(), detail: resolved.why.clone() };
    decided.say(vec![news], Occasion::Resolved, rules, now);
    decided
}

/// The deadline and the dispatch passed and no person was notified: one still is.
fn lapses(
    known: Option<&Incident>,
    condition: &Condition,
    resolved: &Resolved,
    rules: Rules<'_>,
    now: Timestamp,
) -> Option<Decided> {
    let lapsed = resolved.lapsed.as_ref()?;
    let was_mailed =
        |known: &Incident| known.opened_at >= lapsed.since && (!known.mails.is_empty() || known.waiting.is_some());
    if known.is_some_and(was_mailed) {
        return None;
    }
    let mut firing = lapsed.clone();
    let is_late = now.duration_since(lapsed.since) > LATE;
    for news in &mut firing.news {
        let why = capital(&resolved.why);
        let late = if is_late { LATE_WORDS } else { "" };
        news.detail = format!("{}. {why}{late}", news.detail);
    }
    let mut decided = opens(known, condition, &firing, rules, now);
    decided.next.status = IncidentStatus::Resolved;
    // It is over: no channel rings for it.
    decided.next.settle_channels(now);
    if let Some(waiting) = &mut decided.next.waiting {
        // One mail reports both.
        let over = waiting.stages.last().map(|news| StageReport { stage: RESOLVED.to_owned(), ..news.clone() });
        waiting.stages.extend(over);
    }
    decided.next.resolved_at = Some(resolved.at.max(decided.next.opened_at));
    Some(decided)
}

fn overdue(known: &Incident, now: Timestamp) -> Option<Decided> {
    let waiting = known.waiting.as_ref().filter(|waiting| waiting.send_at + OVERDUE < now)?;
    Some(Decided { next: known.clone(), occasion: Some(occasion_of(waiting)), opens: false })
}

impl Decided {
    fn say(&mut self, news: Vec<StageReport>, occasion: Occasion, rules: Rules<'_>, now: Timestamp) {
        let next = &mut self.next;
        let mut stages: Vec<StageReport> = next.waiting.take().map(|waiting| waiting.stages).unwrap_or_default();
        // A reminder adds nothing to these reports.
        stages.retain(|news| !matches!(Occasion::of(&news.stage), Occasion::Reminder(_)));
        stages.extend(news.into_iter().map(|news| StageReport {
            stage: if occasion == Occasion::First { stages::of_news(&news.stage) } else { news.stage },
            about: clip(&news.about, MAX_ABOUT),
            detail: clip(&news.detail, MAX_DETAIL),
        }));
        if let Some(last) = stages.last() {
            let others = stages.iter().filter(|other| other.about != last.about).count();
            let more = if others > 0 { format!(" (and {others} more)") } else { String::new() };
            next.about = format!("{}{more}", last.about);
            let mut details: Vec<&str> = stages.iter().map(|news| news.detail.as_str()).collect();
            details.dedup();
            next.detail = clip(&details.join("; "), MAX_DETAIL);
        }
        if next.calls(now) == Calls::Ring {
            let names: Vec<String> = stages.iter().map(|news| news.stage.clone()).collect();
            let wanted = Wanted { channels: rules.channels, without: rules.without, test: rules.test };
            log::ring(&mut next.channels, &names, wanted, Opened { at: next.opened_at, now });
        }
        next.last_at = now;
        let sorts_by = rules.dispatch.map_or(Timestamp::MAX, |(_, terms)| terms.start);
        let waiting = Waiting { group: String::new(), since: now, send_at: now, sorts_by, stages };
        self.occasion = Some(occasion_of(&waiting));
        next.waiting = Some(waiting);
    }
}

/// The occasion of a pending mail: the one of its stages with the greatest weight.
pub(super) fn occasion_of(waiting: &Waiting) -> Occasion {
    let occasions = || waiting.stages.iter().map(|news| Occasion::of(&news.stage));
    // A mail that also reports the end has the occasion of the event.
    let happened = occasions().filter(|occasion| *occasion != Occasion::Resolved);
    happened.max_by_key(|occasion| occasion.weight()).or_else(|| occasions().next()).unwrap_or(Occasion::First)
}

/// How soon a mail must be sent. Reminders and resolved mails can wait.
pub(super) fn urgency(incident: &Incident, occasion: Occasion, rules: Rules<'_>, now: Timestamp) -> Urgency {
    let is_urgent = match (&incident.condition, rules.dispatch) {
        (Condition::NoEnd { .. }, _) => false,
        (Condition::NotAcknowledged { .. } | Condition::ControllerFailed { .. } | Condition::DeliveriesUnread, _) => {
            true
        }
        // The change that could not be fetched may reschedule a dispatch that was withdrawn or has ended.
        (Condition::Failing { .. }, Some((Status::Scheduled, terms))) => terms.start <= now + SOON,
        (Condition::Failing { .. }, _) => rules.is_time_critical,
        (_, Some((status, terms))) => {
            let is_over = terms.end.is_some_and(|end| end <= now);
            *status == Status::Scheduled && terms.start <= now + SOON && !is_over
        }
        (_, None) => false,
    };
    match occasion {
        _ if !is_urgent => Urgency::CanWait,
        Occasion::First | Occasion::Start => Urgency::New,
        Occasion::Escalation(_) => Urgency::Known,
        Occasion::Reminder(_) | Occasion::Resolved => Urgency::CanWait,
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}
