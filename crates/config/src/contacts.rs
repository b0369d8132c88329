//! `[contacts]`, and `[sources.<name>.contacts]`, which overrides it: who is notified, how often, and who is notified
//! later.

use serde::Serialize;

use super::{ConfigError, scalar, table::Table};

/// Most addresses of one mail: the limit of SES is 50.
pub(super) const MOST_ADDRESSES: usize = 50;

/// Default time between reminders, in seconds.
const USUAL_REMIND_S: u32 = 900;

/// Default of `group_wait`, in seconds.
const USUAL_GROUP_WAIT_S: u32 = 30;

/// Default of `group_interval`, in seconds.
const USUAL_GROUP_INTERVAL_S: u32 = 300;

/// `[contacts]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contacts {
    /// Who gets the mail.
    pub email: Vec<String>,
    /// The sender, an identity that SES has verified.
    pub from: String,
    /// Time between reminders of an unacknowledged incident, in seconds; 0: never.
    #[serde(skip_serializing_if = "is_usual_remind")]
    pub remind_s: u32,
    /// Who else is notified, and when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
    /// How long the first mail of an alert group waits for others, in seconds, unless it is urgent.
    #[serde(skip_serializing_if = "is_usual_group_wait")]
    pub group_wait_s: u32,
    /// How long the next mail of an alert group waits after the previous one, in seconds, unless it is urgent.
    #[serde(skip_serializing_if = "is_usual_group_interval")]
    pub group_interval_s: u32,
}

/// One step of `escalate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Escalation {
    /// Time after the incident opened, in seconds.
    pub after_s: u32,
    /// Who else is notified.
    pub email: Vec<String>,
}

/// `[sources.<name>.contacts]`: missing keys have the general values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceContacts {
    /// Replaces the general addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Vec<String>>,
    /// Replaces the general steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Vec<Escalation>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_remind(remind_s: &u32) -> bool {
    *remind_s == USUAL_REMIND_S
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_group_wait(wait_s: &u32) -> bool {
    *wait_s == USUAL_GROUP_WAIT_S
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_group_interval(interval_s: &u32) -> bool {
    *interval_s == USUAL_GROUP_INTERVAL_S
}

impl Contacts {
    /// These addresses with the default settings.
    pub fn usual(email: Vec<String>, from: String) -> Self {
        Self {
            email,
            from,
            remind_s: USUAL_REMIND_S,
            escalate: Vec::new(),
            group_wait_s: USUAL_GROUP_WAIT_S,
            group_interval_s: USUAL_GROUP_INTERVAL_S,
        }
    }
}

pub(super) fn general(table: &Table<'_>) -> Result<Contacts, ConfigError> {
    table.only(&["email", "from", "remind", "escalate", "group_wait", "group_interval"])?;
    let email = addresses(table)?
        .ok_or_else(|| table.problem("email is missing; write email = [\"grid-duty@example.com\"]"))?;
    let from = table
        .string("from", "a mail address")?
        .ok_or_else(|| table.problem("from is missing; a mail address belongs here"))?
        .parse(table.document, scalar::email)?;
    let remind_s = table
        .string("remind", "a duration in quotes (\"15m\"), or \"off\"")?
        .map_or(Ok(USUAL_REMIND_S), |at| at.parse(table.document, scalar::duration_or_off))?;
    let group_wait_s = table
        .string("group_wait", "a duration in quotes (\"30s\")")?
        .map_or(Ok(USUAL_GROUP_WAIT_S), |at| at.parse(table.document, scalar::duration_or_none))?;
    let group_interval_s = table
        .string("group_interval", "a duration in quotes (\"5m\")")?
        .map_or(Ok(USUAL_GROUP_INTERVAL_S), |at| at.parse(table.document, scalar::duration))?;
    let escalate = escalate(table)?.unwrap_or_default();
    let contacts = Contacts { email, from, remind_s, escalate, group_wait_s, group_interval_s };
    bounded(table, &contacts.email, &contacts.escalate)?;
    Ok(contacts)
}

pub(super) fn of_source(table: &Table<'_>) -> Result<SourceContacts, ConfigError> {
    table.only(&["email", "escalate"])?;
    Ok(SourceContacts { email: addresses(table)?, escalate: escalate(table)? })
}

/// Checks that all people who can be notified about a source fit into one mail.
pub(super) fn fits(table: &Table<'_>, general: Option<&Contacts>, own: &SourceContacts) -> Result<(), ConfigError> {
    let email = own.email.as_deref().or(general.map(|general| general.email.as_slice())).unwrap_or_default();
    let escalate = own.escalate.as_deref().or(general.map(|general| general.escalate.as_slice())).unwrap_or_default();
    bounded(table, email, escalate)
}

fn bounded(table: &Table<'_>, email: &[String], escalate: &[Escalation]) -> Result<(), ConfigError> {
    let all = email.len() + escalate.iter().map(|step| step.email.len()).sum::<usize>();
    if all <= MOST_ADDRESSES {
        return Ok(());
    }
    let text = format!("{all} addresses with those of escalate; a mail goes to {MOST_ADDRESSES} at most");
    Err(table.problem(text))
}

pub(super) fn addresses(table: &Table<'_>) -> Result<Option<Vec<String>>, ConfigError> {
    let document = table.document;
    let Some(email) = table.strings("email", "a list of mail addresses")? else { return Ok(None) };
    if email.is_empty() || email.len() > MOST_ADDRESSES {
        let key = format!("{}.email", table.name);
        let text = format!("{} addresses; write 1 to {MOST_ADDRESSES}", email.len());
        return Err(document.problem(table.offset_of("email"), key, text));
    }
    email.into_iter().map(|at| at.parse(document, scalar::email)).collect::<Result<_, _>>().map(Some)
}

fn escalate(table: &Table<'_>) -> Result<Option<Vec<Escalation>>, ConfigError> {
    let wanted = "a list of { after = \"15m\", email = [\"lead@example.com\"] }";
    let Some(steps) = table.table_list("escalate", wanted)? else { return Ok(None) };
    let read = |step: &Table<'_>| {
        step.only(&["after", "email"])?;
        let after_s = step
            .string("after", "a duration in quotes (\"15m\")")?
            .ok_or_else(|| step.problem("after is missing; write after = \"15m\""))?
            .parse(step.document, scalar::duration_or_none)?;
        let email =
            addresses(step)?.ok_or_else(|| step.problem("email is missing; write email = [\"lead@example.com\"]"))?;
        Ok(Escalation { after_s, email })
    };
    steps.iter().map(read).collect::<Result<_, ConfigError>>().map(Some)
}
