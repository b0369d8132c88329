//! The output of the verbs, in pipes and at terminals.

use std::process::{Command, Stdio};

use dispatch::text::is_hidden;
use serde_json::Value;

use super::{
    EVIL,
    cases::{Case, cases, leaves, line},
    gridbell, long, world,
};

/// Runs a command on a terminal of 100 columns, and answers its question with no.
const ON_A_TERMINAL: &str = "
import fcntl, os, pty, struct, sys, termios
ready, go = os.pipe()
child, terminal = pty.fork()
if child == 0:
    os.read(ready, 1)
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 100, 0, 0))
os.write(go, b'1')
seen, asked = b'', False
while True:
    try:
        more = os.read(terminal, 65536)
    except OSError:
        break
    if not more:
        break
    seen += more
    if not asked and b'[y/N]' in seen:
        asked = True
        os.write(terminal, b'n\\n')
sys.stdout.buffer.write(seen.replace(b'\\r\\n', b'\\n'))
";

/// Fails if the text contains invisible characters or a forged line.
fn harmless(what: &str, text: &str) {
    let hidden: Vec<char> = text.chars().filter(|c| *c != '\n' && is_hidden(*c)).collect();
    assert!(hidden.is_empty(), "{what} prints {:?}:\n{}", &hidden[..hidden.len().min(9)], text.escape_debug());
    assert!(
        !text.lines().any(|line| line.trim_start().starts_with("phase        FORGED")),
        "{what} is forged:\n{text}"
    );
}

fn readable(what: &str, text: &str) {
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    assert!(longest < 12_000 && text.len() < 120_000, "{what} prints a line of {longest}, {} bytes in all", text.len());
}

#[test]
fn into_a_pipe_nothing_comes_that_acts_on_its_reader() {
    let cases = cases();
    for (verb, command) in leaves() {
        for case in &cases[verb.as_str()] {
            let Case::Runs(arguments) = case else { continue };
            for json in [false, true] {
                let line = line(&verb, &command, arguments, json);
                let said = gridbell(&line);
                let what = format!(
                    "{:?}",
                    line.iter().map(|one| one.chars().take(40).collect::<String>()).collect::<Vec<_>>()
                );
                if verb != "completions" {
                    harmless(&what, &said.out);
                }
                harmless(&what, &said.err);
                let errors = said.err.lines().filter(|line| line.starts_with("error: ")).count();
                assert!(
                    errors == 0 || said.err.lines().count() <= 2 || verb.starts_with("webhook"),
                    "{what}: {}",
                    said.err
                );
                assert!(
                    said.code.is_some_and(|code| (0..=2).contains(&code)) && errors <= 1,
                    "{what}: {:?} {}",
                    said.code,
                    said.err
                );
                if !json && !matches!(verb.as_str(), "completions") {
                    readable(&what, &said.out);
                    readable(&what, &said.err);
                }
            }
        }
    }
}

#[test]
fn at_a_terminal_nothing_comes_but_our_own_colours() {
    let cases = cases();
    let mut coloured = 0;
    for (verb, command) in leaves() {
        for case in &cases[verb.as_str()] {
            let Case::Runs(arguments) = case else { continue };
            if verb == "completions" {
                continue;
            }
            let line = line(&verb, &command, arguments, false);
            let mut python = Command::new("python3");
            python.args(["-c", ON_A_TERMINAL, env!("CARGO_BIN_EXE_gridbell")]).args(&line).stdin(Stdio::null());
            let seen = python.env("TZ", "UTC").env("USER", "ada").output().expect("python3 starts").stdout;
            let seen = String::from_utf8(seen).expect("UTF-8");
            let mut plain = seen.clone();
            for colour in ["0", "1", "2", "31", "32", "33", "36"] {
                plain = plain.replace(&format!("\u{1b}[{colour}m"), "");
            }
            coloured += usize::from(plain != seen);
            // The progress display uses escape sequences of its own, each a whole line.
            if !matches!(verb.as_str(), "config apply") {
                harmless(&format!("{verb} at a terminal"), &plain);
            }
        }
    }
    assert!(coloured > 5, "{coloured} verbs have colours at a terminal");
}

#[test]
fn json_says_exactly_what_the_provider_said() {
    let state = world().state();
    let ask = |arguments: &[&str]| {
        let arguments = [arguments, &["--json", "--state", &state]].concat();
        let said = gridbell(&arguments.into_iter().map(str::to_owned).collect::<Vec<_>>());
        serde_json::from_str::<Value>(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
    };
    let got = ask(&["dispatch", "get", super::DISPATCH]);
    assert_eq!(
        (got["targets"][0]["name"].as_str(), got["targets"][1]["name"].as_str()),
        (Some(EVIL), Some(long().as_str()))
    );
    // A key works as a list shows it.
    let listed = ask(&["dispatch", "list", "--all"]);
    for dispatch in listed["dispatches"].as_array().expect("a list") {
        let key = dispatch["key"].as_str().expect("a key");
        assert!(key.bytes().all(|byte| byte.is_ascii_graphic()), "{key:?}");
        assert_eq!(ask(&["dispatch", "get", key])["key"], key);
    }
    let shown = gridbell(&["site", "list", "--source", "leap-demo", "--state", &state].map(str::to_owned)).out;
    let row = shown.lines().nth(1).expect("a row");
    let key = row.split("  ").next().expect("a key");
    assert_eq!(ask(&["site", "get", key])["site"], world().site.as_str(), "as it is shown: {key}");
    assert!(shown.contains("leap-demo/meter Mill"), "{shown}");
}

#[test]
fn the_programs_zone_is_shown_and_its_mails_are_clean() {
    let got =
        gridbell(&["dispatch", "get", super::DISPATCH, "--utc", "--state", &world().state()].map(str::to_owned)).out;
    assert!(got.contains("2099-12-10 10:00:00 PST to 2099-12-10 11:00:00 PST (America/Los_Angeles)"), "{got}");
    let mails = world().mails();
    assert!(!mails.is_empty());
    for mail in mails {
        for part in ["subject", "text", "html"] {
            harmless(part, mail[part].as_str().unwrap_or_default());
        }
    }
}

#[test]
fn what_the_functions_log_is_harmless() {
    let logs = world().logs();
    assert!(!logs.is_empty());
    for line in logs {
        harmless("a log line", &line);
    }
}
