//! Reads `[sources.NAME]`.

use std::collections::BTreeMap;

use providers::{Provider, Providers};

use super::{
    FileError, contacts,
    error::Mistakes,
    scalar,
    table::{Entry, Table},
};
use crate::{Deadlines, Environment, Reference, Source, TokenHash, USUAL_POLL_S};

const SOURCE: [&str; 9] =
    ["provider", "environment", "api_url", "api_key", "token", "poll", "requests_per_minute", "deadlines", "contacts"];

pub(super) fn source(
    name: &str,
    table: &Table<'_>,
    general: Deadlines,
    providers: Providers,
) -> Result<Source, FileError> {
    let (document, mut mistakes) = (table.document, Mistakes::default());
    mistakes.keys(table.only(&SOURCE));
    let missing = || table.problem("provider is missing; a provider's name belongs here");
    let provider = mistakes.required(table.string("provider", "a provider's name"), missing);
    let provider = provider.and_then(|at| {
        mistakes.keep(at.parse(document, |value| providers.named(value).map_err(|error| error.to_string())))
    });
    let environment = mistakes.keep(environment(table)).unwrap_or_default();
    let api_url = mistakes.some(api_url(table, provider, environment));
    let api_key = match provider.filter(|provider| provider.needs_api_key()) {
        Some(provider) => mistakes.required(api_key(name, table), || missing_key(name, table, provider)),
        None => mistakes.some(api_key(name, table)),
    };
    let own = mistakes.some(table.table("deadlines")).map(|table| source_deadlines(&table, general));
    let (deadlines, programs) = own.and_then(|own| mistakes.keep(own)).unwrap_or_else(|| (general, BTreeMap::new()));
    let tokens = mistakes.keep(tokens(table)).unwrap_or_default();
    let poll_s = mistakes.keep(poll(table, provider)).unwrap_or(USUAL_POLL_S);
    let requests_a_minute = mistakes.some(table.count("requests_per_minute", 1..=60_000));
    let contacts = mistakes.some(table.table("contacts")).map(|own| contacts::of_source(&own));
    let contacts = contacts.and_then(|contacts| mistakes.keep(contacts));
    mistakes.or(provider.map(|provider| Source {
        provider,
        environment,
        api_url,
        api_key,
        tokens,
        poll_s,
        requests_a_minute,
        deadlines: Some(deadlines).filter(|own| *own != general),
        programs,
        contacts,
    }))
}

fn environment(table: &Table<'_>) -> Result<Environment, FileError> {
    let Some(at) = table.string("environment", "\"production\" or \"sandbox\"")? else {
        return Ok(Environment::default());
    };
    at.parse(table.document, |value| match value {
        "production" => Ok(Environment::Production),
        "sandbox" => Ok(Environment::Sandbox),
        _ => Err("unknown environment; write \"production\" or \"sandbox\"".to_owned()),
    })
}

/// The provider's own address if the file has none. Where the provider cannot be read, it is not known.
fn api_url(
    table: &Table<'_>,
    provider: Option<&dyn Provider>,
    environment: Environment,
) -> Result<Option<String>, FileError> {
    if let Some(at) = table.string("api_url", "an address in quotes")? {
        return at.parse(table.document, scalar::api_url).map(Some);
    }
    let own = provider.and_then(|provider| provider.api_url(environment == Environment::Sandbox));
    own.map(|own| scalar::api_url(own).map_err(|text| table.problem(text))).transpose()
}

fn api_key(name: &str, table: &Table<'_>) -> Result<Option<Reference>, FileError> {
    let at = table.string("api_key", "a reference (\"ssm:/…\" or \"env:…\")")?;
    at.map(|at| at.parse(table.document, |value| scalar::reference(value, name))).transpose()
}

fn missing_key(name: &str, table: &Table<'_>, provider: &dyn Provider) -> FileError {
    table.problem(format!(
        "api_key is missing; {provider} is asked with one: write api_key = \"ssm:/gridbell/{name}\" or \"env:NAME\""
    ))
}

/// `poll`: an interval, or `off`.
fn poll(table: &Table<'_>, provider: Option<&dyn Provider>) -> Result<u32, FileError> {
    let Some(at) = table.string("poll", "\"off\" or a duration in quotes (\"5m\")")? else { return Ok(USUAL_POLL_S) };
    at.parse(table.document, |value| match (value, provider.filter(|provider| !provider.lists_dispatches())) {
        ("off", _) => Ok(0),
        (_, Some(provider)) => Err(format!("{provider} lists no dispatches; write \"off\" or leave it out")),
        (value, None) => scalar::duration(value).ok().filter(|seconds| *seconds >= LEAST_POLL_S).ok_or_else(|| {
            "no interval; write \"off\" or \"5m\": from 1m to 24h, and every minute near a dispatch all the same"
                .to_owned()
        }),
    })
}

/// The sweep runs every minute, so no source is polled more often.
const LEAST_POLL_S: u32 = 60;

/// `token`: one hash, or two during a rotation; none if the key is missing.
pub(super) fn tokens(table: &Table<'_>) -> Result<Vec<TokenHash>, FileError> {
    let Some(list) = table.strings("token", "\"sha256:…\" or a list of two")? else { return Ok(Vec::new()) };
    let offset = table.offset_of("token");
    let key = format!("{}.token", table.name);
    if list.is_empty() {
        return Err(table.document.problem(offset, key, "an empty list; leave the key out or write one hash"));
    }
    if list.len() > 2 {
        return Err(table.document.problem(offset, key, "more than two hashes; two while rotating, one otherwise"));
    }
    let mut mistakes = Mistakes::default();
    let hashes =
        list.into_iter().filter_map(|at| mistakes.keep(at.and_then(|at| at.parse(table.document, scalar::token_hash))));
    let hashes: Vec<TokenHash> = hashes.collect();
    if let [first, second] = hashes.as_slice()
        && first == second
    {
        return Err(table.document.problem(offset, key, "the same hash twice; write it once"));
    }
    mistakes.or(Some(hashes))
}

const DEADLINES: [&str; 3] = ["lead", "immediate", "acknowledge"];

pub(super) fn deadlines(table: &Table<'_>, outer: Deadlines) -> Result<Deadlines, FileError> {
    let mut mistakes = Mistakes::default();
    mistakes.keys(table.only(&DEADLINES));
    let deadlines = mistakes.keep(overridden(table, outer));
    mistakes.or(deadlines)
}

/// A source's own deadlines, and those of its programs by name. The functions get each one complete.
fn source_deadlines(
    table: &Table<'_>,
    general: Deadlines,
) -> Result<(Deadlines, BTreeMap<String, Deadlines>), FileError> {
    let ([lead, immediate, acknowledge], mut mistakes) = (DEADLINES, Mistakes::default());
    mistakes.keys(table.only(&[lead, immediate, acknowledge, "programs"]));
    let own = mistakes.keep(overridden(table, general)).unwrap_or(general);
    let programs = mistakes.some(table.table("programs")).map(|table| table.tables(&mut mistakes)).unwrap_or_default();
    let programs = programs.into_iter().filter_map(|Entry { name, table, .. }| {
        let deadlines = mistakes.keep(deadlines(&table, own))?;
        Some((name.to_owned(), deadlines))
    });
    let programs = programs.collect();
    mistakes.or(Some((own, programs)))
}

/// The outer deadlines with the table's values in place of theirs.
fn overridden(table: &Table<'_>, outer: Deadlines) -> Result<Deadlines, FileError> {
    let mut mistakes = Mistakes::default();
    let mut seconds = |key, outer| {
        let written = mistakes.some(table.string(key, "a duration in quotes (\"10m\")"));
        written.and_then(|at| mistakes.keep(at.parse(table.document, scalar::duration))).unwrap_or(outer)
    };
    let (lead_s, immediate_s) = (seconds("lead", outer.lead_s), seconds("immediate", outer.immediate_s));
    let acknowledge = mistakes.some(table.boolean("acknowledge")).unwrap_or(outer.acknowledge);
    mistakes.or(Some(Deadlines { lead_s, immediate_s, acknowledge }))
}
