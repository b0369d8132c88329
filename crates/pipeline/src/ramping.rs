//! Load targets (NvGrid): whether a ramp is told of as ended in time, and whether another target was set over it.

use dispatch::{Measured, PowerEventKind, Ramp, Ramps, Subject};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    incident::{Kind, Notice},
    record::{Due, Entry, Record},
};

/// How long after its target's stated end a ramp may take to be told of as ended, or after its start was heard of, whichever is
/// later. Not to comply for this long while ramping is normal, too.
pub const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// A start that is heard of so long after its stated end is history: nobody can act on it any more, and its end is not awaited.
const HISTORY: SignedDuration = SignedDuration::from_hours(1);

/// What became of a load target beside what its events say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramping {
    /// Another target was set over it before its ramp was told of as ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
    /// A person was told that the end of the ramp that starts then was not told of in time, and not yet that it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue: Option<Timestamp>,
}

/// A target that another took the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// When its ramp started; a later ramp of the same correlation is another matter.
    pub start: Timestamp,
    /// Which target took its place.
    pub by: Subject,
    /// When that one starts.
    pub at: Timestamp,
}

/// A ramp whose end is awaited.
#[derive(Debug, Clone, Copy)]
pub struct Awaited<'a> {
    /// Its start event.
    pub kind: PowerEventKind,
    /// It.
    pub ramp: &'a Ramp,
    /// What its start event said.
    pub said: &'a Measured,
    /// When it is overdue.
    pub at: Timestamp,
}

impl Record {
    /// The ramp whose end is overdue next; none where none is awaited, and of those that a person was told of.
    pub fn awaited(&self) -> Option<Awaited<'_>> {
        let replaced = self.ramping.replaced.as_ref().map(|replaced| replaced.start);
        let settled = self.ramping.overdue.max(replaced);
        let running =
            self.state.ramps()?.running().filter(|(_, ramp, _)| settled.is_none_or(|start| ramp.start > start));
        let awaited = running.filter_map(|(kind, ramp, said)| {
            let end = said.end.filter(|end| said.heard_at.duration_since(*end) < HISTORY)?;
            Some(Awaited { kind, ramp, said, at: end.max(said.heard_at) + MARGIN })
        });
        awaited.min_by_key(|awaited| awaited.at)
    }

    /// The same as a deadline.
    pub(crate) fn ramp_due(&self) -> Option<Due> {
        self.awaited().map(|awaited| Due { at: awaited.at, told: 0, telling: false, told_at: None })
    }

    /// Notes that another target took this one's place, where its ramp was not told of as ended; nothing is awaited of it then.
    /// What a person has to be told of that: a target that was measured not to be met, and had time to.
    pub(crate) fn replace(
        &mut self,
        by: &Subject,
        at: Timestamp,
        entry: impl FnOnce(String) -> Entry,
    ) -> Option<Notice> {
        let own = self.state.ramps()?.onset().filter(|own| own.running)?;
        if self.ramping.replaced.as_ref().is_some_and(|replaced| replaced.start >= own.start) {
            return None;
        }
        self.ramping.replaced = Some(Replaced { start: own.start, by: by.clone(), at });
        self.due = self.ramp_due();
        let entry = entry(format!("replaced by {by}"));
        let now = entry.at;
        self.history.push(entry);
        let (_, _, said) = self.state.ramps()?.running().find(|(_, ramp, _)| ramp.start == own.start)?;
        if said.compliant != Some(false) || at.duration_since(own.start) < MARGIN {
            return None;
        }
        let detail =
            format!("replaced by {by} at {at:.0}, before it was told of as reached; at its start {}", said.in_words());
        let about = self.subject.to_string();
        let notice = Notice::happens(Kind::NotCompliant, &self.origin.source, about.clone(), now, detail);
        Some(notice.mailed_as(&format!("{about} replaced")))
    }

    /// That the ramp which a person was told of is no longer overdue, where it is not; from then on it is forgotten.
    pub(crate) fn no_longer_overdue(&mut self, now: Timestamp) -> Option<Notice> {
        let told = self.ramping.overdue?;
        let replaced = self.ramping.replaced.as_ref();
        let why = match replaced {
            Some(replaced) if replaced.start >= told => format!("it was replaced by {}", replaced.by),
            _ => ended_late(self.state.ramps()?, told, replaced.map(|replaced| replaced.start))?,
        };
        self.ramping.overdue = None;
        let subject = self.subject.as_str();
        Some(Notice::over(Kind::NotCompliant, &self.origin.source, subject, now, why))
    }
}

/// Why the ramp that starts then is not awaited any more; none where it is, or an earlier one that was not replaced.
fn ended_late(ramps: &Ramps, start: Timestamp, replaced: Option<Timestamp>) -> Option<String> {
    if ramps.running().any(|(_, ramp, _)| ramp.start <= start && Some(ramp.start) > replaced) {
        return None;
    }
    let ramp = [&ramps.down, &ramps.up].into_iter().flatten().find(|ramp| ramp.start == start);
    Some(match ramp.and_then(|ramp| ramp.ended.as_ref()) {
        Some(end) => format!("its end was told of at {:.0}: {}", end.heard_at, end.in_words()),
        None => "another ramp of the same correlation followed; its end was never told of".to_owned(),
    })
}

impl Awaited<'_> {
    /// That its end was not told of in time.
    pub(crate) fn notice(&self, record: &Record, now: Timestamp) -> Notice {
        let detail = format!(
            "{} of {:.0} did not report its end by {:.0}; at its start {}",
            self.kind.as_str(),
            self.ramp.start,
            self.at,
            self.said.in_words()
        );
        let about = record.subject.to_string();
        Notice::happens(Kind::NotCompliant, &record.origin.source, about.clone(), now, detail)
            .gathered_by(about)
            .until_over()
    }
}
