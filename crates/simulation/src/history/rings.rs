//! Messages to channels besides mail: one for each incident, stage and channel; tests ring only where that is asked for;
//! the end is reported only to those who heard of the beginning.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{
    alerts::{Occasion, channels::ACKNOWLEDGED},
    conditions::Condition,
    incident::{Incident, IncidentStatus},
};
use serde_json::Value;

use super::{Broken, Circumstances, ProviderTimeline};

/// A stage of one occurrence of an incident on a channel.
type Stage = (String, String, String, String);

/// The messages so far.
#[derive(Debug, Default)]
pub(super) struct Rings {
    /// Which invocation sent it last.
    accepted: BTreeMap<Stage, u64>,
    /// Invocations that died, or one of whose calls failed or was repeated: their messages may be sent again.
    troubled: BTreeSet<u64>,
    /// Channel and incident whose people know of it and not of its end.
    notified: BTreeSet<(String, String)>,
}

/// An accepted message.
pub(super) struct Accepted<'a> {
    pub(super) channel: &'a str,
    pub(super) invocation: u64,
    /// The message, as a webhook gets it.
    pub(super) body: &'a Value,
}

impl Rings {
    pub(super) fn trouble(&mut self, invocation: Option<u64>) {
        self.troubled.extend(invocation);
    }

    /// Checks an accepted message.
    pub(super) fn takes(
        &mut self,
        accepted: &Accepted<'_>,
        stories: &[ProviderTimeline],
        circumstances: &Circumstances,
    ) -> Option<Broken> {
        let text = accepted.body["text"].as_str().unwrap_or_default();
        if text.is_empty() || text.chars().count() > 140 {
            return Some(Broken::new(
                "one-ring-per-stage",
                accepted.channel,
                format!("{text:?} is no line for a phone"),
            ));
        }
        let reports = accepted.body["alerts"].as_array().cloned().unwrap_or_default();
        reports
            .iter()
            .find_map(|report| of_tests(report, stories, circumstances).or_else(|| self.stages(accepted, report)))
    }

    fn stages(&mut self, Accepted { channel, invocation, .. }: &Accepted<'_>, report: &Value) -> Option<Broken> {
        let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
        let (incident, occurrence) = (text("incident"), text("occurrence"));
        let people = ((*channel).to_owned(), incident.clone());
        match report["state"].as_str() {
            Some("resolved") if !self.notified.remove(&people) && self.troubled.is_empty() => {
                let what = format!("{channel} heard only that it is resolved");
                return Some(Broken::new("resolved-to-the-notified", &incident, what));
            }
            Some("firing") => _ = self.notified.insert(people),
            _ => {}
        }
        for stage in report["stages"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let key = ((*channel).to_owned(), incident.clone(), occurrence.clone(), stage.to_owned());
            let Some(before) = self.accepted.insert(key, *invocation) else { continue };
            if !self.troubled.contains(&before) && !self.troubled.contains(invocation) {
                let what = format!("{channel} got the stage {stage:?} from the invocations {before} and {invocation}");
                return Some(Broken::new("one-ring-per-stage", &incident, what));
            }
        }
        None
    }
}

/// Tests ring only if that is asked for. A channel that rang before it was known to be a test hears that it is over.
fn of_tests(report: &Value, stories: &[ProviderTimeline], circumstances: &Circumstances) -> Option<Broken> {
    // `resolved-to-the-notified` checks these.
    if matches!(report["state"].as_str(), Some("resolved" | "acknowledged")) {
        return None;
    }
    // Null: its record cannot be read.
    let said = report["test"].as_bool()?;
    let about = report["dispatch"]["key"].as_str();
    let story = stories.iter().find(|story| Some(story.subject.as_str()) == about);
    let is_test = said || story.is_some_and(|story| story.test.is_some());
    let what = || format!("test: {said}, in truth {:?}", story.map(|story| &story.test));
    (is_test && !circumstances.ring_tests)
        .then(|| Broken::new("tests-do-not-ring", report["incident"].as_str().unwrap_or_default(), what()))
}

/// Checks a written incident: what must ring waits or was sent, and nothing else waits.
pub(super) fn written(
    before: Option<&Incident>,
    row: &Incident,
    stories: &[ProviderTimeline],
    circumstances: &Circumstances,
) -> Option<Broken> {
    let rings = row.status == IncidentStatus::Open && !row.is_snoozed(row.last_at);
    for log in &row.channels {
        let waits = |stage: &String| log.waiting.as_ref().is_some_and(|ring| ring.stages.contains(stage));
        let old = before.and_then(|row| row.channels.iter().find(|old| old.channel == log.channel));
        let waited = old.and_then(|old| old.waiting.as_ref()).map(|ring| ring.stages.clone()).unwrap_or_default();
        // What became a test after it was planned is dropped.
        let must_ring = rings && !may_be_test(row, stories);
        if let Some(lost) = waited.iter().find(|stage| must_ring && !waits(stage) && !log.sent.contains_key(*stage)) {
            let what = format!("{} never gets the stage {lost:?}", log.channel);
            return Some(Broken::new("ring-arrives", &row.incident, what));
        }
        let fresh = log.waiting.iter().flat_map(|ring| &ring.stages).filter(|stage| !waited.contains(stage));
        let is_noisy = |stage: &&String| row.status == IncidentStatus::Acknowledged && stage.as_str() != ACKNOWLEDGED;
        if let Some(stage) = fresh.into_iter().find(is_noisy) {
            let what = format!("it is acknowledged, and {} is to get {stage:?}", log.channel);
            return Some(Broken::new("acknowledged-is-quiet", &row.incident, what));
        }
    }
    let waited = before.and_then(|row| row.waiting.as_ref());
    let is_new = |stage: &&String| !waited.is_some_and(|waited| waited.stages.iter().any(|news| news.stage == **stage));
    let stages = row.waiting.iter().flat_map(|waiting| waiting.stages.iter().map(|news| &news.stage)).filter(is_new);
    let loud = stages.filter(|stage| !matches!(Occasion::of(stage), Occasion::Reminder(_) | Occasion::Resolved));
    let loud: Vec<&String> = loud.collect();
    if loud.is_empty() || !rings || may_be_test(row, stories) {
        return None;
    }
    let without = usize::from(matches!(&row.condition, Condition::ChannelFailing { channel } if channel != "mail"));
    let has = |stage: &&String| {
        let told = row.channels.iter().filter(|log| {
            log.sent.contains_key(*stage) || log.waiting.as_ref().is_some_and(|ring| ring.stages.contains(*stage))
        });
        told.count() + without >= circumstances.channels
    };
    let silent = loud.into_iter().find(|stage| !has(stage))?;
    Some(Broken::new(
        "ring-arrives",
        &row.incident,
        format!("the stage {silent:?} is mailed and does not ring everywhere"),
    ))
}

fn may_be_test(row: &Incident, stories: &[ProviderTimeline]) -> bool {
    let about = row.subject();
    let story = stories.iter().find(|story| about.as_ref().is_some_and(|about| about.as_str() == story.subject));
    row.source().contains("sandbox") || story.is_some_and(|story| story.test.is_some())
}
