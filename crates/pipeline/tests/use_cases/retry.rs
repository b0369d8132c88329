//! The one path for every failure: when it is tried again, when a person is notified, when it is quarantined.

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    incident::IncidentStatus,
    job::{FailedJob, Failure, FailureKind, Job, Message},
    messages::{self, ToHydrate, ToRetry, to_json},
    retry::QUICK_ATTEMPTS,
};
use serde_json::{Value, json};
use simulation::{Ended, Inner, Reply, Simulation, Times, Toxic};

use crate::{
    common::{accepted, config, drain, leap, mail_subjects, pass, run_for, sim, thin, types, voltus},
    incidents::hours,
};

const VOLTUS: &str = "voltus-prod/dkmq";

fn failing(seed: u64, replies: Vec<Reply>) -> Simulation {
    let sim = sim(seed);
    sim.answers("voltus-prod", "/dispatches/dkmq", replies);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    sim
}

fn found(answer: &Value) -> Reply {
    Reply::Json(answer.to_string())
}

fn well() -> Reply {
    found(&voltus("dkmq", 0, 5))
}

/// When the provider received requests, in milliseconds after the first.
fn asked_ms(sim: &Simulation) -> Vec<i128> {
    let fetches = sim.fetches();
    fetches.iter().map(|fetch| fetch.at.duration_since(fetches[0].at).as_millis()).collect()
}

#[test]
fn three_failures_and_then_a_success() {
    for seed in 0..10 {
        let bad = Reply::Status(500, None);
        let sim = failing(seed, vec![bad.clone(), bad.clone(), bad, well()]);
        drain(&sim);
        assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
        assert_eq!(sim.fetches().len(), 4);
        assert!(mail_subjects(&sim).is_empty() && sim.bookings().is_empty());
        assert!(asked_ms(&sim)[3] < 20_000, "{:?}", asked_ms(&sim));
    }
}

#[test]
fn a_failing_provider_is_asked_a_handful_of_times_in_a_minute() {
    for seed in 0..60 {
        let sim = failing(seed, vec![Reply::Status(500, None)]);
        run_for(&sim, 3_600);
        let asked = asked_ms(&sim);
        assert!(asked.iter().filter(|ms| **ms < 60_000).count() <= 6, "seed {seed}: {asked:?}");
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= 1_000), "seed {seed}: {asked:?}");
        // Slow attempts go on, at most a quarter of an hour apart.
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 910_000), "seed {seed}: {asked:?}");
        assert!(asked.len() >= 9, "seed {seed}: {asked:?}");
    }
}

#[test]
fn what_failed_together_does_not_come_back_together() {
    let sim = sim(3);
    for n in 0..20 {
        accepted(&sim, "voltus-prod", &thin("dispatch.create", &format!("dk{n}")));
    }
    run_for(&sim, 30);
    let mut delays: Vec<i64> = sim.bookings().values().map(|booking| booking.state.next_at.as_second()).collect();
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 8, "{delays:?}");
}

#[test]
fn a_herd_that_was_told_one_instant_does_not_come_back_together() {
    let sim = sim(4);
    sim.answers("voltus-prod", "/dispatches/", [Reply::Status(429, Some(60))]);
    for n in 0..20 {
        accepted(&sim, "voltus-prod", &thin("dispatch.create", &format!("dk{n}")));
    }
    run_for(&sim, 30);
    let waits = sim.bookings().into_values().map(|booking| booking.state);
    let mut waits_s: Vec<i64> = waits.map(|state| state.next_at.duration_since(state.failed_at).as_secs()).collect();
    assert!(waits_s.len() == 20 && waits_s.iter().all(|wait_s| (45..=80).contains(wait_s)), "{waits_s:?}");
    waits_s.sort_unstable();
    waits_s.dedup();
    assert!(waits_s.len() > 6, "{waits_s:?}");
}

#[test]
fn retry_after_is_honoured_up_to_what_a_queue_can_wait() {
    for (status, asked_s, least_s, most_s) in [(429, 77, 77, 100), (503, 300, 300, 379), (429, 90_000, 900, 903)] {
        let sim = failing(1, vec![Reply::Status(status, Some(asked_s)), well()]);
        drain(&sim);
        let second = asked_ms(&sim)[1];
        assert!((least_s * 1_000..most_s * 1_000).contains(&second), "{status} after {asked_s} s: {second} ms");
    }
}

#[test]
fn five_quick_failures_open_an_incident_a_success_resolves_it() {
    let sim = failing(1, [vec![Reply::Status(500, None); 7], vec![well()]].concat());
    drain(&sim);
    assert_eq!(
        mail_subjects(&sim),
        [
            format!("[gridbell] hydration-failing: {VOLTUS}"),
            format!("[gridbell] Resolved: hydration-failing: {VOLTUS}"),
        ]
    );
    let (mailed_at, mail) = sim.mails().remove(0);
    let fifth = sim.fetches()[usize::try_from(QUICK_ATTEMPTS).unwrap() - 1].at;
    assert!((SignedDuration::ZERO..SignedDuration::from_secs(1)).contains(&mailed_at.duration_since(fifth)));
    assert!(mail.text.contains("the provider answered 500"), "{}", mail.text);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
}

#[test]
fn a_refused_key_is_mailed_and_resolved_once_it_is_accepted() {
    let sim = failing(1, [vec![Reply::Refused; 8], vec![well()]].concat());
    drain(&sim);
    let credentials: Vec<_> =
        sim.mails().into_iter().filter(|(_, mail)| mail.subject.contains("credentials")).collect();
    let subjects: Vec<String> = credentials.iter().map(|(_, mail)| crate::common::digest(&mail.subject)).collect();
    assert_eq!(subjects, ["[gridbell] credentials: voltus-prod", "[gridbell] Resolved: credentials: voltus-prod"]);
    let waited = credentials[0].0.duration_since(sim.fetches()[0].at).as_secs();
    assert!((30..33).contains(&waited), "{waited} s");
}

#[test]
fn a_key_accepted_within_half_a_minute_is_not_mailed() {
    let sim = failing(1, vec![Reply::Refused, Reply::Refused, well()]);
    drain(&sim);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(mail_subjects(&sim), [""; 0]);
}

#[test]
fn a_refused_key_is_resolved_although_other_failures_followed() {
    let other = vec![Reply::Status(500, None); 12];
    let sim = failing(1, [vec![Reply::Status(500, None), Reply::Refused], other, vec![well()]].concat());
    pass(&sim, hours(3));
    assert!(mail_subjects(&sim).contains(&"[gridbell] Resolved: credentials: voltus-prod".to_owned()));
}

#[test]
fn a_refusal_from_before_the_key_was_accepted_is_not_mailed() {
    let sim = failing(1, vec![Reply::Refused, well()]);
    sim.answers("voltus-prod", "/dispatches/late", [Reply::Refused, found(&voltus("late", 0, 5))]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "late"));
    sim.hydrate(sim.take(Inner::Deliveries));
    let mut failures = sim.take(Inner::Retries);
    let late = failures.split_off(1);
    sim.retry(failures);
    drain(&sim);
    sim.retry(late);
    drain(&sim);
    assert!(mail_subjects(&sim).iter().all(|subject| !subject.contains("credentials")), "{:?}", mail_subjects(&sim));
    let status = sim.incidents().get("credentials/voltus-prod").map(|incident| incident.status);
    assert!(status.is_none_or(|status| status == IncidentStatus::Resolved));
}

#[test]
fn a_fresh_dispatch_that_is_not_readable_yet_is_asked_for_again() {
    let empty = json!({ "dispatches": [], "page": 0, "perPage": 0 });
    let sim = failing(1, vec![Reply::Missing, found(&empty), well()]);
    drain(&sim);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert!(mail_subjects(&sim).is_empty());
}

#[test]
fn attempts_for_the_same_dispatch_join() {
    for seed in 0..10 {
        let sim = failing(seed, vec![Reply::Status(500, None)]);
        for _ in 0..4 {
            accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
        }
        run_for(&sim, 600);
        let asked = asked_ms(&sim);
        assert!(asked.iter().filter(|ms| **ms < 60_000).count() <= 10, "seed {seed}: {asked:?}");
        let waiting = sim.queued(Inner::Deliveries).len() + sim.queued(Inner::Retries).len();
        assert_eq!(waiting, 1, "seed {seed}: one attempt is left of five deliveries");
        assert_eq!(mail_subjects(&sim), [format!("[gridbell] hydration-failing: {VOLTUS}")]);
        sim.answers("voltus-prod", "/dispatches/dkmq", [well()]);
        drain(&sim);
        assert_eq!(types(&sim, VOLTUS).len(), 1);
        assert_eq!(mail_subjects(&sim)[1..], [format!("[gridbell] Resolved: hydration-failing: {VOLTUS}")]);
    }
}

/// The job that fetches `dkmq`, after so many failures.
pub(crate) fn tired(sim: &Simulation, delivery: &str, attempts: u32) -> Job {
    let bodies: Vec<String> = sim.queued(Inner::Retries).into_iter().map(|message| message.body).collect();
    let ToRetry::Failed(failed) = messages::read(bodies.first().expect("a failure")).expect("a message") else {
        panic!("{bodies:?}")
    };
    let mut job = Job { delivery: delivery.to_owned(), ..failed.job };
    for _ in 0..attempts {
        job = job.after(Failure::new(FailureKind::Provider, sim.now(), "the provider answered 500"));
    }
    job
}

/// A simulation in which the fetch of `dkmq` has just failed for the first time, and nothing else is queued.
pub(crate) fn failed_once(seed: u64) -> Simulation {
    let sim = failing(seed, vec![Reply::Status(500, None)]);
    sim.hydrate(sim.take(Inner::Deliveries));
    sim
}

pub(crate) fn failure(job: Job, kind: FailureKind, at: Timestamp) -> Message {
    let failed = ToRetry::Failed(FailedJob { failure: Failure::new(kind, at, "the provider answered 500"), job });
    Message { id: "r-1".to_owned(), body: to_json(&failed).expect("JSON"), receives: 1 }
}

/// A dispatch whose fetch fails with one reply for a while, then with another: an older attempt, and a new delivery
/// that books the next attempt first.
fn overtaken_by_a_fresh_delivery(first: Reply, for_s: i64) -> Simulation {
    let sim = failing(1, vec![first]);
    run_for(&sim, for_s);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None)]);
    sim.advance(sim.bookings()[VOLTUS].state.next_at.duration_since(sim.now()) + SignedDuration::from_secs(1));
    let old = sim.take(Inner::Deliveries);
    assert_eq!(old.len(), 1);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    let fresh = sim.take(Inner::Deliveries);
    for batch in [fresh, old] {
        assert_eq!(sim.hydrate(batch), Ended::Answered(Vec::new()));
        assert_eq!(sim.retry(sim.take(Inner::Retries)), Ended::Answered(Vec::new()));
    }
    sim.answers("voltus-prod", "/dispatches/dkmq", [well()]);
    drain(&sim);
    // If no waiting job was refused, a refusal counts for half an hour.
    pass(&sim, hours(1));
    sim
}

#[test]
fn an_incident_is_resolved_although_another_delivery_went_first() {
    let about = |sim: &Simulation, kind: &str| {
        let mut mails = mail_subjects(sim);
        mails.retain(|subject| subject.contains(kind));
        mails
    };
    let sim = overtaken_by_a_fresh_delivery(Reply::Status(500, None), 300);
    let failing = format!("hydration-failing: {VOLTUS}");
    let both = [format!("[gridbell] {failing}"), format!("[gridbell] Resolved: {failing}")];
    assert_eq!(about(&sim, "hydration-failing"), both);
    let sim = overtaken_by_a_fresh_delivery(Reply::Refused, 300);
    let both = ["[gridbell] credentials: voltus-prod", "[gridbell] Resolved: credentials: voltus-prod"];
    assert_eq!(about(&sim, "credentials"), both);
}

#[test]
fn the_first_attempts_are_quick_and_their_delays_within_bounds() {
    let mut longest = [0; 5];
    for seed in 0..200 {
        let sim = failed_once(seed);
        for attempts in 0..5_u32 {
            let now = sim.now();
            let job = tired(&sim, &format!("d-{attempts}"), attempts);
            let job = Job { kind: look_at(&job, attempts), ..job };
            sim.retry(vec![failure(job.clone(), FailureKind::Provider, now)]);
            let delay_s = sim.bookings()[job.key()].state.next_at.duration_since(now).as_secs();
            let (least, most) = [(1, 2), (1, 4), (1, 8), (1, 16), (30, 60)][attempts as usize];
            assert!((least..=most).contains(&delay_s), "after {attempts} failures: {delay_s} s");
            longest[attempts as usize] = longest[attempts as usize].max(delay_s);
        }
    }
    assert_eq!(longest, [2, 4, 8, 16, 60], "the whole range is used");
}

/// The same fetch request under another key, so that bookings do not join.
fn look_at(job: &Job, number: u32) -> pipeline::job::JobKind {
    let pipeline::job::JobKind::Fetch(fetch) = job.kind.clone() else { panic!("a look") };
    pipeline::job::JobKind::Fetch(providers::FetchRequest { key: format!("{}-{number}", fetch.key), ..fetch })
}

#[test]
fn slow_attempts_wait_a_quarter_of_an_hour_at_most() {
    let sim = failed_once(1);
    for attempts in [6, 9, 20, 1_000, u32::MAX - 1] {
        let now = sim.now();
        let mut job = tired(&sim, "d-1", 1);
        job.attempt = attempts;
        sim.retry(vec![failure(job, FailureKind::Provider, now)]);
        let delay_s = sim.bookings()[VOLTUS].state.next_at.duration_since(now).as_secs();
        assert!((30..=900).contains(&delay_s), "after {attempts} failures: {delay_s} s");
    }
}

#[test]
fn no_attempt_sleeps_past_the_point_where_the_dispatch_needs_it() {
    // Known and starting at 16:50, to be acknowledged a minute before: the update fails from 16:40 on.
    let mut config = config();
    config.deadlines.lead_s = 60;
    let sim = Simulation::new(1, config);
    sim.answers("voltus-prod", "/dispatches/dkmq", [well(), Reply::Status(500, None)]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 10);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&sim, 3_600);
    let needed: Timestamp = "2023-12-01T16:49:00Z".parse().unwrap();
    let closest = sim.fetches().iter().map(|fetch| fetch.at.duration_since(needed).abs()).min().unwrap();
    assert!(closest < SignedDuration::from_secs(2), "{closest:?}");
}

#[test]
fn an_end_at_the_end_of_time_is_no_reason_to_die() {
    let sim = sim(1);
    let mut answer = voltus("dkmq", 0, 5);
    answer["end_time"] = json!("9999-12-30T21:59:59Z");
    sim.answers("voltus-prod", "/dispatches/dkmq", [found(&answer), Reply::Status(500, None)]);
    for event in ["dispatch.create", "dispatch.update"] {
        accepted(&sim, "voltus-prod", &thin(event, "dkmq"));
        run_for(&sim, 3_600);
    }
    assert!(sim.queued(Inner::RetriesDead).is_empty());
    assert_eq!(sim.bookings().len(), 1);
}

#[test]
fn a_body_that_waits_for_a_table_is_tried_again_whole() {
    let sim = sim(1);
    sim.fault("dispatches.write", Toxic::Refuse, Times::First(3));
    accepted(&sim, "leap-prod", &leap("e-1", 10).to_string());
    drain(&sim);
    assert_eq!(types(&sim, "leap-prod/e-1"), ["dispatch.scheduled"]);
    assert!(mail_subjects(&sim).is_empty() && sim.bookings().is_empty());
}

#[test]
fn a_foreign_message_is_quarantined() {
    let sim = sim(1);
    sim.put(Inner::Retries, "nonsense");
    drain(&sim);
    let (_, kept) = sim.quarantined().pop_first().expect("kept");
    assert_eq!(kept.job.body().unwrap().unwrap(), "nonsense");
    assert_eq!(mail_subjects(&sim)[0], "[gridbell] quarantined: unknown");
}

#[test]
fn a_retrier_whose_ports_fail_leaves_its_message() {
    for port in ["deliveries.book", "jobs.deliver", "deliveries.quarantine", "jobs.alert"] {
        for toxic in Toxic::ALL {
            let unreadable = accepted_unreadable(port, toxic);
            assert_eq!(mail_subjects(&unreadable)[0], "[gridbell] quarantined: voltus-prod", "{port} {toxic:?}");
            let sim = failing(1, [vec![Reply::Status(500, None); 6], vec![well()]].concat());
            sim.fault(port, toxic, Times::First(2));
            drain(&sim);
            assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"], "{port} {toxic:?}");
            assert!(sim.queued(Inner::RetriesDead).is_empty());
        }
    }
}

fn accepted_unreadable(port: &'static str, toxic: Toxic) -> Simulation {
    let sim = sim(1);
    sim.fault(port, toxic, Times::First(2));
    let delivery = accepted(&sim, "voltus-prod", "[]");
    drain(&sim);
    assert!(sim.quarantined().contains_key(&delivery));
    sim
}

#[test]
fn the_first_attempt_after_a_failure_is_the_same_work() {
    let sim = failed_once(1);
    sim.settle(SignedDuration::ZERO);
    let body = sim.queued(Inner::Deliveries)[0].body.clone();
    let ToHydrate::Job(again) = messages::read(&body).expect("a message") else { panic!("{body}") };
    assert_eq!((again.attempt, again.failures.len(), again.key()), (1, 1, VOLTUS));
    assert_eq!(again.failures[0].kind, FailureKind::Provider);
}

#[test]
fn a_doubled_failure_does_not_double_the_attempts() {
    for seed in 0..10 {
        let sim = failing(seed, vec![Reply::Status(500, None)]);
        let failures: Vec<String> = sim.queued(Inner::Retries).into_iter().map(|message| message.body).collect();
        for failure in &failures {
            sim.put(Inner::Retries, failure);
        }
        run_for(&sim, 60);
        let asked = asked_ms(&sim);
        assert!(asked.len() <= 8, "seed {seed}: {asked:?}");
        let waiting = sim.queued(Inner::Deliveries).len() + sim.queued(Inner::Retries).len();
        assert_eq!(waiting, 1, "seed {seed}: one attempt is left of two messages");
    }
}
