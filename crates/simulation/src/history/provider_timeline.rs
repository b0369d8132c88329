//! What the providers state: dispatches, versions over time, how each is written on the wire; and what happens once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Name;

/// Whose dispatch it is, and what is particular to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Thin webhooks; with or without `modification_number`.
    Voltus {
        /// Whether answers carry `modification_number`.
        numbered: bool,
    },
    /// Fat notifications; an integration test is not known to the search.
    Leap {
        /// Whether the search knows it.
        searched: bool,
    },
}

/// One version of a dispatch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Since when it holds.
    pub at: Timestamp,
    /// Not withdrawn.
    pub authorized: bool,
    /// When it starts.
    pub start: Timestamp,
    /// When it ends, where that is known.
    pub end: Option<Timestamp>,
    /// Site or meter → kilowatts.
    pub targets: Vec<(String, u64)>,
    /// What changes and concerns no controller.
    pub note: u64,
}

impl Said {
    /// What is asked of all targets together.
    pub fn watts(&self) -> u64 {
        self.targets.iter().map(|(_, kw)| kw * 1_000).sum()
    }

    /// The end, where it is after the start: what is called off before it begins has none that can be told.
    pub fn possible_end(&self) -> Option<Timestamp> {
        self.end.filter(|end| *end > self.start)
    }

    /// Whether a controller would act the same on both, as long as neither is called off.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let acts = |said: &Self| (said.authorized, said.start, said.possible_end(), said.targets.clone());
        acts(self) == acts(other)
    }
}

/// What is odd about the way in which a provider writes a dispatch. It concerns no controller: what is published is the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// Nothing.
    #[default]
    None,
    /// Half of a surrogate pair in a name.
    HalfPair,
    /// A number where a text belongs, or neither true nor false where one of them does.
    OtherType,
    /// A detail that is nested without end.
    Deep,
    /// An end that is not known is a time that was never set.
    UnsetEnd,
    /// An end that is not known is the year 9999.
    EndIn9999,
}

impl Oddity {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::None, Self::HalfPair, Self::OtherType, Self::Deep, Self::UnsetEnd, Self::EndIn9999];

    fn end(self, end: Option<Timestamp>) -> Value {
        match (self, end) {
            (Self::UnsetEnd, None) => json!("0001-01-01T00:00:00Z"),
            (Self::EndIn9999, None) => json!("9999-12-31T23:59:59Z"),
            (_, end) => json!(end),
        }
    }

    fn voltus(self, answer: &mut Value) {
        match self {
            Self::HalfPair => answer["sites"][0]["name"] = json!(format!("A Site {HALF}")),
            Self::OtherType => answer["program"]["market"] = json!(7),
            Self::Deep => answer["metadata"]["deep"] = json!(NESTED),
            Self::None | Self::UnsetEnd | Self::EndIn9999 => {}
        }
    }

    fn leap(self, slot: &mut Value) {
        match self {
            Self::HalfPair => slot["programs"] = json!(["DRAM", format!("ELRP {HALF}")]),
            Self::OtherType => slot["is_voluntary"] = json!("perhaps"),
            Self::Deep => slot["deep"] = json!(NESTED),
            Self::None | Self::UnsetEnd | Self::EndIn9999 => {}
        }
    }
}

/// Stand for what no JSON value can hold.
const HALF: &str = "<half>";
const NESTED: &str = "<nested>";

/// What a provider's server writes.
pub(crate) fn wire(body: &Value) -> String {
    let (open, close) = ("[".repeat(300), "]".repeat(300));
    let text = body.to_string().replace(HALF, "\\ud83d");
    if text.contains(NESTED) { text.replace(&format!("\"{NESTED}\""), &format!("{open}{close}")) } else { text }
}

/// A dispatch, from its creation to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderTimeline {
    /// The source that its webhooks come to.
    pub source: Name,
    /// Whose it is.
    pub provider: Provider,
    /// The provider's own id.
    pub id: String,
    /// What its signals are about: `<source>/<id>`.
    pub subject: String,
    /// `test_reason`, where it is a test.
    pub test: Option<Name>,
    /// The first tells of it, each later one changes it.
    pub versions: Vec<Said>,
    /// How its provider writes it.
    #[serde(default)]
    pub oddity: Oddity,
}

impl ProviderTimeline {
    /// Gives it another id.
    pub fn rename(&mut self, id: &str) {
        id.clone_into(&mut self.id);
        self.subject = format!("{}/{id}", self.source);
    }

    /// Whether its provider's list shows it.
    pub(crate) fn is_listed(&self) -> bool {
        self.provider != (Provider::Leap { searched: false })
    }

    /// The version that holds at that instant.
    pub fn current(&self, at: Timestamp) -> Option<usize> {
        self.versions.iter().rposition(|said| said.at <= at)
    }

    /// The webhook that tells of a version.
    pub fn webhook(&self, version: usize) -> String {
        match self.provider {
            Provider::Voltus { .. } => {
                let event = if version == 0 { "dispatch.create" } else { "dispatch.update" };
                let resource = format!("/2022-04-15/dispatches/{}", self.id);
                json!({ "event": { "name": event }, "resource": resource }).to_string()
            }
            Provider::Leap { .. } => wire(&json!({
                "integration_test_notification": self.test.as_deref() == Some("integration"),
                "communication_test": self.test.as_deref() == Some("communication"),
                "meter_dispatches": self.meters(version),
            })),
        }
    }

    /// What the API says of a version.
    pub fn answer(&self, version: usize, id: &str) -> Value {
        match self.provider {
            Provider::Voltus { numbered } => {
                let said = &self.versions[version];
                let mut answer = json!({
                    "id": id, "authorized": said.authorized, "test": self.test.as_deref() == Some("self"),
                    "start_time": said.start, "metadata": { "note": said.note },
                    "program": { "id": 7, "name": "A Program", "timezone": "PST", "market": "CAISO", "program_type": "capacity" },
                    "sites": said.targets.iter().map(|(site, kw)| json!({
                        "id": site, "name": "A Site", "customer_location_id": "loc", "commitment": kw, "drop_by": null,
                    })).collect::<Vec<_>>(),
                });
                let end = self.oddity.end(said.end);
                if !end.is_null() {
                    answer["end_time"] = end;
                }
                self.oddity.voltus(&mut answer);
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
            let mut slot = json!({
                "meter_event_id": self.id, "start_time": said.start, "end_time": self.oddity.end(said.end), "cancelled": !said.authorized,
                "energy_kw": kw, "performance_compensation_cap": "up-to-site-load", "priority": 1, "is_voluntary": false,
                "communication_test": self.test.as_deref() == Some("communication"), "dispatch_event_types": ["day-ahead"],
                "programs": ["DRAM"], "nomination_kw": said.note,
            });
            self.oddity.leap(&mut slot);
            slot
        };
        said.targets.iter().map(|(meter, kw)| json!({ "meter_id": meter, "timeslots": [slot(*kw)] })).collect()
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// The webhook.
    pub body: String,
    /// The signals that it stands for: subject, type, and what its `data` must hold.
    pub signals: Vec<(String, String, Value)>,
    /// Openvolt: meter → what the API answers.
    pub readings: Vec<(String, Value)>,
}

/// Things that happened through one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamStory {
    /// The source that its webhooks come to.
    pub source: Name,
    /// In the order in which they happen.
    pub happenings: Vec<Happening>,
}
