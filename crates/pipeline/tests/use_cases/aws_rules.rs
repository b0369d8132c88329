//! Rules that only AWS has, as the simulation implements them.

use jiff::SignedDuration;
use simulation::{Function, Inner, Reply, Simulation, Standard, Times, Toxic};

use crate::common::{accepted, run_for, sim, thin, types, voltus};

/// Three hours of a provider that answers only errors: how many attempts, and how many dead letters of the retrier.
fn attempts_in_three_hours(sim: &Simulation) -> (usize, usize) {
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None)]);
    accepted(sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(sim, 3 * 3_600);
    (sim.fetches().len(), sim.queued(Inner::RetriesDead).len())
}

#[test]
fn a_chain_of_retries_goes_on_for_hours() {
    let sim = sim(1);
    let (attempts, dead) = attempts_in_three_hours(&sim);
    assert!(attempts > 16, "{attempts} attempts");
    assert_eq!(dead, 0);
    assert!(sim.now().duration_since(sim.fetches().last().unwrap().at) < SignedDuration::from_mins(31));
}

#[test]
fn a_chain_of_retries_dies_where_lambda_stops_loops() {
    let sim = sim(1);
    sim.stop_loops();
    let (attempts, dead) = attempts_in_three_hours(&sim);
    // Sixteen invocations: the receiver's, then the hydrator's and the retrier's in turn; the hydrator's ninth is refused.
    assert_eq!((attempts, dead), (8, 1));
}

#[test]
fn a_redriven_delivery_is_tried_again_though_its_receives_are_kept() {
    for keeps_receives in [false, true] {
        let sim = sim(1);
        if keeps_receives {
            sim.keep_receives();
        }
        let well = Reply::Json(voltus("dkmq", 0, 5).to_string());
        sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None), well]);
        // The hydrator dies each time it passes the delivery on, and so does the retrier each time but the last.
        sim.fault("jobs.retry", Toxic::CrashBefore, Times::First(Standard::MAX_RECEIVES));
        sim.fault("deliveries.book", Toxic::CrashBefore, Times::First(Standard::MAX_RECEIVES - 1));
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&sim, 25 * 60);
        assert!(sim.queued(Inner::RetriesDead).is_empty(), "receives kept: {keeps_receives}");
        assert_eq!(types(&sim, "voltus-prod/dkmq"), ["dispatch.scheduled"], "receives kept: {keeps_receives}");
    }
}

/// Announces that many dispatches, all with the same deadline; their signals cannot be sent for now.
fn announce(sim: &Simulation, count: usize) {
    for n in 0..count {
        let id = format!("dk{n}");
        sim.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(voltus(&id, 0, 5).to_string())]);
        accepted(sim, "voltus-prod", &thin("dispatch.create", &id));
    }
}

#[test]
fn a_sweep_sends_what_is_pending_on_every_page() {
    let sim = sim(1);
    sim.pages_of(7);
    sim.fault("signals.send", Toxic::Refuse, Times::Always);
    announce(&sim, 60);
    run_for(&sim, 5);
    assert!(sim.signals().is_empty());
    sim.heal();
    // Only the sweep runs, once the pending signals are old enough.
    sim.advance(SignedDuration::from_secs(60));
    let swept = sim.sweep().answer().expect("it ends");
    assert_eq!((swept.owing, swept.sent, swept.failed), (60, 60, 0));
}

#[test]
fn a_sweep_arms_deadlines_on_every_page_without_a_read() {
    let sim = sim(1);
    sim.pages_of(7);
    announce(&sim, 60);
    run_for(&sim, 5);
    let read = |sim: &Simulation| sim.calls().iter().filter(|call| call.port == "dispatches.read").count();
    let before = (sim.queued(Inner::Retries).len(), read(&sim));
    sim.sweep().answer().expect("it ends");
    assert_eq!((sim.queued(Inner::Retries).len(), read(&sim)), (before.0 + 60, before.1));
}

#[test]
fn what_always_fails_keeps_nothing_else_waiting() {
    let sim = sim(1);
    sim.fault("signals.send", Toxic::Refuse, Times::Always);
    announce(&sim, 150);
    run_for(&sim, 45);
    assert_eq!(sim.dispatches().all().len(), 150);
    sim.advance(SignedDuration::from_secs(60));
    // The hundred that have waited longest fail from now on, each after a second; the others could be sent.
    let mut waiting = sim.dispatches().all();
    waiting.sort_by_key(|record| record.changed_at);
    let stuck: Vec<String> = waiting.iter().take(100).map(|record| record.subject.to_string()).collect();
    sim.heal();
    sim.refuse_signals_of(stuck.clone());
    sim.slow("dispatches.read", SignedDuration::from_secs(1));
    for _ in 0..60 {
        let swept = sim.sweep().answer().expect("it ends");
        assert!(swept.sent + swept.failed < 100, "one sweep has no time for all: {swept:?}");
    }
    let sent: Vec<String> = sim.signals().iter().map(|sent| sent.group.clone()).collect();
    assert_eq!((sent.len(), sent.iter().filter(|group| stuck.contains(group)).count()), (50, 0));
}

#[test]
fn a_sweep_that_is_slow_ends_in_time_and_goes_on_elsewhere() {
    let sim = sim(1);
    sim.fault("signals.send", Toxic::Refuse, Times::Always);
    announce(&sim, 150);
    run_for(&sim, 45);
    assert_eq!(sim.dispatches().all().len(), 150);
    sim.heal();
    sim.advance(SignedDuration::from_secs(60));
    sim.slow("signals.send", SignedDuration::from_secs(2));
    let began = sim.now();
    let first = sim.sweep().answer().expect("it ends");
    assert!(first.sent < 150, "{first:?}");
    assert!(sim.now().duration_since(began) < SignedDuration::from_secs(60), "{}", sim.now().duration_since(began));
    let mut minutes = 1;
    while sim.sweep().answer().expect("it ends").owing > 0 {
        minutes += 1;
        assert!(minutes < 60, "it never ends");
    }
    assert!(minutes > 2);
    assert_eq!(sim.signals().len(), 150);
}

#[test]
fn what_a_later_hydrator_wrote_waits_for_the_others_to_follow() {
    for rolled_back in [false, true] {
        let sim = sim(1);
        let well = Reply::Json(voltus("dkmq", 0, 5).to_string());
        sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None), well]);
        sim.deploy_later(Function::Hydrator);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&sim, 30);
        if rolled_back {
            sim.roll_back();
        }
        // The previous retrier cannot read the failure, recognises it as gridbell's, and reports it at once.
        run_for(&sim, 300);
        assert!(sim.signals().is_empty() && sim.quarantined().is_empty());
        let mails: Vec<String> =
            sim.mails().into_iter().map(|(_, mail)| crate::common::digest(&mail.subject)).collect();
        assert!(mails.iter().any(|subject| subject.contains("messages of a later release in retries")), "{mails:?}");
        sim.deploy_later(Function::Hydrator);
        sim.deploy_later(Function::Retrier);
        run_for(&sim, 300);
        assert_eq!(types(&sim, "voltus-prod/dkmq"), ["dispatch.scheduled"], "rolled back: {rolled_back}");
    }
}

#[test]
fn a_record_of_a_later_release_is_written_over_by_none_before_it() {
    let sim = sim(1);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    sim.deploy_later(Function::Hydrator);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    let stored = sim.dispatches().all();
    assert_eq!(stored.len(), 1);
    sim.roll_back();
    let newer = Reply::Json(voltus("dkmq", 1, 7).to_string());
    sim.answers("voltus-prod", "/dispatches/dkmq", [newer]);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&sim, 120);
    assert_eq!(sim.dispatches().all(), stored);
    for function in [Function::Hydrator, Function::Retrier, Function::Alerter] {
        sim.deploy_later(function);
    }
    run_for(&sim, 1_800);
    assert_eq!(types(&sim, "voltus-prod/dkmq"), ["dispatch.scheduled", "dispatch.updated"]);
}
