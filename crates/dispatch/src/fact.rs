//! What a provider stated: the input of the merge. The parsers create facts; nothing changes them later.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use signals::{Interval, PowerEventKind, Program, Request, Subject, Target, TestReason};

/// The configured source that a fact came through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The source's name in the configuration, such as `voltus-prod`.
    pub source: String,
    /// The provider's name: `voltus`, `leap`, `nvgrid`, `openvolt`.
    pub provider: String,
    /// True if the source is a sandbox: all of its traffic is a test, whatever a body says.
    pub sandbox: bool,
}

/// One statement of a provider about one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The source of the fact.
    pub origin: Origin,
    /// The subject of the fact.
    pub subject: Subject,
    /// The statement.
    pub body: FactBody,
    /// The fields that could not be read. The merge ignores them: the fact is used without them, and people are
    /// notified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub field_errors: Vec<FieldError>,
}

/// A field that could not be read or has an impossible value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name, equal in all answers about the same subject, such as `sites[d4z9].commitment`.
    pub field: String,
    /// The reason, and the value that is used instead.
    pub reason: String,
    /// Identifies the field and its value: the same value of the same field is reported once.
    pub digest: String,
}

impl Fact {
    /// A fact without unreadable fields.
    pub fn new(origin: Origin, subject: Subject, body: FactBody) -> Self {
        Self { origin, subject, body, field_errors: Vec::new() }
    }
}

/// The four kinds of statements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactBody {
    /// A whole dispatch, as of one instant.
    Dispatch(DispatchFact),
    /// A data centre's power event (NvGrid).
    Power(PowerEvent),
    /// Meter readings of one part of an interval (Openvolt).
    Meter(MeterData),
    /// An event of the account (Openvolt).
    Account(AccountEvent),
}

/// A dispatch as stated, and the rank of that statement among others about the same dispatch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DispatchFact {
    /// The provider's id.
    pub id: String,
    /// Its rank in the order of facts.
    pub rank: Rank,
    /// The stated terms.
    pub terms: DispatchTerms,
}

/// The rank of a fact among the facts about one dispatch.
///
/// A push with neither number nor send time (Leap) ranks below every fetched fact: only an answer of the provider,
/// fetched later, can show whether such a push is old or new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// Pushed by the provider; when gridbell received it.
    Pushed(Timestamp),
    /// Fetched by gridbell; when the fetch began.
    Fetched(Timestamp),
    /// Fetched, and the provider numbers its modifications (Voltus `modification_number`).
    Numbered(u64, Timestamp),
}

impl Rank {
    /// The instant at which the statement is known to have been valid.
    pub fn observed_at(self) -> Timestamp {
        match self {
            Rank::Pushed(at) | Rank::Fetched(at) | Rank::Numbered(_, at) => at,
        }
    }

    /// The provider's own number, if it has one.
    pub fn number(self) -> Option<u64> {
        match self {
            Rank::Numbered(number, _) => Some(number),
            Rank::Pushed(_) | Rank::Fetched(_) => None,
        }
    }
}

/// What a provider states about a dispatch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DispatchTerms {
    /// False after the provider has withdrawn it (Voltus `authorized: false`, Leap `cancelled: true`).
    pub authorized: bool,
    /// When to start to curtail.
    pub start: Timestamp,
    /// The stated end; none until known: curtail until a later fact ends it. An end that is not after the start counts
    /// as no end or as "over" ([`crate::Dispatch::view`]): it appears in no view and no signal.
    pub end: Option<Timestamp>,
    /// The request to all targets together.
    pub request: Request,
    /// The sites or meters, in the provider's order.
    pub targets: Targets,
    /// Why it is a test; none if it is real.
    pub test_reason: Option<TestReason>,
    /// Participation is optional, without penalty (Leap `is_voluntary`).
    pub voluntary: bool,
    /// On overlap, the lower number governs (Leap, 1 to 10).
    pub priority: Option<u32>,
    /// The programs that call the dispatch.
    pub programs: Vec<Program>,
    /// The provider's own further fields, verbatim.
    pub details: Map<String, Value>,
}

impl DispatchTerms {
    /// True if a controller would act the same on both. Ignores details, programs and the order of the targets. A
    /// target's name and external id count only if both statements have one (Leap's search omits the partner's
    /// reference).
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.end == other.end && self.asks_the_same_but_for_the_end(other)
    }

    pub(crate) fn asks_the_same_but_for_the_end(&self, other: &Self) -> bool {
        self.authorized == other.authorized
            && self.start == other.start
            && self.request == other.request
            && self.test_reason == other.test_reason
            && self.voluntary == other.voluntary
            && self.priority == other.priority
            && same_targets(&self.targets, &other.targets)
    }

    /// The end, if it is after the start.
    pub fn possible_end(&self) -> Option<Timestamp> {
        self.end.filter(|end| *end > self.start)
    }

    /// The same terms with missing names and external ids filled in from `known`: a controller that uses its own ids
    /// must not lose them when an answer omits them.
    pub(crate) fn with_names_of(mut self, known: &Self) -> Self {
        if known.names() == 0 {
            return self;
        }
        let known: BTreeMap<&str, &Target> = known.targets.iter().map(|target| (target.id.as_str(), target)).collect();
        for target in self.targets.iter_mut() {
            if let Some(known) = known.get(target.id.as_str()) {
                target.name = target.name.take().or_else(|| known.name.clone());
                target.external_id = target.external_id.take().or_else(|| known.external_id.clone());
            }
        }
        self
    }

    /// The number of names and external ids.
    pub(crate) fn names(&self) -> usize {
        let given = |target: &Target| usize::from(target.name.is_some()) + usize::from(target.external_id.is_some());
        self.targets.iter().map(given).sum()
    }
}

fn sorted(targets: &[Target]) -> Vec<&Target> {
    let mut targets: Vec<&Target> = targets.iter().collect();
    targets.sort_by(|a, b| (&a.id, a.request).cmp(&(&b.id, b.request)));
    targets
}

fn same_targets(ours: &Targets, theirs: &Targets) -> bool {
    if ours == theirs {
        return true;
    }
    let agree = |a: Option<&String>, b: Option<&String>| a.is_none() || b.is_none() || a == b;
    ours.len() == theirs.len()
        && sorted(ours).into_iter().zip(sorted(theirs)).all(|(a, b)| {
            a.id == b.id
                && a.request == b.request
                && agree(a.name.as_ref(), b.name.as_ref())
                && agree(a.external_id.as_ref(), b.external_id.as_ref())
        })
}

/// Sites or meters, in the provider's order. Copies share them: a statement is copied several times, and with hundreds
/// of thousands of meters each real copy would take tens of megabytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Targets(Arc<Vec<Target>>);

impl PartialEq for Targets {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl From<Vec<Target>> for Targets {
    fn from(targets: Vec<Target>) -> Self {
        Self(Arc::new(targets))
    }
}

impl FromIterator<Target> for Targets {
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        Vec::from_iter(targets).into()
    }
}

impl Deref for Targets {
    type Target = Vec<Target>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// A mutation clones the shared list.
impl DerefMut for Targets {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

/// A data centre's power event (NvGrid's webhook payload).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PowerEvent {
    /// `feed_tag`.
    pub feed: Option<String>,
    /// `correlation_id`: links the events of one load target.
    pub correlation_id: String,
    /// Which of the four events.
    pub event: PowerEventKind,
    /// `start_time`.
    pub start: Timestamp,
    /// `end_time`; none: no end.
    pub end: Option<Timestamp>,
    /// `strategy`, verbatim.
    pub strategy: Option<String>,
    /// `target_load`.
    pub target: Request,
    /// `prev_target_load`.
    pub previous: Option<Request>,
    /// `calculated_load`, in watts.
    pub measured_w: Option<u64>,
    /// Whether the load meets the target; false is normal while ramping.
    pub compliant: Option<bool>,
}

/// Readings of one meter over one part of an announced interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterData {
    /// Identifies the same data: the provider's `delivery_id` and the part, else the content.
    pub identity: String,
    /// The provider's meter id.
    pub id: String,
    /// The delivery that announced the data.
    pub delivery: String,
    /// Where the part begins.
    pub start: Timestamp,
    /// Where it ends.
    pub end: Timestamp,
    /// Openvolt's name for the length of a row: `hh` is half an hour.
    pub granularity: String,
    /// Which part of the announced interval, from 1.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
    /// The readings, ordered by time.
    pub intervals: Vec<Interval>,
}

/// An event of the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountEvent {
    /// Identifies the same event.
    pub identity: String,
    /// The provider's type of event, such as `customer.created`.
    pub event: String,
    /// The id of the delivery that contained it.
    pub delivery: String,
    /// The provider's payload, verbatim.
    pub payload: Value,
}
