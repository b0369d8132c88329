//! What a notice makes of an incident: pure, so that a lost write is simply decided again.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::stages::{self, OVER, Occasion, Rules};
use crate::{
    incident::{Incident, IncidentStatus, Kind, MailState, News, Notice},
    work::clip,
};

/// A claim older than this is of somebody who died, in seconds: an invocation is over by then.
pub(super) const CLAIM_LASTS_S: i64 = 60;

/// After so many seconds a review is made up for that came too early.
const REVIEW_AGAIN_S: u32 = 60;

/// No incident sends more mails of notices than this, whatever comes in through the door.
const MAX_MAILS: usize = 6;

/// The same for what is told once a day: for as long as a dispatch is kept.
const MAX_DAYS: usize = 400;

/// Of what goes on nobody is told for longer than this.
const LAPSES_AFTER: SignedDuration = stages::REMINDED_FOR;

/// How much of a detail and of a name is stored, in characters.
const MAX_DETAIL: usize = 2_000;
const MAX_ABOUT: usize = 500;

/// What a notice makes of an incident.
#[derive(Debug)]
pub(super) enum Decision {
    /// Nothing to write, nothing to mail.
    Nothing,
    /// Look again in so many seconds.
    Later(u32),
    /// Write this; then mail this stage, if any; then look again in so many seconds, if any.
    Write { next: Box<Incident>, mail: Option<String>, review_in_s: Option<u32> },
}

pub(super) fn decide(known: Option<&Incident>, notice: &Notice, rules: Rules<'_>, claim: &MailState) -> Decision {
    match &notice.news {
        News::Happens { detail, stage, quiet_s } => happens(known, notice, (detail, stage, *quiet_s), rules, claim),
        News::Over { detail } => over(known, notice, detail, claim),
        News::Review => known.map_or(Decision::Nothing, |known| review(known, notice, rules, claim)),
        News::Flush { .. } => Decision::Nothing,
    }
}

fn is_open(known: &Incident) -> bool {
    known.status != IncidentStatus::Over
}

fn is_stale(mail: &MailState, now: Timestamp) -> bool {
    mail.sent_at.is_none() && now.duration_since(mail.claimed_at).as_secs() > CLAIM_LASTS_S
}

/// Whether somebody else is sending the notice's mail right now. Whoever that is may die over it, so the notice comes once more.
pub(super) fn is_in_other_hands(incident: Option<&Incident>, notice: &Notice) -> bool {
    let Some(incident) = incident else { return false };
    let stage = match &notice.news {
        News::Happens { stage, .. } if is_open(incident) => stages::of_notice(stage),
        News::Over { .. } | News::Review => OVER.to_owned(),
        News::Happens { .. } | News::Flush { .. } => return false,
    };
    incident.mails.get(&stage).is_some_and(|mail| mail.sent_at.is_none())
}

/// Time to see whether an incident has gone quiet, whether a person must be told again, or whether a mail died on the way.
fn review(known: &Incident, notice: &Notice, rules: Rules<'_>, claim: &MailState) -> Decision {
    match known.quiet_s {
        _ if !is_open(known) => over(Some(known), notice, &known.detail, claim),
        Some(quiet_s) => gone_quiet(known, notice, quiet_s, claim),
        None => clock(known, notice, rules, claim),
    }
}

fn gone_quiet(known: &Incident, notice: &Notice, quiet_s: u32, claim: &MailState) -> Decision {
    let left_s = i64::from(quiet_s) - claim.claimed_at.duration_since(known.last_at).as_secs();
    if left_s > 0 {
        return Decision::Later(u32::try_from(left_s).unwrap_or(quiet_s));
    }
    // What nobody could be told of yet is not over: its mail is still being tried.
    if known.mails.is_empty() || known.mails.values().any(|mail| mail.sent_at.is_none()) {
        return Decision::Later(REVIEW_AGAIN_S);
    }
    let minutes = quiet_s.div_ceil(60);
    let detail = format!("nothing more of it for {minutes} minutes; {} in all", known.count);
    over(Some(known), notice, &detail, claim)
}

/// Whether silence ends it: each attempt that fails tells of it anew, or the one thing that would end it may never come. So nobody
/// waits for ever where whoever would have said that it is over has died.
fn lapses(incident: &Incident) -> bool {
    incident.quiet_s.is_none()
        && matches!(incident.kind, Kind::HydrationFailing | Kind::NotCompliant | Kind::DeadLetter)
}

fn clock(known: &Incident, notice: &Notice, rules: Rules<'_>, claim: &MailState) -> Decision {
    let now = claim.claimed_at;
    if lapses(known) && !known.mails.is_empty() && now.duration_since(known.last_at) > LAPSES_AFTER {
        let hours = LAPSES_AFTER.as_hours();
        let detail = format!("nothing was heard of it for {hours} hours; what became of it is not known here");
        return over(Some(known), notice, &detail, claim);
    }
    let died = known.mails.iter().find(|(_, mail)| is_stale(mail, now)).map(|(stage, _)| stage.clone());
    let stage = match (died, stages::next(known, rules, now)) {
        (Some(stage), _) if known.status == IncidentStatus::Open => stage,
        (_, Some((stage, at))) if at <= now => stage,
        (_, Some((_, at))) => return Decision::Later(stages::hop_s(at, now)),
        // Its first mail is still being tried.
        _ if known.mails.is_empty() && known.status == IncidentStatus::Open && !rules.test => {
            return Decision::Later(REVIEW_AGAIN_S);
        }
        _ if lapses(known) => return Decision::Later(stages::MAX_DELAY_S),
        _ => return Decision::Nothing,
    };
    let mut next = Incident { revision: known.revision + 1, write: claim.owner.clone(), ..known.clone() };
    next.mails.insert(stage.clone(), claim.clone());
    // A mail that was refused had asked for it before.
    let review_in_s = review_in_s(&next, rules, now).filter(|_| notice.attempt == 0);
    Decision::Write { next: Box::new(next), mail: Some(stage), review_in_s }
}

fn happens(
    known: Option<&Incident>,
    notice: &Notice,
    (detail, stage, quiet_s): (&str, &str, Option<u32>),
    rules: Rules<'_>,
    claim: &MailState,
) -> Decision {
    let now = claim.claimed_at;
    let opened = known.is_none_or(|known| !is_open(known));
    if opened && known.and_then(|known| known.over_at).is_some_and(|over_at| notice.at <= over_at) {
        return Decision::Nothing; // older than the news that it is over, or the last of it once more
    }
    let mut next = match known {
        Some(known) if !opened => Incident {
            revision: known.revision + 1,
            count: known.count + u64::from(notice.attempt == 0),
            last_at: known.last_at.max(notice.at),
            quiet_s: known.quiet_s.and(quiet_s),
            ..known.clone()
        },
        _ => fresh(known, notice, quiet_s),
    };
    next.detail = clip(detail, MAX_DETAIL);
    next.about = clip(&notice.about, MAX_ABOUT);
    next.dispatch.clone_from(&notice.dispatch);
    next.once_a_day = notice.once_a_day;
    let stage = stages::of_notice(stage);
    let of_notices = next.mails.keys().filter(|stage| Occasion::of(stage) == Occasion::First).count();
    let due = match next.mails.get(&stage) {
        None => of_notices < if notice.once_a_day { MAX_DAYS } else { MAX_MAILS },
        Some(mail) => is_stale(mail, now),
    };
    if due {
        next.mails.insert(stage.clone(), claim.clone());
    }
    next.write.clone_from(&claim.owner);
    // Once more with a mail that is made up for: the first review may have died as well, among the dead letters. A mail that was
    // refused had asked for it before.
    let ask = opened || (due && notice.attempt == 0);
    let review_in_s = next.quiet_s.or_else(|| first_review_s(&next, rules, now)).filter(|_| ask);
    Decision::Write { next: Box::new(next), mail: due.then_some(stage), review_in_s }
}

/// When the clock looks first. A dispatch that could not be read now may still have a start ahead.
fn first_review_s(incident: &Incident, rules: Rules<'_>, now: Timestamp) -> Option<u32> {
    let unread = (incident.dispatch.is_some() && rules.dispatch.is_none()).then_some(REVIEW_AGAIN_S);
    review_in_s(incident, rules, now).or(unread)
}

/// When the clock looks next, once the mail that was just claimed has gone out.
fn review_in_s(incident: &Incident, rules: Rules<'_>, now: Timestamp) -> Option<u32> {
    let told = Incident { level: rules.level(incident, now), ..incident.clone() };
    let next = stages::next(&told, rules, now).map(|(_, at)| stages::hop_s(at, now));
    next.or_else(|| lapses(incident).then_some(stages::MAX_DELAY_S))
}

fn fresh(known: Option<&Incident>, notice: &Notice, quiet_s: Option<u32>) -> Incident {
    Incident {
        incident: notice.incident(),
        revision: known.map_or(1, |known| known.revision + 1),
        write: String::new(),
        kind: notice.kind,
        source: notice.source.clone(),
        about: notice.about.clone(),
        dispatch: notice.dispatch.clone(),
        once_a_day: notice.once_a_day,
        status: IncidentStatus::Open,
        opened_at: notice.at,
        last_at: notice.at,
        over_at: None,
        acknowledged: None,
        level: 0,
        count: 1,
        detail: String::new(),
        quiet_s,
        mails: BTreeMap::new(),
    }
}

fn over(known: Option<&Incident>, notice: &Notice, detail: &str, claim: &MailState) -> Decision {
    let says_when = matches!(notice.news, News::Over { .. });
    // It began anew since, which this notice, late or once more after a refused mail, does not know of.
    let is_outdated = |known: &Incident| {
        // Of a dispatch at risk each notice bears the instant that its record knows, and that it is over a later one.
        let began_at = if known.kind == Kind::DispatchAtRisk { known.last_at } else { known.opened_at };
        is_open(known) && notice.at < began_at
    };
    if says_when && known.is_some_and(is_outdated) {
        return Decision::Nothing;
    }
    // A person heard that it began, and nobody is telling that it is over: not yet, not any more, or SES refused it.
    let mail = known.is_some_and(|known| {
        let telling = known.mails.get(OVER).is_some_and(|mail| !is_stale(mail, claim.claimed_at));
        !known.mails.is_empty() && !telling
    });
    // It happened again and was over again, and that it is over came first: what happened is old when it comes.
    let later = says_when && known.and_then(|known| known.over_at).is_some_and(|over_at| over_at < notice.at);
    if known.is_some_and(|known| !is_open(known)) && !mail && !later {
        return Decision::Nothing;
    }
    // Without a known incident this is a note for a notice that is still under way: it happened before it was over.
    let mut next = known.cloned().unwrap_or_else(|| Incident { count: 0, revision: 0, ..fresh(None, notice, None) });
    next.revision += 1;
    next.status = IncidentStatus::Over;
    // Never earlier than it was: what once came too late must not begin it anew.
    next.over_at = next.over_at.max(Some(notice.at.max(next.last_at)));
    next.detail = clip(detail, MAX_DETAIL);
    if mail {
        next.mails.insert(OVER.to_owned(), claim.clone());
    }
    next.write.clone_from(&claim.owner);
    Decision::Write { next: Box::new(next), mail: mail.then(|| OVER.to_owned()), review_in_s: None }
}
