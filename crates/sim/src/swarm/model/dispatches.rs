//! Dispatches as their provider knows them: versions over time, and how each is written on the wire.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::Seed;

/// Whose dispatch it is, and what is particular to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Thin webhooks; with or without `modification_number`.
    Voltus { numbered: bool },
    /// Fat notifications; an integration test is not known to the search.
    Leap { searched: bool },
}

/// One version of a dispatch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    /// Since when it holds.
    pub(crate) at: Timestamp,
    pub(crate) authorized: bool,
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
    /// Site or meter → kilowatts.
    pub(crate) targets: Vec<(String, u64)>,
    /// What changes and concerns no controller.
    pub(crate) note: u64,
}

impl Said {
    pub(crate) fn watts(&self) -> u64 {
        self.targets.iter().map(|(_, kw)| kw * 1_000).sum()
    }

    /// Whether a controller would act the same on both.
    pub(crate) fn asks_the_same(&self, other: &Self) -> bool {
        let acts = |said: &Self| (said.authorized, said.start, said.end, said.targets.clone());
        acts(self) == acts(other)
    }
}

/// A dispatch, from its creation to its end.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) source: &'static str,
    pub(crate) provider: Provider,
    pub(crate) id: String,
    pub(crate) subject: String,
    /// `test_reason`, where it is a test.
    pub(crate) test: Option<&'static str>,
    pub(crate) versions: Vec<Said>,
}

impl Story {
    pub(crate) fn rename(&mut self, id: &str) {
        id.clone_into(&mut self.id);
        self.subject = format!("{}/{id}", self.source);
    }

    /// The version that holds at that instant.
    pub(crate) fn current(&self, at: Timestamp) -> Option<usize> {
        self.versions.iter().rposition(|said| said.at <= at)
    }

    /// The webhook that tells of a version.
    pub(crate) fn webhook(&self, version: usize) -> String {
        match self.provider {
            Provider::Voltus { .. } => {
                let event = if version == 0 { "dispatch.create" } else { "dispatch.update" };
                let resource = format!("/2022-04-15/dispatches/{}", self.id);
                json!({ "event": { "name": event }, "resource": resource }).to_string()
            }
            Provider::Leap { .. } => json!({
                "integration_test_notification": self.test == Some("integration"),
                "communication_test": self.test == Some("communication"),
                "meter_dispatches": self.meters(version),
            })
            .to_string(),
        }
    }

    /// What the API says of a version.
    pub(crate) fn answer(&self, version: usize, id: &str) -> Value {
        match self.provider {
            Provider::Voltus { numbered } => {
                let said = &self.versions[version];
                let mut answer = json!({
                    "id": id, "authorized": said.authorized, "test": self.test == Some("self"),
                    "start_time": said.start, "metadata": { "note": said.note },
                    "program": { "id": 7, "name": "A Program", "timezone": "PST", "market": "CAISO", "program_type": "capacity" },
                    "sites": said.targets.iter().map(|(site, kw)| json!({
                        "id": site, "name": "A Site", "customer_location_id": "loc", "commitment": kw, "drop_by": null,
                    })).collect::<Vec<_>>(),
                });
                if let Some(end) = said.end {
                    answer["end_time"] = json!(end);
                }
                if numbered {
                    answer["modification_number"] = json!(version);
                }
                answer
            }
            Provider::Leap { .. } => json!({ "meter_dispatches": self.meters(version), "next_page_token": null }),
        }
    }

    fn meters(&self, version: usize) -> Vec<Value> {
        let said = &self.versions[version];
        let slot = |kw: u64| {
            json!({
                "meter_event_id": self.id, "start_time": said.start, "end_time": said.end, "cancelled": !said.authorized,
                "energy_kw": kw, "performance_compensation_cap": "up-to-site-load", "priority": 1, "is_voluntary": false,
                "communication_test": self.test == Some("communication"), "dispatch_event_types": ["day-ahead"],
                "programs": ["DRAM"], "nomination_kw": said.note,
            })
        };
        said.targets.iter().map(|(meter, kw)| json!({ "meter_id": meter, "timeslots": [slot(*kw)] })).collect()
    }
}

fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))
}

/// A dispatch that the seed makes up.
pub(crate) fn dispatch_story(chance: &mut Seed, number: usize, begins_at: Timestamp) -> Story {
    let (source, provider, test) = match chance.up_to(9) {
        0..=2 => ("voltus-prod", Provider::Voltus { numbered: true }, None),
        3 => ("voltus-prod", Provider::Voltus { numbered: false }, None),
        4 => ("voltus-prod", Provider::Voltus { numbered: true }, Some("self")),
        5 => ("voltus-sandbox", Provider::Voltus { numbered: true }, Some("sandbox")),
        6..=7 => ("leap-prod", Provider::Leap { searched: true }, None),
        8 => ("leap-prod", Provider::Leap { searched: true }, Some("communication")),
        _ => ("leap-prod", Provider::Leap { searched: false }, Some("integration")),
    };
    let id = format!("{}{number}", if matches!(provider, Provider::Voltus { .. }) { "v" } else { "e-" });
    let at = begins_at + seconds(chance.up_to(600));
    let start = at + SignedDuration::from_secs([-60, 30, 300, 900, 2_400][chance.place(5)]);
    let end = [None, Some(600), Some(3_600)][chance.place(3)].map(|length| start + seconds(length));
    let targets = (0..=chance.place(2)).map(|site| (format!("site-{site}"), 1 + chance.up_to(9))).collect();
    let first = Said { at, authorized: true, start, end: end.filter(|end| *end > at), targets, note: 1 };
    let mut story = Story { source, provider, subject: format!("{source}/{id}"), id, test, versions: vec![first] };
    for _ in 0..chance.up_to(4) {
        let Some(last) = story.versions.last() else { break };
        let gap = [1, 3, 20, 120, 400][chance.place(5)];
        let next = changed(chance, &story.versions, Said { at: last.at + seconds(gap), ..last.clone() });
        story.versions.push(next);
    }
    story
}

/// What a provider does to a dispatch next.
fn changed(chance: &mut Seed, before: &[Said], mut next: Said) -> Said {
    next.note += 1;
    if !next.authorized {
        // A cancelled one is left alone, or called anew.
        next.authorized = chance.up_to(1) == 1;
        return next;
    }
    match chance.up_to(9) {
        0..=1 => next.targets.iter_mut().for_each(|(_, kw)| *kw += 1 + chance.up_to(5)),
        2 => next.start += seconds(60 * (1 + chance.up_to(10))),
        3 => next.end = Some(next.start.max(next.at) + seconds(1_800)),
        4 => next.end = Some(next.at),
        5..=6 => next.authorized = false,
        7..=8 if before.len() > 1 => {
            // A genuine revert: it asks for what it asked for before.
            let earlier = &before[chance.place(before.len() - 1)];
            next = Said { at: next.at, note: next.note, ..earlier.clone() };
        }
        _ => {}
    }
    if next.end.is_some_and(|end| end <= next.start) && next.end != Some(next.at) {
        next.end = None;
    }
    next
}
