//! `[contacts]`, and `[sources.<name>.contacts]` instead of it: who is told, how often, and who besides.

use serde::Serialize;

use super::{ConfigError, scalar, table::Table};

/// Most addresses that one mail goes to: SES takes 50.
const MOST_ADDRESSES: usize = 50;

/// Between reminders where the file does not say, in seconds.
const USUAL_REMIND_S: u32 = 900;

/// `[contacts]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contacts {
    /// Who gets the mail.
    pub email: Vec<String>,
    /// The sender, an identity that SES has verified.
    pub from: String,
    /// Between reminders of what nobody has taken on, in seconds; 0: never.
    #[serde(skip_serializing_if = "is_usual")]
    pub remind_s: u32,
    /// Who is told besides, and when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
}

/// One step of `escalate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Escalation {
    /// This long after an incident opened, in seconds.
    pub after_s: u32,
    /// Who is told besides.
    pub email: Vec<String>,
}

/// `[sources.<name>.contacts]`: what it leaves out is as in general.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceContacts {
    /// Instead of the general addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Vec<String>>,
    /// Instead of the general steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Vec<Escalation>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_usual(remind_s: &u32) -> bool {
    *remind_s == USUAL_REMIND_S
}

impl Contacts {
    /// Those addresses, told in the usual way.
    pub fn usual(email: Vec<String>, from: String) -> Self {
        Self { email, from, remind_s: USUAL_REMIND_S, escalate: Vec::new() }
    }
}

pub(super) fn general(table: &Table<'_>) -> Result<Contacts, ConfigError> {
    table.only(&["email", "from", "remind", "escalate"])?;
    let email = addresses(table)?
        .ok_or_else(|| table.problem("email is missing; write email = [\"grid-duty@example.com\"]"))?;
    let from = table
        .string("from", "a mail address")?
        .ok_or_else(|| table.problem("from is missing; a mail address belongs here"))?
        .parse(table.document, scalar::email)?;
    let remind_s = table
        .string("remind", "a duration in quotes (\"15m\"), or \"off\"")?
        .map_or(Ok(USUAL_REMIND_S), |at| at.parse(table.document, scalar::duration_or_off))?;
    let contacts = Contacts { email, from, remind_s, escalate: escalate(table)?.unwrap_or_default() };
    bounded(table, &contacts.email, &contacts.escalate)?;
    Ok(contacts)
}

pub(super) fn of_source(table: &Table<'_>) -> Result<SourceContacts, ConfigError> {
    table.only(&["email", "escalate"])?;
    Ok(SourceContacts { email: addresses(table)?, escalate: escalate(table)? })
}

/// Whether everybody who can be told of a source fits into one mail.
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

fn addresses(table: &Table<'_>) -> Result<Option<Vec<String>>, ConfigError> {
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
