//! Hints that come twice, late, early, in another order than they were sent, or not at all: what is stored decides.

use jiff::SignedDuration;
use pipeline::{
    conditions::Condition,
    incident::IncidentStatus,
    messages::{self, Hint, ToAlert, to_json},
};
use sim::{Ended, Function, Inner, Reply, Times, Toxic, World};

use crate::{
    alert::mailed,
    common::{accepted, drain, mail_subjects, pass, run_for, thin, voltus, world},
    deadlines::{acknowledge, acknowledging},
    incidents::{
        ABOUT, INCIDENT, books, failing, fails, hint, hours, incident, is_noted, is_quarantined, minutes, quarantined,
        settles, works,
    },
};

/// What is hinted at, in the queue `alerts`.
fn hints(world: &World) -> Vec<String> {
    world.take(Inner::Alerts).into_iter().map(|message| message.body).collect()
}

#[test]
fn a_hint_from_before_the_end_opens_nothing() {
    for ended_first in [false, true] {
        let world = world(1);
        fails(&world, ABOUT);
        works(&world, ABOUT);
        let mut hints = hints(&world);
        assert_eq!(hints.len(), 2);
        if ended_first {
            hints.reverse();
        }
        for hint in hints {
            world.put(Inner::Alerts, &hint);
            drain(&world);
        }
        assert!(mailed(&world).is_empty());
        assert_eq!(world.incidents().get(INCIDENT), None);
    }
}

#[test]
fn what_came_again_and_went_again_before_its_hint_is_no_news() {
    let world = world(1);
    fails(&world, ABOUT);
    drain(&world);
    works(&world, ABOUT);
    drain(&world);
    world.advance(minutes(1));
    fails(&world, ABOUT);
    let late = hints(&world);
    world.advance(minutes(1));
    works(&world, ABOUT);
    drain(&world);
    for hint in late {
        world.put(Inner::Alerts, &hint);
    }
    drain(&world);
    assert_eq!(mailed(&world), ["first", "resolved"]);
    assert_eq!(incident(&world, INCIDENT).status, IncidentStatus::Resolved);
}

#[test]
fn a_hint_that_comes_again_after_the_end_opens_nothing() {
    let world = world(1);
    is_quarantined(&world, "voltus-prod", "broken");
    let again = world.queued(Inner::Reviews).remove(0).body;
    pass(&world, hours(25));
    assert_eq!(mailed(&world), ["first", "resolved"]);
    world.put(Inner::Reviews, &again);
    pass(&world, minutes(10));
    assert_eq!(mailed(&world), ["first", "resolved"]);
}

#[test]
fn a_message_delivered_twice_is_mailed_where_one_reader_dies() {
    let begins = |world: &World| fails(world, ABOUT);
    let ends = |world: &World| {
        fails(world, ABOUT);
        run_for(world, 60);
        works(world, ABOUT);
        // The hint is judged, and the mail waits for others.
        let hints = world.take(Inner::Alerts);
        assert_eq!(world.alert(hints), Ended::Answered(Vec::new()));
        world.advance(SignedDuration::from_secs(32));
    };
    let histories: [fn(&World); 2] = [begins, ends];
    for (play, expected) in histories.into_iter().zip([&["first"][..], &["first", "resolved"]]) {
        let world = world(1);
        play(&world);
        let messages = [world.take(Inner::Alerts), world.take(Inner::Reviews)].concat();
        world.fault("mailer.send", Toxic::CrashBefore, Times::First(1));
        assert_eq!(world.alert(messages.clone()), Ended::Crashed);
        let died = world.now();
        assert_eq!(world.alert(messages), Ended::Answered(Vec::new()));
        drain(&world);
        assert_eq!(mailed(&world), expected);
        let made_up = world.mails().pop().unwrap().0.duration_since(died);
        assert!(made_up.as_secs() < 100, "as soon as the other counts as dead: {made_up:?}");
    }
}

#[test]
fn what_begins_anew_while_its_end_waits_is_mailed_as_begun() {
    let world = world(1);
    fails(&world, ABOUT);
    drain(&world);
    world.fault("mailer.send", Toxic::Refuse, Times::Always);
    works(&world, ABOUT);
    run_for(&world, 60);
    world.advance(minutes(1));
    fails(&world, ABOUT);
    run_for(&world, 60);
    world.heal();
    drain(&world);
    assert_eq!(mailed(&world), ["first", "first"]);
    assert_eq!(incident(&world, INCIDENT).status, IncidentStatus::Open);
    works(&world, ABOUT);
    drain(&world);
    assert_eq!(mailed(&world), ["first", "first", "resolved"]);
}

#[test]
fn a_hint_by_a_clock_that_is_ahead_is_judged_as_of_its_instant() {
    let world = world(1);
    books(&world, ABOUT);
    // A person must know of it from the next minute on, by the clock of the retrier.
    let at = world.now() + SignedDuration::from_secs(3);
    let early = Hint { condition: failing(ABOUT), at, attempt: 0, timer: false };
    let booked = |seconds| {
        let world = crate::common::world(1);
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(429, Some(50))]);
        run_for(&world, 5);
        let notify_at = world.bookings()[ABOUT].state.notify_at;
        let hint = Hint { at: notify_at - SignedDuration::from_secs(seconds), ..early.clone() };
        world.put(Inner::Alerts, &to_json(&ToAlert::Hint(hint)).expect("JSON"));
        run_for(&world, 1);
        mail_subjects(&world).len()
    };
    assert_eq!((booked(0), booked(1)), (1, 0));
}

/// How long after its hints were lost the first mail comes, in seconds.
fn mailed_without_hints(world: &World, happens: impl FnOnce(&World)) -> i64 {
    world.stop(Function::Alerter);
    happens(world);
    for queue in [Inner::Alerts, Inner::Reviews] {
        for message in world.queued(queue) {
            assert!(matches!(messages::read(&message.body), Ok(ToAlert::Hint(_))), "{}", message.body);
            world.delete(queue, &message.id);
        }
    }
    world.start(Function::Alerter);
    let lost_at = world.now();
    pass(world, SignedDuration::from_secs(100));
    world.mails().first().map_or(i64::MAX, |(at, _)| at.duration_since(lost_at).as_secs())
}

#[test]
fn a_lost_hint_at_a_deadline_costs_a_minute() {
    let world = acknowledging(1);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    let waited_s = mailed_without_hints(&world, |world| {
        pass(world, SignedDuration::from_secs(65));
        for message in world.queued(Inner::Retries) {
            world.delete(Inner::Retries, &message.id);
        }
    });
    assert!(waited_s <= 61, "{waited_s} s");
    assert_eq!(mail_subjects(&world), ["[gridbell] dispatch-at-risk: voltus-prod/dkmq"]);
}

#[test]
fn a_lost_deadline_costs_a_minute() {
    let world = acknowledging(1);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&world, SignedDuration::from_secs(59));
    for message in world.queued(Inner::Retries) {
        world.delete(Inner::Retries, &message.id);
    }
    let due = world.now() + SignedDuration::from_secs(1);
    pass(&world, SignedDuration::from_secs(65));
    let (at, _) = world.mails().into_iter().next().expect("a mail");
    assert!(at <= due + SignedDuration::from_secs(62), "{at}, due at {due}");
}

#[test]
fn a_lost_hint_at_an_overdue_job_costs_a_minute() {
    let world = world(1);
    let waited_s = mailed_without_hints(&world, |world| fails(world, ABOUT));
    assert!(waited_s <= 61, "{waited_s} s");
    assert_eq!(mail_subjects(&world), [format!("[gridbell] hydration-failing: {ABOUT}")]);
}

#[test]
fn a_lost_hint_at_what_is_quarantined_costs_a_minute() {
    // Those can wait for others of their sort, for half a minute.
    for (source, body, about) in [
        ("voltus-prod", "[]".to_owned(), "quarantined: voltus-prod"),
        ("voltus-prod", thin("dispatch.paused", "dkmq"), "unknown-event: voltus-prod: dispatch.paused"),
    ] {
        let world = world(1);
        world.answers("voltus-prod", "dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
        let waited_s = mailed_without_hints(&world, |world| {
            accepted(world, source, &body);
            run_for(world, 5);
        });
        assert!(waited_s <= 61 + 32, "{waited_s} s");
        assert_eq!(mail_subjects(&world), [format!("[gridbell] {about}")]);
    }
}

#[test]
fn a_lost_hint_at_what_is_none_of_ours_costs_a_minute() {
    let world = world(1);
    let waited_s = mailed_without_hints(&world, |world| {
        world.put(Inner::Deliveries, "{\"hello\":1}");
        run_for(world, 5);
    });
    assert!(waited_s <= 61 + 32, "{waited_s} s");
    assert_eq!(mail_subjects(&world), ["[gridbell] quarantined: unknown"]);
}

#[test]
fn a_lost_hint_at_a_controllers_failure_costs_a_minute() {
    let world = acknowledging(1);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    let waited_s = mailed_without_hints(&world, |world| assert_eq!(acknowledge(world, 1, "failed").status, 200));
    assert!(waited_s <= 61, "{waited_s} s");
    assert_eq!(mail_subjects(&world), ["[gridbell] dispatch-at-risk: voltus-prod/dkmq"]);
    assert!(world.incidents().get("dispatch-at-risk/voltus-prod/dkmq/failed").is_some());
}

#[test]
fn a_lost_hint_at_the_end_costs_a_minute() {
    let world = world(1);
    fails(&world, ABOUT);
    pass(&world, minutes(5));
    let worked_at = world.now();
    settles(&world, ABOUT);
    pass(&world, SignedDuration::from_secs(100));
    let resolved_at = incident(&world, INCIDENT).resolved_at.expect("resolved");
    assert!(resolved_at <= worked_at + SignedDuration::from_secs(61), "{resolved_at}, worked at {worked_at}");
    assert_eq!(mailed(&world), ["first", "resolved"]);
}

#[test]
fn what_is_replayed_is_resolved_within_a_minute() {
    let world = world(1);
    let delivery = accepted(&world, "voltus-prod", "[]");
    pass(&world, minutes(5));
    world.replayed(&delivery);
    pass(&world, SignedDuration::from_secs(100));
    assert_eq!(mailed(&world), ["first", "resolved"]);
    // What was only noted has nothing to be replayed.
    is_noted(&world, "voltus-prod/dkmq", "odd");
    hint(&world, quarantined("voltus-prod/dkmq"));
    world.replayed(&delivery);
    pass(&world, minutes(10));
    assert_eq!(mailed(&world), ["first", "resolved", "first"]);
}

#[test]
fn a_hint_that_is_refused_comes_again_with_its_failure() {
    // The key of a source is refused, and the hint at that could not be sent.
    let world = world(1);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Refused]);
    world.fault("outlet.alert", Toxic::Refuse, Times::First(1));
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 200);
    let key = Condition::KeyRefused { source: "voltus-prod".to_owned() }.incident();
    assert_eq!(incident(&world, &key).status, IncidentStatus::Open);
    assert!(mail_subjects(&world).contains(&"[gridbell] credentials: voltus-prod".to_owned()));
}
