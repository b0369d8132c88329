//! A mail's subject: what must be done, where, by when, time left, why; then kind and key in brackets, for filters.

use super::{
    case::{Case, Need, Phase},
    words::{MAX_NAME, tame},
};
use crate::{
    alerts::{
        condition::Condition,
        occasion::{LATE_WORDS, Occasion},
    },
    dispatches::record::SubjectRecord,
    job::clip,
};

/// A locked phone shows this many characters: the subject up to the time left.
const AT_A_GLANCE: usize = 80;

/// The longest reason in a subject, in characters.
const MAX_WHY: usize = 70;

/// The longest key in a subject, in characters.
const MAX_KEY: usize = 160;

/// The subject of a mail about one incident.
pub fn subject(case: &Case<'_>, occasion: Occasion) -> String {
    let mark = mark(case.is_test());
    let said = match occasion {
        Occasion::Resolved => resolved(case),
        _ => format!("{}{}", happens(case, mark), remark(occasion)),
    };
    format!("{mark}{said} ({}, {})", case.incident.kind(), clip(&key(case), MAX_KEY))
}

/// The same for a phone: without the mark, the kind and the key.
pub(crate) fn brief(case: &Case<'_>, occasion: Occasion) -> String {
    let said = match occasion {
        Occasion::Resolved => resolved(case),
        _ => format!("{}{}", happens(case, BRIEF_MARK), remark(occasion)),
    };
    format!("{}{said}", brief_mark(case.is_test()))
}

/// The beginning of a line for a phone about a test.
const BRIEF_MARK: &str = "TEST: ";

pub(super) fn brief_mark(test: bool) -> &'static str {
    if test { BRIEF_MARK } else { "" }
}

/// The beginning of every subject.
pub(super) fn mark(test: bool) -> &'static str {
    if test { "[gridbell] [TEST] " } else { "[gridbell] " }
}

/// What an incident is about: the dispatch's key, else its display name.
pub(super) fn key(case: &Case<'_>) -> String {
    tame(&case.incident.subject().map_or_else(|| case.incident.about.clone(), |subject| subject.to_string()))
}

/// Why this mail follows an earlier one.
pub(super) fn remark(occasion: Occasion) -> String {
    match occasion {
        Occasion::First | Occasion::Resolved => String::new(),
        Occasion::Start => "; starts now".to_owned(),
        Occasion::Reminder(0) => "; reminder".to_owned(),
        Occasion::Reminder(n) => format!("; reminder {n}"),
        Occasion::Escalation(_) => "; escalated, no person acknowledged".to_owned(),
    }
}

pub(super) fn happens(case: &Case<'_>, mark: &str) -> String {
    let source = tame(case.incident.source());
    match (&case.incident.condition, case.need()) {
        (Condition::NoEnd { .. }, Some(need)) => {
            format!("ASK {} if {} is still on: no end stated", case.provider(), need.asks(24))
        }
        (Condition::MissedDelivery { .. }, Some(need)) => {
            let what = format!("CHECK WEBHOOK of {source}: dispatch");
            format!("{} came only by polling", within(mark, &what, &need))
        }
        (_, Some(need)) if need.is_active() => {
            let what = if case.must_curtail() { "CURTAIL" } else { "CHECK dispatch" };
            format!("{}: {}", within(mark, &format!("{what}{}", need.amount()), &need), why(case))
        }
        (Condition::NotCompliant { .. }, Some(need)) => {
            format!("CHECK {}, {}: {}", need.asks(24), need.when(), why(case))
        }
        (_, Some(need)) if case.must_curtail() => {
            format!("TOO LATE for {}, {}: {}", need.asks(24), need.when(), why(case))
        }
        (_, Some(need)) => {
            let what = if need.phase == Phase::Withdrawn { "cancelled" } else { "past" };
            format!("LOOK IN PORTAL of {source}: {what} dispatch, {}: {}", need.asks(24), why(case))
        }
        (_, None) => of_source(case, &source),
    }
}

/// What must be done about a source, or about a change that could not be fetched.
fn of_source(case: &Case<'_>, source: &str) -> String {
    match &case.incident.condition {
        Condition::DeliveriesUnread => "LOOK IN ALL PORTALS now: gridbell reads no webhooks".to_owned(),
        Condition::KeyRefused { .. } => format!("REPLACE API KEY of {source}: {} refuses it", case.provider()),
        Condition::KeysRotated { .. } => format!("STORE NEW API KEY of {source}: {} rotated it", case.provider()),
        Condition::SourceDown { .. } => format!("WATCH PORTAL of {source}: its list of dispatches cannot be read"),
        Condition::UnknownEvent { .. } => format!("LOOK IN PORTAL of {source}: an event of an unknown type came"),
        Condition::DeadLetters { queue } => format!("READ DEAD LETTERS in {queue}: a function failed on them"),
        Condition::ChannelFailing { .. } => {
            format!("MEND ALERT CHANNEL {}: it takes no alerts", clip(&tame(&case.incident.about), MAX_WHY))
        }
        Condition::OutputFailing { output } => format!("MEND OUTPUT {}: it does not take signals", tame(output)),
        Condition::Quarantined { about: None, .. } => {
            format!("LOOK IN PORTAL of {source}: something it sent could not be read")
        }
        _ if !case.announces_dispatches() => format!("METER DATA of {source} is missing: {}", why(case)),
        _ if case.incident.subject().is_some() => format!("UNKNOWN DISPATCH of {source}: look in its portal now"),
        _ => format!("UNREAD WEBHOOK of {source}: look in its portal now"),
    }
}

/// `CURTAIL 55 kW at My Site +1 by 12:18 PST (in 9 min)`: the name is cut so that a phone shows the time left.
fn within(mark: &str, what: &str, need: &Need<'_>) -> String {
    let when = need.when();
    let taken = [mark, what, " at  ", when.as_str()].iter().map(|text| text.chars().count()).sum::<usize>();
    format!("{what} at {} {when}", need.place(AT_A_GLANCE.saturating_sub(taken).min(MAX_NAME)))
}

/// Why, in two or three words.
pub(super) fn why(case: &Case<'_>) -> &'static str {
    let is_unsent = case.record.is_some_and(|record| !record.outbox.is_empty());
    match &case.incident.condition {
        Condition::NotAcknowledged { .. } if is_unsent => "signal not sent",
        Condition::NotAcknowledged { .. } if case.has_acknowledgements() => "controller silent",
        Condition::NotAcknowledged { .. } => "signals not read",
        Condition::ControllerFailed { .. } => "controller failed",
        Condition::NoEnd { .. } => "no end stated",
        Condition::PartsUnsent { .. } => "signal incomplete",
        Condition::MissedDelivery { .. } => "no webhook came",
        Condition::NotCompliant { .. } if is_missed(case.record) => "target missed",
        Condition::NotCompliant { .. } => "end of ramp not reported",
        Condition::Failing { .. } if case.record.is_some() => "update not fetched",
        Condition::Failing { .. } => "not fetched",
        Condition::Quarantined { .. } => "a part is unreadable",
        Condition::GivenUp { .. } => "update given up",
        Condition::UnknownEvent { .. } => "unknown event",
        Condition::KeyRefused { .. } | Condition::KeysRotated { .. } => "API key",
        Condition::SourceDown { .. } => "list not read",
        Condition::DeliveriesUnread => "webhooks not read",
        Condition::DeadLetters { .. } => "dead letters",
        Condition::ChannelFailing { .. } => "channel fails",
        Condition::OutputFailing { .. } => "output failing",
    }
}

/// Whether the provider measured that a load target was missed.
pub(super) fn is_missed(record: Option<&SubjectRecord>) -> bool {
    let ramps = record.and_then(|record| record.state.ramps());
    let down = ramps.and_then(|ramps| ramps.down.as_ref());
    let said = down.and_then(|down| down.ended.as_ref().or(down.started.as_ref()));
    let is_awaited = record.and_then(SubjectRecord::awaited).is_some();
    !is_awaited && said.is_some_and(|said| said.compliant == Some(false))
}

/// What is true now that it is resolved.
fn resolved(case: &Case<'_>) -> String {
    let why = clip(&tame(&case.incident.detail), MAX_WHY);
    match case.need() {
        Some(need) if matches!(case.incident.condition, Condition::NoEnd { .. }) => {
            format!("Resolved: question about {}: {why}", need.asks(24))
        }
        Some(need) => {
            let now = match (need.phase, need.end) {
                (Phase::Ahead, _) => format!("starts {}", need.window()),
                (Phase::Running, Some(_)) => format!("runs {}", need.window()),
                (Phase::Running, None) => "runs, no end yet".to_owned(),
                (Phase::Over, _) => "over".to_owned(),
                (Phase::Withdrawn, _) => "cancelled".to_owned(),
            };
            format!("Resolved: {} {now}: {why}", need.asks(24))
        }
        None => format!("Resolved: {}: {why}", tame(case.incident.source())),
    }
}

/// Whether a deadline passed while gridbell could not send the mail.
pub(super) fn is_late(case: &Case<'_>, occasion: Occasion) -> bool {
    occasion != Occasion::Resolved && case.incident.detail.ends_with(LATE_WORDS)
}
