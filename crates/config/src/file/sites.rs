//! Reads `[sites."SOURCE/SITE"]`.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use url::Url;

use super::{
    FileError,
    contacts::{self, MOST_ADDRESSES},
    table::Table,
};
use crate::{Site, SiteContacts, Source};

/// Longest name and telephone number, in characters.
const MOST_NAME: usize = 200;
const MOST_PHONE: usize = 40;

/// Longest instructions and URL, in characters.
const MOST_INSTRUCTIONS: usize = 2_000;
const MOST_URL: usize = 2_000;

/// Reads all sites. Each key names a source of the file.
pub(super) fn read(table: &Table<'_>, sources: &BTreeMap<String, Source>) -> Result<BTreeMap<String, Site>, FileError> {
    let mut sites = BTreeMap::new();
    for (key, offset, entry) in table.tables()? {
        let problem = |text: String| Err(table.document.problem(offset, entry.name.clone(), text));
        let Some((source, id)) = key.split_once('/').filter(|(_, id)| !id.is_empty()) else {
            return problem(
                "not the key of a site; write \"SOURCE/SITE\", as `gridbell site list` shows it".to_owned(),
            );
        };
        if !sources.contains_key(source) {
            let known = sources.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return problem(format!("names no source of this file before the slash; there are: {known}"));
        }
        if id.chars().any(char::is_control) {
            return problem("holds control characters; write the site's id as the provider has it".to_owned());
        }
        sites.insert(key.to_owned(), site(&entry)?);
    }
    Ok(sites)
}

fn site(table: &Table<'_>) -> Result<Site, FileError> {
    table.only(&["name", "timezone", "phone", "instructions", "runbook_url", "contacts"])?;
    let text = |key: &'static str, parser: fn(&str) -> Result<String, String>| {
        table.string(key, "text in quotes")?.map(|at| at.parse(table.document, parser)).transpose()
    };
    Ok(Site {
        name: text("name", name)?,
        timezone: text("timezone", timezone)?,
        phone: text("phone", phone)?,
        instructions: text("instructions", instructions)?,
        runbook_url: text("runbook_url", runbook_url)?,
        contacts: table.table("contacts")?.map(|table| of_site(&table)).transpose()?,
    })
}

fn of_site(table: &Table<'_>) -> Result<SiteContacts, FileError> {
    table.only(&["email"])?;
    let email = contacts::addresses(table)?
        .ok_or_else(|| table.problem("email is missing; write email = [\"mill-duty@example.com\"]"))?;
    if email.len() >= MOST_ADDRESSES {
        let text =
            format!("{} addresses; with those of the source a mail goes to {MOST_ADDRESSES} at most", email.len());
        return Err(table.problem(text));
    }
    Ok(SiteContacts { email })
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
