//! Checks a recorded history of a real stack (`cargo xtask chaos`, a few of its dispatches): unchanged, it passes;
//! changed as a broken system would leave it, it fails.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use simulation::history::{About, Circumstances, Event, Line, judge};

const SECRET: &str = "a-token-that-nobody-guesses";

/// The epoch of the recorded stack.
const EPOCH: u64 = 1_763_787_147_000;

fn recorded() -> Vec<Line> {
    let lines = include_str!("recorded/chaos.jsonl").lines();
    lines.map(|line| Line::read(&serde_json::from_str(line).expect("JSON")).expect("a line of a history")).collect()
}

/// The violated invariants, each once.
fn broken(lines: &[Line]) -> Vec<&'static str> {
    let heals_at = lines.last().map(|line| line.at).unwrap_or_default();
    let circumstances = Circumstances { ours_fail: true, heals_at, ..Circumstances::default() };
    let mut names: Vec<&str> =
        judge(lines, circumstances, vec![SECRET.to_owned()]).iter().map(|broken| broken.invariant).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The indices of the signals about a subject, in order.
fn signals(lines: &[Line], subject: &str) -> Vec<usize> {
    let is_of = |line: &Line| matches!(&line.event, Event::Signal { group, .. } if group == subject);
    (0..lines.len()).filter(|place| is_of(&lines[*place])).collect()
}

/// Changes the event of a signal.
fn change(line: &mut Line, change: impl FnOnce(&mut Value)) {
    let Event::Signal { body, .. } = &mut line.event else { panic!("no signal") };
    let mut event: Value = serde_json::from_str(body).expect("JSON");
    change(&mut event);
    *body = event.to_string();
}

/// Repeats a signal with the next number.
fn again(lines: &mut Vec<Line>, place: usize, sequence: u64) {
    let mut line = lines[place].clone();
    let Event::Signal { group, deduplication, .. } = &mut line.event else { panic!("no signal") };
    let id = format!("{group}#{EPOCH}.{sequence}");
    id.clone_into(deduplication);
    change(&mut line, |event| (event["id"], event["sequence"]) = (json!(id), json!(sequence.to_string())));
    let last = signals(lines, "voltus-prod/v21").into_iter().chain([place]).max().expect("a signal");
    line.at = lines[last].at;
    lines.insert(last + 1, line);
}

#[test]
fn a_recorded_history_passes() {
    let lines = recorded();
    assert_eq!(broken(&lines), [""; 0]);
    assert!(signals(&lines, "voltus-prod/v36").len() > 4, "a dispatch that was cancelled and called anew");
}

type Sabotage = (&'static str, &'static str, fn(&mut Vec<Line>));

/// Sabotages of the order of signals: name, violated invariant, change.
fn of_order() -> [Sabotage; 8] {
    [
        ("the last signal is lost", "truth-arrives", |lines| {
            let last = *signals(lines, "voltus-prod/v21").last().expect("a signal");
            lines.remove(last);
        }),
        ("a signal in between is lost", "sequence", |lines| {
            let between = signals(lines, "voltus-prod/v3")[1];
            lines.remove(between);
        }),
        ("a number has two meanings", "one-meaning", |lines| {
            let first = signals(lines, "voltus-prod/v3")[0];
            let mut other = lines[first].clone();
            change(&mut other, |event| event["data"]["dispatch"]["request"]["watts"] = json!(1));
            lines.insert(first + 1, other);
        }),
        ("a signal comes twice", "sequence", |lines| {
            let first = signals(lines, "voltus-prod/v3")[0];
            lines.insert(first + 1, lines[first].clone());
        }),
        ("an epoch begins in the middle", "sequence", |lines| {
            let last = *signals(lines, "voltus-prod/v3").last().expect("a signal");
            change(&mut lines[last], |event| {
                let id = event["id"].as_str().expect("an id").replace(&EPOCH.to_string(), &(EPOCH + 1).to_string());
                (event["id"], event["epoch"]) = (json!(id), json!((EPOCH + 1).to_string()));
            });
        }),
        ("a part is missing", "sequence", |lines| {
            let last = *signals(lines, "voltus-prod/v3").last().expect("a signal");
            change(&mut lines[last], |event| {
                let id = format!("{}.2", event["id"].as_str().expect("an id"));
                event["id"] = json!(id);
                (event["data"]["dispatch"]["part"], event["data"]["dispatch"]["parts"]) = (json!(2), json!(2));
            });
        }),
        ("an unchanged dispatch is published under a new number", "unchanged-is-silent", |lines| {
            let last = *signals(lines, "voltus-prod/v21").last().expect("a signal");
            again(lines, last, 3);
        }),
        ("a late create undoes a cancel", "cancel-stands", |lines| {
            let first = signals(lines, "voltus-prod/v21")[0];
            again(lines, first, 3);
        }),
    ]
}

/// Sabotages of the content of signals, and others.
fn of_content() -> [Sabotage; 6] {
    [
        ("a test appears as real", "test-is-test", |lines| {
            let last = *signals(lines, "voltus-sandbox/v37").last().expect("a signal");
            change(&mut lines[last], |event| event["data"]["dispatch"]["test"] = json!(false));
        }),
        ("a signal matches no version", "traces-to-a-fact", |lines| {
            let last = *signals(lines, "voltus-prod/v21").last().expect("a signal");
            change(&mut lines[last], |event| event["data"]["dispatch"]["request"]["watts"] = json!(1));
        }),
        ("an unreadable body is dropped", "poison-is-quarantined", |lines| {
            lines.retain(|line| !matches!(line.event, Event::Quarantined { .. }));
        }),
        ("a message is given up", "nothing-is-dropped", |lines| {
            let (queue, body) = ("retries_dead".to_owned(), "{}".to_owned());
            let at = lines[lines.len() - 1].at;
            lines.push(Line { at, event: Event::Dead { queue, body } });
        }),
        ("a stranger gets in", "only-authentic-requests", |lines| {
            for line in lines {
                if let Event::Answered { about: About::Forged, status, .. } = &mut line.event {
                    *status = Some(200);
                }
            }
        }),
        ("a mail holds a token", "no-secret", |lines| {
            for line in lines {
                if let Event::Mail { text, .. } = &mut line.event {
                    text.push_str(SECRET);
                }
            }
        }),
    ]
}

#[test]
fn each_sabotage_is_found() {
    for (what, expected, sabotage) in of_order().into_iter().chain(of_content()) {
        let mut lines = recorded();
        sabotage(&mut lines);
        let found = broken(&lines);
        assert!(found.contains(&expected), "{what}: {found:?}");
    }
}
