//! A hydrator that does not run cannot say so: its heartbeats do. And the dead-letter queues are looked into.

use jiff::SignedDuration;
use pipeline::{
    config::Deadlines,
    messages::{self, ToHydrate},
    ports::Health,
};
use sim::{Ended, Function, Inner, Reply, Times, Toxic, World};

use crate::{
    common::{accepted, mail_subjects, mailed_s, pass, run_for, thin, types, voltus, world, worth_a_fault},
    incidents::incident,
};

const SILENT: &str = "[gridbell] hydration-failing: deliveries";
const RESOLVED: &str = "[gridbell] over: hydration-failing: deliveries";
const DEAD: &str = "[gridbell] dead-letter: retries_dead";
const NO_MORE_DEAD: &str = "[gridbell] over: dead-letter: retries_dead";

fn beating(seed: u64) -> World {
    let world = world(seed);
    world.send_heartbeats();
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    world
}

/// How many heartbeats lie in the queue of deliveries, visible or not.
fn beats(world: &World) -> usize {
    let queued = world.queued(Inner::Deliveries);
    queued.iter().filter(|message| matches!(messages::read(&message.body), Ok(ToHydrate::Heartbeat(_)))).count()
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
fn a_stopped_hydrator_is_mailed_before_a_dispatchs_limit() {
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
        assert!(text.contains("the hydrator has read nothing from the queue since 2023-12-01T16:"), "{text}");
        world.start(Function::Hydrator);
        run_for(&world, 130);
        assert_eq!(mail_subjects(&world), [SILENT, RESOLVED], "after {lag_s} s");
        assert_eq!(types(&world, "voltus-prod/dkmq"), ["dispatch.scheduled"]);
    }
}

#[test]
fn a_hydrator_that_never_ran_is_mailed() {
    let world = beating(1);
    world.stop(Function::Hydrator);
    run_for(&world, 120);
    assert_eq!(mail_subjects(&world), [SILENT]);
    assert!(world.mails()[0].1.text.contains("nothing from the queue so far"), "{}", world.mails()[0].1.text);
}

#[test]
fn heartbeats_do_not_pile_up_while_none_is_answered() {
    let world = beating(1);
    world.stop(Function::Hydrator);
    run_for(&world, 24 * 3_600);
    assert!(beats(&world) < 400, "{}", beats(&world));
    let detail = incident(&world, "hydration-failing/deliveries").detail;
    let said = detail.split("about ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0);
    assert!(beats(&world).abs_diff(said) <= 10, "{} and not {detail}", beats(&world));
    world.start(Function::Hydrator);
    run_for(&world, 180);
    assert_eq!(mail_subjects(&world), [SILENT, RESOLVED]);
    assert!(beats(&world) <= 2);
}

#[test]
fn a_hydrator_that_dies_over_everything_is_mailed() {
    let world = beating(1);
    run_for(&world, 300);
    world.fault("health.answer", Toxic::CrashBefore, Times::Always);
    run_for(&world, 90);
    assert_eq!(mail_subjects(&world), [SILENT]);
    // Heartbeats wear out like any message; what the queue hands over is no failure of a delivery.
    run_for(&world, 3_600);
    world.heal();
    run_for(&world, 600);
    assert_eq!(mail_subjects(&world), [SILENT, RESOLVED]);
    assert!(world.kept().is_empty() && world.queued(Inner::RetriesDead).is_empty());
}

#[test]
fn whatever_fails_once_a_stopped_hydrator_is_mailed() {
    let play = |world: &World| {
        run_for(world, 130);
        world.stop(Function::Hydrator);
        run_for(world, 300);
        world.start(Function::Hydrator);
        run_for(world, 600);
    };
    let calm = beating(3);
    play(&calm);
    assert_eq!(mail_subjects(&calm), [SILENT, RESOLVED]);
    let ports = ["health.", "queues.", "outlet."];
    for (number, call) in worth_a_fault(&calm.calls(), 0) {
        if !ports.iter().any(|port| call.port.starts_with(port)) {
            continue;
        }
        for toxic in Toxic::ALL {
            let world = beating(3);
            world.fault_at(number, toxic);
            play(&world);
            run_for(&world, 300);
            let mut mails = mail_subjects(&world);
            // A heartbeat whose answer failed may be an incident that is resolved before the hydrator is stopped.
            mails.dedup();
            assert!(mails.chunks(2).all(|pair| pair == [SILENT, RESOLVED]), "{} {toxic:?}: {mails:?}", call.port);
            assert!((2..=4).contains(&mails.len()), "{} {toxic:?}: {mails:?}", call.port);
        }
    }
}

#[test]
fn a_check_that_was_held_up_with_its_heartbeat_alarms_nobody() {
    // Everything slept, as a laptop does, and wakes up with the retrier first.
    let world = beating(1);
    world.sweep();
    world.advance(SignedDuration::from_hours(8));
    assert_eq!(world.retry(world.take(Inner::Retries)), Ended::Answered(Vec::new()));
    run_for(&world, 300);
    assert_eq!(mail_subjects(&world), [""; 0]);
    // And where none is answered although there was time, it is mailed after all.
    let world = beating(1);
    world.stop(Function::Hydrator);
    world.sweep();
    world.advance(SignedDuration::from_secs(90));
    world.stop(Function::Sweeper);
    run_for(&world, 60);
    assert_eq!(mail_subjects(&world), [SILENT]);
}

#[test]
fn dead_letters_are_mailed_once_and_resolved_when_they_are_gone() {
    let world = beating(1);
    run_for(&world, 130);
    world.put(Inner::RetriesDead, "what no function could handle");
    run_for(&world, 95);
    assert_eq!(mail_subjects(&world), [DEAD]);
    let text = world.mails()[0].1.text.clone();
    assert!(text.contains("1 message(s) in the queue retries_dead") && text.contains("infra/README.md"), "{text}");
    world.put(Inner::RetriesDead, "another");
    let hinted = |world: &World| {
        let hint = |call: &&sim::Call| call.port == "outlet.alert" && call.function == Function::Sweeper;
        world.calls().iter().filter(hint).count()
    };
    let before = hinted(&world);
    run_for(&world, 3_600);
    assert_eq!(mail_subjects(&world), [DEAD]);
    assert!(hinted(&world) - before <= 61, "one review a minute, and no hint at what is known");
    assert!(incident(&world, "dead-letter/retries_dead").detail.starts_with("2 message(s)"));
    assert!(!world.receive(Inner::RetriesDead).is_empty());
    run_for(&world, 95);
    assert_eq!(mail_subjects(&world), [DEAD], "a person who looks at one has it in hand");
    for message in world.queued(Inner::RetriesDead) {
        world.delete(Inner::RetriesDead, &message.id);
    }
    run_for(&world, 95);
    assert_eq!(mail_subjects(&world), [DEAD, NO_MORE_DEAD]);
    world.put(Inner::AlertsDead, "nonsense");
    run_for(&world, 95);
    assert_eq!(mail_subjects(&world)[2..], ["[gridbell] dead-letter: alerts_dead"]);
}

/// A heartbeat that is not answered within 22 s; `meanwhile` happens before the check's second look. Whether a person is to be notified
/// after 27 s, and after two minutes.
fn unanswered(meanwhile: impl FnOnce(&World)) -> (bool, bool) {
    let world = beating(1);
    run_for(&world, 50);
    world.stop(Function::Hydrator);
    for _ in 0..5 {
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    }
    world.sweep();
    let check = || world.retry(world.take(Inner::Retries)).answer().expect("checked");
    let is_hinted = || world.queued(Inner::Alerts).iter().any(|hint| hint.body.contains("deliveries_unread"));
    world.advance(SignedDuration::from_secs(22));
    check();
    assert!(!is_hinted(), "before the second look");
    meanwhile(&world);
    world.advance(SignedDuration::from_secs(5));
    check();
    let at_once = is_hinted();
    world.advance(SignedDuration::from_secs(94));
    check();
    (at_once, is_hinted())
}

#[test]
fn a_hydrator_behind_its_queue_is_not_called_silent() {
    assert_eq!(unanswered(|_| ()), (true, true));
    let falls = |world: &World| {
        let webhook = world.queued(Inner::Deliveries).into_iter().find(|message| message.body.contains("dkmq"));
        world.delete(Inner::Deliveries, &webhook.expect("a webhook").id);
    };
    assert_eq!(unanswered(falls), (false, true), "its queue falls");
    let answers_older = |world: &World| {
        let (older, now) = (world.now() - SignedDuration::from_secs(30), world.now());
        world.run(Function::Hydrator, async |ports| ports.answer(older, now).await).answer().unwrap().unwrap();
    };
    assert_eq!(unanswered(answers_older), (false, true), "it answers earlier heartbeats");
    let arrives = |world: &World| drop(accepted(world, "voltus-prod", &thin("dispatch.create", "dkmq")));
    assert_eq!(unanswered(arrives), (true, true), "its queue grows");
}
