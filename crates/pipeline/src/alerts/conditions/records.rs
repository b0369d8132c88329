//! Conditions that depend on the subject's record alone.

use dispatch::{Measured, Status};
use jiff::{SignedDuration, Timestamp};

use super::{Firing, QUIET, StageReport, Verdict};
use crate::{
    dispatches::{
        open_end::{self, EVERY},
        ramping::MARGIN,
        record::SubjectRecord,
    },
    polling::state::GRACE,
};

/// A version whose parts are not all sent after this long is an incident: its consumer cannot act on any of it.
const INCOMPLETE_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Not all parts of a version could be sent.
pub(super) fn parts_unsent(record: Option<&SubjectRecord>, now: Timestamp) -> Verdict {
    let Some(record) = record.filter(|record| record.outbox.iter().any(|signal| signal.part.is_some())) else {
        return Verdict::resolved(now, "all parts of its signal are sent");
    };
    let since = record.changed_at + INCOMPLETE_AFTER;
    if now < since {
        return Verdict::Undecided;
    }
    let detail = "its signal has several parts, and not all of them could be sent yet: no consumer can act on it";
    Verdict::firing(since, record.subject.as_str(), detail)
}

/// The provider has stated no end for a day. Each further day is another stage.
pub(super) fn no_end(record: Option<&SubjectRecord>, now: Timestamp) -> Verdict {
    let published = record.and_then(|record| record.state.published());
    let (Some(record), Some((status, terms))) = (record, published) else {
        return Verdict::resolved(now, "the dispatch is not known any more");
    };
    let Some(ask_from) = record.open_end.filter(|_| open_end::is_open(status, &terms)) else {
        let why = if status == Status::Scheduled {
            "the provider states its end now"
        } else {
            "the dispatch is no longer active"
        };
        return Verdict::resolved(now, why);
    };
    if now < ask_from {
        return Verdict::resolved(now, format!("the next question is due at {ask_from:.0}"));
    }
    let day = now.duration_since(ask_from).as_secs() / EVERY.as_secs() + 1;
    let (start, hours) = (terms.start, now.duration_since(terms.start).as_hours());
    let detail = format!(
        "it has been active since {start:.0}, for {hours} hours, and the provider has never stated an end; the controller goes \
         on curtailing until an end comes"
    );
    let about = format!("{} has no end: is it still on?", record.subject);
    Verdict::Firing(Firing::new(ask_from, about, detail).staged(format!("day {day}")))
}

/// A poll found changes that no webhook has announced since.
pub(super) fn missed_delivery(record: Option<&SubjectRecord>, now: Timestamp) -> Verdict {
    let Some((record, missed)) = record.and_then(|record| Some((record, record.missed.as_ref()?))) else {
        return Verdict::resolved(now, "a webhook of this dispatch came after all");
    };
    let news = missed.iter().filter(|change| change.found_at + GRACE <= now);
    let news: Vec<StageReport> = news
        .map(|change| StageReport {
            stage: change.what.clone(),
            about: record.subject.to_string(),
            detail: format!(
                "polling found at {:.0} what no webhook has announced since: {}",
                change.found_at, change.what
            ),
        })
        .collect();
    let Some((since, latest)) = missed.first().zip(missed.last()).map(|(a, b)| (a.found_at + GRACE, b.found_at)) else {
        return Verdict::resolved(now, "a webhook of this dispatch came after all");
    };
    if now.duration_since(latest) > QUIET {
        return Verdict::resolved(now, "nothing more was missed for a day");
    }
    if news.is_empty() { Verdict::Undecided } else { Verdict::Firing(Firing { since, news }) }
}

/// A load target is missed, was replaced before it was reached, or the end of its ramp is overdue.
pub(super) fn not_compliant(record: Option<&SubjectRecord>, now: Timestamp) -> Verdict {
    let Some((record, ramps)) = record.and_then(|record| Some((record, record.state.ramps()?))) else {
        return Verdict::resolved(now, "the load target is not known any more");
    };
    let is_recent = |at: Timestamp| at <= now && now.duration_since(at) < QUIET;
    let mut news = Vec::new();
    let mut since = Timestamp::MAX;
    let mut add = |at: Timestamp, stage: &str, detail: String| {
        since = since.min(at);
        news.push(StageReport { stage: stage.to_owned(), about: record.subject.to_string(), detail });
    };
    let missed = |said: &Measured| said.compliant == Some(false) && is_recent(said.heard_at);
    let lifted = |start: Timestamp| ramps.up.as_ref().is_some_and(|up| up.start >= start);
    if let Some((down, said)) = ramps.down.as_ref().and_then(|down| Some((down, down.ended.as_ref()?)))
        && missed(said)
        && !lifted(down.start)
        && said.end.is_none_or(|end| end > now)
    {
        add(said.heard_at, "target missed", said.in_words());
    }
    if let Some(replaced) = record.ramping.replaced.as_ref().filter(|replaced| is_recent(replaced.at.min(now)))
        && let Some((_, ramp, said)) = ramps.running().find(|(_, ramp, _)| ramp.start == replaced.start)
        && said.compliant == Some(false)
        && replaced.at.duration_since(ramp.start) >= MARGIN
        && is_recent(replaced.noted_at)
    {
        let (by, at) = (&replaced.by, replaced.at);
        let words = said.in_words();
        let detail = format!("replaced by {by} at {at:.0}, before it was reported as reached; at its start {words}");
        add(replaced.noted_at, "replaced", detail);
    }
    if let Some(awaited) = record.awaited().filter(|awaited| is_recent(awaited.at)) {
        add(awaited.at, super::FIRST_STAGE, awaited.detail());
    }
    if news.is_empty() {
        Verdict::resolved(now, why_compliant(record))
    } else {
        Verdict::Firing(Firing { since, news })
    }
}

/// Why the load target is no longer monitored.
fn why_compliant(record: &SubjectRecord) -> String {
    let Some(ramps) = record.state.ramps() else { return String::new() };
    let ended = [&ramps.down, &ramps.up].into_iter().flatten().filter_map(|ramp| ramp.ended.as_ref());
    let end = ended.max_by_key(|end| end.heard_at);
    let replaced = record.ramping.replaced.as_ref();
    if let Some(replaced) = replaced.filter(|replaced| end.is_none_or(|end| end.heard_at <= replaced.noted_at)) {
        return format!("it was replaced by {}", replaced.by);
    }
    match end {
        Some(end) => format!("its end was reported at {:.0}: {}", end.heard_at, end.in_words()),
        None if ramps.running().count() > 0 => "nothing more was heard of it for a day".to_owned(),
        None => "no ramp is awaited any more".to_owned(),
    }
}
