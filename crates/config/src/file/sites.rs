//! Reads `[sites."SOURCE/SITE"]`.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use url::Url;

use super::{
    FileError,
    contacts::{self, MOST_ADDRESSES},
    error::Mistakes,
    table::{Entry, Table},
};
use crate::{Site, SiteContacts};

/// Longest name and telephone number, in characters.
const MOST_NAME: usize = 200;
const MOST_PHONE: usize = 40;

/// Longest instructions and URL, in characters.
const MOST_INSTRUCTIONS: usize = 2_000;
const MOST_URL: usize = 2_000;

/// Reads all sites. Each key names a source of the file.
pub(super) fn read(table: &Table<'_>, sources: &[&str]) -> Result<BTreeMap<String, Site>, FileError> {
    let (mut mistakes, mut sites) = (Mistakes::default(), BTreeMap::new());
    for Entry { name, offset, table: entry } in table.tables(&mut mistakes) {
        let key = named(name, sources).map_err(|text| table.document.problem(offset, entry.name.clone(), text));
        let site = mistakes.keep(site(&entry));
        if let (Some(key), Some(site)) = (mistakes.keep(key), site) {
            sites.insert(key.to_owned(), site);
        }
    }
    mistakes.or(Some(sites))
}

/// The key, if it names a site of a source.
fn named<'k>(key: &'k str, sources: &[&str]) -> Result<&'k str, String> {
    let Some((source, id)) = key.split_once('/').filter(|(_, id)| !id.is_empty()) else {
        return Err("not the key of a site; write \"SOURCE/SITE\", as `gridbell site list` shows it".to_owned());
    };
    if !sources.contains(&source) {
        return Err(format!("names no source of this file before the slash; there are: {}", sources.join(", ")));
    }
    if id.chars().any(char::is_control) {
        return Err("holds control characters; write the site's id as the provider has it".to_owned());
    }
    Ok(key)
}

fn site(table: &Table<'_>) -> Result<Site, FileError> {
    let mut mistakes = Mistakes::default();
    mistakes.keys(table.only(&["name", "timezone", "phone", "instructions", "runbook_url", "contacts"]));
    let mut text = |key: &'static str, parser: fn(&str) -> Result<String, String>| {
        let at = mistakes.some(table.string(key, "text in quotes"))?;
        mistakes.keep(at.parse(table.document, parser))
    };
    let mut site = Site {
        name: text("name", name),
        timezone: text("timezone", timezone),
        phone: text("phone", phone),
        instructions: text("instructions", instructions),
        runbook_url: text("runbook_url", runbook_url),
        contacts: None,
    };
    if let Some(contacts) = mistakes.some(table.table("contacts")) {
        site.contacts = mistakes.keep(of_site(&contacts));
    }
    mistakes.or(Some(site))
}

fn of_site(table: &Table<'_>) -> Result<SiteContacts, FileError> {
    let mut mistakes = Mistakes::default();
    mistakes.keys(table.only(&["email"]));
    let missing = || table.problem("email is missing; write email = [\"mill-duty@example.com\"]");
    let email = mistakes.required(contacts::addresses(table), missing);
    if let Some(count) = email.as_ref().map(Vec::len).filter(|count| *count >= MOST_ADDRESSES) {
        let text = format!("{count} addresses; with those of the source a mail goes to {MOST_ADDRESSES} at most");
        mistakes.keep::<()>(Err(table.problem(text)));
    }
    mistakes.or(email.map(|email| SiteContacts { email }))
}

fn name(value: &str) -> Result<String, String> {
    plain(value, MOST_NAME, "a name", |c| !c.is_control())
}

fn instructions(value: &str) -> Result<String, String> {
    plain(value, MOST_INSTRUCTIONS, "instructions", |c| c == '\n' || !c.is_control())
}

fn phone(value: &str) -> Result<String, String> {
    let good = value.chars().any(|c| c.is_ascii_digit())
        && value.chars().count() <= MOST_PHONE
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "+ ()-./#*".contains(c));
    if good { Ok(value.to_owned()) } else { Err("not a telephone number; write \"+1 555 0100\"".to_owned()) }
}

fn timezone(value: &str) -> Result<String, String> {
    let zone = TimeZone::get(value).ok().filter(|zone| !zone.is_unknown());
    let name = zone.as_ref().and_then(TimeZone::iana_name);
    name.map(str::to_owned).ok_or_else(|| "no time zone; write an IANA name: \"America/Los_Angeles\"".to_owned())
}

fn runbook_url(value: &str) -> Result<String, String> {
    let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    let Some(url) = url.filter(|_| value.len() <= MOST_URL) else {
        return Err("not a web address; write \"https://wiki.example.com/mill\"".to_owned());
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password, and stands in mails; write the address alone".to_owned());
    }
    Ok(url.into())
}

fn plain(value: &str, most: usize, what: &str, good: fn(char) -> bool) -> Result<String, String> {
    if value.trim().is_empty() || value.chars().count() > most || !value.chars().all(good) {
        return Err(format!("no good as {what}: 1 to {most} characters, none of them a control character"));
    }
    Ok(value.to_owned())
}
