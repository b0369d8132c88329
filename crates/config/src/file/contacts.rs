//! Reads `[contacts]` and `[sources.NAME.contacts]`.

use super::{FileError, scalar, table::Table};
use crate::{Contacts, Escalation, SourceContacts};

/// Most addresses of one mail: the limit of SES is 50.
pub(super) const MOST_ADDRESSES: usize = 50;

pub(super) fn general(table: &Table<'_>) -> Result<Contacts, FileError> {
    table.only(&["email", "from", "remind", "escalate", "group_wait", "group_interval"])?;
    let email = addresses(table)?
        .ok_or_else(|| table.problem("email is missing; write email = [\"grid-duty@example.com\"]"))?;
    let from = table
        .string("from", "a mail address")?
        .ok_or_else(|| table.problem("from is missing; a mail address belongs here"))?
        .parse(table.document, scalar::email)?;
    let usual = Contacts::usual(email, from);
    let seconds = |key: &str, wanted: &str, parser: fn(&str) -> Result<u32, String>, usual: u32| {
        table.string(key, wanted)?.map_or(Ok(usual), |at| at.parse(table.document, parser))
    };
    let contacts = Contacts {
        remind_s: seconds(
            "remind",
            "a duration in quotes (\"15m\"), or \"off\"",
            scalar::duration_or_off,
            usual.remind_s,
        )?,
        group_wait_s: seconds(
            "group_wait",
            "a duration in quotes (\"30s\")",
            scalar::duration_or_none,
            usual.group_wait_s,
        )?,
        group_interval_s: seconds(
            "group_interval",
            "a duration in quotes (\"5m\")",
            scalar::duration,
            usual.group_interval_s,
        )?,
        escalate: escalate(table)?.unwrap_or_default(),
        ..usual
    };
    bounded(table, &contacts.email, &contacts.escalate)?;
    Ok(contacts)
}

pub(super) fn of_source(table: &Table<'_>) -> Result<SourceContacts, FileError> {
    table.only(&["email", "escalate"])?;
    Ok(SourceContacts { email: addresses(table)?, escalate: escalate(table)? })
}

/// Checks that all people who can be notified about a source fit into one mail.
pub(super) fn fits(table: &Table<'_>, general: Option<&Contacts>, own: &SourceContacts) -> Result<(), FileError> {
    let email = own.email.as_deref().or(general.map(|general| general.email.as_slice())).unwrap_or_default();
    let escalate = own.escalate.as_deref().or(general.map(|general| general.escalate.as_slice())).unwrap_or_default();
    bounded(table, email, escalate)
}

fn bounded(table: &Table<'_>, email: &[String], escalate: &[Escalation]) -> Result<(), FileError> {
    let all = email.len() + escalate.iter().map(|step| step.email.len()).sum::<usize>();
    if all <= MOST_ADDRESSES {
        return Ok(());
    }
    let text = format!("{all} addresses with those of escalate; a mail goes to {MOST_ADDRESSES} at most");
    Err(table.problem(text))
}

pub(super) fn addresses(table: &Table<'_>) -> Result<Option<Vec<String>>, FileError> {
    let document = table.document;
    let Some(email) = table.strings("email", "a list of mail addresses")? else { return Ok(None) };
    if email.is_empty() || email.len() > MOST_ADDRESSES {
        let key = format!("{}.email", table.name);
        let text = format!("{} addresses; write 1 to {MOST_ADDRESSES}", email.len());
        return Err(document.problem(table.offset_of("email"), key, text));
    }
    email.into_iter().map(|at| at.parse(document, scalar::email)).collect::<Result<_, _>>().map(Some)
}

fn escalate(table: &Table<'_>) -> Result<Option<Vec<Escalation>>, FileError> {
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
    steps.iter().map(read).collect::<Result<_, FileError>>().map(Some)
}
