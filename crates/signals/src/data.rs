//! The `data` of each type of signal.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use crate::{HeartbeatSignal, Request, Subject};

/// The `data` of a signal: an object with one member, which names the kind of data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// Of `gridbell.dispatch.scheduled|updated|cancelled|ended.v1`.
    Dispatch(DispatchSignal),
    /// Of `gridbell.power.*.v1`.
    Power(PowerSignal),
    /// Of `gridbell.meter.data.v1`.
    Meter(MeterSignal),
    /// Of `gridbell.account.<event>.v1`.
    Account(AccountSignal),
    /// Of `gridbell.heartbeat.v1`.
    Heartbeat(HeartbeatSignal),
    /// The unchanged data of a type that this version of the crate does not know.
    #[serde(untagged)]
    Other(Value),
}

/// Whether a dispatch is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Scheduled or running: curtail from `start` until `end`; without an end, until a later signal ends it.
    Scheduled,
    /// Withdrawn by the provider.
    Cancelled,
    /// Ended by the provider: a fact states an end that is now or past.
    Ended,
}

/// `data.dispatch` of `gridbell.dispatch.scheduled|updated|cancelled|ended.v1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DispatchSignal {
    /// The subject.
    pub key: String,
    /// `voltus` or `leap`.
    pub provider: String,
    /// The source's name.
    pub source: String,
    /// The provider's id.
    pub id: String,
    /// The sequence, as a number.
    pub version: u64,
    /// Which part of the version this is, from 1. Only present where one message cannot carry the whole version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// How many parts the version has. Each part has some of the targets and all other fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// Scheduled, cancelled or ended.
    pub status: Status,
    /// True whenever `test_reason` is not null: do not curtail.
    pub test: bool,
    /// Why it is a test.
    pub test_reason: Option<TestReason>,
    /// Participation is optional.
    pub voluntary: bool,
    /// On overlap, the lower number governs.
    pub priority: Option<u32>,
    /// RFC 3339, UTC.
    pub start: Timestamp,
    /// RFC 3339, UTC; null until known: curtail until a later signal ends it.
    pub end: Option<Timestamp>,
    /// The request to all targets together.
    pub request: Request,
    /// The sites or meters.
    pub targets: Vec<TargetEntry>,
    /// The programs that call the dispatch.
    pub programs: Vec<Program>,
    /// The provider's own further fields, verbatim.
    pub details: Map<String, Value>,
}

/// One target, or many that share one request where separate entries would not fit into a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum TargetEntry {
    /// A site or a meter.
    One {
        /// The target.
        #[serde(flatten)]
        target: Target,
        /// Only present where other active dispatches of the source name this target too.
        #[serde(skip_serializing_if = "Option::is_none")]
        effective: Option<Arc<Effective>>,
    },
    /// Targets without names that share one request.
    Many {
        /// The provider's ids.
        ids: Vec<String>,
        /// The request to each of them.
        request: Option<Request>,
        /// Only present where the same other active dispatches of the source name each of these targets.
        #[serde(skip_serializing_if = "Option::is_none")]
        effective: Option<Arc<Effective>>,
    },
}

impl TargetEntry {
    /// The provider's ids of its sites or meters.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let ids = match self {
            Self::One { target, .. } => std::slice::from_ref(&target.id),
            Self::Many { ids, .. } => ids,
        };
        ids.iter().map(String::as_str)
    }

    /// The request to each target; none if the provider requests only a total for the group.
    pub fn request(&self) -> Option<Request> {
        match self {
            Self::One { target, .. } => target.request,
            Self::Many { request, .. } => *request,
        }
    }

    /// How other active dispatches of the source affect these targets.
    pub fn effective(&self) -> Option<&Effective> {
        match self {
            Self::One { effective, .. } | Self::Many { effective, .. } => effective.as_deref(),
        }
    }
}

/// The JSON form of an entry: `id` or `ids`. Fields are read by name, for the same reason as in [`Request`].
#[derive(Deserialize)]
struct TargetText {
    id: Option<String>,
    ids: Option<Vec<String>>,
    name: Option<String>,
    external_id: Option<String>,
    request: Option<Request>,
    effective: Option<Effective>,
}

impl<'de> Deserialize<'de> for TargetEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let TargetText { id, ids, name, external_id, request, effective } = TargetText::deserialize(deserializer)?;
        let effective = effective.map(Arc::new);
        match (id, ids) {
            (Some(id), None) => Ok(Self::One { target: Target { id, name, external_id, request }, effective }),
            (None, Some(ids)) => Ok(Self::Many { ids, request, effective }),
            _ => Err(de::Error::custom("a target has either `id` or `ids`")),
        }
    }
}

/// A site or a meter that must curtail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Target {
    /// The provider's id of the site (Voltus `sites[].id`) or meter (Leap `meter_id`).
    pub id: String,
    /// The provider's name of the target.
    pub name: Option<String>,
    /// The operator's own id of the target (Voltus `customer_location_id`, Leap `partner_reference`).
    pub external_id: Option<String>,
    /// The request to this target; null if the provider requests only a total for the group.
    pub request: Option<Request>,
}

/// The combined curtailment of a target that other active dispatches of the source name too, when this signal was
/// published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Effective {
    /// Until when this dispatch and the others together curtail the target without a gap; null until a later signal
    /// ends it.
    pub until: Option<Timestamp>,
    /// The dispatch that sets the amount, now or, if the curtailment is still ahead, at its beginning.
    pub governed_by: Subject,
    /// The other active dispatches of that time: those that overlap or adjoin this one or each other. At most 20 are
    /// listed, sorted by key.
    pub with: Vec<Subject>,
    /// The number of other dispatches, listed or not.
    pub others: usize,
}

/// The maximum length of [`Effective::with`], so that it does not fill a message with thousands of targets.
pub const MAX_NAMED: usize = 20;

impl Effective {
    /// Creates it from all other dispatches; sorts them.
    pub fn new(until: Option<Timestamp>, governed_by: Subject, mut with: Vec<Subject>) -> Self {
        let others = with.len();
        with.truncate(MAX_NAMED);
        Self { until, governed_by, with, others }
    }
}

/// A program that calls a dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Program {
    /// Its name (Leap: the program's identifier, an open set).
    pub name: Option<String>,
    /// The market, such as `CAISO`.
    pub market: Option<String>,
    /// Voltus `program_type`, verbatim.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The time zone of the program, verbatim. It may be invalid ("PST"), and gridbell computes no instant from it.
    pub timezone: Option<String>,
}

/// Why a dispatch is only a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TestReason {
    /// The source is a sandbox.
    Sandbox,
    /// Voltus `test`.
    #[serde(rename = "self")]
    SelfTest,
    /// Leap `integration_test_notification`.
    Integration,
    /// Leap `communication_test`.
    Communication,
}

/// `data.power` of `gridbell.power.*.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PowerSignal {
    /// The subject.
    pub key: String,
    /// `nvgrid`.
    pub provider: String,
    /// The source's name.
    pub source: String,
    /// The power feed, if one is named.
    pub feed: Option<String>,
    /// The id that links the events of one load target.
    pub correlation_id: String,
    /// Which of the four events.
    pub event: PowerEventKind,
    /// RFC 3339, UTC.
    pub start: Timestamp,
    /// RFC 3339, UTC; null: no end.
    pub end: Option<Timestamp>,
    /// Such as `best_effort`.
    pub strategy: Option<String>,
    /// The limit that applies from `start`.
    pub target: Request,
    /// The previous limit.
    pub previous: Option<Request>,
    /// The load as the provider measured it, in watts.
    pub measured_watts: Option<u64>,
    /// Whether the load meets the target; false is normal while ramping.
    pub compliant: Option<bool>,
}

/// NvGrid's four power events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PowerEventKind {
    /// The limit begins to tighten.
    StartRampDown,
    /// The lower limit is reached.
    EndRampDown,
    /// The limit begins to relax.
    StartRampUp,
    /// The higher limit is reached.
    EndRampUp,
}

impl PowerEventKind {
    pub(crate) const ALL: [Self; 4] = [Self::StartRampDown, Self::EndRampDown, Self::StartRampUp, Self::EndRampUp];

    /// The name on the wire and in the signal's type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartRampDown => "start_ramp_down",
            Self::EndRampDown => "end_ramp_down",
            Self::StartRampUp => "start_ramp_up",
            Self::EndRampUp => "end_ramp_up",
        }
    }
}

/// `data.meter` of `gridbell.meter.data.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MeterSignal {
    /// The subject.
    pub key: String,
    /// `openvolt`.
    pub provider: String,
    /// The source's name.
    pub source: String,
    /// The provider's meter id.
    pub id: String,
    /// The delivery that announced the data.
    pub delivery: String,
    /// Where this part begins.
    pub start: Timestamp,
    /// Where this part ends; the last part includes a row that starts at this instant.
    pub end: Timestamp,
    /// The length of a row: `hh` is half an hour.
    pub granularity: String,
    /// Which part of the announced interval, from 1.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
    /// The readings, ordered by time.
    pub intervals: Vec<Interval>,
}

/// One reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Interval {
    /// When the interval begins.
    pub start: Timestamp,
    /// Energy used in it, in watt-hours; null if the provider has no reading.
    pub watt_hours: Option<i64>,
}

/// `data.account` of `gridbell.account.<event>.v1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountSignal {
    /// `openvolt`.
    pub provider: String,
    /// The source's name.
    pub source: String,
    /// The provider's type of event.
    pub event: String,
    /// The id of the delivery that contained it.
    pub delivery: String,
    /// The provider's payload, verbatim.
    pub payload: Value,
}
