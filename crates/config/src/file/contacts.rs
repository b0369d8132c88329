//! Reads `[contacts]` and `[sources.NAME.contacts]`.

use super::{FileError, channels, error::Mistakes, scalar, table::Table};
use crate::{Contacts, Escalation, SourceContacts};

/// Most addresses of one mail: the limit of SES is 50.
pub(super) const MOST_ADDRESSES: usize = 50;

pub(super) fn general(table: &Table<'_>) -> Result<Contacts, FileError> {
    let mut mistakes = Mistakes::default();
    mistakes.keys(table.only(
        &[&["email", "from", "remind", "escalate", "group_wait", "group_interval"], &channels::KEYS[..]].concat(),
    ));
    let missing = || table.problem("email is missing; write email = [\"grid-duty@example.com\"]");
    let email = mistakes.required(addresses(table), missing);
    let missing = || table.problem("from is missing; a mail address belongs here");
    let from = mistakes.required(table.string("from", "a mail address"), missing);
    let from = from.and_then(|from| mistakes.keep(from.parse(table.document, scalar::email)));
    let usual = Contacts::usual(email.clone().unwrap_or_default(), from.clone().unwrap_or_default());
    let mut seconds = |key: &str, wanted: &str, parser: fn(&str) -> Result<u32, String>, usual: u32| {
        let at = mistakes.some(table.string(key, wanted));
        at.and_then(|at| mistakes.keep(at.parse(table.document, parser))).unwrap_or(usual)
    };
    let remind = "a duration in quotes (\"15m\"), or \"off\"";
    let remind_s = seconds("remind", remind, scalar::duration_or_off, usual.remind_s);
    let wait = "a duration in quotes (\"30s\")";
    let group_wait_s = seconds("group_wait", wait, scalar::duration_or_none, usual.group_wait_s);
    let interval = "a duration in quotes (\"5m\")";
    let group_interval_s = seconds("group_interval", interval, scalar::duration, usual.group_interval_s);
    let escalate = mistakes.some(escalate(table)).unwrap_or_default();
    let channels = mistakes.keep(channels::general(table)).unwrap_or_default();
    mistakes.keep(bounded(table, &usual.email, &escalate));
    let is_whole = email.is_some() && from.is_some();
    mistakes.or(is_whole.then_some(Contacts { remind_s, group_wait_s, group_interval_s, escalate, channels, ..usual }))
}

pub(super) fn of_source(table: &Table<'_>) -> Result<SourceContacts, FileError> {
    let mut mistakes = Mistakes::default();
    mistakes.keys(table.only(&[&["email", "escalate"], &channels::KEYS[..]].concat()));
    let (email, escalate) = (mistakes.some(addresses(table)), mistakes.some(escalate(table)));
    mistakes.or(Some(SourceContacts { email, escalate, channels: None }))
}

/// Completes a source's contacts from the general ones: its channels. Checks that all people who can be notified about it fit
/// into one mail.
pub(super) fn complete(
    table: &Table<'_>,
    general: Option<&Contacts>,
    own: &mut SourceContacts,
) -> Result<(), FileError> {
    let usual = general.map(|general| general.channels.clone()).unwrap_or_default();
    own.channels = channels::of_source(table, &usual)?;
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
    let mut mistakes = Mistakes::default();
    let email = email.into_iter().filter_map(|at| mistakes.keep(at.and_then(|at| at.parse(document, scalar::email))));
    let email = email.collect();
    mistakes.or(Some(Some(email)))
}

fn escalate(table: &Table<'_>) -> Result<Option<Vec<Escalation>>, FileError> {
    let wanted = "a list of { after = \"15m\", email = [\"lead@example.com\"] }";
    let Some(steps) = table.table_list("escalate", wanted)? else { return Ok(None) };
    let mut mistakes = Mistakes::default();
    let steps = steps.iter().filter_map(|table| mistakes.keep(step(table))).collect();
    mistakes.or(Some(Some(steps)))
}

fn step(table: &Table<'_>) -> Result<Escalation, FileError> {
    let mut mistakes = Mistakes::default();
    mistakes.keys(table.only(&["after", "email"]));
    let missing = || table.problem("after is missing; write after = \"15m\"");
    let after = mistakes.required(table.string("after", "a duration in quotes (\"15m\")"), missing);
    let after_s = after.and_then(|after| mistakes.keep(after.parse(table.document, scalar::duration_or_none)));
    let missing = || table.problem("email is missing; write email = [\"lead@example.com\"]");
    let email = mistakes.required(addresses(table), missing);
    let step = after_s.zip(email);
    mistakes.or(step.map(|(after_s, email)| Escalation { after_s, email }))
}
