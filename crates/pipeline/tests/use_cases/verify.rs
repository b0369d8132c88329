//! The built-in source of `gridbell verify`: closed without a permit, always a test, and the people on duty never hear
//! of it.

use dispatch::Status;
use jiff::SignedDuration;
use pipeline::{
    config::{Permit, TokenHash, VERIFY},
    job::{Job, JobKind},
    messages::{self, Chain, Deadline, ToRetry},
    record::SubjectRecord,
    timeline::Event,
};
use serde_json::json;
use simulation::{Inner, Simulation, Webhook};

use crate::{
    common::{config, last, pass, run_for, types},
    deadlines::ACK_TOKEN,
};

const TOKEN: &str = "the-token-of-one-run";
const SUBJECT: &str = "gridbell-verify/run-1";
const CALLER: &str = "caller@example.com";

fn permit(sim: &Simulation) -> Permit {
    let expires_at = sim.now() + SignedDuration::from_mins(15);
    Permit { token: TokenHash::of(TOKEN), mail: Some(CALLER.to_owned()), expires_at }
}

/// A simulation whose functions have the permit, as they have while a run lasts.
fn permitted() -> Simulation {
    let mut config = config();
    config.acks.tokens = vec![TokenHash::of(ACK_TOKEN)];
    let at = Simulation::new(1, config.clone());
    let config = config.permitting(permit(&at), at.now()).expect("valid");
    Simulation::new(1, config)
}

fn body(number: u64, starts_in: SignedDuration, cancelled: bool, sim: &Simulation) -> String {
    let start = sim.now() + starts_in;
    let end = start + SignedDuration::from_mins(15);
    json!({"dispatch": "run-1", "number": number, "start": start, "end": end, "cancelled": cancelled, "reduce_kw": 1})
        .to_string()
}

fn post(sim: &Simulation, token: &str, body: &str) -> u16 {
    sim.post(Webhook { source: VERIFY, token, body }).answer().expect("an answer").status
}

fn record(sim: &Simulation) -> SubjectRecord {
    sim.dispatches().get(SUBJECT).expect("a record")
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// The recipients of all mails.
fn recipients(sim: &Simulation) -> Vec<String> {
    let mut to: Vec<String> = sim.mails().into_iter().flat_map(|(_, mail)| mail.to).collect();
    to.dedup();
    to
}

#[test]
fn a_run_publishes_a_test_and_its_cancellation() {
    let sim = permitted();
    assert_eq!(post(&sim, "another-token", &body(1, minutes(120), false, &sim)), 404);
    assert_eq!(post(&sim, TOKEN, &body(1, minutes(120), false, &sim)), 200);
    run_for(&sim, 5);
    assert_eq!(types(&sim, SUBJECT), ["dispatch.scheduled"]);
    let said = last(&sim, SUBJECT);
    assert_eq!((&said["dispatch"]["test"], &said["dispatch"]["provider"]), (&json!(true), &json!("gridbell")));
    assert_eq!(post(&sim, TOKEN, &body(2, minutes(120), true, &sim)), 200);
    // The first webhook again changes nothing.
    assert_eq!(post(&sim, TOKEN, &body(1, minutes(120), false, &sim)), 200);
    run_for(&sim, 5);
    assert_eq!(types(&sim, SUBJECT), ["dispatch.scheduled", "dispatch.cancelled"]);
    assert_eq!(record(&sim).state.published().expect("published").0, Status::Cancelled);
    assert!(sim.mails().is_empty());
}

#[test]
fn without_a_permit_nobody_can_post_and_nobody_is_notified() {
    let sim = Simulation::new(1, config());
    for token in [TOKEN, ""] {
        assert_eq!(post(&sim, token, &body(1, minutes(10), false, &sim)), 404);
    }
    // What an interrupted run has left in the queues goes on, and no person gets a mail of its incidents.
    let job = Job::fresh("d-1", VERIFY, sim.now(), JobKind::Body(body(1, minutes(10), false, &sim)));
    sim.put(Inner::Retries, &messages::to_json(&ToRetry::Job(job)).expect("JSON"));
    sim.put(Inner::Deliveries, &Job::messages("d-2", VERIFY, sim.now(), "{\"dispatch\": 7}", None)[0]);
    pass(&sim, minutes(40));
    assert_eq!(types(&sim, SUBJECT), ["dispatch.scheduled"]);
    assert_eq!(recipients(&sim), Vec::<String>::new());
}

#[test]
fn what_fails_in_a_run_is_mailed_to_the_caller_alone() {
    let sim = permitted();
    assert_eq!(post(&sim, TOKEN, &body(1, minutes(10), false, &sim)), 200);
    run_for(&sim, 5);
    let failed = json!({"dispatch": SUBJECT, "version": 1, "state": "failed"});
    assert_eq!(sim.acknowledge(ACK_TOKEN, &failed.to_string()).answer().expect("an answer").status, 200);
    run_for(&sim, 9);
    let mails = sim.mails();
    let [(_, mail)] = mails.as_slice() else { panic!("{} mails", mails.len()) };
    assert!(mail.subject.starts_with("[gridbell] [TEST] "), "{}", mail.subject);
    assert_eq!(recipients(&sim), [CALLER]);
    assert_eq!(post(&sim, TOKEN, &body(2, minutes(10), true, &sim)), 200);
    pass(&sim, minutes(40));
    assert_eq!(recipients(&sim), [CALLER]);
}

#[test]
fn a_chain_of_messages_is_passed_on_to_its_end() {
    let sim = permitted();
    assert_eq!(post(&sim, TOKEN, &body(1, minutes(120), false, &sim)), 200);
    run_for(&sim, 5);
    let begin = |sim: &Simulation, subject: dispatch::Subject, chain: Chain| {
        let first = Deadline { chain: Some(chain), ..Deadline::of(subject) };
        sim.put(Inner::Retries, &messages::to_json(&ToRetry::Deadline(first)).expect("JSON"));
    };
    begin(&sim, record(&sim).subject, Chain { of: 20, left: 19 });
    let mut passed = 0;
    while let Some(message) = sim.take(Inner::Retries).pop() {
        passed += 1;
        assert_eq!(sim.retry(vec![message]).answer().expect("an answer"), Vec::<String>::new());
    }
    assert_eq!(passed, 20);
    assert!(record(&sim).history.iter().any(|entry| entry.event == Event::ChainPassed { messages: 20 }));

    // Nothing but a run of `gridbell verify` begins one, and none goes on for ever.
    for (subject, chain) in [
        (dispatch::Subject::dispatch("voltus-prod", "dkmq"), Chain { of: 20, left: 19 }),
        (record(&sim).subject, Chain { of: 1_000, left: 999 }),
        (record(&sim).subject, Chain { of: 3, left: 3 }),
    ] {
        begin(&sim, subject, chain);
        assert_eq!(sim.retry(sim.take(Inner::Retries)).answer().expect("an answer"), Vec::<String>::new());
        assert_eq!(sim.take(Inner::Retries), []);
    }
}
