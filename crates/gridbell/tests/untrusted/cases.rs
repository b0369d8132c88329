//! The test cases of each verb.

use std::collections::BTreeMap;

use super::{DISPATCH, EVIL, OUTPUT, without_nul, world};

/// A test case of a verb.
pub(crate) enum Case {
    /// Runs with these arguments after its name; on the stack if it accepts `--state`.
    Runs(Vec<String>),
    /// Runs until it is ended.
    Endless(Vec<String>),
    /// Not run here, for this reason.
    #[expect(dead_code, reason = "for readers of the code")]
    Not(&'static str),
}

/// The verbs of the command line, such as `dispatch list`.
pub(crate) fn leaves() -> Vec<(String, clap::Command)> {
    fn walk(path: &str, command: &clap::Command, found: &mut Vec<(String, clap::Command)>) {
        for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
            let path = format!("{path} {}", one.get_name()).trim().to_owned();
            if one.has_subcommands() { walk(&path, one, found) } else { found.push((path, one.clone())) }
        }
    }
    let mut found = Vec::new();
    walk("", &gridbell::cli::command(), &mut found);
    found
}

/// The cases of each verb. A new verb needs an entry here.
pub(crate) fn cases() -> BTreeMap<&'static str, Vec<Case>> {
    let world = world();
    let evil = without_nul(EVIL);
    let folder = std::env::temp_dir().join(format!("gridbell-untrusted-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).expect("written");
        file.to_str().expect("a path").to_owned()
    };
    let config = file("evil.toml", &format!("[sources.a]\nprovider = \"{}\"\n", toml_escaped(EVIL)));
    let unreadable = file("broken.toml", &format!("[sources.{evil}\n"));
    let runs = |arguments: &[&str]| Case::Runs(arguments.iter().map(|one| (*one).to_owned()).collect());
    let nowhere = format!("--api-url={}", world.provider);
    BTreeMap::from([
        ("dispatch list", vec![runs(&["--all"]), runs(&["--source", &evil])]),
        ("dispatch get", vec![runs(&[DISPATCH]), runs(&[&evil])]),
        ("dispatch timeline", vec![runs(&[DISPATCH]), runs(&[&evil])]),
        ("dispatch ack", vec![runs(&[DISPATCH, "accepted", "--detail", &evil]), runs(&[&evil, "accepted"])]),
        ("site list", vec![runs(&[])]),
        (
            "site get",
            vec![runs(&[&without_nul(&world.site)]), runs(&["voltus-demo/s2"]), runs(&[&format!("a/{evil}")])],
        ),
        ("delivery list", vec![runs(&[])]),
        ("delivery get", vec![runs(&[&world.delivery]), runs(&[&evil])]),
        ("delivery replay", vec![runs(&[&world.delivery, "--dry-run"]), runs(&[&evil])]),
        ("alert list", vec![runs(&[])]),
        ("alert snooze", vec![runs(&[&world.incident, "30m", "--as", &evil]), runs(&[&evil, "30m"])]),
        ("alert ack", vec![runs(&[&world.incident, "--by", &evil]), runs(&[&evil])]),
        ("output list", vec![runs(&[])]),
        ("output test", vec![runs(&[OUTPUT, "--yes"]), runs(&[OUTPUT]), runs(&[&evil, "--yes"])]),
        ("output replay", vec![runs(&[OUTPUT, "--dry-run"]), runs(&[OUTPUT, "--subject", &evil]), runs(&[&evil])]),
        ("epoch get", vec![runs(&[])]),
        // Without a terminal it does nothing; the flow tests run it.
        ("epoch begin", vec![runs(&[])]),
        ("webhook list", vec![runs(&["voltus-demo"]), runs(&["leap-demo"])]),
        ("webhook register", vec![runs(&["voltus-demo"]), runs(&["leap-demo"]), runs(&[&evil])]),
        ("webhook unregister", vec![runs(&["voltus-demo", "--id", "x"]), runs(&["leap-demo"])]),
        ("webhook test", vec![runs(&["voltus-demo", "--yes", "--wait", "1s"]), runs(&["leap-demo", "--wait", "1s"])]),
        ("webhook status", vec![runs(&["nvgrid-demo", &nowhere, "--login", "env:USER"])]),
        ("webhook schedule", vec![runs(&["nvgrid-demo", &nowhere, "--login", "env:USER"])]),
        (
            "trigger",
            vec![runs(&["--list"]), runs(&["leap-demo", &evil]), runs(&["nvgrid-demo", "basic", "--speed", "3600"])],
        ),
        ("config check", vec![runs(&["--config", &config]), runs(&["--config", &unreadable])]),
        ("config apply", vec![runs(&["--config", &config, "--dry-run"]), runs(&["--config", &unreadable])]),
        ("config history", vec![runs(&[])]),
        ("doctor", vec![runs(&[])]),
        // `tests/verify` runs it; what it shows is its own.
        ("verify", vec![runs(&["--mail", &evil])]),
        ("cost", vec![runs(&[])]),
        ("completions", vec![runs(&["bash"]), runs(&["zsh"])]),
        (
            "providers",
            vec![Case::Endless(vec!["--provider".to_owned(), "leap".to_owned(), "--key".to_owned(), evil.clone()])],
        ),
        ("up", vec![Case::Endless(Vec::new())]),
        // The browser tests (`tests/browser`) test what it serves.
        ("console", vec![Case::Endless(Vec::new())]),
        (
            "demo",
            vec![Case::Not("it plays for a minute, and shows its own providers through what `dispatch` and `up` show")],
        ),
    ])
}

/// A basic string of TOML.
fn toml_escaped(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

/// The whole command line of a case.
pub(crate) fn line(verb: &str, command: &clap::Command, arguments: &[String], json: bool) -> Vec<String> {
    let knows = |name: &str| command.get_arguments().any(|one| one.get_long() == Some(name));
    let mut line: Vec<String> = verb.split(' ').map(str::to_owned).collect();
    line.extend(arguments.iter().cloned());
    if knows("state") && verb != "up" && !arguments.contains(&"--list".to_owned()) {
        line.extend(["--state".to_owned(), world().state()]);
    }
    line.extend((json && knows("json")).then(|| "--json".to_owned()));
    line
}

#[test]
fn every_verb_has_its_cases() {
    let cases = cases();
    let leaves = leaves();
    assert!(leaves.len() > 20, "{}", leaves.len());
    for (verb, _) in &leaves {
        assert!(cases.get(verb.as_str()).is_some_and(|cases| !cases.is_empty()), "`{verb}` is tried with nothing");
    }
    for verb in cases.keys() {
        assert!(leaves.iter().any(|(known, _)| known == verb), "there is no verb `{verb}` any more");
    }
}
