//! `events/`: sample payloads, made from the providers' fixtures with fixed ids and instants. A test fails if a file
//! is stale.

#![expect(clippy::expect_used, reason = "a helper of a test fails the test")]

mod bodies;
mod messages;
mod requests;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use config::file::File;
use serde_json::Value;

const REWRITE: &str = "UPDATE_EVENTS=1 cargo test -p gridbell --test events";

/// Files written by hand.
const BY_HAND: &[&str] = &["README.md"];

/// Every file, by its path below `events/`.
fn all() -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([("gridbell.toml".to_owned(), requests::configuration())]);
    for body in bodies::ALL {
        files.insert(format!("{}/{}.json", body.provider, body.name), body.text().to_owned());
    }
    for (function, events) in [
        ("receiver", requests::receiver()),
        ("hydrator", messages::hydrator()),
        ("retrier", messages::retrier()),
        ("alerter", messages::alerter()),
    ] {
        for (name, event) in events {
            let text = serde_json::to_string_pretty(&event).expect("JSON") + "\n";
            files.insert(format!("{function}/{name}.json"), text);
        }
    }
    files
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// The files below a folder, by their relative paths.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().expect("a type").is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else if !BY_HAND.contains(&name.as_str()) {
            found.push(name);
        }
    }
    found
}

#[test]
fn the_files_are_those_that_the_code_makes() {
    let fresh = all();
    if std::env::var_os("UPDATE_EVENTS").is_some() {
        for stale in files(&folder()).iter().filter(|name| !fresh.contains_key(*name)) {
            fs::remove_file(folder().join(stale)).expect("removed");
        }
        for (name, text) in &fresh {
            let file = folder().join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, text).expect("written");
        }
    }
    for (name, text) in &fresh {
        let committed = fs::read_to_string(folder().join(name)).unwrap_or_default();
        assert!(committed == *text, "events/{name} is stale; rewrite it with: {REWRITE}");
    }
    let other: Vec<String> = files(&folder()).into_iter().filter(|name| !fresh.contains_key(name)).collect();
    assert!(other.is_empty(), "events/ holds {other:?}, which nothing makes; remove them with: {REWRITE}");
}

#[test]
fn every_body_and_event_is_json_and_the_configuration_is_good() {
    for (name, text) in all() {
        if name == "gridbell.toml" {
            let config = File::parse(&name, &text).expect("good").config;
            assert_eq!(config.sources.len(), 4);
        } else {
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "{name}");
        }
    }
}
