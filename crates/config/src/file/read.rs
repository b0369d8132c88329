//! Reads the file's sections, one function each.

use std::{collections::BTreeMap, ops::RangeInclusive};

use providers::Providers;
use toml::de::DeTable;

use super::{
    File, FileError, Place, contacts,
    error::Mistakes,
    outputs, scalar, sites, source,
    table::{Document, Entry, Table},
};
use crate::{Acks, Config, Deadlines, Signals, Source, TokenHash, VERIFY};

pub(super) fn file(file: &str, text: &str, providers: Providers) -> Result<File, FileError> {
    let document = Document { file, text };
    let parsed = DeTable::parse(text).map_err(|error| {
        document.problem(error.span().map_or(0, |span| span.start), "", format!("not TOML: {}", error.message()))
    })?;
    let root = Table::root(document, parsed.get_ref());
    let mut mistakes = Mistakes::default();
    let sections =
        mistakes.keep(root.only(&["sources", "deadlines", "contacts", "acks", "signals", "sites", "outputs"]));
    let deadlines = mistakes.some(root.table("deadlines")).map(|table| source::deadlines(&table, Deadlines::default()));
    let general = deadlines.and_then(|deadlines| mistakes.keep(deadlines)).unwrap_or_default();
    let entries = mistakes.keep(root.table("sources"));
    let is_empty = entries.as_ref().is_some_and(|table| table.as_ref().is_none_or(Table::is_empty));
    // A misspelt section is one mistake, not two.
    if is_empty && sections.is_some() {
        let text = "no source; write at least one [sources.<name>] with its provider (gridbell.example.toml shows all)";
        mistakes.keep::<()>(Err(document.problem(0, "sources", text)));
    }
    let entries = entries.flatten().map(|table| table.tables(&mut mistakes)).unwrap_or_default();
    let (mut sources, mut places, mut api_keys) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for Entry { name, offset, table } in &entries {
        let named = if *name == VERIFY {
            Err("`gridbell verify` uses this name; write another one".to_owned())
        } else {
            scalar::source_name(name)
        };
        mistakes.keep(named.map_err(|text| document.problem(*offset, table.name.clone(), text)));
        let Some(source) = mistakes.keep(source::source(name, table, general, providers)) else { continue };
        places.insert((*name).to_owned(), document.place(table.span.start));
        if source.api_key.is_some() {
            api_keys.insert((*name).to_owned(), document.place(table.offset_of("api_key")));
        }
        sources.insert((*name).to_owned(), source);
    }
    let contacts = mistakes.some(root.table("contacts")).map(|table| contacts::general(&table));
    let contacts = contacts.and_then(|contacts| mistakes.keep(contacts));
    for Entry { name, table, .. } in &entries {
        let own = sources.get_mut(*name).and_then(|source: &mut Source| source.contacts.as_mut());
        if let (Some(own), Ok(Some(table))) = (own, table.table("contacts")) {
            mistakes.keep(contacts::complete(&table, contacts.as_ref(), own));
            api_keys.extend(secrets(&table));
        }
    }
    if let Ok(Some(table)) = root.table("contacts") {
        api_keys.extend(secrets(&table));
    }
    let contacts = contacts.unwrap_or_default();
    let acks = mistakes.some(root.table("acks")).and_then(|table| mistakes.keep(acks(&table)));
    let acks = Acks { tokens: acks.unwrap_or_default() };
    let signals = mistakes.some(root.table("signals")).and_then(|table| mistakes.keep(signals(&table)));
    let signals = signals.unwrap_or_default();
    let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    let sites = mistakes.some(root.table("sites")).and_then(|table| mistakes.keep(sites::read(&table, &names)));
    let sites = sites.unwrap_or_default();
    let outputs = mistakes.some(root.table("outputs")).and_then(|table| mistakes.keep(outputs::read(&table, &names)));
    let outputs = outputs.unwrap_or_default();
    let config = Config { sources, deadlines: general, contacts, acks, signals, sites, outputs };
    mistakes.or(Some(File { config, places, api_keys }))
}

/// The positions of the channels that have a secret, by their full name.
fn secrets(contacts: &Table<'_>) -> Vec<(String, Place)> {
    let known = ["pagerduty", "webhook"].into_iter().filter(|kind| contacts.has(kind));
    known.map(|kind| (format!("{}.{kind}", contacts.name), contacts.document.place(contacts.offset_of(kind)))).collect()
}

/// `[signals]`.
fn signals(table: &Table<'_>) -> Result<Signals, FileError> {
    table.only(&["heartbeat"])?;
    let Some(at) = table.string("heartbeat", "\"off\" or a duration in quotes (\"5m\")")? else {
        return Ok(Signals::default());
    };
    let heartbeat_s = at.parse(table.document, |value| match value {
        "off" => Ok(0),
        value => scalar::duration(value)
            .ok()
            .filter(|seconds| HEARTBEAT_S.contains(seconds))
            .ok_or_else(|| "no interval; write \"off\" or \"5m\": from 1m to 1h".to_owned()),
    })?;
    Ok(Signals { heartbeat_s })
}

/// The sweep, which runs every minute, sends the heartbeats.
const HEARTBEAT_S: RangeInclusive<u32> = 60..=3_600;

fn acks(table: &Table<'_>) -> Result<Vec<TokenHash>, FileError> {
    let mut mistakes = Mistakes::default();
    mistakes.keys(table.only(&["token"]));
    let tokens = mistakes.keep(source::tokens(table));
    mistakes.or(tokens)
}
