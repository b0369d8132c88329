//! When a source is polled, and when a person is notified of failing polls.

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::review::OpenIncidents,
    config::Config,
    job::{Job, JobKind},
    messages::{ToHydrate, to_json},
    polling::poll::Polls,
};
use serde_json::Value;
use simulation::{Function, Inner, Invocation, Reply, Simulation, Times, Toxic};

use crate::{
    common::{accepted, mail_subjects, published, thin, types, voltus, worth_a_fault},
    poll::{LIST, VOLTUS, asked, between, list, lists, polled, polling, run_for},
};

#[test]
fn a_source_is_polled_every_minute_near_a_dispatch_only() {
    let sim = polling(7);
    lists(&sim, &[between("dkmq", 0, "2023-12-01T19:00:00Z", Some("2023-12-01T20:00:00Z"))]);
    run_for(&sim, 5 * 3_600);
    let asked = asked(&sim, "voltus-prod", LIST);
    let count = |from: &str, to: &str| {
        let (from, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
        asked.iter().filter(|at| (from..to).contains(at)).count()
    };
    assert!((10..=13).contains(&count("2023-12-01T17:00:00Z", "2023-12-01T18:00:00Z")), "{asked:?}");
    assert!((58..=61).contains(&count("2023-12-01T18:05:00Z", "2023-12-01T19:05:00Z")), "{asked:?}");
    assert!((48..=51).contains(&count("2023-12-01T19:10:00Z", "2023-12-01T20:00:00Z")), "{asked:?}");
    assert!((10..=13).contains(&count("2023-12-01T20:05:00Z", "2023-12-01T21:05:00Z")), "{asked:?}");
    let apart = asked.windows(2).map(|pair| pair[1].duration_since(pair[0])).min();
    assert!(apart > Some(SignedDuration::from_secs(45)), "{apart:?}");
}

#[test]
fn a_source_is_polled_every_five_minutes_by_default() {
    let mut config = serde_json::to_value(polled(&[])).unwrap();
    config["sources"]["voltus-prod"].as_object_mut().unwrap().remove("poll_s");
    let sim = Simulation::new(18, Config::parse(&config.to_string()).unwrap());
    lists(&sim, &[]);
    run_for(&sim, 3_600);
    let asked = asked(&sim, "voltus-prod", LIST);
    assert!((11..=13).contains(&asked.len()), "{asked:?}");
}

#[test]
fn a_source_that_is_not_to_be_polled_is_not_asked() {
    let sim = Simulation::new(8, polled(&["dc-1", "openvolt-prod"]));
    run_for(&sim, 3_600);
    assert!(sim.fetches().is_empty() && sim.polls().all().is_empty());
}

#[test]
fn a_provider_that_asks_to_be_left_alone_is() {
    let sim = polling(9);
    sim.answers("voltus-prod", LIST, [Reply::Status(429, Some(200)), list(&[])]);
    run_for(&sim, 1_000);
    let asked = asked(&sim, "voltus-prod", LIST);
    let first = asked[1].duration_since(asked[0]).as_secs();
    assert!((200..262).contains(&first), "{asked:?}");
    assert_eq!(mail_subjects(&sim), [""; 0]);
    // For longer than a source may fail, so that it counts as down.
    sim.answers("voltus-prod", LIST, [Reply::Status(429, Some(90_000)), list(&[])]);
    run_for(&sim, 400);
    assert_eq!(mail_subjects(&sim), ["[gridbell] source-down: voltus-prod"]);
    run_for(&sim, 3_600);
    assert_eq!(mail_subjects(&sim).pop().as_deref(), Some("[gridbell] Resolved: source-down: voltus-prod"));
}

#[test]
fn a_refused_key_is_mailed_and_resolved_once_it_is_accepted() {
    let sim = polling(10);
    sim.answers("voltus-prod", LIST, [Reply::Refused]);
    run_for(&sim, 95);
    assert_eq!(mail_subjects(&sim), ["[gridbell] credentials: voltus-prod"]);
    run_for(&sim, 3_600);
    assert_eq!(mail_subjects(&sim).len(), 1, "one mail, and no other kind for the same cause");
    assert!(asked(&sim, "voltus-prod", LIST).len() < 15, "a refused key is not hammered with");
    lists(&sim, &[]);
    run_for(&sim, 400);
    assert_eq!(mail_subjects(&sim)[1..], ["[gridbell] Resolved: credentials: voltus-prod"]);
}

#[test]
fn a_provider_that_is_down_is_mailed_after_five_minutes_once() {
    let sim = polling(11);
    sim.answers("voltus-prod", LIST, [Reply::Status(500, None), Reply::Nothing]);
    run_for(&sim, 300);
    assert_eq!(mail_subjects(&sim), [""; 0]);
    run_for(&sim, 155);
    assert_eq!(mail_subjects(&sim), ["[gridbell] source-down: voltus-prod"]);
    let (_, mail) = sim.mails().pop().expect("a mail");
    assert!(mail.text.contains("no answer within 5 s"), "the last error: {}", mail.text);
    run_for(&sim, 7_200);
    assert_eq!(mail_subjects(&sim).len(), 1);
    lists(&sim, &[]);
    run_for(&sim, 95);
    assert_eq!(mail_subjects(&sim)[1..], ["[gridbell] Resolved: source-down: voltus-prod"]);
}

#[test]
fn a_provider_that_is_down_again_is_mailed_again() {
    let sim = polling(21);
    for _ in 0..2 {
        sim.answers("voltus-prod", LIST, [Reply::Status(500, None)]);
        run_for(&sim, 900);
        lists(&sim, &[]);
        run_for(&sim, 400);
    }
    let [down, over] =
        ["source-down: voltus-prod", "Resolved: source-down: voltus-prod"].map(|it| format!("[gridbell] {it}"));
    assert_eq!(mail_subjects(&sim), [down.clone(), over.clone(), down, over]);
}

#[test]
fn near_a_dispatch_three_failures_in_a_row_are_enough() {
    let sim = polling(12);
    let dispatch = voltus("dkmq", 0, 5);
    sim.answers("voltus-prod", LIST, [list(std::slice::from_ref(&dispatch)), Reply::Status(503, None)]);
    run_for(&sim, 200);
    assert_eq!(mail_subjects(&sim), [""; 0]);
    run_for(&sim, 95);
    assert_eq!(mail_subjects(&sim), ["[gridbell] source-down: voltus-prod"]);
}

#[test]
fn a_provider_down_before_and_after_a_start_is_mailed() {
    let sim = polling(13);
    run_for(&sim, 90);
    let down = Reply::Status(500, None);
    sim.answers("voltus-prod", LIST, [down.clone()]);
    sim.answers("voltus-prod", "/dispatches/dkmq", [down]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 480);
    let start: Timestamp = "2023-12-01T16:50:00Z".parse().unwrap();
    assert!(sim.now() < start);
    let mails = mail_subjects(&sim);
    assert!(mails.contains(&format!("[gridbell] hydration-failing: {VOLTUS}")), "{mails:?}");
    run_for(&sim, 600);
    assert!(mail_subjects(&sim).contains(&"[gridbell] source-down: voltus-prod".to_owned()));
    let dispatch = between("dkmq", 0, "2023-12-01T16:50:00Z", Some("2023-12-01T18:00:00Z"));
    lists(&sim, std::slice::from_ref(&dispatch));
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    run_for(&sim, 62);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"], "the list is there before the next slow attempt");
    run_for(&sim, 1_800);
    let mails = mail_subjects(&sim);
    for kind in ["hydration-failing: voltus-prod/dkmq", "source-down: voltus-prod"] {
        assert!(mails.contains(&format!("[gridbell] Resolved: {kind}")), "{mails:?}");
    }
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
}

#[test]
fn lists_that_are_none_change_nothing_and_are_mailed() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in ["", "nonsense", "[]", "{}", "null", r#"{"dispatches":7}"#, r#"{"message":"no","type":"e"}"#, &deep] {
        let sim = polling(14);
        sim.answers("voltus-prod", LIST, [Reply::Json(body.to_owned())]);
        run_for(&sim, 600);
        assert_eq!(mail_subjects(&sim), ["[gridbell] source-down: voltus-prod"], "{body:.20}");
        assert!(sim.signals().is_empty() && sim.dispatches().all().is_empty());
    }
}

#[test]
fn of_a_list_of_any_length_each_dispatch_is_published() {
    let sim = polling(15);
    let many: Vec<Value> = (0..450).map(|n| voltus(&format!("d{n}"), 0, 5)).collect();
    lists(&sim, &many);
    run_for(&sim, 470);
    assert_eq!(published(&sim).len(), 450);
    assert!(!mail_subjects(&sim).iter().any(|subject| subject.contains("source-down")), "{:?}", mail_subjects(&sim));
    let messages = sim.calls().iter().filter(|call| call.port == "jobs.deliver").count();
    assert!((5..80).contains(&messages), "{messages} messages carry the list");
    let one = polling(16);
    lists(&one, &vec![between("dkmq", 0, "2023-12-01T16:30:00Z", None); 2_000]);
    run_for(&one, 470);
    assert_eq!((one.signals().len(), mail_subjects(&one)), (1, Vec::new()));
}

#[test]
fn polls_that_waited_for_the_hydrator_are_one() {
    let sim = polling(22);
    polls_waiting(&sim, 20);
    run_for(&sim, 40);
    assert_eq!(asked(&sim, "voltus-prod", LIST).len(), 1);
    assert!(sim.queued(Inner::Deliveries).is_empty());
}

fn polls_waiting(sim: &Simulation, count: usize) {
    for n in 0..count {
        let job = Job::fresh(&format!("poll-{n}"), "voltus-prod", sim.now(), JobKind::Poll);
        sim.put(Inner::Deliveries, &to_json(&ToHydrate::Job(job)).unwrap());
    }
}

#[test]
fn of_two_hydrators_with_a_poll_each_one_asks() {
    for seed in 0..20 {
        let sim = polling(seed);
        run_for(&sim, 90);
        assert_eq!(asked(&sim, "voltus-prod", LIST).len(), 1);
        polls_waiting(&sim, 2);
        let polls = sim.take(Inner::Deliveries).into_iter().map(|poll| (Function::Hydrator, vec![poll]));
        sim.advance(SignedDuration::from_secs(300));
        sim.at_once(polls.collect());
        assert_eq!(asked(&sim, "voltus-prod", LIST).len(), 2, "seed {seed}");
    }
}

#[test]
fn a_source_whose_state_cannot_be_read_delays_no_other_poll() {
    let sim = Simulation::new(32, polled(&["voltus-prod", "leap-prod"]));
    let send = || {
        let ports = &sim.ports();
        let polls = Polls::<Invocation<'_>> { config: &sim.config, deliveries: ports, job_queue: ports, host: ports };
        let sent = sim.run(Function::Sweeper, async |_| polls.send_due(&OpenIncidents::default()).await).answer();
        (sent.unwrap().ok(), sim.take(Inner::Deliveries).len())
    };
    assert_eq!(send(), (Some(2), 2));
    sim.fault("deliveries.poll_state", Toxic::Refuse, Times::First(1));
    assert_eq!(send(), (None, 1));
}

#[test]
fn a_list_that_kills_the_hydrator_is_mailed() {
    // If it dies while sending the hint, too, the next poll sends one.
    for dies_over_hints in [0, 1] {
        let sim = polling(23);
        sim.fault("api.fetch", Toxic::CrashBefore, Times::Always);
        sim.fault("jobs.alert", Toxic::CrashBefore, Times::First(dies_over_hints));
        run_for(&sim, 3_600);
        assert_eq!(mail_subjects(&sim), ["[gridbell] source-down: voltus-prod"]);
        assert!(sim.quarantined().is_empty() && sim.queued(Inner::RetriesDead).is_empty());
        sim.heal();
        run_for(&sim, 400);
        assert_eq!(mail_subjects(&sim)[1..], ["[gridbell] Resolved: source-down: voltus-prod"]);
    }
}

/// A dispatch that no webhook announced, then a key that is refused for a while: without faults, and with each call
/// failing once.
fn history(sim: &Simulation) {
    run_for(sim, 150);
    lists(sim, &[between("dkmq", 0, "2023-12-02T17:00:00Z", None)]);
    run_for(sim, 900);
    sim.answers("voltus-prod", LIST, [Reply::Refused]);
    run_for(sim, 400);
    lists(sim, &[between("dkmq", 1, "2023-12-02T17:00:00Z", None)]);
    run_for(sim, 1_500);
}

fn outcome(sim: &Simulation) -> (Vec<String>, Vec<String>) {
    let mut mails = mail_subjects(sim);
    mails.sort();
    mails.dedup();
    (types(sim, VOLTUS), mails)
}

#[test]
fn whichever_call_of_a_poll_fails() {
    let calm = polling(24);
    history(&calm);
    let expected = outcome(&calm);
    assert_eq!(expected.0, ["dispatch.scheduled"]);
    assert_eq!(expected.1.len(), 3, "{:?}", expected.1);
    // Many polls find nothing new and make similar calls: a few are enough.
    let mut of: std::collections::BTreeMap<(String, &str), u32> = std::collections::BTreeMap::new();
    for (number, call) in worth_a_fault(&calm.calls(), 0) {
        let seen = of.entry((format!("{:?}", call.function), call.port)).or_default();
        *seen += 1;
        if *seen > 8 {
            continue;
        }
        for toxic in Toxic::ALL {
            let sim = polling(24);
            sim.fault_at(number, toxic);
            history(&sim);
            let what = format!("call {number} of {:?}, {}: {toxic:?}", call.function, call.port);
            assert_eq!(outcome(&sim), expected, "{what}");
            assert!(sim.queued(Inner::RetriesDead).is_empty(), "{what}");
        }
    }
}
