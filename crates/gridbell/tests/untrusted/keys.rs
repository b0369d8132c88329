//! An empty or oversized key leads to one helpful line, never to DynamoDB's exception.

use serde_json::json;

use super::{DISPATCH, gridbell, world};

fn check(arguments: &[&str], code: i32, words: &[&str]) {
    let state = world().state();
    let said = gridbell(&[arguments, &["--state", &state]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>());
    let shown = said.err.chars().take(600).collect::<String>();
    assert!(
        said.code == Some(code) && said.err.lines().count() == 1 && said.err.len() < 700,
        "{:?}: {shown}",
        said.code
    );
    for word in words.iter().copied().chain(["error: "]) {
        assert!(said.err.contains(word), "{word:?} is not in {shown}");
    }
    assert!(!said.err.contains("xception"), "{shown}");
}

#[test]
fn what_cannot_be_a_key_is_refused_and_what_could_be_one_is_not_found() {
    let (long, too_long) = ("k".repeat(3_000), "k".repeat(4_097));
    let control = format!("voltus-demo/a\u{1}\u{1b}[2J{}", "\u{202e}".repeat(200));
    let site = format!("voltus-demo/{long}");
    for (before, after, argument, list) in [
        (&["dispatch", "get"][..], &[][..], "<KEY>", "gridbell dispatch list"),
        (&["dispatch", "timeline"], &[], "<KEY>", "gridbell dispatch list"),
        (&["dispatch", "ack"], &["accepted"], "<KEY>", "gridbell dispatch list"),
        (&["site", "get"], &[], "<SOURCE/SITE>", "gridbell site list"),
        (&["delivery", "get"], &[], "<ID>", "gridbell delivery list"),
        (&["delivery", "replay"], &["--yes"], "ID", "gridbell delivery list"),
        (&["alert", "ack"], &[], "<INCIDENT>", "gridbell alert list"),
        (&["alert", "snooze"], &["30m"], "<INCIDENT>", "gridbell alert list"),
    ] {
        let line = |key: &str| {
            before.iter().copied().chain([key]).chain(after.iter().copied()).map(str::to_owned).collect::<Vec<_>>()
        };
        let ask = |key: &str, code, words: &[&str]| {
            let line = line(key);
            check(&line.iter().map(String::as_str).collect::<Vec<_>>(), code, words);
        };
        ask("", 2, &[argument, "is empty", list]);
        ask(&too_long, 2, &[argument, "is 4097 bytes long", list]);
        let long = if before[0] == "site" { &site } else { &long };
        ask(long, 1, &["kkk", list]);
        ask(&control, 1, &["voltus-demo/a", list]);
    }
}

#[test]
fn an_acknowledgement_of_nothing_is_no_fault_of_ours() {
    let acks = world().acks();
    let answered = |key: &str| {
        let body = json!({"dispatch": key, "version": 1, "state": "accepted"});
        world().post(&acks, body.to_string())
    };
    for key in ["k".repeat(3_000), "k".repeat(40_000), "voltus-demo/\u{0}\u{1b}[2J".to_owned(), "/".to_owned()] {
        assert_eq!(answered(&key), 404, "{} bytes", key.len());
    }
    assert_eq!(answered(""), 400, "a field that is empty is told as such");
    let body = json!({"dispatch": DISPATCH, "version": 1, "state": "accepted", "detail": super::EVIL});
    assert_eq!(world().post(&acks, body.to_string()), 200);
}
