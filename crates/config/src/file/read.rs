//! Reads the file's sections, one function each.

use std::collections::BTreeMap;

use providers::{Provider, Providers};
use toml::de::DeTable;

use super::{
    File, FileError, contacts, scalar, sites,
    table::{At, Document, Table},
};
use crate::{Acks, Config, Deadlines, Environment, Source, TokenHash, USUAL_POLL_S};

pub(super) fn file(file: &str, text: &str, providers: Providers) -> Result<File, FileError> {
    let document = Document { file, text };
    let parsed = DeTable::parse(text).map_err(|error| {
        document.problem(error.span().map_or(0, |span| span.start), "", format!("not TOML: {}", error.message()))
    })?;
    let root = Table::root(document, parsed.get_ref());
    root.only(&["sources", "deadlines", "contacts", "acks", "sites"])?;
    let deadlines = root.table("deadlines")?.map_or(Ok(Deadlines::default()), |table| deadlines(&table))?;
    let (mut sources, mut api_keys) = (BTreeMap::new(), BTreeMap::new());
    if let Some(table) = root.table("sources")? {
        for (name, offset, entry) in table.tables()? {
            scalar::source_name(name).map_err(|text| document.problem(offset, entry.name.clone(), text))?;
            let source = source(name, &entry, deadlines, providers)?;
            if source.api_key.is_some() {
                api_keys.insert(name.to_owned(), document.place(entry.offset_of("api_key")));
            }
            sources.insert(name.to_owned(), source);
        }
    }
    if sources.is_empty() {
        return Err(document.problem(
            0,
            "sources",
            "no source; write at least one [sources.<name>] with its provider (gridbell.example.toml shows all)",
        ));
    }
    let contacts = root.table("contacts")?.map(|table| contacts::general(&table)).transpose()?;
    for (name, _, entry) in root.table("sources")?.map(|table| table.tables()).transpose()?.unwrap_or_default() {
        let own = sources.get(name).and_then(|source: &Source| source.contacts.as_ref());
        if let (Some(own), Some(table)) = (own, entry.table("contacts")?) {
            contacts::fits(&table, contacts.as_ref(), own)?;
        }
    }
    let contacts = contacts.unwrap_or_default();
    let acks = Acks { tokens: root.table("acks")?.map_or(Ok(Vec::new()), |table| acks(&table))? };
    let sites = root.table("sites")?.map_or(Ok(BTreeMap::new()), |table| sites::read(&table, &sources))?;
    Ok(File { config: Config { sources, deadlines, contacts, acks, sites }, api_keys })
}

fn source(name: &str, table: &Table<'_>, general: Deadlines, providers: Providers) -> Result<Source, FileError> {
    table.only(&[
        "provider",
        "environment",
        "api_url",
        "api_key",
        "token",
        "poll",
        "requests_per_minute",
        "deadlines",
        "contacts",
    ])?;
    let document = table.document;
    let provider = required(table, "provider", "a provider's name")?
        .parse(document, |value| providers.named(value).map_err(|error| error.to_string()))?;
    let environment = match table.string("environment", "\"production\" or \"sandbox\"")? {
        None => Environment::default(),
        Some(at) => at.parse(document, |value| match value {
            "production" => Ok(Environment::Production),
            "sandbox" => Ok(Environment::Sandbox),
            _ => Err("unknown environment; write \"production\" or \"sandbox\"".to_owned()),
        })?,
    };
    let api_url = match table.string("api_url", "an address in quotes")? {
        Some(at) => Some(at.parse(document, scalar::api_url)?),
        None => provider
            .api_url(environment == Environment::Sandbox)
            .map(|own| scalar::api_url(own).map_err(|text| table.problem(text)))
            .transpose()?,
    };
    let api_key = table
        .string("api_key", "a reference (\"ssm:/…\" or \"env:…\")")?
        .map(|at| at.parse(document, |value| scalar::reference(value, name)))
        .transpose()?;
    if api_key.is_none() && provider.needs_api_key() {
        return Err(table.problem(format!(
            "api_key is missing; {provider} is asked with one: write api_key = \"ssm:/gridbell/{name}\" or \"env:NAME\""
        )));
    }
    let own = table.table("deadlines")?;
    let (deadlines, programs) =
        own.map_or(Ok((general, BTreeMap::new())), |table| source_deadlines(&table, general))?;
    Ok(Source {
        provider,
        environment,
        api_url,
        api_key,
        tokens: tokens(table)?,
        poll_s: poll(table, provider)?,
        requests_a_minute: table.count("requests_per_minute", 1..=60_000)?,
        deadlines: Some(deadlines).filter(|own| *own != general),
        programs,
        contacts: table.table("contacts")?.map(|own| contacts::of_source(&own)).transpose()?,
    })
}

/// `poll`: an interval, or `off`.
fn poll(table: &Table<'_>, provider: &dyn Provider) -> Result<u32, FileError> {
    let Some(at) = table.string("poll", "\"off\" or a duration in quotes (\"5m\")")? else { return Ok(USUAL_POLL_S) };
    at.parse(table.document, |value| match value {
        "off" => Ok(0),
        _ if !provider.lists_dispatches() => {
            Err(format!("{provider} lists no dispatches; write \"off\" or leave it out"))
        }
        value => scalar::duration(value).ok().filter(|seconds| *seconds >= LEAST_POLL_S).ok_or_else(|| {
            "no interval; write \"off\" or \"5m\": from 1m to 24h, and every minute near a dispatch all the same"
                .to_owned()
        }),
    })
}

/// The sweep runs every minute, so no source is polled more often.
const LEAST_POLL_S: u32 = 60;

/// `token`: one hash, or two during a rotation; none if the key is missing.
fn tokens(table: &Table<'_>) -> Result<Vec<TokenHash>, FileError> {
    let Some(list) = table.strings("token", "\"sha256:…\" or a list of two")? else { return Ok(Vec::new()) };
    let offset = table.offset_of("token");
    let key = format!("{}.token", table.name);
    if list.is_empty() {
        return Err(table.document.problem(offset, key, "an empty list; leave the key out or write one hash"));
    }
    if list.len() > 2 {
        return Err(table.document.problem(offset, key, "more than two hashes; two while rotating, one otherwise"));
    }
    let hashes =
        list.into_iter().map(|at| at.parse(table.document, scalar::token_hash)).collect::<Result<Vec<_>, _>>()?;
    if let [first, second] = hashes.as_slice()
        && first == second
    {
        return Err(table.document.problem(offset, key, "the same hash twice; write it once"));
    }
    Ok(hashes)
}

const DEADLINES: [&str; 3] = ["lead", "immediate", "acknowledge"];

fn deadlines(table: &Table<'_>) -> Result<Deadlines, FileError> {
    table.only(&DEADLINES)?;
    overridden(table, Deadlines::default())
}

/// A source's own deadlines, and those of its programs by name. The functions get each one complete.
fn source_deadlines(
    table: &Table<'_>,
    general: Deadlines,
) -> Result<(Deadlines, BTreeMap<String, Deadlines>), FileError> {
    let [lead, immediate, acknowledge] = DEADLINES;
    table.only(&[lead, immediate, acknowledge, "programs"])?;
    let own = overridden(table, general)?;
    let mut programs = BTreeMap::new();
    if let Some(table) = table.table("programs")? {
        for (name, _, table) in table.tables()? {
            table.only(&DEADLINES)?;
            programs.insert(name.to_owned(), overridden(&table, own)?);
        }
    }
    Ok((own, programs))
}

/// The outer deadlines with the table's values in place of theirs.
fn overridden(table: &Table<'_>, outer: Deadlines) -> Result<Deadlines, FileError> {
    let seconds = |key, outer| {
        let written = table.string(key, "a duration in quotes (\"10m\")")?;
        written.map_or(Ok(outer), |at| at.parse(table.document, scalar::duration))
    };
    Ok(Deadlines {
        lead_s: seconds("lead", outer.lead_s)?,
        immediate_s: seconds("immediate", outer.immediate_s)?,
        acknowledge: table.boolean("acknowledge")?.unwrap_or(outer.acknowledge),
    })
}

fn acks(table: &Table<'_>) -> Result<Vec<TokenHash>, FileError> {
    table.only(&["token"])?;
    tokens(table)
}

fn required<'d>(table: &Table<'d>, key: &str, wanted: &str) -> Result<At<&'d str>, FileError> {
    table.string(key, wanted)?.ok_or_else(|| table.problem(format!("{key} is missing; {wanted} belongs here")))
}
