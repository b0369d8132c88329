//! A hydrator that nobody runs cannot say so: whoever sends it probes does, and the queues of dead letters are looked into.

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    config::Deadlines,
    pulse::{Inquiry, Probe},
    work::{Check, Failed, Work},
};
use sim::{Ended, Function, Inner, Reply, Times, Toxic, World};

use crate::common::{accepted, mail_subjects, mailed_s, pass, run_for, thin, types, voltus, world};

const SILENT: &str = "[gridbell] hydration-failing: deliveries";
const OVER: &str = "[gridbell] over: hydration-failing: deliveries";
const DEAD: &str = "[gridbell] dead-letter: retries_dead";
const NO_MORE_DEAD: &str = "[gridbell] over: dead-letter: retries_dead";

fn beating(seed: u64) -> World {
    let world = world(seed);
    world.take_the_pulse();
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    world
}

/// How many probes lie in the queue of deliveries, visible or not.
fn probes(world: &World) -> usize {
    let queued = world.queued(Inner::Deliveries);
    queued.iter().filter(|message| serde_json::from_str::<Probe>(&message.body).is_ok()).count()
}

#[test]
fn all_is_quiet_while_the_hydrator_answers() {
    for seed in 0..20 {
        let world = beating(seed);
        run_for(&world, 1_800);
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&world, 1_800);
        assert_eq!(mail_subjects(&world), [""; 0]);
        assert!(world.queued(Inner::RetriesDead).is_empty() && world.kept().is_empty());
        assert!(world.queued(Inner::Deliveries).len() <= 2 && world.queued(Inner::Retries).len() <= 2, "seed {seed}");
    }
}

#[test]
fn a_dispatch_that_comes_while_the_hydrator_is_stopped_is_told_of_before_its_limit() {
    let limit_s = i64::from(Deadlines::default().immediate_s);
    // Wherever between two sweeps it stops.
    for lag_s in [0, 1, 7, 15, 22, 29, 30, 31, 44, 52, 59] {
        let world = beating(1);
        pass(&world, SignedDuration::from_secs(120 + lag_s));
        world.stop(Function::Hydrator);
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        let came_at = world.now();
        run_for(&world, 200);
        assert_eq!(mail_subjects(&world), [SILENT], "once, after {lag_s} s");
        assert!(mailed_s(&world, came_at)[0] < limit_s, "after {lag_s} s: {:?}", mailed_s(&world, came_at));
        let text = world.mails()[0].1.text.clone();
        assert!(text.contains("has read nothing from the queue since 2023-12-01T16:"), "{text}");
        world.start(Function::Hydrator);
        run_for(&world, 70);
        assert_eq!(mail_subjects(&world), [SILENT, OVER], "after {lag_s} s");
        assert_eq!(types(&world, "voltus-prod/dkmq"), ["dispatch.scheduled"]);
    }
}

#[test]
fn a_hydrator_that_never_ran_is_told_of() {
    let world = beating(1);
    world.stop(Function::Hydrator);
    run_for(&world, 120);
    assert_eq!(mail_subjects(&world), [SILENT]);
    assert!(world.mails()[0].1.text.contains("nothing from the queue so far"), "{}", world.mails()[0].1.text);
}

#[test]
fn probes_do_not_pile_up_while_nobody_answers() {
    let world = beating(1);
    world.stop(Function::Hydrator);
    run_for(&world, 24 * 3_600);
    assert!(probes(&world) < 400, "{}", probes(&world));
    let incident = world.incidents().get("hydration-failing/deliveries").expect("an incident");
    let told = incident.detail.split("some ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0);
    assert!(probes(&world).abs_diff(told) <= 10, "{} and not {}", probes(&world), incident.detail);
    world.start(Function::Hydrator);
    run_for(&world, 180);
    assert_eq!(mail_subjects(&world), [SILENT, OVER]);
    assert!(probes(&world) <= 2);
}

#[test]
fn a_hydrator_that_dies_over_everything_is_told_of_although_it_runs() {
    let world = beating(1);
    run_for(&world, 300);
    world.fault("health.answered", Toxic::CrashBefore, Times::Always);
    run_for(&world, 90);
    assert_eq!(mail_subjects(&world), [SILENT]);
    // Probes wear out like any message; what the queue hands over is no failure of a delivery.
    run_for(&world, 3_600);
    world.heal();
    run_for(&world, 600);
    assert_eq!(mail_subjects(&world), [SILENT, OVER]);
    assert!(world.kept().is_empty() && world.queued(Inner::RetriesDead).is_empty());
}

#[test]
fn whatever_goes_wrong_once_with_the_pulse_a_stopped_hydrator_is_told_of_once_and_over_once() {
    let play = |world: &World| {
        run_for(world, 130);
        world.stop(Function::Hydrator);
        run_for(world, 300);
        world.start(Function::Hydrator);
        run_for(world, 600);
    };
    let calm = beating(3);
    play(&calm);
    assert_eq!(mail_subjects(&calm), [SILENT, OVER]);
    let ports = ["health.", "queues.", "outlet.probe", "outlet.inquiry", "outlet.notice"];
    for (number, call) in calm.calls().iter().enumerate() {
        if !ports.iter().any(|port| call.port.starts_with(port)) {
            continue;
        }
        for toxic in Toxic::ALL {
            let world = beating(3);
            world.fault_at(number, toxic);
            play(&world);
            run_for(&world, 300);
            let mut mails = mail_subjects(&world);
            // A probe whose answer failed may be told of and be over before the hydrator is stopped.
            mails.dedup();
            assert!(mails.chunks(2).all(|pair| pair == [SILENT, OVER]), "{} {toxic:?}: {mails:?}", call.port);
            assert!((2..=4).contains(&mails.len()), "{} {toxic:?}: {mails:?}", call.port);
        }
    }
}

#[test]
fn an_inquiry_that_was_held_up_with_its_probe_alarms_nobody() {
    // Everything slept, as a laptop does, and wakes up with the retrier first.
    let world = beating(1);
    world.sweep();
    world.advance(SignedDuration::from_hours(8));
    assert_eq!(world.retry(world.take(Inner::Retries)), Ended::Answered(Vec::new()));
    run_for(&world, 300);
    assert_eq!(mail_subjects(&world), [""; 0]);
    // And where nobody answers although there was time, it is told after all.
    let world = beating(1);
    world.stop(Function::Hydrator);
    world.sweep();
    world.advance(SignedDuration::from_secs(90));
    world.stop(Function::Sweeper);
    run_for(&world, 60);
    assert_eq!(mail_subjects(&world), [SILENT]);
}

#[test]
fn a_probe_is_taken_for_nothing_else() {
    let at: Timestamp = "2023-12-01T16:40:00Z".parse().unwrap();
    let inquiry = Inquiry { probe_at: at, again: false };
    let texts = [
        serde_json::to_string(&Probe { at }).unwrap(),
        serde_json::to_string(&inquiry).unwrap(),
        serde_json::to_string(&Inquiry { again: true, ..inquiry }).unwrap(),
    ];
    assert_eq!(texts[0], r#"{"probe":"2023-12-01T16:40:00Z"}"#);
    for text in &texts {
        assert!(serde_json::from_str::<Work>(text).is_err());
        assert!(serde_json::from_str::<Check>(text).is_err());
        assert!(Failed::parse(text, at).is_err());
        let read = (serde_json::from_str::<Probe>(text).is_ok(), serde_json::from_str::<Inquiry>(text).is_ok());
        assert_eq!(read, (text == &texts[0], text != &texts[0]), "{text}");
    }
    let work = Work::messages("d-1", "voltus-prod", at, &texts[0]).remove(0);
    assert!(serde_json::from_str::<Probe>(&work).is_err(), "a body that looks like one is none");
}

#[test]
fn dead_letters_are_told_of_once_and_over_when_they_are_gone() {
    let world = beating(1);
    run_for(&world, 130);
    world.put(Inner::RetriesDead, "what nobody could handle");
    run_for(&world, 65);
    assert_eq!(mail_subjects(&world), [DEAD]);
    let text = world.mails()[0].1.text.clone();
    assert!(text.contains("1 message(s) in the queue retries_dead") && text.contains("infra/README.md"), "{text}");
    world.put(Inner::RetriesDead, "another");
    run_for(&world, 3_600);
    assert_eq!(mail_subjects(&world), [DEAD]);
    let noticed = world.incidents().get("dead-letter/retries_dead").expect("an incident").count;
    assert!((10..=16).contains(&noticed), "every five minutes, and not {noticed} times in an hour");
    assert!(!world.receive(Inner::RetriesDead).is_empty());
    run_for(&world, 65);
    assert_eq!(mail_subjects(&world), [DEAD], "whoever looks at one has it in hand");
    for message in world.queued(Inner::RetriesDead) {
        world.delete(Inner::RetriesDead, &message.id);
    }
    run_for(&world, 65);
    assert_eq!(mail_subjects(&world), [DEAD, NO_MORE_DEAD]);
    world.put(Inner::AlertsDead, "nonsense");
    run_for(&world, 65);
    assert_eq!(mail_subjects(&world)[2..], ["[gridbell] dead-letter: alerts_dead"]);
}
