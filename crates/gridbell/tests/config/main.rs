//! Every error in a `gridbell.toml` is reported with its position and the way out; no value is ever printed.

mod mistakes;
mod people;
mod sources;

use config::{Environment, Reference, file::File};

const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NVGRID: &str = "[sources.n]\nprovider = \"nvgrid\"\n";

fn refused(text: &str) -> String {
    match File::parse("gridbell.toml", text) {
        Ok(_) => panic!("should be refused:\n{text}"),
        Err(error) => error.to_string(),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(refused(text), *expected, "\n{text}");
    }
}

#[test]
fn a_whole_file_is_read() {
    let config =
        File::parse("f", include_str!("../../../../gridbell.example.toml")).expect("the example is good").config;
    assert_eq!(config.sources.len(), 4);
    let voltus = &config.sources["voltus-prod"];
    assert_eq!((voltus.provider.name(), voltus.environment), ("voltus", Environment::Production));
    assert_eq!(voltus.api_key, Some(Reference::Ssm("/gridbell/voltus-prod".to_owned())));
    assert_eq!(config.sources["leap-staging"].tokens.len(), 2);
    assert_eq!(config.deadlines.lead_s, 600);
    assert_eq!(config.signals.heartbeat_s, 300);
    let mill = &config.sites["voltus-prod/d4z9"];
    assert_eq!((mill.name.as_deref(), mill.timezone.as_deref()), (Some("Mill"), Some("America/Los_Angeles")));
    assert_eq!(mill.contacts.as_ref().expect("contacts").email, ["mill-duty@example.com"]);
    let own = voltus.deadlines.expect("its own");
    assert_eq!((own.lead_s, own.immediate_s, own.acknowledge), (1_800, 60, false));
    let fast = voltus.programs["Fast Response"];
    assert_eq!((fast.lead_s, fast.immediate_s, fast.acknowledge), (1_800, 30, true));
}

#[test]
fn what_the_functions_read() {
    let text = format!(
        "[sources.v]\nprovider='voltus'\nenvironment='sandbox'\napi_key='env:K'\ntoken='{HASH}'\n{NVGRID}\
         [deadlines]\nlead='1h30m'\n[contacts]\nemail=['a@b.c']\nfrom='d@e.f'\n[acks]\ntoken='{HASH}'"
    );
    let json = File::parse("f", &text).expect("good").config.to_json();
    let hash = &HASH[7..];
    assert_eq!(
        json,
        format!(
            r#"{{"sources":{{"n":{{"provider":"nvgrid","tokens":[]}},"v":{{"provider":"voltus","environment":"sandbox","api_url":"https://sandbox.voltus.co","api_key":"env:K","tokens":["{hash}"]}}}},"deadlines":{{"lead_s":5400,"immediate_s":60,"acknowledge":false}},"contacts":{{"email":["a@b.c"],"from":"d@e.f"}},"acks":{{"tokens":["{hash}"]}}}}"#
        )
    );
}

#[test]
fn the_file_as_a_whole() {
    check(&[
        (
            "",
            "gridbell.toml:1:1: sources: no source; write at least one [sources.<name>] with its provider (gridbell.example.toml shows all)",
        ),
        ("[sources", "gridbell.toml:1:9: not TOML: unclosed table, expected `]`"),
        (
            "[sorces.x]\n",
            "gridbell.toml:1:2: sorces: unknown key; known here: sources, deadlines, contacts, acks, signals, sites, outputs",
        ),
        ("sources = 1", "gridbell.toml:1:11: sources: a number where a table belongs"),
        ("[sources]\nx = 'y'", "gridbell.toml:2:5: sources.x: a string where a table belongs"),
    ]);
}

#[test]
fn heartbeats() {
    let every = |value: &str| format!("{NVGRID}[signals]\nheartbeat = {value}");
    let interval = "gridbell.toml:4:13: signals.heartbeat: no interval; write \"off\" or \"5m\": from 1m to 1h";
    check(&[
        (&every("'often'"), interval),
        (&every("'59s'"), interval),
        (&every("'61m'"), interval),
        (
            &every("300"),
            "gridbell.toml:4:13: signals.heartbeat: a number where \"off\" or a duration in quotes (\"5m\") belongs",
        ),
        (
            &format!("{NVGRID}[signals]\nheartbeats = '5m'"),
            "gridbell.toml:4:1: signals.heartbeats: unknown key; known here: heartbeat",
        ),
    ]);
    for (text, seconds) in [("'off'", None), ("'1m'", Some(60)), ("'1h'", Some(3_600))] {
        let config = File::parse("f", &every(text)).expect("good").config;
        assert_eq!(config.signals.heartbeat().map(|every| every.as_secs()), seconds);
        let json = config.to_json();
        assert_eq!(json.contains("\"signals\":{\"heartbeat_s\":"), seconds.is_some(), "{json}");
        assert_eq!(pipeline::config::Config::parse(&json).expect("good"), config);
    }
    assert_eq!(File::parse("f", NVGRID).expect("good").config.signals.heartbeat(), None);
}
