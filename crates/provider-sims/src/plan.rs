//! Exercises by name, and what they are made of.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{ids::Ids, times};

/// One step of a story: the state that is published then, and the webhook that tells of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Act {
    pub(crate) at: Timestamp,
    /// For people.
    pub(crate) says: String,
    /// What the provider holds from then on.
    pub(crate) holds: Option<Value>,
    /// What it sends.
    pub(crate) sends: Option<Value>,
}

/// An exercise.
#[derive(Debug, Clone, Copy)]
pub struct Exercise {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for people: what happens, and what must come of it.
    pub title: &'static str,
    /// Whether it can only be understood by asking the provider's API.
    pub asks: bool,
    pub(crate) acts: fn(&mut ExerciseSetup<'_>) -> Vec<Act>,
}

/// What an exercise is made with. It is written at real speed.
#[derive(Debug)]
pub(crate) struct ExerciseSetup<'i> {
    pub(crate) now: Timestamp,
    pub(crate) ids: &'i mut Ids,
}

impl ExerciseSetup<'_> {
    /// The instant so many minutes from now; where time ends, now.
    pub(crate) fn at(&self, minutes: i64) -> Timestamp {
        self.now.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(self.now)
    }

    /// The same as text.
    pub(crate) fn text(&self, minutes: i64) -> String {
        self.at(minutes).to_string()
    }

    /// A step that holds and sends the same, so many minutes from now.
    pub(crate) fn tells(&self, minutes: i64, says: impl Into<String>, body: Value) -> Act {
        Act { at: self.at(minutes), says: says.into(), holds: Some(body.clone()), sends: Some(body) }
    }
}

/// Lets acts happen `speed` times sooner, with the instants that they tell of.
pub(crate) fn bring_nearer(acts: &mut [Act], now: Timestamp, speed: u32) {
    for act in acts {
        act.at = times::sooner(act.at, now, speed);
        for content in [&mut act.holds, &mut act.sends].into_iter().flatten() {
            times::bring_nearer(content, now, speed);
        }
    }
}
