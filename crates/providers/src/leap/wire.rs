//! Leap's formats: the notification, and the search that shows the same items page by page.

use dispatch::Request;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    field_errors::FieldErrors,
    fields::{Fields, Lenient, Reason, bare, has, unwrapped},
    lenient::has_lost_characters,
};

/// Leap dispatches meters or market groups; the two differ in names, and in whom the kilowatts are asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Meter,
    Group,
}

impl Level {
    pub(super) const ALL: [Self; 2] = [Self::Meter, Self::Group];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Meter => "meter",
            Self::Group => "group",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    /// The notification's list of items.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Meter => "meter_dispatches",
            Self::Group => "group_dispatches",
        }
    }

    /// The path of its search, below the base.
    pub(super) fn search(self) -> &'static str {
        match self {
            Self::Meter => "/dispatch/meter/search",
            Self::Group => "/dispatch/group/search",
        }
    }

    /// The search's filter by event.
    pub(super) fn filter(self) -> &'static str {
        match self {
            Self::Meter => "meter_event_ids",
            Self::Group => "market_group_event_ids",
        }
    }

    /// The name of a slot's event.
    pub(super) fn event_id(self) -> &'static str {
        match self {
            Self::Meter => "meter_event_id",
            Self::Group => "market_group_event_id",
        }
    }

    fn holder_id(self) -> &'static str {
        match self {
            Self::Meter => "meter_id",
            Self::Group => "market_group_id",
        }
    }
}

/// The two flags that mark a whole notification as a test.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    /// `integration_test_notification`
    pub integration: bool,
    /// `communication_test`
    pub communication: bool,
}

impl Flags {
    /// One that cannot be read means real: no dispatch hides behind it.
    pub(super) fn read(notification: Fields<'_>, field_errors: &mut FieldErrors) -> Self {
        let mut fields = Lenient::new(notification, "", field_errors);
        Self {
            integration: fields.flag("integration_test_notification").unwrap_or(false),
            communication: communication_test(&mut fields),
        }
    }
}

/// A notification writes `communication_test`, a slot of the search either spelling.
fn communication_test(fields: &mut Lenient<'_, '_>) -> bool {
    ["communication_test", "is_communication_test"].map(|name| fields.flag(name).unwrap_or(false)).contains(&true)
}

/// The fields that mark all of a body as a test.
const FLAGS: [&str; 3] = ["integration_test_notification", "communication_test", "is_communication_test"];

/// A notification, wrapped once or not. What calls itself a test around another is no mere wrapping.
pub(super) fn notification(body: &Value) -> &Value {
    if FLAGS.iter().any(|flag| has(body, &[flag])) {
        return body;
    }
    unwrapped(body, |body| Level::ALL.iter().any(|level| has(body, &[level.list()])))
}

/// A page of a search, wrapped once or not.
pub(super) fn page(page: &Value, level: Level) -> &Value {
    let is_whole = page.is_array() || FLAGS.iter().any(|flag| has(page, &[flag]));
    if is_whole { page } else { unwrapped(page, |page| list_of(page, level).is_some()) }
}

fn list_of(page: &Value, level: Level) -> Option<&'static str> {
    ["results", level.list()].into_iter().find(|name| page.get(*name).is_some())
}

/// The items of one page of a search: under `results`, under the notification's name, or bare.
pub(super) fn results(page: &Value, level: Level) -> Result<(&'static str, &[Value]), Reason> {
    if let Some(items) = bare(page) {
        return Ok(("results", items));
    }
    let fields = Fields::of(page)?;
    let name = list_of(page, level).ok_or_else(|| Reason::new("`results` is missing"))?;
    Ok((name, fields.list(name)?))
}

/// One of `meter_dispatches[]` or `group_dispatches[]`: who holds the time slots. Only the slots are needed of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    /// All of it.
    pub fields: Fields<'a>,
    /// `timeslots`, each still to be read on its own.
    pub timeslots: &'a [Value],
}

impl<'a> Item<'a> {
    pub(super) fn read(item: &'a Value) -> Result<Self, Reason> {
        let fields = Fields::of(item)?;
        Ok(Self { fields, timeslots: fields.list("timeslots")? })
    }

    /// `meter_id` or `market_group_id`.
    pub(super) fn holder(&self, level: Level, field_errors: &mut FieldErrors) -> Option<&'a str> {
        let name = level.holder_id();
        let holder = field_errors.unless(name, self.fields.get(name), self.fields.id(name).map(Some));
        field_errors.characters(name, holder.unwrap_or_default());
        holder
    }
}

/// One of `timeslots[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// `start_time`
    pub start: Timestamp,
    /// `end_time`, as it was stated.
    pub end: Option<Timestamp>,
    /// `cancelled`
    pub cancelled: bool,
    /// `energy_kw`: null or absent means as much as you can.
    pub request: Request,
    /// `priority`: 1 goes first.
    pub priority: Option<u32>,
    /// `is_voluntary`
    pub voluntary: bool,
    /// `programs`: an open set of names.
    pub programs: Vec<String>,
    /// `communication_test` or `is_communication_test`.
    pub communication: bool,
}

impl Slot {
    /// Only the start is needed. `within` stands before the names of its fields.
    pub(super) fn read(slot: &Value, within: &str, field_errors: &mut FieldErrors) -> Result<Self, Reason> {
        let fields = Fields::of(slot)?;
        let start = fields.start("start_time")?;
        let mut fields = Lenient::new(fields, within, field_errors);
        Ok(Self {
            start,
            end: fields.end("end_time", start),
            cancelled: fields.flag("cancelled").unwrap_or(false),
            request: fields.kilowatts("energy_kw").unwrap_or(Request::ReduceMax),
            priority: priority(&mut fields),
            voluntary: fields.flag("is_voluntary").unwrap_or(false),
            communication: communication_test(&mut fields),
            programs: programs(&mut fields),
        })
    }
}

/// 1 to 10, as documented; none where it cannot be. A number that is cut off would be another one, and one out of the range would
/// go before those that count.
fn priority(slot: &mut Lenient<'_, '_>) -> Option<u32> {
    let priority = slot.whole("priority")?;
    let possible = u32::try_from(priority).ok().filter(|priority| (1..=10).contains(priority));
    if possible.is_none() {
        slot.doubt("priority", "`priority` is not 1 to 10");
    }
    possible
}

fn programs(slot: &mut Lenient<'_, '_>) -> Vec<String> {
    let listed = slot.list("programs");
    let names: Vec<String> = listed.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if names.len() < listed.len() {
        slot.doubt("programs", "a program is not a text");
    }
    let lost = names.iter().find(|name| has_lost_characters(name)).cloned();
    slot.doubt_characters("programs", lost.as_deref());
    names
}

/// What is told otherwise than as a detail. What a group's statement is told by (`market_group_id`) can only come from the item.
/// All other fields of a slot are details: `performance_compensation_cap`, `dispatch_event_types`, `nomination_kw`, and what Leap
/// adds without notice.
pub(super) const TOLD: &[&str] = &[
    "meter_event_id",
    "market_group_event_id",
    "market_group_id",
    "partner_references",
    "start_time",
    "end_time",
    "cancelled",
    "energy_kw",
    "priority",
    "is_voluntary",
    "programs",
    "communication_test",
    "is_communication_test",
];
