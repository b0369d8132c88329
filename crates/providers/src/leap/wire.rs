//! Leap's formats: the notification, and the search, which returns the same items page by page.

use dispatch::Request;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    field_errors::FieldErrors,
    fields::{Fields, Lenient, Reason, bare, has, unwrapped},
    lenient::has_lost_characters,
};

/// Leap dispatches meters or market groups. Field names differ, and so does the level at which it requests kilowatts.
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

    /// The list of items in a notification.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Meter => "meter_dispatches",
            Self::Group => "group_dispatches",
        }
    }

    /// The path of the search, relative to the base URL.
    pub(super) fn search(self) -> &'static str {
        match self {
            Self::Meter => "/dispatch/meter/search",
            Self::Group => "/dispatch/group/search",
        }
    }

    /// The search filter for one event.
    pub(super) fn filter(self) -> &'static str {
        match self {
            Self::Meter => "meter_event_ids",
            Self::Group => "market_group_event_ids",
        }
    }

    /// The field with the event id of a slot.
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
    /// An unreadable flag means real, so that no real dispatch is treated as a test.
    pub(super) fn read(notification: Fields<'_>, field_errors: &mut FieldErrors) -> Self {
        let mut fields = Lenient::new(notification, "", field_errors);
        Self {
            integration: fields.flag("integration_test_notification").unwrap_or(false),
            communication: communication_test(&mut fields),
        }
    }
}

/// Notifications use `communication_test`; slots of a search use either name.
fn communication_test(fields: &mut Lenient<'_, '_>) -> bool {
    ["communication_test", "is_communication_test"].map(|name| fields.flag(name).unwrap_or(false)).contains(&true)
}

/// The fields that mark a whole body as a test.
const FLAGS: [&str; 3] = ["integration_test_notification", "communication_test", "is_communication_test"];

/// The notification, unwrapped if it is wrapped once. An object with a test flag is not treated as a wrapper.
pub(super) fn notification(body: &Value) -> &Value {
    if FLAGS.iter().any(|flag| has(body, &[flag])) {
        return body;
    }
    unwrapped(body, |body| Level::ALL.iter().any(|level| has(body, &[level.list()])))
}

/// A page of a search, unwrapped if it is wrapped once.
pub(super) fn page(page: &Value, level: Level) -> &Value {
    let is_whole = page.is_array() || FLAGS.iter().any(|flag| has(page, &[flag]));
    if is_whole { page } else { unwrapped(page, |page| list_of(page, level).is_some()) }
}

fn list_of(page: &Value, level: Level) -> Option<&'static str> {
    ["results", level.list()].into_iter().find(|name| page.get(*name).is_some())
}

/// The items of a search page: under `results`, under the notification's list name, or a bare list.
pub(super) fn results(page: &Value, level: Level) -> Result<(&'static str, &[Value]), Reason> {
    if let Some(items) = bare(page) {
        return Ok(("results", items));
    }
    let fields = Fields::of(page)?;
    let name = list_of(page, level).ok_or_else(|| Reason::new("`results` is missing"))?;
    Ok((name, fields.list(name)?))
}

/// One of `meter_dispatches[]` or `group_dispatches[]`: a meter or group and its time slots. Only the slots are
/// required.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    /// All fields.
    pub fields: Fields<'a>,
    /// `timeslots`, each parsed separately.
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
    /// `end_time`, as stated.
    pub end: Option<Timestamp>,
    /// `cancelled`
    pub cancelled: bool,
    /// `energy_kw`: null or missing means "as much as possible".
    pub request: Request,
    /// `priority`: 1 is the highest.
    pub priority: Option<u32>,
    /// `is_voluntary`
    pub voluntary: bool,
    /// `programs`: an open set of names.
    pub programs: Vec<String>,
    /// `communication_test` or `is_communication_test`.
    pub communication: bool,
}

impl Slot {
    /// Only the start is required. `within` is the prefix of the slot's field names.
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

/// 1 to 10, as documented; none if invalid. The value is not clamped: a clamped number is a different priority, and a
/// number outside the range would go before valid ones.
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

/// Fields that gridbell reads, so that they are not details. `market_group_id` identifies a group's dispatch and comes
/// only from the item. All other fields of a slot are details: `performance_compensation_cap`, `dispatch_event_types`,
/// `nomination_kw`, and fields that Leap adds without notice.
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
