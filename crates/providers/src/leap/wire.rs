//! Leap's formats: the notification, and the search that shows the same items page by page.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    amount::Kilowatts,
    fields::{Fields, Reason, id_of, written},
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

    fn event_id(self) -> &'static str {
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

    /// The event's id of a time slot that may be unreadable otherwise.
    pub(super) fn event_of(self, slot: &Value) -> Option<&str> {
        slot.get(self.event_id()).and_then(id_of)
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
    pub(super) fn read(notification: Fields<'_>) -> Result<Self, Reason> {
        Ok(Self {
            integration: notification.flag("integration_test_notification")?.unwrap_or(false),
            communication: communication_test(notification)?,
        })
    }
}

/// A notification writes `communication_test`, a slot of the search either spelling.
fn communication_test(fields: Fields<'_>) -> Result<bool, Reason> {
    let flag = |name| Ok(fields.flag(name)?.unwrap_or(false));
    Ok(flag("communication_test")? || flag("is_communication_test")?)
}

/// The items of one page of a search: under `results`, or under the notification's name.
pub(super) fn results(page: &Value, level: Level) -> Result<(&'static str, &[Value]), Reason> {
    let fields = Fields::of(page)?;
    let name = ["results", level.list()].into_iter().find(|name| page.get(*name).is_some());
    let name = name.ok_or_else(|| Reason::new("`results` is missing"))?;
    Ok((name, fields.list(name)?))
}

/// One of `meter_dispatches[]` or `group_dispatches[]`: who holds the time slots.
#[derive(Debug)]
pub(super) struct Item<'a> {
    /// `meter_id` or `market_group_id`.
    pub holder: &'a str,
    /// The one meter, or `meter_ids`, each still to be read on its own.
    pub meters: Meters<'a>,
    /// `timeslots`, each still to be read on its own.
    pub timeslots: &'a [Value],
    /// `partner_references` of a group.
    pub references: Option<&'a Value>,
}

#[derive(Debug)]
pub(super) enum Meters<'a> {
    /// With `partner_reference`.
    One(Option<String>),
    Many(&'a [Value]),
}

impl<'a> Item<'a> {
    pub(super) fn read(item: &'a Value, level: Level) -> Result<Self, Reason> {
        let fields = Fields::of(item)?;
        let meters = match level {
            Level::Meter => Meters::One(fields.label("partner_reference")),
            Level::Group => Meters::Many(fields.list("meter_ids")?),
        };
        Ok(Self {
            holder: fields.id(level.holder_id())?,
            meters,
            timeslots: fields.list("timeslots")?,
            references: fields.get("partner_references").filter(|_| level == Level::Group),
        })
    }
}

/// One of `timeslots[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// `start_time`
    pub start: Timestamp,
    /// `end_time`
    pub end: Option<Timestamp>,
    /// `cancelled`
    pub cancelled: bool,
    /// `energy_kw`: null or absent means as much as you can.
    pub energy: Kilowatts,
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
    /// Times, `cancelled` and the test flag decide whether and when to curtail: unreadable, they cost the slot. Of the others an
    /// unreadable one is a doubt, and the slot is taken without it.
    pub(super) fn read(slot: &Value, doubt: &mut dyn FnMut(Reason)) -> Result<Self, Reason> {
        let fields = Fields::of(slot)?;
        let priority = unless(fields.whole("priority"), doubt);
        let voluntary = unless(fields.flag("is_voluntary"), doubt);
        let programs = unless(fields.list("programs"), doubt);
        Ok(Self {
            start: fields.needed_time("start_time")?,
            end: fields.time("end_time")?,
            cancelled: fields.flag("cancelled")?.unwrap_or(false),
            energy: Kilowatts::read(fields.get("energy_kw")),
            priority: priority.map(|priority| u32::try_from(priority).unwrap_or(u32::MAX)),
            voluntary: voluntary.unwrap_or(false),
            programs: programs.iter().filter_map(written).map(str::to_owned).collect(),
            communication: communication_test(fields)?,
        })
    }
}

/// The value, or none and a doubt.
fn unless<T: Default>(read: Result<T, Reason>, doubt: &mut dyn FnMut(Reason)) -> T {
    read.unwrap_or_else(|reason| {
        doubt(reason);
        T::default()
    })
}

/// A slot's further fields, verbatim: `performance_compensation_cap`, `dispatch_event_types`, `nomination_kw`, and what Leap
/// adds without notice. What a group's statement is told by (`market_group_id`) can only come from the item.
pub(super) fn details(slot: &Value) -> Map<String, Value> {
    const TOLD: &[&str] = &[
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
    Fields::of(slot).map(|fields| fields.others(TOLD)).unwrap_or_default()
}
