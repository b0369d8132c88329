//! Rules of AWS that only AWS has, as the simulator plays them.

use jiff::SignedDuration;
use sim::{Function, Inner, Reply, Standard, Times, Toxic, World};

use crate::common::{accepted, run_for, thin, types, voltus, world};

/// Three hours of a provider that answers nothing but errors: so many attempts, and what the retrier's dead letters hold.
fn attempts_in_three_hours(world: &World) -> (usize, usize) {
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None)]);
    accepted(world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(world, 3 * 3_600);
    (world.fetches().len(), world.queued(Inner::RetriesDead).len())
}

#[test]
fn a_chain_of_retries_goes_on_for_hours() {
    let world = world(1);
    let (attempts, dead) = attempts_in_three_hours(&world);
    assert!(attempts > 16, "{attempts} attempts");
    assert_eq!(dead, 0);
    assert!(world.now().duration_since(world.fetches().last().unwrap().at) < SignedDuration::from_mins(31));
}

#[test]
fn a_chain_of_retries_dies_where_lambda_stops_loops() {
    let world = world(1);
    world.stop_loops();
    let (attempts, dead) = attempts_in_three_hours(&world);
    // Sixteen invocations: the receiver's, then the hydrator's and the retrier's in turn; the hydrator's ninth is refused.
    assert_eq!((attempts, dead), (8, 1));
}

#[test]
fn a_redriven_delivery_is_tried_again_though_its_receives_are_kept() {
    for keeps_receives in [false, true] {
        let world = world(1);
        if keeps_receives {
            world.keep_receives();
        }
        let well = Reply::Json(voltus("dkmq", 0, 5).to_string());
        world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None), well]);
        // The hydrator dies each time that it passes the delivery on, and the retrier each time but the last that it takes it.
        world.fault("outlet.retry", Toxic::CrashBefore, Times::First(Standard::MAX_RECEIVES));
        world.fault("deliveries.book", Toxic::CrashBefore, Times::First(Standard::MAX_RECEIVES - 1));
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&world, 25 * 60);
        assert!(world.queued(Inner::RetriesDead).is_empty(), "receives kept: {keeps_receives}");
        assert_eq!(types(&world, "voltus-prod/dkmq"), ["dispatch.scheduled"], "receives kept: {keeps_receives}");
    }
}

/// Announces that many dispatches, all with the same deadline; their signals cannot be sent for now.
fn announce(world: &World, count: usize) {
    for n in 0..count {
        let id = format!("dk{n}");
        world.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(voltus(&id, 0, 5).to_string())]);
        accepted(world, "voltus-prod", &thin("dispatch.create", &id));
    }
}

#[test]
fn a_sweep_sends_what_is_pending_on_every_page() {
    let world = world(1);
    world.pages_of(7);
    world.fault("signals.send", Toxic::Refuse, Times::Always);
    announce(&world, 60);
    run_for(&world, 5);
    assert!(world.signals().is_empty());
    world.heal();
    // Nothing but the sweep, once what is pending is old enough.
    world.advance(SignedDuration::from_secs(60));
    let swept = world.sweep().answer().expect("it ends");
    assert_eq!((swept.owing, swept.sent, swept.failed), (60, 60, 0));
}

#[test]
fn a_sweep_arms_deadlines_on_every_page_without_a_read() {
    let world = world(1);
    world.pages_of(7);
    announce(&world, 60);
    run_for(&world, 5);
    let read = |world: &World| world.calls().iter().filter(|call| call.port == "dispatches.read").count();
    let before = (world.queued(Inner::Retries).len(), read(&world));
    world.sweep().answer().expect("it ends");
    assert_eq!((world.queued(Inner::Retries).len(), read(&world)), (before.0 + 60, before.1));
}

#[test]
fn what_always_fails_keeps_nothing_else_waiting() {
    let world = world(1);
    world.fault("signals.send", Toxic::Refuse, Times::Always);
    announce(&world, 150);
    run_for(&world, 45);
    assert_eq!(world.dispatches().all().len(), 150);
    world.advance(SignedDuration::from_secs(60));
    // The hundred that wait longest fail from now on, each after a second; the rest would go out.
    let mut waiting = world.dispatches().all();
    waiting.sort_by_key(|record| record.changed_at);
    let stuck: Vec<String> = waiting.iter().take(100).map(|record| record.subject.to_string()).collect();
    world.heal();
    world.refuse_signals_of(stuck.clone());
    world.slow("dispatches.read", SignedDuration::from_secs(1));
    for _ in 0..60 {
        let swept = world.sweep().answer().expect("it ends");
        assert!(swept.sent + swept.failed < 100, "one sweep has no time for all: {swept:?}");
    }
    let sent: Vec<String> = world.signals().iter().map(|sent| sent.group.clone()).collect();
    assert_eq!((sent.len(), sent.iter().filter(|group| stuck.contains(group)).count()), (50, 0));
}

#[test]
fn a_sweep_that_is_slow_ends_in_time_and_goes_on_elsewhere() {
    let world = world(1);
    world.fault("signals.send", Toxic::Refuse, Times::Always);
    announce(&world, 150);
    run_for(&world, 45);
    assert_eq!(world.dispatches().all().len(), 150);
    world.heal();
    world.advance(SignedDuration::from_secs(60));
    world.slow("signals.send", SignedDuration::from_secs(2));
    let began = world.now();
    let first = world.sweep().answer().expect("it ends");
    assert!(first.sent < 150, "{first:?}");
    assert!(world.now().duration_since(began) < SignedDuration::from_secs(60), "{}", world.now().duration_since(began));
    let mut minutes = 1;
    while world.sweep().answer().expect("it ends").owing > 0 {
        minutes += 1;
        assert!(minutes < 60, "it never ends");
    }
    assert!(minutes > 2);
    assert_eq!(world.signals().len(), 150);
}

#[test]
fn what_a_later_hydrator_wrote_waits_for_the_others_to_follow() {
    for rolled_back in [false, true] {
        let world = world(1);
        let well = Reply::Json(voltus("dkmq", 0, 5).to_string());
        world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None), well]);
        world.deploy_later(Function::Hydrator);
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&world, 30);
        if rolled_back {
            world.roll_back();
        }
        // The retrier of before cannot read the failure, does not take it for a stranger's, and says so at once.
        run_for(&world, 300);
        assert!(world.signals().is_empty() && world.kept().is_empty());
        let mails: Vec<String> = world.mails().into_iter().map(|(_, mail)| mail.subject).collect();
        assert!(mails.iter().any(|subject| subject.contains("messages of a later release in retries")), "{mails:?}");
        world.deploy_later(Function::Hydrator);
        world.deploy_later(Function::Retrier);
        run_for(&world, 300);
        assert_eq!(types(&world, "voltus-prod/dkmq"), ["dispatch.scheduled"], "rolled back: {rolled_back}");
    }
}

#[test]
fn a_record_of_a_later_release_is_written_over_by_none_before_it() {
    let world = world(1);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    world.deploy_later(Function::Hydrator);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    let stored = world.dispatches().all();
    assert_eq!(stored.len(), 1);
    world.roll_back();
    let newer = Reply::Json(voltus("dkmq", 1, 7).to_string());
    world.answers("voltus-prod", "/dispatches/dkmq", [newer]);
    accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&world, 120);
    assert_eq!(world.dispatches().all(), stored);
    for function in [Function::Hydrator, Function::Retrier, Function::Alerter] {
        world.deploy_later(function);
    }
    run_for(&world, 1_800);
    assert_eq!(types(&world, "voltus-prod/dkmq"), ["dispatch.scheduled", "dispatch.updated"]);
}
