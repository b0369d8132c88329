//! A hydrator that does not run cannot report it; its missing heartbeats do. And the dead-letter queues are checked.

use jiff::SignedDuration;
use pipeline::{
    config::Deadlines,
    messages::{self, ToHydrate},
    ports::Health,
};
use simulation::{Ended, Function, Inner, Reply, Simulation, Times, Toxic};

use crate::{
    common::{accepted, mail_subjects, mailed_s, pass, run_for, sim, thin, types, voltus, worth_a_fault},
    incidents::incident,
};

const SILENT: &str = "[gridbell] hydration-failing: deliveries";
const RESOLVED: &str = "[gridbell] Resolved: hydration-failing: deliveries";
const DEAD: &str = "[gridbell] dead-letter: retries_dead";
const NO_MORE_DEAD: &str = "[gridbell] Resolved: dead-letter: retries_dead";

fn beating(seed: u64) -> Simulation {
    let sim = sim(seed);
    sim.send_heartbeats();
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    sim
}

/// How many heartbeats are in the queue of deliveries, visible or not.
fn beats(sim: &Simulation) -> usize {
    let queued = sim.queued(Inner::Deliveries);
    queued.iter().filter(|message| matches!(messages::read(&message.body), Ok(ToHydrate::Heartbeat(_)))).count()
}

#[test]
fn all_is_quiet_while_the_hydrator_answers() {
    for seed in 0..20 {
        let sim = beating(seed);
        run_for(&sim, 1_800);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&sim, 1_800);
        assert_eq!(mail_subjects(&sim), [""; 0]);
        assert!(sim.queued(Inner::RetriesDead).is_empty() && sim.quarantined().is_empty());
        assert!(sim.queued(Inner::Deliveries).len() <= 2 && sim.queued(Inner::Retries).len() <= 2, "seed {seed}");
    }
}

#[test]
fn a_stopped_hydrator_is_mailed_before_a_dispatchs_limit() {
    let limit_s = i64::from(Deadlines::default().immediate_s);
    // It stops at any time between two sweeps.
    for lag_s in [0, 1, 7, 15, 22, 29, 30, 31, 44, 52, 59] {
        let sim = beating(1);
        pass(&sim, SignedDuration::from_secs(120 + lag_s));
        sim.stop(Function::Hydrator);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        let came_at = sim.now();
        run_for(&sim, 200);
        assert_eq!(mail_subjects(&sim), [SILENT], "once, after {lag_s} s");
        assert!(mailed_s(&sim, came_at)[0] < limit_s, "after {lag_s} s: {:?}", mailed_s(&sim, came_at));
        let text = sim.mails()[0].1.text.clone();
        assert!(text.contains("the hydrator has read nothing from the queue since 2023-12-01T16:"), "{text}");
        sim.start(Function::Hydrator);
        run_for(&sim, 130);
        assert_eq!(mail_subjects(&sim), [SILENT, RESOLVED], "after {lag_s} s");
        assert_eq!(types(&sim, "voltus-prod/dkmq"), ["dispatch.scheduled"]);
    }
}

#[test]
fn a_hydrator_that_never_ran_is_mailed() {
    let sim = beating(1);
    sim.stop(Function::Hydrator);
    run_for(&sim, 120);
    assert_eq!(mail_subjects(&sim), [SILENT]);
    assert!(sim.mails()[0].1.text.contains("nothing from the queue so far"), "{}", sim.mails()[0].1.text);
    assert!(sim.mails()[0].1.text.contains("Look in each provider's portal"), "it is about no single provider");
}

#[test]
fn heartbeats_do_not_pile_up_while_none_is_answered() {
    let sim = beating(1);
    sim.stop(Function::Hydrator);
    run_for(&sim, 24 * 3_600);
    assert!(beats(&sim) < 400, "{}", beats(&sim));
    let detail = incident(&sim, "hydration-failing/deliveries").detail;
    let said = detail.split("about ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0);
    assert!(beats(&sim).abs_diff(said) <= 10, "{} and not {detail}", beats(&sim));
    sim.start(Function::Hydrator);
    run_for(&sim, 180);
    assert_eq!(mail_subjects(&sim), [SILENT, RESOLVED]);
    assert!(beats(&sim) <= 2);
}

#[test]
fn a_hydrator_that_dies_over_everything_is_mailed() {
    let sim = beating(1);
    run_for(&sim, 300);
    sim.fault("health.answer", Toxic::CrashBefore, Times::Always);
    run_for(&sim, 90);
    assert_eq!(mail_subjects(&sim), [SILENT]);
    // Heartbeats use up their receives like any message; a redriven heartbeat is not a failed delivery.
    run_for(&sim, 3_600);
    sim.heal();
    run_for(&sim, 600);
    assert_eq!(mail_subjects(&sim), [SILENT, RESOLVED]);
    assert!(sim.quarantined().is_empty() && sim.queued(Inner::RetriesDead).is_empty());
}

#[test]
fn whatever_fails_once_a_stopped_hydrator_is_mailed() {
    let play = |sim: &Simulation| {
        run_for(sim, 130);
        sim.stop(Function::Hydrator);
        run_for(sim, 300);
        sim.start(Function::Hydrator);
        run_for(sim, 600);
    };
    let calm = beating(3);
    play(&calm);
    assert_eq!(mail_subjects(&calm), [SILENT, RESOLVED]);
    let ports = ["health.", "queues.", "jobs."];
    for (number, call) in worth_a_fault(&calm.calls(), 0) {
        if !ports.iter().any(|port| call.port.starts_with(port)) {
            continue;
        }
        for toxic in Toxic::ALL {
            let sim = beating(3);
            sim.fault_at(number, toxic);
            play(&sim);
            run_for(&sim, 300);
            let mut mails = mail_subjects(&sim);
            // A heartbeat whose answer failed may be an incident that is resolved before the hydrator is stopped.
            mails.dedup();
            assert!(mails.chunks(2).all(|pair| pair == [SILENT, RESOLVED]), "{} {toxic:?}: {mails:?}", call.port);
            assert!((2..=4).contains(&mails.len()), "{} {toxic:?}: {mails:?}", call.port);
        }
    }
}

#[test]
fn a_check_that_was_held_up_with_its_heartbeat_alarms_nobody() {
    // Everything was suspended, like a laptop, and the retrier resumes first.
    let sim = beating(1);
    sim.sweep();
    sim.advance(SignedDuration::from_hours(8));
    assert_eq!(sim.retry(sim.take(Inner::Retries)), Ended::Answered(Vec::new()));
    run_for(&sim, 300);
    assert_eq!(mail_subjects(&sim), [""; 0]);
    // If no heartbeat is answered although there was time, it is mailed.
    let sim = beating(1);
    sim.stop(Function::Hydrator);
    sim.sweep();
    sim.advance(SignedDuration::from_secs(90));
    sim.stop(Function::Sweeper);
    run_for(&sim, 60);
    assert_eq!(mail_subjects(&sim), [SILENT]);
}

#[test]
fn dead_letters_are_mailed_once_and_resolved_when_they_are_gone() {
    let sim = beating(1);
    run_for(&sim, 130);
    sim.put(Inner::RetriesDead, "what no function could handle");
    run_for(&sim, 95);
    assert_eq!(mail_subjects(&sim), [DEAD]);
    let text = sim.mails()[0].1.text.clone();
    assert!(text.contains("1 message(s) in the queue retries_dead") && text.contains("infra/README.md"), "{text}");
    sim.put(Inner::RetriesDead, "another");
    let hinted = |sim: &Simulation| {
        let hint = |call: &&simulation::Call| call.port == "jobs.alert" && call.function == Function::Sweeper;
        sim.calls().iter().filter(hint).count()
    };
    let before = hinted(&sim);
    run_for(&sim, 3_600);
    assert_eq!(mail_subjects(&sim), [DEAD]);
    assert!(hinted(&sim) - before <= 61, "one review a minute, and no hint at what is known");
    assert!(incident(&sim, "dead-letter/retries_dead").detail.starts_with("2 message(s)"));
    assert!(!sim.receive(Inner::RetriesDead).is_empty());
    run_for(&sim, 95);
    assert_eq!(mail_subjects(&sim), [DEAD], "a person who looks at one has it in hand");
    for message in sim.queued(Inner::RetriesDead) {
        sim.delete(Inner::RetriesDead, &message.id);
    }
    run_for(&sim, 95);
    assert_eq!(mail_subjects(&sim), [DEAD, NO_MORE_DEAD]);
    sim.put(Inner::AlertsDead, "nonsense");
    run_for(&sim, 95);
    assert_eq!(mail_subjects(&sim)[2..], ["[gridbell] dead-letter: alerts_dead"]);
}

/// A heartbeat that is not answered within 22 s; `meanwhile` runs before the second check. Returns whether a person
/// must be notified after 27 s, and after two minutes.
fn unanswered(meanwhile: impl FnOnce(&Simulation)) -> (bool, bool) {
    let sim = beating(1);
    run_for(&sim, 50);
    sim.stop(Function::Hydrator);
    for _ in 0..5 {
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    }
    sim.sweep();
    let check = || sim.retry(sim.take(Inner::Retries)).answer().expect("checked");
    let is_hinted = || sim.queued(Inner::Alerts).iter().any(|hint| hint.body.contains("deliveries_unread"));
    sim.advance(SignedDuration::from_secs(22));
    check();
    assert!(!is_hinted(), "before the second look");
    meanwhile(&sim);
    sim.advance(SignedDuration::from_secs(5));
    check();
    let at_once = is_hinted();
    sim.advance(SignedDuration::from_secs(94));
    check();
    (at_once, is_hinted())
}

#[test]
fn a_hydrator_behind_its_queue_is_not_called_silent() {
    assert_eq!(unanswered(|_| ()), (true, true));
    let falls = |sim: &Simulation| {
        let webhook = sim.queued(Inner::Deliveries).into_iter().find(|message| message.body.contains("dkmq"));
        sim.delete(Inner::Deliveries, &webhook.expect("a webhook").id);
    };
    assert_eq!(unanswered(falls), (false, true), "its queue falls");
    let answers_older = |sim: &Simulation| {
        let (older, now) = (sim.now() - SignedDuration::from_secs(30), sim.now());
        sim.run(Function::Hydrator, async |ports| ports.answer(older, now).await).answer().unwrap().unwrap();
    };
    assert_eq!(unanswered(answers_older), (false, true), "it answers earlier heartbeats");
    let arrives = |sim: &Simulation| drop(accepted(sim, "voltus-prod", &thin("dispatch.create", "dkmq")));
    assert_eq!(unanswered(arrives), (true, true), "its queue grows");
}
