//! Exercises and their acts.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{ids::Ids, times};

/// A step of an exercise: the state published then, and its webhook.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Act {
    pub(crate) at: Timestamp,
    /// A description for people.
    pub(crate) says: String,
    /// The state that the provider stores.
    pub(crate) holds: Option<Value>,
    /// The webhook that it sends.
    pub(crate) sends: Option<Value>,
}

/// An exercise.
#[derive(Debug, Clone, Copy)]
pub struct Exercise {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for people: what happens, and the expected result.
    pub title: &'static str,
    /// Whether gridbell must call the provider's API to understand the webhook.
    pub asks: bool,
    pub(crate) acts: fn(&mut ExerciseSetup<'_>) -> Vec<Act>,
}

/// The inputs of an exercise, at real speed.
#[derive(Debug)]
pub(crate) struct ExerciseSetup<'i> {
    pub(crate) now: Timestamp,
    pub(crate) ids: &'i mut Ids,
}

impl ExerciseSetup<'_> {
    /// The instant so many minutes from now; now, if that is out of range.
    pub(crate) fn at(&self, minutes: i64) -> Timestamp {
        self.now.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(self.now)
    }

    /// The same as text.
    pub(crate) fn text(&self, minutes: i64) -> String {
        self.at(minutes).to_string()
    }

    /// A step that stores and sends the same body, so many minutes from now.
    pub(crate) fn publishes(&self, minutes: i64, says: impl Into<String>, body: Value) -> Act {
        Act { at: self.at(minutes), says: says.into(), holds: Some(body.clone()), sends: Some(body) }
    }
}

/// Divides the times of the acts, and the times in them, by `speed`.
pub(crate) fn bring_nearer(acts: &mut [Act], now: Timestamp, speed: u32) {
    for act in acts {
        act.at = times::sooner(act.at, now, speed);
        for content in [&mut act.holds, &mut act.sends].into_iter().flatten() {
            times::bring_nearer(content, now, speed);
        }
    }
}
