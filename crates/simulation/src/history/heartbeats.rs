//! Heartbeats: each names only versions that were sent, no test, and every dispatch that stays active.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Broken, Numbered,
    signals::{Signals, Stories, broken},
};

/// Within this time every index shows a signal that was sent, however wrong a clock is.
const SETTLES: SignedDuration = SignedDuration::from_mins(3);

impl Signals {
    /// Checks a heartbeat against the signals that the queue accepted before it.
    pub(super) fn heartbeat(&mut self, number: Numbered, data: &Value, stories: Stories<'_>) -> Result<(), Broken> {
        const SUBJECT: &str = "heartbeat";
        let instant = |name: &str| data[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let Some(at) = instant("at").zip(instant("next_by")).and_then(|(at, next_by)| (at < next_by).then_some(at))
        else {
            return broken("heartbeat-promises", SUBJECT, format!("{number} promises no later one: {data}"));
        };
        let mut named: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in data["active"].as_array().into_iter().flatten() {
            let subject = entry["subject"].as_str().unwrap_or_default();
            let sequence = entry["sequence"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
            let version = Numbered { sequence, ..number };
            let highest = self.highest.get(subject).copied().unwrap_or_default();
            let is_whole = highest > version || (highest == version && !self.begun.contains_key(subject));
            if sequence == 0 || !is_whole {
                let what = format!("the heartbeat {number} names {version}, and {highest} was sent last");
                return broken("heartbeat-names-what-was-sent", subject, what);
            }
            if stories.0.iter().any(|story| story.subject == subject && story.test.is_some()) {
                return broken("test-is-test", subject, format!("the heartbeat {number} names a test"));
            }
            named.insert(subject, sequence);
        }
        if data["more"].as_u64() != Some(0) {
            return Ok(());
        }
        for (subject, versions) in &self.published {
            let Some(last) = versions.last() else { continue };
            let is_on = last.status == "scheduled" && last.end.is_none_or(|end| end > at + SETTLES);
            let is_known = last.number.epoch == number.epoch && last.at < at - SETTLES;
            let is_test = stories.0.iter().any(|story| story.subject == *subject && story.test.is_some());
            let is_named = named.get(subject.as_str()).is_some_and(|sequence| *sequence >= last.number.sequence);
            if is_on && is_known && !is_test && !is_named {
                self.left_out.push((subject.clone(), last.number));
            }
        }
        Ok(())
    }

    /// At the end: a dispatch that no later version changed was active all the time, so a heartbeat must name it.
    pub(super) fn heartbeats_left_out(&self) -> Option<Broken> {
        let is_last = |(subject, number): &&(String, Numbered)| self.highest.get(subject) == Some(number);
        let (subject, number) = self.left_out.iter().find(is_last)?;
        Some(Broken::new("heartbeat-names-all", subject, format!("{number} was active, and a heartbeat left it out")))
    }
}
