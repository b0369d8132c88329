//! A function that processes a dispatch may die or fail: a person is notified in time, once, and when it is resolved.

use jiff::SignedDuration;
use pipeline::{
    incident::{Incident, IncidentStatus},
    job::Job,
    messages::{self, ToRetry},
    retry::QUICK_ATTEMPTS,
};
use serde_json::Value;
use simulation::{Function, Inner, Reply, Simulation, Standard, Times, Toxic};

use crate::{
    common::{accepted, announced, config, drain, mail_subjects, pass, readings, run_for, sim, thin, types, voltus},
    incidents::{hours, incident},
};

const VOLTUS: &str = "voltus-prod/dkmq";
const FAILING: &str = "[gridbell] hydration-failing: voltus-prod, delivery d-1";
const RESOLVED: &str = "[gridbell] Resolved: hydration-failing: voltus-prod, delivery d-1";

fn found(answer: &Value) -> Reply {
    Reply::Json(answer.to_string())
}

fn well() -> Reply {
    found(&voltus("dkmq", 0, 5))
}

fn announcing(seed: u64, replies: Vec<Reply>) -> Simulation {
    let sim = sim(seed);
    sim.answers("voltus-prod", "/dispatches/dkmq", replies);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    sim
}

/// When the first mail was sent, in seconds after the start of the simulation.
fn mailed_after_s(sim: &Simulation, began: jiff::Timestamp) -> Option<i64> {
    sim.mails().first().map(|(at, _)| at.duration_since(began).as_secs())
}

#[test]
fn a_message_that_comes_a_second_time_is_a_failed_attempt() {
    let sim = announcing(1, vec![well()]);
    let began = sim.now();
    sim.fault("api.fetch", Toxic::CrashBefore, Times::First(2));
    run_for(&sim, 600);
    let visible_again = Standard::VISIBILITY.as_secs();
    let mailed = mailed_after_s(&sim, began).expect("a mail");
    assert!((visible_again..visible_again + 5).contains(&mailed), "after {mailed} s");
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(mail_subjects(&sim), [FAILING, RESOLVED], "one incident, however often it dies");
    assert!(sim.mails()[0].1.text.contains("the hydrator died"), "{}", sim.mails()[0].1.text);
}

#[test]
fn what_crashes_the_hydrator_arrives_at_the_retrier_by_redrive() {
    let sim = announcing(1, vec![well()]);
    sim.fault("api.fetch", Toxic::CrashBefore, Times::First(1));
    // It also dies while it passes the message on.
    sim.fault("jobs.retry", Toxic::CrashBefore, Times::First(Standard::MAX_RECEIVES - 1));
    sim.stop(Function::Sweeper);
    run_for(&sim, 599);
    assert_eq!(mail_subjects(&sim), [""; 0]);
    drain(&sim);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert!(sim.queued(Inner::RetriesDead).is_empty());
    assert_eq!(mail_subjects(&sim), [FAILING, RESOLVED]);
}

#[test]
fn what_crashes_the_hydrator_for_ever_is_mailed_once() {
    let sim = announcing(1, vec![well()]);
    sim.fault("api.fetch", Toxic::CrashBefore, Times::Always);
    run_for(&sim, 2 * 3_600);
    assert_eq!(mail_subjects(&sim), [FAILING]);
}

#[test]
fn what_a_redrive_brings_is_mailed_at_once() {
    let sim = sim(1);
    let job = Job::messages("d-1", "voltus-prod", sim.now(), &thin("dispatch.create", "dkmq"), None).remove(0);
    assert!(matches!(messages::read(&job), Ok(ToRetry::Job(_))));
    sim.put(Inner::Retries, &job);
    let began = sim.now();
    sim.answers("voltus-prod", "/dispatches/dkmq", [well()]);
    drain(&sim);
    assert_eq!(mailed_after_s(&sim, began), Some(0));
    assert_eq!(mail_subjects(&sim), [FAILING, RESOLVED]);
    assert!(sim.mails()[0].1.text.contains("died"), "{}", sim.mails()[0].1.text);
}

#[test]
fn a_delivery_that_became_a_request_is_resolved_as_a_delivery() {
    let bad = vec![Reply::Status(500, None); 7];
    let sim = announcing(1, [bad, vec![well()]].concat());
    sim.fault("api.fetch", Toxic::CrashBefore, Times::First(1));
    run_for(&sim, 180);
    // From then on the fetch request fails, which names the dispatch.
    let (delivery, request) = ("hydration-failing/voltus-prod, delivery d-1", "hydration-failing/voltus-prod/dkmq");
    assert_eq!(incident(&sim, delivery).status, IncidentStatus::Resolved);
    assert_eq!(incident(&sim, request).status, IncidentStatus::Open);
    assert_eq!(mail_subjects(&sim)[..2], [FAILING.to_owned(), format!("[gridbell] hydration-failing: {VOLTUS}")]);
    drain(&sim);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    let incidents = sim.incidents().all();
    assert_eq!(incidents.len(), 2);
    assert!(incidents.iter().all(|one| one.status == IncidentStatus::Resolved && one.mails.contains_key("resolved")));
}

#[test]
fn what_is_quarantined_after_it_failed_fails_no_more() {
    let sim = sim(1);
    sim.fault("jobs.retry", Toxic::CrashBefore, Times::First(1));
    accepted(&sim, "voltus-prod", "[]");
    run_for(&sim, 300);
    let mut mails = mail_subjects(&sim);
    mails.sort();
    assert_eq!(mails, [RESOLVED, FAILING, "[gridbell] quarantined: voltus-prod"]);
}

#[test]
fn an_account_of_many_meters_fails_as_one_delivery() {
    // Past readings can wait: a failure that ends within half a minute is not mailed.
    for (crashes, mailed) in [(1, false), (2, true)] {
        let sim = sim(1);
        for meter in ["m1", "m2"] {
            sim.answers("openvolt-prod", &format!("meter_id={meter}&"), [found(&readings(meter))]);
        }
        sim.fault("jobs.deliver", Toxic::CrashBefore, Times::First(1));
        accepted(&sim, "openvolt-prod", &announced("dlv-1", &["m1", "m2"]).to_string());
        if crashes > 1 {
            run_for(&sim, 119);
            // And once more at the next attempt.
            sim.fault("jobs.deliver", Toxic::CrashAfter, Times::First(2));
        }
        drain(&sim);
        let about = "hydration-failing: openvolt-prod, delivery d-1";
        let expected = [format!("[gridbell] {about}"), format!("[gridbell] Resolved: {about}")];
        assert_eq!(mail_subjects(&sim), expected[..if mailed { 2 } else { 0 }], "{crashes}");
        assert_eq!((types(&sim, "openvolt-prod/m1").len(), types(&sim, "openvolt-prod/m2").len()), (1, 1));
        assert_eq!(sim.incidents().all().len(), 1);
    }
}

#[test]
fn a_meter_that_works_does_not_end_the_failing_of_another() {
    let sim = sim(1);
    let down = vec![Reply::Status(500, None); 6];
    sim.answers("openvolt-prod", "meter_id=m1&", [down.clone(), vec![found(&readings("m1"))]].concat());
    sim.answers("openvolt-prod", "meter_id=m2&", down);
    sim.fault("jobs.deliver", Toxic::CrashBefore, Times::First(1));
    accepted(&sim, "openvolt-prod", &announced("dlv-1", &["m1", "m2"]).to_string());
    run_for(&sim, 1_800);
    assert_eq!(types(&sim, "openvolt-prod/m1"), ["meter.data"]);
    for (about, status) in [
        ("openvolt-prod, delivery d-1", IncidentStatus::Resolved),
        ("openvolt-prod/m1?", IncidentStatus::Resolved),
        ("openvolt-prod/m2?", IncidentStatus::Open),
    ] {
        let incidents = sim.incidents().all();
        let of = |incident: &&Incident| incident.incident.starts_with(&format!("hydration-failing/{about}"));
        assert_eq!(incidents.iter().find(of).map(|incident| incident.status), Some(status), "{about}");
    }
}

#[test]
fn what_is_kept_of_a_failing_delivery_does_not_end_it() {
    let sim = sim(1);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None)]);
    accepted(&sim, "voltus-prod", &thin("dispatch.paused", "dkmq"));
    sim.fault("jobs.retry", Toxic::CrashBefore, Times::First(1));
    run_for(&sim, 600);
    assert_eq!(sim.quarantined().len(), 1, "the body with the unknown event");
    let request = format!("hydration-failing/{VOLTUS}");
    assert_eq!(incident(&sim, &request).status, IncidentStatus::Open);
    assert_eq!(mail_subjects(&sim)[0], FAILING);
}

#[test]
fn a_provider_that_asks_to_wait_for_too_long_is_mailed_at_once() {
    // Its start is unknown, so it may start right away.
    let check = |retry_after_s: u32, mailed: bool| {
        let sim = announcing(1, vec![Reply::Status(429, Some(retry_after_s)), well()]);
        run_for(&sim, 10);
        assert_eq!(!sim.mails().is_empty(), mailed, "{retry_after_s} s");
        drain(&sim);
        let failing = format!("[gridbell] hydration-failing: {VOLTUS}");
        let resolved = format!("[gridbell] Resolved: hydration-failing: {VOLTUS}");
        assert_eq!(mail_subjects(&sim), if mailed { vec![failing, resolved] } else { Vec::new() });
    };
    check(50, false);
    check(70, true);
    check(600, true);
}

#[test]
fn an_update_of_what_starts_later_may_wait_until_it_is_due() {
    let check = |lead_s: u32, mailed: bool| {
        let mut config = config();
        config.deadlines.lead_s = lead_s;
        let sim = Simulation::new(1, config);
        sim.answers("voltus-prod", "/dispatches/dkmq", [well(), Reply::Status(429, Some(300)), well()]);
        // Known, and starting at 16:50, ten minutes later.
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&sim, 10);
        accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
        run_for(&sim, 10);
        assert_eq!(!sim.mails().is_empty(), mailed, "a lead of {lead_s} s");
    };
    check(60, false);
    check(400, true);
}

#[test]
fn readings_of_the_past_may_fail_for_five_minutes() {
    for (wait_s, mails) in [(200, 0), (600, 2)] {
        let sim = sim(1);
        let replies = [Reply::Status(429, Some(wait_s)), found(&readings("m1"))];
        sim.answers("openvolt-prod", "meter_id=m1&", replies);
        accepted(&sim, "openvolt-prod", &announced("dlv-1", &["m1"]).to_string());
        pass(&sim, hours(1));
        assert_eq!(types(&sim, "openvolt-prod/m1"), ["meter.data"]);
        assert_eq!(mail_subjects(&sim).len(), mails, "{:?}", mail_subjects(&sim));
    }
}

#[test]
fn readings_that_fail_five_times_are_mailed_in_half_a_minute() {
    let sim = sim(1);
    let failures = vec![Reply::Status(500, None); 8];
    sim.answers("openvolt-prod", "meter_id=m1&", [failures, vec![found(&readings("m1"))]].concat());
    accepted(&sim, "openvolt-prod", &announced("dlv-1", &["m1"]).to_string());
    drain(&sim);
    let about = "hydration-failing: openvolt-prod/m1";
    assert_eq!(mail_subjects(&sim), [format!("[gridbell] {about}"), format!("[gridbell] Resolved: {about}")]);
    let fifth = sim.fetches()[usize::try_from(QUICK_ATTEMPTS).unwrap() - 1].at;
    let waited = sim.mails()[0].0.duration_since(fifth).as_secs();
    assert!((30..34).contains(&waited), "{waited} s");
}

/// Injects a failure into a simulation.
type Hazard = Box<dyn Fn(&Simulation)>;

/// Everything that can delay a dispatch, one failure at a time.
fn hazards() -> Vec<(String, Hazard)> {
    let answers = |reply: Reply| -> Hazard {
        Box::new(move |sim| sim.answers("voltus-prod", "/dispatches/dkmq", [reply.clone()]))
    };
    let mut hazards = vec![
        ("the hydrator stops".to_owned(), Box::new(|sim: &Simulation| sim.stop(Function::Hydrator)) as Hazard),
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
        "jobs.retry",
        "jobs.deliver",
        "deliveries.book",
        "signals.send",
    ];
    for port in ports {
        // The alerter reads dispatches as well; if it dies then, a CloudWatch alarm must notify.
        let toxics = [Toxic::Refuse, Toxic::CrashBefore, Toxic::CrashAfter];
        for toxic in toxics.into_iter().take(if port == "dispatches.read" { 1 } else { 3 }) {
            let hazard = move |sim: &Simulation| {
                // The fetch fails, so that the failing port is called.
                if ["jobs.retry", "jobs.deliver", "deliveries.book", "dispatches.read"].contains(&port) {
                    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None)]);
                }
                // If failures can neither be passed on nor stored, dead letters are an incident after ten minutes.
                let once = ["jobs.retry", "deliveries.book"].contains(&port);
                sim.fault(port, toxic, if once { Times::First(1) } else { Times::Always });
            };
            hazards.push((format!("{port}: {toxic:?}"), Box::new(hazard)));
        }
    }
    hazards
}

#[test]
fn whatever_stands_in_its_way_it_is_published_or_mailed() {
    // A message over which a function died is delivered again after its visibility timeout, and then the alerter needs
    // its time. Its evidence may be unreadable for a minute.
    let within_s =
        |name: &str| Standard::VISIBILITY.as_secs() + if name.starts_with("dispatches.read") { 75 } else { 15 };
    for (name, hazard) in hazards() {
        for seed in 0..6 {
            let sim = sim(seed);
            sim.send_heartbeats();
            sim.answers("voltus-prod", "/dispatches/dkmq", [well()]);
            run_for(&sim, 60 + 17 * i64::try_from(seed).unwrap());
            hazard(&sim);
            accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
            run_for(&sim, within_s(&name));
            let published = !sim.signals().is_empty();
            assert!(published || !sim.mails().is_empty(), "{name}, seed {seed}: neither published nor mailed");
        }
    }
}

#[test]
fn a_retrier_that_stores_nothing_is_mailed_by_dead_letters() {
    let sim = sim(1);
    sim.send_heartbeats();
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None)]);
    sim.fault("deliveries.book", Toxic::Refuse, Times::Always);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    // Ten receives, two minutes apart.
    run_for(&sim, 22 * 60);
    assert_eq!(mail_subjects(&sim), ["[gridbell] dead-letter: retries_dead"]);
}

#[test]
fn a_dispatch_that_is_over_is_given_up_and_mailed() {
    let sim = sim(1);
    sim.answers("voltus-prod", "/dispatches/dkmq", [well(), Reply::Status(500, None)]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    drain(&sim);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    pass(&sim, hours(27));
    let mut mails = mail_subjects(&sim);
    mails.sort();
    let expected = [
        "Resolved: dead-letter",
        "Resolved: hydration-failing",
        "dead-letter",
        "hydration-failing",
        "starts now: hydration-failing",
    ];
    assert_eq!(mails, expected.map(|kind| format!("[gridbell] {kind}: {VOLTUS}")));
    let given_up = sim.quarantined().into_values().next().expect("kept");
    assert!(given_up.job.attempt > QUICK_ATTEMPTS);
    assert!(sim.bookings().is_empty());
    let last = sim.fetches().last().unwrap().at;
    assert!(last > "2023-12-01T18:00:00Z".parse().unwrap() && last < "2023-12-01T18:20:00Z".parse().unwrap());
}

#[test]
fn what_is_over_already_is_given_up_after_six_requests() {
    let sim = sim(1);
    sim.answers("voltus-prod", "/dispatches/dkmq", [well(), Reply::Status(500, None)]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    drain(&sim);
    sim.advance(SignedDuration::from_hours(3));
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    drain(&sim);
    assert_eq!(sim.fetches().len(), 1 + 6);
    assert!(mail_subjects(&sim).contains(&format!("[gridbell] dead-letter: {VOLTUS}")));
}

#[test]
fn what_was_never_known_is_given_up_after_two_days() {
    let sim = announcing(1, vec![Reply::Missing]);
    let began = sim.now();
    pass(&sim, hours(50));
    let lasted = sim.fetches().last().unwrap().at.duration_since(began);
    assert!((48..49).contains(&lasted.as_hours()), "{lasted:?}");
    assert!(mail_subjects(&sim).contains(&format!("[gridbell] dead-letter: {VOLTUS}")));
    pass(&sim, hours(24));
    let open: Vec<String> = (sim.incidents().all().into_iter())
        .filter(|incident| incident.status == IncidentStatus::Open)
        .map(|incident| incident.incident)
        .collect();
    assert!(open.is_empty(), "{open:?}");
}
