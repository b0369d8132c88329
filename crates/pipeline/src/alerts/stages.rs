//! An incident's own clock: when people are notified again of an open incident that no person has acknowledged.

use dispatch::{DispatchTerms, Status};
use jiff::{SignedDuration, Timestamp};

use super::occasion::{Occasion, START};
use crate::{
    alerts::{
        condition::{Condition, FIRST_STAGE},
        incident::{Incident, IncidentStatus},
        mail,
    },
    config::{Audience, Channels, Config},
    dispatches::record::SubjectRecord,
};

/// Reminders end this long after an incident opened.
const REMINDED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The most reminders of one incident, however short the interval.
const MAX_REMINDERS: usize = 100;

/// The stage name of news: a provider's name cannot collide with one of gridbell's own stages.
pub(super) fn of_news(stage: &str) -> String {
    if stage == FIRST_STAGE { stage.to_owned() } else { format!("about {}", crate::job::clip(stage, 100)) }
}

/// The inputs of the clock.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent input")]
pub(super) struct Rules<'a> {
    pub(super) audience: Audience<'a>,
    pub(super) remind_s: u32,
    pub(super) dispatch: Option<&'a (Status, DispatchTerms)>,
    pub(super) test: bool,
    /// Whether it is a test cannot be read at this moment: no stage follows.
    pub(super) may_be_test: bool,
    /// The source announces dispatches that must be acted on in time, or is unknown.
    pub(super) is_time_critical: bool,
    /// The deadline of the dispatch has passed.
    pub(super) deadline_passed: bool,
    /// The channels that ring besides mail.
    pub(super) channels: &'a Channels,
    /// The id of the channel that the incident is about, which does not ring.
    pub(super) without: Option<&'a str>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(
        config: &'a Config,
        condition: &'a Condition,
        record: Option<&SubjectRecord>,
        dispatch: Option<&'a (Status, DispatchTerms)>,
        now: Timestamp,
    ) -> Self {
        let source = condition.source();
        let is_due = |record: &SubjectRecord| record.due.or(record.lapsed).is_some_and(|due| due <= now);
        Self {
            audience: config.audience(source),
            remind_s: config.contacts.remind_s,
            dispatch,
            test: mail::is_test(config, source, dispatch),
            may_be_test: false,
            is_time_critical: config.named(source).is_none_or(|source| source.provider.is_time_critical()),
            deadline_passed: matches!(condition, Condition::NotAcknowledged { .. }) || record.is_some_and(is_due),
            channels: config.channels(source),
            without: if let Condition::ChannelFailing { channel } = condition { Some(channel) } else { None },
        }
    }

    /// How many escalation steps are notified by now. Of a test only the people on duty are.
    pub(super) fn level(self, incident: &Incident, now: Timestamp) -> usize {
        let awaited = incident.status == IncidentStatus::Open && !self.test && !incident.is_snoozed(now);
        let due = if awaited { self.audience.level(now.duration_since(incident.opened_at)) } else { 0 };
        due.max(incident.level)
    }
}

/// The published terms of a record.
pub(super) fn published(record: Option<&SubjectRecord>) -> Option<(Status, DispatchTerms)> {
    record.and_then(|record| record.state.published())
}

/// A mail that is pending for so long cannot be sent. It does not hold up the other channels.
const STUCK: SignedDuration = SignedDuration::from_secs(60);

/// The next stage, and when it is due. Each comes after the first mail or, if mails cannot be sent, after the first message
/// to another channel; a reminder comes its interval after the latest mail of any occasion. A pending mail is sent first,
/// unless it is only a reminder.
pub(super) fn next(incident: &Incident, rules: Rules<'_>, now: Timestamp) -> Option<(String, Timestamp)> {
    if !is_awaited(incident, rules.test || rules.may_be_test) {
        return None;
    }
    let mailed_at = incident.notified_at()?;
    let waiting = incident.waiting.iter().flat_map(|waiting| &waiting.stages);
    let waits = waiting.map(|news| Occasion::of(&news.stage)).max_by_key(|occasion| occasion.weight());
    let is_pending = |stage: &str| incident.waiting.iter().any(|one| one.stages.iter().any(|news| news.stage == stage));
    let is_stuck = incident.waiting.as_ref().is_some_and(|waiting| waiting.send_at + STUCK < now);
    if !is_stuck && waits.is_some_and(|occasion| !matches!(occasion, Occasion::Reminder(_))) {
        return None;
    }
    let terms = rules.dispatch.filter(|(status, _)| *status == Status::Scheduled).map(|(_, terms)| terms);
    if rules.dispatch.is_some_and(|(_, terms)| terms.end.is_some_and(|end| end <= now)) {
        return None; // no person can do anything for it any more
    }
    let start = terms
        .map(|terms| terms.start)
        .filter(|start| *start > incident.opened_at && !incident.mails.contains_key(START) && !is_pending(START))
        .map(|start| (START.to_owned(), start));
    let step = rules.audience.steps().get(incident.level).map(|step| {
        let at = incident.opened_at + SignedDuration::from_secs(i64::from(step.after_s));
        (format!("escalation {}", incident.level + 1), at)
    });
    let step = step.filter(|(stage, _)| !incident.mails.contains_key(stage) && !is_pending(stage));
    let reminders = incident.mails.keys().filter(|stage| matches!(Occasion::of(stage), Occasion::Reminder(_))).count();
    let at = mailed_at + SignedDuration::from_secs(i64::from(rules.remind_s));
    let wanted =
        rules.remind_s > 0 && reminders < MAX_REMINDERS && waits.is_none() && at <= incident.opened_at + REMINDED_FOR;
    let reminder = wanted.then(|| (format!("reminder {}", reminders + 1), at));
    // If several are due already, the first is mailed to everyone whose step is due.
    let (stage, at) = [start, step, reminder].into_iter().flatten().min_by_key(|(_, at)| (*at).max(now))?;
    let waits_until = incident.snoozed.as_ref().map_or(at, |snoozed| snoozed.until);
    Some((stage, at.max(waits_until)))
}

/// Whether a person must acknowledge an incident, so that acknowledging has an effect.
pub(super) fn is_awaited(incident: &Incident, test: bool) -> bool {
    incident.status == IncidentStatus::Open && incident.condition.awaits_a_person() && !test
}
