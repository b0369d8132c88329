//! Whoever holds a dispatch may die or fail over it: a person is told of that in time, once, and when it is over.

use jiff::SignedDuration;
use pipeline::{
    incident::IncidentStatus,
    retry::QUICK_ATTEMPTS,
    work::{Failed, Work},
};
use serde_json::{Value, json};
use sim::{Function, Inner, Reply, Settled, Standard, Times, Toxic, World};

use crate::common::{accepted, announced, config, drain, mail_subjects, readings, run_for, thin, types, voltus, world};

const VOLTUS: &str = "voltus-prod/dkmq";
const FAILING: &str = "[gridbell] hydration-failing: voltus-prod, delivery d-1";
const OVER: &str = "[gridbell] over: hydration-failing: voltus-prod, delivery d-1";

fn found(answer: &Value) -> Reply {
    Reply::Json(answer.to_string())
}

fn well() -> Reply {
    found(&voltus("dkmq", 0, 5))
}

fn announcing(seed: u64, replies: Vec<Reply>) -> World {
    let world = world(seed);
    world.answers("voltus-prod", "/dispatches/dkmq", replies);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    world
}

/// When the first mail left, in seconds after the beginning of the world.
fn told_after_s(world: &World, began: jiff::Timestamp) -> Option<i64> {
    world.mails().first().map(|(at, _)| at.duration_since(began).as_secs())
}

#[test]
fn a_message_that_comes_a_second_time_is_told_of_before_anything_else() {
    let world = announcing(1, vec![well()]);
    let began = world.now();
    world.fault("api.fetch", Toxic::CrashBefore, Times::First(2));
    run_for(&world, 600);
    let visible_again = Standard::VISIBILITY.as_secs();
    let told = told_after_s(&world, began).expect("a mail");
    assert!((visible_again..visible_again + 5).contains(&told), "after {told} s");
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(mail_subjects(&world), [FAILING, OVER], "one incident, however often it dies");
    assert!(world.mails()[0].1.text.contains("handed out 2 times"), "{}", world.mails()[0].1.text);
}

#[test]
fn what_crashes_the_hydrator_arrives_at_the_retrier_by_redrive() {
    let world = announcing(1, vec![well()]);
    world.fault("api.fetch", Toxic::CrashBefore, Times::First(Standard::MAX_RECEIVES));
    drain(&world);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
    assert!(world.queued(Inner::RetriesDead).is_empty());
    assert_eq!(mail_subjects(&world), [FAILING, OVER]);
}

#[test]
fn what_crashes_the_hydrator_for_ever_is_told() {
    let world = announcing(1, vec![well()]);
    world.fault("api.fetch", Toxic::CrashBefore, Times::Always);
    run_for(&world, 2 * 3_600);
    assert_eq!(mail_subjects(&world), [FAILING]);
}

#[test]
fn a_crash_that_nobody_could_tell_of_is_told_by_the_retrier_at_once() {
    let world = world(1);
    let work = Work::messages("d-1", "voltus-prod", world.now(), &thin("dispatch.create", "dkmq")).remove(0);
    world.put(Inner::Retries, &work);
    let began = world.now();
    world.answers("voltus-prod", "/dispatches/dkmq", [well()]);
    drain(&world);
    assert_eq!(told_after_s(&world, began), Some(0));
    assert_eq!(mail_subjects(&world), [FAILING, OVER]);
    assert!(world.mails()[0].1.text.contains("died"), "{}", world.mails()[0].1.text);
}

#[test]
fn what_was_told_as_a_delivery_is_over_as_one_although_it_turned_into_a_look() {
    let bad = vec![Reply::Status(500, None); 7];
    let world = announcing(1, [bad, vec![well()]].concat());
    world.fault("api.fetch", Toxic::CrashBefore, Times::First(1));
    drain(&world);
    // The failures of its look are the same incident, which by then knows the dispatch's name.
    assert_eq!(mail_subjects(&world), [FAILING.to_owned(), format!("[gridbell] over: hydration-failing: {VOLTUS}")]);
    assert_eq!(world.incidents().all().len(), 1);
}

#[test]
fn what_is_put_aside_after_it_was_told_of_fails_no_more() {
    let world = world(1);
    world.fault("outlet.failed", Toxic::CrashBefore, Times::First(1));
    accepted(&world, "voltus-prod", "[]");
    drain(&world);
    let quarantined = "[gridbell] quarantined: voltus-prod";
    let mut mails = mail_subjects(&world);
    mails.truncate(3);
    mails.sort();
    assert_eq!(mails, [FAILING, OVER, quarantined]);
}

#[test]
fn an_account_of_many_meters_is_told_of_as_one_delivery() {
    let world = world(1);
    for meter in ["m1", "m2"] {
        world.answers("openvolt-prod", &format!("meter_id={meter}&"), [found(&readings(meter))]);
    }
    world.fault("outlet.work", Toxic::CrashBefore, Times::First(1));
    accepted(&world, "openvolt-prod", &announced("dlv-1", &["m1", "m2"]).to_string());
    drain(&world);
    let about = "hydration-failing: openvolt-prod, delivery d-1";
    assert_eq!(mail_subjects(&world), [format!("[gridbell] {about}"), format!("[gridbell] over: {about}")]);
}

#[test]
fn a_meter_that_works_after_its_delivery_was_told_of_does_not_end_the_failing_of_another() {
    let world = world(1);
    let down = vec![Reply::Status(500, None); 6];
    world.answers("openvolt-prod", "meter_id=m1&", [down.clone(), vec![found(&readings("m1"))]].concat());
    world.answers("openvolt-prod", "meter_id=m2&", down);
    world.fault("outlet.work", Toxic::CrashBefore, Times::First(1));
    accepted(&world, "openvolt-prod", &announced("dlv-1", &["m1", "m2"]).to_string());
    run_for(&world, 1_800);
    assert_eq!(types(&world, "openvolt-prod/m1"), ["meter.data"]);
    for (about, status) in [
        ("openvolt-prod, delivery d-1", IncidentStatus::Over),
        ("openvolt-prod/m1", IncidentStatus::Over),
        ("openvolt-prod/m2", IncidentStatus::Open),
    ] {
        let incident = world.incidents().get(&format!("hydration-failing/{about}"));
        assert_eq!(incident.map(|incident| incident.status), Some(status), "{about}");
    }
}

#[test]
fn what_is_kept_of_a_delivery_that_still_fails_does_not_end_the_failing() {
    let world = world(1);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None)]);
    accepted(&world, "voltus-prod", &thin("dispatch.paused", "dkmq"));
    world.fault("outlet.failed", Toxic::CrashBefore, Times::First(1));
    run_for(&world, 600);
    let mut mails = mail_subjects(&world);
    mails.retain(|subject| subject.contains("hydration-failing"));
    assert_eq!(mails, [FAILING]);
}

#[test]
fn a_provider_that_wants_to_be_left_alone_for_too_long_is_told_of_at_once() {
    // Nothing is known of it yet, so it may start right away.
    let check = |retry_after_s: u32, told: bool| {
        let world = announcing(1, vec![Reply::Status(429, Some(retry_after_s)), well()]);
        run_for(&world, 10);
        assert_eq!(!world.mails().is_empty(), told, "{retry_after_s} s");
        drain(&world);
        let failing = format!("[gridbell] hydration-failing: {VOLTUS}");
        let over = format!("[gridbell] over: hydration-failing: {VOLTUS}");
        assert_eq!(mail_subjects(&world), if told { vec![failing, over] } else { Vec::new() });
    };
    check(50, false);
    check(70, true);
    check(600, true);
}

#[test]
fn an_update_of_what_starts_later_may_wait_until_it_is_due() {
    let check = |lead_s: u32, told: bool| {
        let mut config = config();
        config.deadlines.lead_s = lead_s;
        let world = World::new(1, config);
        world.answers("voltus-prod", "/dispatches/dkmq", [well(), Reply::Status(429, Some(300)), well()]);
        // Known, and to start at 16:50, ten minutes later.
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&world, 10);
        accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
        run_for(&world, 10);
        assert_eq!(!world.mails().is_empty(), told, "a lead of {lead_s} s");
    };
    check(60, false);
    check(400, true);
}

#[test]
fn readings_of_the_past_press_nobody() {
    let world = world(1);
    world.answers("openvolt-prod", "meter_id=m1&", [Reply::Status(429, Some(600)), found(&readings("m1"))]);
    accepted(&world, "openvolt-prod", &announced("dlv-1", &["m1"]).to_string());
    drain(&world);
    assert_eq!(types(&world, "openvolt-prod/m1"), ["meter.data"]);
    assert_eq!(mail_subjects(&world), [""; 0]);
}

#[test]
fn readings_that_fail_five_times_are_told_of_although_they_press_nobody() {
    let world = world(1);
    let failures = vec![Reply::Status(500, None); 6];
    world.answers("openvolt-prod", "meter_id=m1&", [failures, vec![found(&readings("m1"))]].concat());
    accepted(&world, "openvolt-prod", &announced("dlv-1", &["m1"]).to_string());
    drain(&world);
    let about = "hydration-failing: openvolt-prod/m1";
    assert_eq!(mail_subjects(&world), [format!("[gridbell] {about}"), format!("[gridbell] over: {about}")]);
    let fifth = world.fetches()[usize::try_from(QUICK_ATTEMPTS).unwrap() - 1].at;
    assert!(world.mails()[0].0.duration_since(fifth) < SignedDuration::from_secs(1));
}

/// Brings something upon a world.
type Hazard = Box<dyn Fn(&World)>;

/// What can stand in a dispatch's way, one thing at a time.
fn hazards() -> Vec<(String, Hazard)> {
    let answers = |reply: Reply| -> Hazard {
        Box::new(move |world| world.answers("voltus-prod", "/dispatches/dkmq", [reply.clone()]))
    };
    let mut hazards = vec![
        ("the hydrator stops".to_owned(), Box::new(|world: &World| world.stop(Function::Hydrator)) as Hazard),
        ("500".to_owned(), answers(Reply::Status(500, None))),
        ("429 for a minute".to_owned(), answers(Reply::Status(429, Some(61)))),
        ("429 for a day".to_owned(), answers(Reply::Status(429, Some(86_400)))),
        ("404".to_owned(), answers(Reply::Missing)),
        ("a refused key".to_owned(), answers(Reply::Refused)),
        ("nonsense".to_owned(), answers(Reply::Json("{}".to_owned()))),
        ("another dispatch".to_owned(), answers(found(&voltus("other", 0, 5)))),
    ];
    let ports = [
        "api.fetch",
        "dispatches.write",
        "dispatches.read",
        "outlet.failed",
        "outlet.work",
        "deliveries.book",
        "signals.send",
    ];
    for port in ports {
        // The alerter reads dispatches as well; where it dies over that, CloudWatch has to tell.
        let toxics = [Toxic::Refuse, Toxic::CrashBefore, Toxic::CrashAfter];
        for toxic in toxics.into_iter().take(if port == "dispatches.read" { 1 } else { 3 }) {
            let hazard = move |world: &World| {
                // Whatever it is that fails then has something to do.
                if ["outlet.failed", "outlet.work", "deliveries.book", "dispatches.read"].contains(&port) {
                    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None)]);
                }
                world.fault(port, toxic, Times::Always);
            };
            hazards.push((format!("{port}: {toxic:?}"), Box::new(hazard)));
        }
    }
    hazards
}

#[test]
fn whatever_stands_in_its_way_a_dispatch_is_published_or_told_of() {
    // Once over is a message that died in a function's hands, plus what the alerter takes.
    let within_s = Standard::VISIBILITY.as_secs() + 15;
    for (name, hazard) in hazards() {
        for seed in 0..6 {
            let world = world(seed);
            world.take_the_pulse();
            world.answers("voltus-prod", "/dispatches/dkmq", [well()]);
            run_for(&world, 60 + 17 * i64::try_from(seed).unwrap());
            hazard(&world);
            accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
            run_for(&world, within_s);
            let published = !world.signals().is_empty();
            assert!(published || !world.mails().is_empty(), "{name}, seed {seed}: neither published nor told");
        }
    }
}

#[test]
fn what_was_told_travels_with_the_work() {
    let world = announcing(1, vec![Reply::Status(429, Some(600))]);
    run_for(&world, 10);
    let again: Work = serde_json::from_str(&world.queued(Inner::Deliveries)[0].body).expect("work");
    assert_eq!(again.told.as_deref(), Some(VOLTUS));
    let trouble = again.troubles[0].clone();
    let failed = json!({ "failed": trouble, "work": again });
    assert_eq!(Failed::parse(&failed.to_string(), world.now()).unwrap().work.told.as_deref(), Some(VOLTUS));
}

#[test]
fn a_dispatch_that_is_over_is_given_up_and_told() {
    let world = world(1);
    world.answers("voltus-prod", "/dispatches/dkmq", [well(), Reply::Status(500, None)]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    drain(&world);
    accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
    drain(&world);
    let mut mails = mail_subjects(&world);
    mails.sort();
    let expected = [
        "dead-letter",
        "hydration-failing",
        "over: dead-letter",
        "over: hydration-failing",
        "starts now: hydration-failing",
    ];
    assert_eq!(mails, expected.map(|kind| format!("[gridbell] {kind}: {VOLTUS}")));
    let given_up = world.kept().into_values().next().expect("kept");
    assert!(given_up.work.attempt > QUICK_ATTEMPTS);
    assert!(world.bookings().is_empty());
    let last = world.fetches().last().unwrap().at;
    assert!(last > "2023-12-01T18:00:00Z".parse().unwrap() && last < "2023-12-01T18:20:00Z".parse().unwrap());
}

#[test]
fn what_is_over_already_is_asked_for_six_times_before_it_is_given_up() {
    let world = world(1);
    world.answers("voltus-prod", "/dispatches/dkmq", [well(), Reply::Status(500, None)]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    drain(&world);
    world.advance(SignedDuration::from_hours(3));
    accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
    drain(&world);
    assert_eq!(world.fetches().len(), 1 + 6);
    assert!(mail_subjects(&world).contains(&format!("[gridbell] dead-letter: {VOLTUS}")));
}

#[test]
fn what_was_never_known_is_given_up_after_two_days() {
    let world = announcing(1, vec![Reply::Missing]);
    let began = world.now();
    assert_eq!(world.settle(SignedDuration::from_hours(50)), Settled::Drained);
    let lasted = world.fetches().last().unwrap().at.duration_since(began);
    assert!((48..49).contains(&lasted.as_hours()), "{lasted:?}");
    assert!(mail_subjects(&world).contains(&format!("[gridbell] dead-letter: {VOLTUS}")));
    let open: Vec<String> = (world.incidents().all().into_iter())
        .filter(|incident| incident.status == IncidentStatus::Open)
        .map(|incident| incident.incident)
        .collect();
    assert!(open.is_empty(), "nobody will ever close {open:?}");
}
