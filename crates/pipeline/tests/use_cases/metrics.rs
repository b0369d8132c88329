//! What the functions measure of one dispatch.

use serde_json::Value;
use simulation::{Reply, Simulation};

use crate::{
    common::{TOKEN, accepted, post, thin, voltus},
    deadlines::{acknowledge, acknowledging, run_for},
};

/// The measurements that begin so.
fn measured(sim: &Simulation, begins: &str) -> Vec<String> {
    sim.measured().into_iter().filter(|measured| measured.starts_with(begins)).collect()
}

#[test]
fn a_dispatch_is_measured_from_its_webhook_to_its_acknowledgement() {
    let sim = acknowledging(1);
    let answer: Value = voltus("dkmq", 0, 5);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None), Reply::Json(answer.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    let refused = post(&sim, "nobody", "{}");
    assert_eq!(refused.status, 404, "{TOKEN} is no token of a source that does not exist");
    run_for(&sim, 60);
    assert_eq!(measured(&sim, "Accepted").len(), 1);
    let asked = measured(&sim, "Provider");
    assert!(asked.iter().all(|asked| asked.contains("source: \"voltus-prod\"")), "{asked:?}");
    assert_eq!(asked.iter().map(|asked| asked.contains("has_failed: true")).collect::<Vec<_>>(), [true, false]);
    assert_eq!(measured(&sim, "Retry"), ["Retry { reason: Provider }"]);
    let [took] = &measured(&sim, "WebhookToSignal")[..] else { panic!("{:?}", sim.measured()) };
    let took_ms: i64 = took.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number");
    assert!((1..10_000).contains(&took_ms), "{took}");
    // The same answer again is no signal.
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(answer.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 10);
    assert_eq!(measured(&sim, "WebhookToSignal").len(), 1);

    assert_eq!(measured(&sim, "DeadlineMargin"), [""; 0]);
    for _ in 0..2 {
        assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    }
    let [margin] = &measured(&sim, "DeadlineMargin")[..] else { panic!("{:?}", sim.measured()) };
    assert!(margin.contains("left_s: -"), "the dispatch began before its deadline's lead: {margin}");
    // It was not acknowledged by its deadline, a minute after it arrived.
    assert_eq!((measured(&sim, "Notification").len(), sim.mails().len()), (1, 1));
}

#[test]
fn mails_and_heartbeats_are_measured() {
    let sim = acknowledging(1);
    sim.send_heartbeats();
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 600);
    assert_eq!(measured(&sim, "Notification").len(), sim.mails().len());
    assert!(!sim.mails().is_empty());
    let ages = measured(&sim, "HeartbeatAge");
    let age = |age: &String| age.trim_matches(|c: char| !c.is_ascii_digit()).parse::<i64>().expect("a number");
    assert!(ages.len() > 15 && ages.iter().all(|one| (0..60).contains(&age(one))), "{ages:?}");
}
