//! Load targets (NvGrid): whether the end of a ramp is reported in time, and whether another target replaced it.

use dispatch::{Measured, PowerEventKind, Ramp, Subject};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::dispatches::{
    record::SubjectRecord,
    timeline::{Event, TimelineEvent},
};

/// How long after its target's stated end, or after its start was received, whichever is later, the end of a ramp may
/// be reported. Also how long a ramping load target may be not compliant.
pub const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// A start that is received this long after its stated end is history: no action is possible, and its end is not
/// awaited.
const HISTORY: SignedDuration = SignedDuration::from_hours(1);

/// What happened to a load target besides its events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramping {
    /// Another target replaced it before its ramp was reported as ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
}

/// How a target was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// When its ramp started; a later ramp of the same correlation is not replaced.
    pub start: Timestamp,
    /// The target that replaced it.
    pub by: Subject,
    /// When that target starts.
    pub at: Timestamp,
    /// When this was stored.
    pub noted_at: Timestamp,
}

/// A ramp whose end is awaited.
#[derive(Debug, Clone, Copy)]
pub struct Awaited<'a> {
    /// Its start event.
    pub kind: PowerEventKind,
    /// The ramp.
    pub ramp: &'a Ramp,
    /// The content of its start event.
    pub said: &'a Measured,
    /// When it is overdue.
    pub at: Timestamp,
}

impl SubjectRecord {
    /// The ramp whose end is overdue next; none if no end is awaited.
    pub fn awaited(&self) -> Option<Awaited<'_>> {
        let replaced = self.ramping.replaced.as_ref().map(|replaced| replaced.start);
        let running =
            self.state.ramps()?.running().filter(|(_, ramp, _)| replaced.is_none_or(|start| ramp.start > start));
        let awaited = running.filter_map(|(kind, ramp, said)| {
            let end = said.end.filter(|end| said.heard_at.duration_since(*end) < HISTORY)?;
            Some(Awaited { kind, ramp, said, at: end.max(said.heard_at) + MARGIN })
        });
        awaited.min_by_key(|awaited| awaited.at)
    }

    /// Stores that another target replaced this one, unless its ramp was reported as ended. Its end is then no longer
    /// awaited.
    pub(crate) fn replace(&mut self, by: &Subject, at: Timestamp, event: impl FnOnce(Event) -> TimelineEvent) {
        let Some(own) = self.state.ramps().and_then(dispatch::Ramps::ramp_start).filter(|own| own.running) else {
            return;
        };
        if self.ramping.replaced.as_ref().is_some_and(|replaced| replaced.start >= own.start) {
            return;
        }
        let event = event(Event::ReplacedBy { subject: by.clone() });
        self.ramping.replaced = Some(Replaced { start: own.start, by: by.clone(), at, noted_at: event.at });
        self.changed_at = self.changed_at.max(event.at);
        self.due = self.awaited().map(|awaited| awaited.at);
        self.history.push(event);
    }
}

impl Awaited<'_> {
    /// Describes that its end is not reported in time.
    pub(crate) fn detail(&self) -> String {
        format!(
            "{} of {:.0} did not report its end by {:.0}; at its start {}",
            self.kind.as_str(),
            self.ramp.start,
            self.at,
            self.said.in_words()
        )
    }
}
