//! An incident's own clock: when a person is told again of what goes on and nobody has taken on.

use dispatch::{Statement, Status};
use jiff::{SignedDuration, Timestamp};
use providers::Provider;

use crate::{
    config::{Audience, Config, Source},
    incident::{Incident, IncidentStatus},
    mail,
    record::Record,
};

/// The stage of the mail that says that it is over.
pub(super) const OVER: &str = "over";

/// The stage of the mail at a dispatch's start.
pub(super) const START: &str = "start";

/// Reminders end this long after an incident opened: by then somebody knows, or nobody reads.
pub(super) const REMINDED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// No incident is reminded of more often, however short the time between.
const MAX_REMINDERS: usize = 100;

/// SQS delays a message by this many seconds at most.
pub(super) const MAX_DELAY_S: u32 = 900;

/// What a mail is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It began, or there is news of it.
    First,
    /// The dispatch starts.
    Start,
    /// It goes on, and nobody has taken it on.
    Reminder(usize),
    /// The same, and it is told to others as well.
    Escalation(usize),
    /// It is over.
    Over,
}

impl Occasion {
    /// By the name of a stage.
    pub fn of(stage: &str) -> Self {
        let number = |prefix| stage.strip_prefix(prefix).and_then(|rest: &str| rest.parse().ok());
        match (number("reminder "), number("escalation ")) {
            (Some(n), _) => Self::Reminder(n),
            (_, Some(n)) => Self::Escalation(n),
            _ if stage == START => Self::Start,
            _ if stage == OVER => Self::Over,
            // A gate holds reminders, and steps of the escalation, whatever their number.
            _ if stage == "reminder" => Self::Reminder(0),
            _ if stage == "escalation" => Self::Escalation(0),
            _ => Self::First,
        }
    }

    /// What gathers mails of one sort.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Start => "start",
            Self::Reminder(_) => "reminder",
            Self::Escalation(_) => "escalation",
            Self::Over => "over",
        }
    }
}

/// The name of the stage at which a notice is mailed: nothing that a provider names can pass for one of ours.
pub(super) fn of_notice(stage: &str) -> String {
    if stage == crate::incident::FIRST_STAGE {
        stage.to_owned()
    } else {
        format!("about {}", crate::work::clip(stage, 100))
    }
}

/// What the clock goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) audience: Audience<'a>,
    pub(super) remind_s: u32,
    pub(super) dispatch: Option<&'a (Status, Statement)>,
    pub(super) test: bool,
    /// What the source announces must be acted on in time; what is not known is.
    pub(super) presses: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn new(config: &'a Config, source: &str, dispatch: Option<&'a (Status, Statement)>) -> Self {
        Self {
            audience: config.audience(source),
            remind_s: config.contacts.remind_s,
            dispatch,
            test: mail::is_test(config, source, dispatch),
            presses: config.sources.get(source).and_then(Source::provider).is_none_or(Provider::presses),
        }
    }

    /// How many steps of the escalation hear of an incident by now. Of a test nobody but those on duty.
    pub(super) fn level(self, incident: &Incident, now: Timestamp) -> usize {
        let awaited = incident.status == IncidentStatus::Open && !self.test;
        let due = if awaited { self.audience.level(now.duration_since(incident.opened_at)) } else { 0 };
        due.max(incident.level)
    }
}

/// What the dispatch of a record says.
pub(super) fn published(record: Option<&Record>) -> Option<(Status, Statement)> {
    record.and_then(|record| record.state.published())
}

/// The stage that the clock calls for next, and when. Each comes after the first mail; the next reminder comes its time after
/// the last mail, whatever that was for.
pub(super) fn next(incident: &Incident, rules: Rules<'_>, now: Timestamp) -> Option<(String, Timestamp)> {
    if !is_awaited(incident, rules.test) {
        return None;
    }
    let told_at = incident.mails.values().map(|mail| mail.claimed_at).max()?;
    let statement = rules.dispatch.filter(|(status, _)| *status == Status::Scheduled).map(|(_, statement)| statement);
    if rules.dispatch.is_some_and(|(_, statement)| statement.end.is_some_and(|end| end <= now)) {
        return None; // nobody can do anything for it any more
    }
    let start = statement
        .map(|statement| statement.start)
        .filter(|start| *start > incident.opened_at && !incident.mails.contains_key(START))
        .map(|start| (START.to_owned(), start));
    let step = rules.audience.steps().get(incident.level).map(|step| {
        let at = incident.opened_at + SignedDuration::from_secs(i64::from(step.after_s));
        (format!("escalation {}", incident.level + 1), at)
    });
    let step = step.filter(|(stage, _)| !incident.mails.contains_key(stage));
    let reminders = incident.mails.keys().filter(|stage| matches!(Occasion::of(stage), Occasion::Reminder(_))).count();
    let at = told_at + SignedDuration::from_secs(i64::from(rules.remind_s));
    let wanted = rules.remind_s > 0 && reminders < MAX_REMINDERS && at <= incident.opened_at + REMINDED_FOR;
    let reminder = wanted.then(|| (format!("reminder {}", reminders + 1), at));
    // Of those that are due already the first of them is mailed, to everybody whose turn has come.
    [start, step, reminder].into_iter().flatten().min_by_key(|(_, at)| (*at).max(now))
}

/// Seconds until then, in one hop.
pub(super) fn hop_s(at: Timestamp, now: Timestamp) -> u32 {
    crate::watch::hop_s(at, now).min(MAX_DELAY_S)
}

/// Whether somebody is waited for to take an incident on, so that acknowledging it changes anything.
pub(super) fn is_awaited(incident: &Incident, test: bool) -> bool {
    let ends_when_told = incident.quiet_s.is_none() && !incident.once_a_day;
    incident.status == IncidentStatus::Open && ends_when_told && !test
}
