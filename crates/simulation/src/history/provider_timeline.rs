//! What the providers state: dispatches with their versions over time, their wire format, and events that happen once.

use jiff::Timestamp;
use provider_sims::bodies::{Window, leap, voltus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Name;

/// The provider of a dispatch, and its peculiarity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Thin webhooks, with or without `modification_number`.
    Voltus {
        /// Whether answers carry `modification_number`.
        numbered: bool,
    },
    /// Fat notifications. The search does not know integration tests.
    Leap {
        /// Whether the search knows it.
        searched: bool,
    },
}

/// One version of a dispatch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// When the version starts to apply.
    pub at: Timestamp,
    /// Whether it is not cancelled.
    pub authorized: bool,
    /// When it starts.
    pub start: Timestamp,
    /// When it ends, if that is known.
    pub end: Option<Timestamp>,
    /// Site or meter → kilowatts.
    pub targets: Vec<(String, u64)>,
    /// A detail that changes and does not concern a controller.
    pub note: u64,
}

impl Said {
    /// The sum over all targets.
    pub fn watts(&self) -> u64 {
        self.targets.iter().map(|(_, kw)| kw * 1_000).sum()
    }

    /// The end, if it is after the start. A dispatch cancelled before its start has no end that can be published.
    pub fn possible_end(&self) -> Option<Timestamp> {
        self.end.filter(|end| *end > self.start)
    }

    /// Whether a controller would act the same on both, as long as neither is cancelled.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let acts = |said: &Self| (said.authorized, said.start, said.possible_end(), said.targets.clone());
        acts(self) == acts(other)
    }
}

/// An oddity in how a provider writes a dispatch. It does not change the published signal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// Nothing.
    #[default]
    None,
    /// Half of a surrogate pair in a name.
    HalfPair,
    /// A number instead of a text, or a value that is neither true nor false instead of a Boolean.
    OtherType,
    /// A detail that is nested very deeply.
    Deep,
    /// An unknown end is written as an unset time.
    UnsetEnd,
    /// An unknown end is written as the year 9999.
    EndIn9999,
}

impl Oddity {
    /// Every kind.
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

/// Placeholders for what a JSON value cannot contain.
const HALF: &str = "<half>";
const NESTED: &str = "<nested>";

/// The body as the provider's server writes it.
pub(crate) fn wire(body: &Value) -> String {
    let (open, close) = ("[".repeat(300), "]".repeat(300));
    let text = body.to_string().replace(HALF, "\\ud83d");
    if text.contains(NESTED) { text.replace(&format!("\"{NESTED}\""), &format!("{open}{close}")) } else { text }
}

/// A dispatch, from its creation to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderTimeline {
    /// The source that receives its webhooks.
    pub source: Name,
    /// The provider.
    pub provider: Provider,
    /// The provider's own id.
    pub id: String,
    /// The subject of its signals: `<source>/<id>`.
    pub subject: String,
    /// `test_reason`, if it is a test.
    pub test: Option<Name>,
    /// The first announces it, each later one changes it.
    pub versions: Vec<Said>,
    /// How its provider writes it.
    #[serde(default)]
    pub oddity: Oddity,
}

impl ProviderTimeline {
    /// Changes its id.
    pub fn rename(&mut self, id: &str) {
        id.clone_into(&mut self.id);
        self.subject = format!("{}/{id}", self.source);
    }

    /// Whether the provider's list contains it.
    pub(crate) fn is_listed(&self) -> bool {
        self.provider != (Provider::Leap { searched: false })
    }

    /// The version that applies at that time.
    pub fn current(&self, at: Timestamp) -> Option<usize> {
        self.versions.iter().rposition(|said| said.at <= at)
    }

    /// The webhook about a version.
    pub fn webhook(&self, version: usize) -> String {
        match self.provider {
            Provider::Voltus { .. } => {
                let event = if version == 0 { "dispatch.create" } else { "dispatch.update" };
                voltus::webhook(event, &self.id).to_string()
            }
            Provider::Leap { .. } => {
                let mut body = leap::notification(&self.meters(version));
                body["integration_test_notification"] = json!(self.test.as_deref() == Some("integration"));
                body["communication_test"] = json!(self.test.as_deref() == Some("communication"));
                wire(&body)
            }
        }
    }

    /// The API's answer about a version.
    pub fn answer(&self, version: usize, id: &str) -> Value {
        match self.provider {
            Provider::Voltus { numbered } => {
                let said = &self.versions[version];
                let sites = said.targets.iter().map(|(site, kw)| voltus::site(site, "A Site", "loc", *kw));
                let number = u64::try_from(version).ok().filter(|_| numbered);
                let window = Window::new(said.start, self.oddity.end(said.end));
                let mut answer = voltus::dispatch(id, number, &window, &sites.collect::<Vec<_>>());
                answer["authorized"] = json!(said.authorized);
                answer["test"] = json!(self.test.as_deref() == Some("self"));
                answer["metadata"] = json!({ "note": said.note });
                self.oddity.voltus(&mut answer);
                answer
            }
            Provider::Leap { .. } => leap::found(&self.meters(version)),
        }
    }

    fn meters(&self, version: usize) -> Vec<Value> {
        let said = &self.versions[version];
        let slot = |kw: u64| {
            let mut slot = leap::slot(&self.id, kw, &Window::new(said.start, self.oddity.end(said.end)));
            slot["cancelled"] = json!(!said.authorized);
            slot["communication_test"] = json!(self.test.as_deref() == Some("communication"));
            slot["nomination_kw"] = json!(said.note);
            self.oddity.leap(&mut slot);
            slot
        };
        said.targets.iter().map(|(meter, kw)| leap::meter(meter, &[slot(*kw)])).collect()
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// The webhook.
    pub body: String,
    /// The expected signals: subject, type, and what its `data` must contain.
    pub signals: Vec<(String, String, Value)>,
    /// Openvolt: meter → the API's answer.
    pub readings: Vec<(String, Value)>,
}

/// Events of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamStory {
    /// The source that receives its webhooks.
    pub source: Name,
    /// In the order in which they happen.
    pub happenings: Vec<Happening>,
}
