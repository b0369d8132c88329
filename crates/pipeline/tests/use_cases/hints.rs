//! Hints that are duplicated, late, early, reordered or lost: the stored state decides.

use jiff::SignedDuration;
use pipeline::{
    conditions::Condition,
    incident::IncidentStatus,
    messages::{self, Hint, ToAlert, to_json},
};
use simulation::{Ended, Function, Inner, Reply, Simulation, Times, Toxic};

use crate::{
    alert::mailed,
    common::{accepted, drain, mail_subjects, pass, run_for, sim, thin, voltus},
    deadlines::{acknowledge, acknowledging},
    incidents::{
        ABOUT, INCIDENT, books, failing, fails, hint, hours, incident, is_noted, is_quarantined, minutes, quarantined,
        settles, works,
    },
};

/// The hints in the queue `alerts`.
fn hints(sim: &Simulation) -> Vec<String> {
    sim.take(Inner::Alerts).into_iter().map(|message| message.body).collect()
}

#[test]
fn a_hint_from_before_the_end_opens_nothing() {
    for ended_first in [false, true] {
        let sim = sim(1);
        fails(&sim, ABOUT);
        works(&sim, ABOUT);
        let mut hints = hints(&sim);
        assert_eq!(hints.len(), 2);
        if ended_first {
            hints.reverse();
        }
        for hint in hints {
            sim.put(Inner::Alerts, &hint);
            drain(&sim);
        }
        assert!(mailed(&sim).is_empty());
        assert_eq!(sim.incidents().get(INCIDENT), None);
    }
}

#[test]
fn what_came_again_and_went_again_before_its_hint_is_no_news() {
    let sim = sim(1);
    fails(&sim, ABOUT);
    drain(&sim);
    works(&sim, ABOUT);
    drain(&sim);
    sim.advance(minutes(1));
    fails(&sim, ABOUT);
    let late = hints(&sim);
    sim.advance(minutes(1));
    works(&sim, ABOUT);
    drain(&sim);
    for hint in late {
        sim.put(Inner::Alerts, &hint);
    }
    drain(&sim);
    assert_eq!(mailed(&sim), ["first", "resolved"]);
    assert_eq!(incident(&sim, INCIDENT).status, IncidentStatus::Resolved);
}

#[test]
fn a_hint_that_comes_again_after_the_end_opens_nothing() {
    let sim = sim(1);
    is_quarantined(&sim, "voltus-prod", "broken");
    let again = sim.queued(Inner::Reviews).remove(0).body;
    pass(&sim, hours(25));
    assert_eq!(mailed(&sim), ["first", "resolved"]);
    sim.put(Inner::Reviews, &again);
    pass(&sim, minutes(10));
    assert_eq!(mailed(&sim), ["first", "resolved"]);
}

#[test]
fn a_message_delivered_twice_is_mailed_where_one_reader_dies() {
    let begins = |sim: &Simulation| fails(sim, ABOUT);
    let ends = |sim: &Simulation| {
        fails(sim, ABOUT);
        run_for(sim, 60);
        works(sim, ABOUT);
        // The hint is judged, and the mail is pending in its group.
        let hints = sim.take(Inner::Alerts);
        assert_eq!(sim.alert(hints), Ended::Answered(Vec::new()));
        sim.advance(SignedDuration::from_secs(32));
    };
    let histories: [fn(&Simulation); 2] = [begins, ends];
    for (play, expected) in histories.into_iter().zip([&["first"][..], &["first", "resolved"]]) {
        let sim = sim(1);
        play(&sim);
        let messages = [sim.take(Inner::Alerts), sim.take(Inner::Reviews)].concat();
        sim.fault("mailer.send", Toxic::CrashBefore, Times::First(1));
        assert_eq!(sim.alert(messages.clone()), Ended::Crashed);
        let died = sim.now();
        assert_eq!(sim.alert(messages), Ended::Answered(Vec::new()));
        drain(&sim);
        assert_eq!(mailed(&sim), expected);
        let made_up = sim.mails().pop().unwrap().0.duration_since(died);
        assert!(made_up.as_secs() < 100, "as soon as the other counts as dead: {made_up:?}");
    }
}

#[test]
fn what_begins_anew_while_its_end_waits_is_mailed_as_begun() {
    let sim = sim(1);
    fails(&sim, ABOUT);
    drain(&sim);
    sim.fault("mailer.send", Toxic::Refuse, Times::Always);
    works(&sim, ABOUT);
    run_for(&sim, 60);
    sim.advance(minutes(1));
    fails(&sim, ABOUT);
    run_for(&sim, 60);
    sim.heal();
    drain(&sim);
    assert_eq!(mailed(&sim), ["first", "first"]);
    assert_eq!(incident(&sim, INCIDENT).status, IncidentStatus::Open);
    works(&sim, ABOUT);
    drain(&sim);
    assert_eq!(mailed(&sim), ["first", "first", "resolved"]);
}

#[test]
fn a_hint_by_a_clock_that_is_ahead_is_judged_as_of_its_instant() {
    let sim = sim(1);
    books(&sim, ABOUT);
    // A person must know from the next minute on, by the retrier's clock.
    let at = sim.now() + SignedDuration::from_secs(3);
    let early = Hint::new(failing(ABOUT), at);
    let booked = |seconds| {
        let sim = crate::common::sim(1);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(429, Some(50))]);
        run_for(&sim, 5);
        let notify_at = sim.bookings()[ABOUT].state.notify_at;
        let hint = Hint { at: notify_at - SignedDuration::from_secs(seconds), ..early.clone() };
        sim.put(Inner::Alerts, &to_json(&ToAlert::Hint(hint)).expect("JSON"));
        run_for(&sim, 1);
        mail_subjects(&sim).len()
    };
    assert_eq!((booked(0), booked(1)), (1, 0));
}

/// After all hints are lost: when the first mail is sent, in seconds.
fn mailed_without_hints(sim: &Simulation, happens: impl FnOnce(&Simulation)) -> i64 {
    sim.stop(Function::Alerter);
    happens(sim);
    for queue in [Inner::Alerts, Inner::Reviews] {
        for message in sim.queued(queue) {
            assert!(matches!(messages::read(&message.body), Ok(ToAlert::Hint(_))), "{}", message.body);
            sim.delete(queue, &message.id);
        }
    }
    sim.start(Function::Alerter);
    let lost_at = sim.now();
    pass(sim, SignedDuration::from_secs(100));
    sim.mails().first().map_or(i64::MAX, |(at, _)| at.duration_since(lost_at).as_secs())
}

#[test]
fn a_lost_hint_at_a_deadline_costs_a_minute() {
    let sim = acknowledging(1);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    let waited_s = mailed_without_hints(&sim, |sim| {
        pass(sim, SignedDuration::from_secs(65));
        for message in sim.queued(Inner::Retries) {
            sim.delete(Inner::Retries, &message.id);
        }
    });
    assert!(waited_s <= 61, "{waited_s} s");
    assert_eq!(mail_subjects(&sim), ["[gridbell] dispatch-at-risk: voltus-prod/dkmq"]);
}

#[test]
fn a_lost_deadline_costs_a_minute() {
    let sim = acknowledging(1);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&sim, SignedDuration::from_secs(59));
    for message in sim.queued(Inner::Retries) {
        sim.delete(Inner::Retries, &message.id);
    }
    let due = sim.now() + SignedDuration::from_secs(1);
    pass(&sim, SignedDuration::from_secs(65));
    let (at, _) = sim.mails().into_iter().next().expect("a mail");
    assert!(at <= due + SignedDuration::from_secs(62), "{at}, due at {due}");
}

#[test]
fn a_lost_hint_at_an_overdue_job_costs_a_minute() {
    let sim = sim(1);
    let waited_s = mailed_without_hints(&sim, |sim| fails(sim, ABOUT));
    assert!(waited_s <= 61, "{waited_s} s");
    assert_eq!(mail_subjects(&sim), [format!("[gridbell] hydration-failing: {ABOUT}")]);
}

#[test]
fn a_lost_hint_at_what_is_quarantined_costs_a_minute() {
    // These can wait for others of their group, for half a minute.
    for (source, body, about) in [
        ("voltus-prod", "[]".to_owned(), "quarantined: voltus-prod"),
        ("voltus-prod", thin("dispatch.paused", "dkmq"), "unknown-event: voltus-prod: dispatch.paused"),
    ] {
        let sim = sim(1);
        sim.answers("voltus-prod", "dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
        let waited_s = mailed_without_hints(&sim, |sim| {
            accepted(sim, source, &body);
            run_for(sim, 5);
        });
        assert!(waited_s <= 61 + 32, "{waited_s} s");
        assert_eq!(mail_subjects(&sim), [format!("[gridbell] {about}")]);
    }
}

#[test]
fn a_lost_hint_at_what_is_none_of_ours_costs_a_minute() {
    let sim = sim(1);
    let waited_s = mailed_without_hints(&sim, |sim| {
        sim.put(Inner::Deliveries, "{\"hello\":1}");
        run_for(sim, 5);
    });
    assert!(waited_s <= 61 + 32, "{waited_s} s");
    assert_eq!(mail_subjects(&sim), ["[gridbell] quarantined: unknown"]);
}

#[test]
fn a_lost_hint_at_a_controllers_failure_costs_a_minute() {
    let sim = acknowledging(1);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    let waited_s = mailed_without_hints(&sim, |sim| assert_eq!(acknowledge(sim, 1, "failed").status, 200));
    assert!(waited_s <= 61, "{waited_s} s");
    assert_eq!(mail_subjects(&sim), ["[gridbell] dispatch-at-risk: voltus-prod/dkmq"]);
    assert!(sim.incidents().get("dispatch-at-risk/voltus-prod/dkmq/failed").is_some());
}

#[test]
fn a_lost_hint_at_the_end_costs_a_minute() {
    let sim = sim(1);
    fails(&sim, ABOUT);
    pass(&sim, minutes(5));
    let worked_at = sim.now();
    settles(&sim, ABOUT);
    pass(&sim, SignedDuration::from_secs(100));
    let resolved_at = incident(&sim, INCIDENT).resolved_at.expect("resolved");
    assert!(resolved_at <= worked_at + SignedDuration::from_secs(61), "{resolved_at}, worked at {worked_at}");
    assert_eq!(mailed(&sim), ["first", "resolved"]);
}

#[test]
fn what_is_replayed_is_resolved_within_a_minute() {
    let sim = sim(1);
    let delivery = accepted(&sim, "voltus-prod", "[]");
    pass(&sim, minutes(5));
    sim.replayed(&delivery);
    pass(&sim, SignedDuration::from_secs(100));
    assert_eq!(mailed(&sim), ["first", "resolved"]);
    // A stored event without a job has nothing to replay.
    is_noted(&sim, "voltus-prod/dkmq", "odd");
    hint(&sim, quarantined("voltus-prod/dkmq"));
    sim.replayed(&delivery);
    pass(&sim, minutes(10));
    assert_eq!(mailed(&sim), ["first", "resolved", "first"]);
}

#[test]
fn a_hint_that_is_refused_comes_again_with_its_failure() {
    // A source's key is refused, and the hint could not be sent.
    let sim = sim(1);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Refused]);
    sim.fault("jobs.alert", Toxic::Refuse, Times::First(1));
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 200);
    let key = Condition::KeyRefused { source: "voltus-prod".to_owned() }.incident();
    assert_eq!(incident(&sim, &key).status, IncidentStatus::Open);
    assert!(mail_subjects(&sim).contains(&"[gridbell] credentials: voltus-prod".to_owned()));
}
