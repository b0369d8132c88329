//! The ramps of one load target (NvGrid): which ramps started and ended, and whether the load met the target.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{PowerEvent, PowerEventKind, RampStart, Request};

/// The ramps of one correlation: for each direction the one that starts last. A join: the order of events does not
/// matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramps {
    /// The power feed, if one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// Towards the lower limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<Ramp>,
    /// Back up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<Ramp>,
}

/// One ramp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramp {
    /// When its target begins to apply. It links the two events of the ramp.
    pub start: Timestamp,
    /// Its `start_*` event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Measured>,
    /// Its `end_*` event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Measured>,
}

/// The content of an event, and when it was first received. Ordered: the later one counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Measured {
    /// When gridbell received it.
    pub heard_at: Timestamp,
    /// The stated end of the target; none: no end.
    pub end: Option<Timestamp>,
    /// The limit.
    pub target: Request,
    /// The load, in watts.
    pub watts: Option<u64>,
    /// Whether the load met the target.
    pub compliant: Option<bool>,
}

impl Ramps {
    /// The ramps of a single event.
    pub fn of(event: &PowerEvent, heard_at: Timestamp) -> Self {
        let stated = Measured {
            heard_at,
            end: event.end,
            target: event.target,
            watts: event.measured_w,
            compliant: event.compliant,
        };
        let ramp = |started, ended| Some(Ramp { start: event.start, started, ended });
        let one = match event.event {
            PowerEventKind::StartRampDown => Self { down: ramp(Some(stated), None), ..Self::default() },
            PowerEventKind::EndRampDown => Self { down: ramp(None, Some(stated)), ..Self::default() },
            PowerEventKind::StartRampUp => Self { up: ramp(Some(stated), None), ..Self::default() },
            PowerEventKind::EndRampUp => Self { up: ramp(None, Some(stated)), ..Self::default() },
        };
        // A correlation has one feed, since both are part of the subject.
        Self { feed: event.feed.clone(), ..one }
    }

    /// Merges two.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { feed: self.feed.max(other.feed), down: later(self.down, other.down), up: later(self.up, other.up) }
    }

    /// The started ramps, each with its start event.
    fn started(&self) -> impl Iterator<Item = (PowerEventKind, &Ramp, &Measured)> {
        let down = self.down.as_ref().map(|ramp| (PowerEventKind::StartRampDown, ramp));
        let up = self.up.as_ref().map(|ramp| (PowerEventKind::StartRampUp, ramp));
        down.into_iter().chain(up).filter_map(|(kind, ramp)| Some((kind, ramp, ramp.started.as_ref()?)))
    }

    /// The ramps that have started and not ended, each with its start event.
    pub fn running(&self) -> impl Iterator<Item = (PowerEventKind, &Ramp, &Measured)> {
        self.started().filter(|(_, ramp, _)| ramp.ended.is_none())
    }

    /// The ramp that starts last.
    pub fn ramp_start(&self) -> Option<RampStart> {
        let (_, ramp, stated) = self.started().max_by_key(|(_, ramp, _)| ramp.start)?;
        Some(RampStart { start: ramp.start, end: stated.end, heard_at: stated.heard_at, running: ramp.ended.is_none() })
    }

    /// The lower limit: start, end and amount. It lasts from the ramp down to its stated end, or to the ramp up.
    pub fn limit(&self) -> Option<(Timestamp, Option<Timestamp>, Request)> {
        let down = self.down.as_ref()?;
        let stated = down.started.iter().chain(&down.ended).max()?;
        let lifted = self.up.as_ref().map(|up| up.start).filter(|up| *up >= down.start);
        let end = [stated.end, lifted].into_iter().flatten().min();
        Some((down.start, end, stated.target))
    }
}

fn later(a: Option<Ramp>, b: Option<Ramp>) -> Option<Ramp> {
    let (Some(a), Some(b)) = (&a, &b) else { return a.or(b) };
    Some(match a.start.cmp(&b.start) {
        std::cmp::Ordering::Less => b.clone(),
        std::cmp::Ordering::Greater => a.clone(),
        std::cmp::Ordering::Equal => Ramp {
            start: a.start,
            started: a.started.clone().max(b.started.clone()),
            ended: a.ended.clone().max(b.ended.clone()),
        },
    })
}

impl Measured {
    /// Load, limit and compliance, as text.
    pub fn in_words(&self) -> String {
        in_words(self.watts, self.target, self.compliant)
    }
}

impl PowerEvent {
    /// Load and limit, as text.
    pub fn loads(&self) -> String {
        loads(self.measured_w, self.target)
    }

    /// Load, limit and compliance, as text.
    pub(crate) fn in_words(&self) -> String {
        in_words(self.measured_w, self.target, self.compliant)
    }
}

fn in_words(measured_w: Option<u64>, target: Request, compliant: Option<bool>) -> String {
    let compliant = match compliant {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known",
    };
    format!("{}; compliant: {compliant}", loads(measured_w, target))
}

fn loads(measured_w: Option<u64>, target: Request) -> String {
    let kw = |watts: u64| format!("{} kW", (Decimal::from(watts) / Decimal::ONE_THOUSAND).normalize());
    let measured =
        measured_w.map_or_else(|| "the load was not measured".to_owned(), |watts| format!("the load is {}", kw(watts)));
    match target {
        Request::Limit { watts } | Request::Reduce { watts } => format!("{measured}, the limit {}", kw(watts)),
        Request::ReduceMax | Request::Unspecified => measured,
    }
}
