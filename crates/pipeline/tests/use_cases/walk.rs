//! From the webhook to the signals, through every function; then again with each call of a port failing or dying once.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulation::{Inner, Reply, Seed, Settled, Simulation, Toxic, Webhook};

use crate::common::{
    TOKEN, announced, leap, leap_found, mail_subjects, power, published, readings, sim, thin, voltus, worth_a_fault,
};

/// One step of a provider: the answers of its API from now on, and the webhook that it sends. No scenario repeats a
/// webhook, so that a later step cannot make up for a lost one.
struct Step {
    answers: Vec<(&'static str, Value)>,
    source: &'static str,
    body: String,
    /// The next step begins this long after this one, whatever is still open; none: once all incidents are resolved.
    next_after: Option<SignedDuration>,
}

impl Step {
    fn new(source: &'static str, body: String, answers: Vec<(&'static str, Value)>) -> Self {
        Self { answers, source, body, next_after: None }
    }
}

/// A provider sends until it is answered 2xx.
fn post(sim: &Simulation, Step { answers, source, body, .. }: &Step) {
    for (about, answer) in answers {
        sim.answers(source, about, [Reply::Json(answer.to_string())]);
    }
    for _ in 0..5 {
        let answer = sim.post(Webhook { source, token: TOKEN, body }).answer();
        match answer.map(|answer| answer.status) {
            Some(200) => return,
            Some(status) => assert_eq!(status, 503),
            None => {}
        }
        sim.advance(SignedDuration::from_secs(60));
    }
    panic!("the receiver never took it");
}

fn settled(sim: &Simulation) {
    assert_eq!(sim.settle(SignedDuration::from_hours(30)), Settled::Drained);
    // The next reviews find what a lost hint left open, and a resolved mail waits for others.
    sim.pass(SignedDuration::from_mins(3));
    assert_eq!(sim.settle(SignedDuration::from_hours(30)), Settled::Drained);
}

/// One step after the other, each processed before the next.
fn play(sim: &Simulation, steps: &[Step]) {
    for step in steps {
        let began_at = sim.now();
        post(sim, step);
        let Some(next_after) = step.next_after else {
            settled(sim);
            continue;
        };
        sim.pass((began_at + next_after).duration_since(sim.now()).max(SignedDuration::ZERO));
    }
}

/// Created, changed, withdrawn, and rescheduled; the end is later than all delays.
fn voltus_story() -> Vec<Step> {
    let step = |event: &str, number: u64, commitment_kw: u64, authorized: bool| {
        let mut answer = voltus("dkmq", number, commitment_kw);
        answer["end_time"] = json!("2024-01-01T00:00:00Z");
        answer["authorized"] = json!(authorized);
        Step::new("voltus-prod", thin(event, "dkmq"), vec![("/dispatches/dkmq", answer)])
    };
    vec![
        step("dispatch.create", 0, 5, true),
        step("dispatch.update", 1, 7, true),
        step("dispatch.update", 2, 7, false),
        step("dispatch.update", 3, 9, true),
    ]
}

/// Pushed, updated, contradicted by a late redelivery, withdrawn.
fn leap_story() -> Vec<Step> {
    let far = |mut body: Value| {
        body["meter_dispatches"][0]["timeslots"][0]["end_time"] = json!("2023-12-20T00:00:00Z");
        body
    };
    let step = |pushed: Value, found_kw: u64, cancelled: bool| {
        let mut found = far(leap_found("e-1", found_kw));
        found["meter_dispatches"][0]["timeslots"][0]["cancelled"] = json!(cancelled);
        Step::new("leap-prod", pushed.to_string(), vec![("/search", found)])
    };
    let mut cancelled = far(leap("e-1", 20));
    cancelled["meter_dispatches"][0]["timeslots"][0]["cancelled"] = json!(true);
    vec![
        step(far(leap("e-1", 10)), 10, false),
        step(far(leap("e-1", 20)), 20, false),
        step(far(leap("e-1", 10)), 20, false),
        step(cancelled, 20, true),
    ]
}

/// A ramp whose end is overdue, and is reported later. `left_open.rs` tests an end that is never reported.
fn nvgrid_story() -> Vec<Step> {
    let step = |event, compliant| {
        let mut body = power(event, compliant);
        body["end_time"] = json!("2023-12-01T16:52:00Z");
        Step::new("dc-1", body.to_string(), Vec::new())
    };
    let overdue = Step { next_after: Some(SignedDuration::from_mins(25)), ..step("start_ramp_down", false) };
    vec![overdue, step("end_ramp_down", false), step("start_ramp_up", true)]
}

/// Two meters at once, and an event of the account.
fn openvolt_story() -> Vec<Step> {
    let answers = vec![("meter_id=m1&", readings("m1")), ("meter_id=m2&", readings("m2"))];
    let data = Step::new("openvolt-prod", announced("dlv-1", &["m1", "m2"]).to_string(), answers);
    let event = json!({
        "subscription_id": "s-1", "event_id": "customer.created", "event_timestamp": "2023-12-01T11:05:00Z",
        "delivery_id": "dlv-2", "payload": { "id": "c-1" },
    });
    vec![data, Step::new("openvolt-prod", event.to_string(), Vec::new())]
}

/// Broken, unknown and partly readable bodies.
fn odd_story() -> Vec<Step> {
    let step = |source, body| Step::new(source, body, Vec::new());
    let mut half = leap("e-9", 10);
    half["meter_dispatches"][0]["timeslots"][0]["end_time"] = json!("2023-12-20T00:00:00Z");
    half["meter_dispatches"].as_array_mut().unwrap().push(json!({ "meter_id": 7 }));
    let mut unknown = step("voltus-prod", thin("dispatch.paused", "dkmq"));
    unknown.answers = voltus_story().remove(0).answers;
    vec![step("leap-prod", "[]".to_owned()), step("leap-prod", half.to_string()), unknown]
}

/// The result: the types by subject, the quarantined jobs, the mails without repetitions. Failures that are resolved do
/// not count: a function that dies is mailed in one history and not in another.
type Outcome = (BTreeMap<String, Vec<String>>, Vec<String>, Vec<String>);

fn outcome(sim: &Simulation) -> Outcome {
    let types = published(sim).into_iter().map(|(subject, stream)| (subject, stream.types)).collect();
    let mut kept: Vec<String> = sim.quarantined().into_values().map(|kept| kept.job.body().unwrap().unwrap()).collect();
    let mut mails = mail_subjects(sim);
    for list in [&mut kept, &mut mails] {
        list.sort();
        list.dedup();
    }
    for kind in ["hydration-failing", "dispatch-at-risk"] {
        let first = format!("[gridbell] {kind}: ");
        let failed: Vec<String> = mails.extract_if(.., |mail| mail.starts_with(&first)).collect();
        let resolved =
            failed.iter().map(|mail| mail.replace("[gridbell] ", "[gridbell] Resolved: ")).collect::<Vec<_>>();
        let over = format!("Resolved: {kind}");
        assert_eq!(mails.extract_if(.., |mail| mail.contains(&over)).collect::<Vec<_>>(), resolved);
    }
    (types, kept, mails)
}

fn nothing_is_left(sim: &Simulation) {
    for queue in
        [Inner::Deliveries, Inner::Retries, Inner::Alerts, Inner::Reviews, Inner::RetriesDead, Inner::AlertsDead]
    {
        assert!(sim.queued(queue).is_empty(), "{queue:?}: {:?}", sim.queued(queue));
    }
    assert!(sim.dispatches().all().iter().all(|record| record.outbox.is_empty()), "a signal is still in an outbox");
}

/// Plays a scenario without faults, then once for each call of a port and each fault.
fn every_call_fails_once(steps: &[Step], expected: &[(&str, &[&str])]) {
    let calm = sim(1);
    play(&calm, steps);
    nothing_is_left(&calm);
    let (types, kept, mails) = outcome(&calm);
    let types_expected: BTreeMap<String, Vec<String>> = expected
        .iter()
        .map(|(subject, types)| ((*subject).to_owned(), types.iter().map(|kind| (*kind).to_owned()).collect()))
        .collect();
    assert_eq!(types, types_expected);
    for (number, call) in worth_a_fault(&calm.calls(), 0) {
        for toxic in Toxic::ALL {
            let sim = sim(1);
            sim.fault_at(number, toxic);
            play(&sim, steps);
            nothing_is_left(&sim);
            let what = format!("call {number} of {:?}, {}: {toxic:?}", call.function, call.port);
            assert_eq!(outcome(&sim), (types.clone(), kept.clone(), mails.clone()), "{what}");
        }
    }
}

#[test]
fn voltus_whichever_call_fails() {
    let types = ["dispatch.scheduled", "dispatch.updated", "dispatch.cancelled", "dispatch.scheduled"];
    every_call_fails_once(&voltus_story(), &[("voltus-prod/dkmq", &types)]);
}

#[test]
fn leap_whichever_call_fails() {
    let types = ["dispatch.scheduled", "dispatch.updated", "dispatch.cancelled"];
    every_call_fails_once(&leap_story(), &[("leap-prod/e-1", &types)]);
}

#[test]
fn nvgrid_whichever_call_fails() {
    let types = ["power.start_ramp_down", "power.end_ramp_down", "power.start_ramp_up"];
    every_call_fails_once(&nvgrid_story(), &[("dc-1/main_power_feed/c-1", &types)]);
}

#[test]
fn openvolt_whichever_call_fails() {
    every_call_fails_once(
        &openvolt_story(),
        &[
            ("openvolt-prod/m1", &["meter.data"]),
            ("openvolt-prod/m2", &["meter.data"]),
            ("openvolt-prod/account", &["account.customer.created"]),
        ],
    );
}

#[test]
fn odd_bodies_whichever_call_fails() {
    every_call_fails_once(
        &odd_story(),
        &[("leap-prod/e-9", &["dispatch.scheduled"]), ("voltus-prod/dkmq", &["dispatch.scheduled"])],
    );
}

#[test]
fn everything_at_once_in_any_order_with_many_faults() {
    for seed in 0..60 {
        let sim = sim(seed);
        let mut random = Seed::new(seed);
        for _ in 0..12 {
            let call = usize::try_from(random.up_to(250)).unwrap();
            sim.fault_at(call, Toxic::ALL[random.place(Toxic::ALL.len())]);
        }
        let stories = [voltus_story(), leap_story(), nvgrid_story(), openvolt_story(), odd_story()];
        let longest = stories.iter().map(Vec::len).max().unwrap();
        for turn in 0..longest {
            for step in stories.iter().filter_map(|steps| steps.get(turn)) {
                for _ in 0..=random.up_to(4) {
                    post(&sim, step);
                }
            }
            sim.settle(SignedDuration::from_millis(i64::try_from(random.up_to(3_000)).unwrap()));
        }
        sim.heal();
        settled(&sim);
        nothing_is_left(&sim);
        let last = |subject: &str| {
            let event = published(&sim)[subject].events.last().unwrap().clone();
            (event["data"]["dispatch"]["status"].clone(), event["data"]["dispatch"]["request"]["watts"].clone())
        };
        assert_eq!(last("voltus-prod/dkmq"), (json!("scheduled"), json!(9_000)), "seed {seed}");
        assert_eq!(last("leap-prod/e-1"), (json!("cancelled"), json!(20_000)), "seed {seed}");
        let streams = published(&sim);
        assert_eq!(streams["dc-1/main_power_feed/c-1"].types.len(), 3, "seed {seed}");
        assert_eq!(streams["openvolt-prod/m2"].types, ["meter.data"], "seed {seed}");
        assert_eq!(streams["openvolt-prod/account"].types.len(), 1, "seed {seed}");
        assert_eq!(streams["leap-prod/e-9"].types, ["dispatch.scheduled"], "seed {seed}");
    }
}

#[test]
fn the_same_seed_is_the_same_history() {
    let history = |seed| {
        let sim = sim(seed);
        sim.fault_at(17, Toxic::CrashAfter);
        play(&sim, &leap_story());
        (sim.calls(), sim.signals(), sim.mails(), sim.now())
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}
