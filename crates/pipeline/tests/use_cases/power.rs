//! Load targets: of an end that is not reported in time a person is notified once; a target that another replaces is another matter.

use jiff::SignedDuration;
use pipeline::{conditions::Condition, record::Record};
use serde_json::{Value, json};
use sim::{Ended, Inner, Times, Toxic, Webhook, World};

use crate::{
    common::{TOKEN, accepted, mail_subjects, pass, power, run_for, types, world, worth_a_fault},
    incidents::hint,
};

pub(crate) const FIRST: &str = "dc-1/main_power_feed/c-1";
pub(crate) const SECOND: &str = "dc-1/main_power_feed/c-2";

/// An event of a correlation whose target holds from one time of the day to another; it is 16:40 now.
pub(crate) fn event(name: &str, correlation: &str, (start, end): (&str, Option<&str>), compliant: bool) -> Value {
    let mut event = power(name, compliant);
    event["correlation_id"] = json!(correlation);
    event["start_time"] = json!(format!("2023-12-01T{start}:00Z"));
    event["end_time"] = end.map_or(Value::Null, |end| json!(format!("2023-12-01T{end}:00Z")));
    event
}

/// Takes an event in and works it off.
pub(crate) fn heard(world: &World, event: &Value) {
    accepted(world, "dc-1", &event.to_string());
    run_for(world, 5);
}

/// Takes an event in, however often that goes wrong.
fn insisted(world: &World, event: &Value) {
    let webhook = || world.post(Webhook { source: "dc-1", token: TOKEN, body: &event.to_string() }).answer();
    while webhook().is_none_or(|answer| answer.status != 200) {
        world.advance(SignedDuration::from_secs(5));
    }
}

/// Lets things happen until that time of the day.
pub(crate) fn until(world: &World, time: &str) {
    let then = format!("2023-12-01T{time}Z").parse().unwrap();
    pass(world, world.now().duration_until(then));
}

pub(crate) fn record(world: &World, subject: &str) -> Record {
    world.dispatches().get(subject).expect("a record")
}

pub(crate) fn timeline(world: &World, subject: &str) -> Vec<String> {
    record(world, subject).history.into_iter().map(|entry| entry.event.to_string()).collect()
}

pub(crate) fn overdue(about: &str) -> String {
    format!("[gridbell] not-compliant: {about}")
}

pub(crate) fn resolved(about: &str) -> String {
    format!("[gridbell] over: not-compliant: {about}")
}

#[test]
fn a_ramps_end_that_is_not_reported_in_time_is_mailed_once() {
    let world = world(1);
    heard(&world, &event("start_ramp_down", "c-1", ("16:50", Some("17:50")), false));
    hint(&world, Condition::NotCompliant { subject: record(&world, FIRST).subject });
    until(&world, "17:54:50");
    assert_eq!(mail_subjects(&world), [""; 0], "five minutes are granted");
    until(&world, "17:55:40");
    assert_eq!(mail_subjects(&world), [overdue(FIRST)]);
    let (_, mail) = world.mails().pop().unwrap();
    for words in ["start_ramp_down", "did not report its end by 2023-12-01T17:55:00Z", "the limit 6500 kW"] {
        assert!(mail.text.contains(words), "{words}: {}", mail.text);
    }
    until(&world, "20:00:00");
    assert_eq!(mail_subjects(&world), [overdue(FIRST)], "once");
    heard(&world, &event("end_ramp_down", "c-1", ("16:50", Some("17:50")), true));
    until(&world, "20:02:00");
    assert_eq!(mail_subjects(&world), [overdue(FIRST), resolved(FIRST)]);
    let (_, mail) = world.mails().pop().unwrap();
    assert!(mail.text.contains("its end was reported at 2023-12-01T20:00"), "{}", mail.text);
    until(&world, "23:00:00");
    assert_eq!(mail_subjects(&world).len(), 2);
    assert_eq!(types(&world, FIRST), ["power.start_ramp_down", "power.end_ramp_down"], "the signals are as ever");
}

#[test]
fn an_end_in_time_wakes_nobody_whichever_event_is_heard_first() {
    for order in [["start_ramp_down", "end_ramp_down"], ["end_ramp_down", "start_ramp_down"]] {
        let world = world(2);
        for name in order {
            heard(&world, &event(name, "c-1", ("16:30", Some("17:50")), true));
        }
        until(&world, "23:00:00");
        assert_eq!(mail_subjects(&world), [""; 0], "{order:?}");
        assert_eq!(record(&world, FIRST).due, None);
    }
}

#[test]
fn what_has_no_stated_end_and_what_is_history_is_not_awaited() {
    let world = world(3);
    heard(&world, &event("start_ramp_down", "c-1", ("16:30", None), false));
    heard(&world, &event("start_ramp_down", "c-2", ("14:30", Some("15:30")), false));
    assert_eq!((record(&world, FIRST).due, record(&world, SECOND).due), (None, None));
    // Its end passed a while ago, and may be on its way as well.
    let mut late = event("start_ramp_down", "c-3", ("15:30", Some("16:00")), false);
    late["feed_tag"] = json!("another_feed");
    heard(&world, &late);
    until(&world, "16:44:50");
    assert_eq!(mail_subjects(&world), [""; 0]);
    until(&world, "16:46:00");
    assert_eq!(mail_subjects(&world), [overdue("dc-1/another_feed/c-3")]);
}

#[test]
fn a_target_that_another_replaces_is_not_overdue() {
    let world = world(4);
    heard(&world, &event("start_ramp_down", "c-1", ("16:40", Some("17:50")), true));
    heard(&world, &event("start_ramp_down", "c-2", ("16:41", Some("18:50")), false));
    assert!(timeline(&world, FIRST).contains(&format!("replaced by {SECOND}")), "{:?}", timeline(&world, FIRST));
    assert!(timeline(&world, SECOND).contains(&format!("replaces {FIRST}")), "{:?}", timeline(&world, SECOND));
    assert_eq!(record(&world, FIRST).due, None);
    heard(&world, &event("end_ramp_down", "c-2", ("16:41", Some("18:50")), true));
    until(&world, "23:00:00");
    assert_eq!(mail_subjects(&world), [""; 0]);
    assert_eq!(timeline(&world, SECOND).iter().filter(|what| what.starts_with("replaces")).count(), 1);
}

#[test]
fn a_start_heard_of_after_the_one_that_replaced_it_is_replaced() {
    let world = world(5);
    heard(&world, &event("start_ramp_down", "c-2", ("16:41", None), false));
    heard(&world, &event("start_ramp_down", "c-1", ("16:38", Some("17:50")), true));
    assert!(timeline(&world, FIRST).contains(&format!("replaced by {SECOND}")));
    until(&world, "23:00:00");
    assert_eq!(mail_subjects(&world), [""; 0]);
}

#[test]
fn two_starts_in_one_batch_replace_each_other_too() {
    let world = world(6);
    for (correlation, start) in [("c-1", "16:30"), ("c-2", "16:36")] {
        accepted(&world, "dc-1", &event("start_ramp_down", correlation, (start, Some("17:50")), true).to_string());
    }
    assert_eq!(world.hydrate(world.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
    let replaced = record(&world, FIRST).ramping.replaced.map(|replaced| replaced.by.to_string());
    assert_eq!(replaced.as_deref(), Some(SECOND));
    assert_eq!(record(&world, SECOND).ramping.replaced, None);
}

#[test]
fn neither_another_feed_nor_a_follower_replaces_a_target() {
    let world = world(7);
    heard(&world, &event("start_ramp_down", "c-1", ("16:40", Some("17:00")), true));
    let mut elsewhere = event("start_ramp_down", "c-2", ("16:45", None), true);
    elsewhere["feed_tag"] = json!("another_feed");
    heard(&world, &elsewhere);
    heard(&world, &event("start_ramp_down", "c-3", ("17:00", None), true));
    until(&world, "17:06:00");
    assert_eq!(mail_subjects(&world), [overdue(FIRST)]);
}

#[test]
fn a_target_that_was_missed_when_it_was_replaced_is_mailed_once() {
    let world = world(8);
    heard(&world, &event("start_ramp_down", "c-1", ("16:34", Some("17:50")), false));
    heard(&world, &event("start_ramp_down", "c-2", ("16:39", None), false));
    heard(&world, &event("start_ramp_down", "c-3", ("16:40", None), false));
    run_for(&world, 40);
    assert_eq!(mail_subjects(&world), [overdue(FIRST)], "five minutes are enough, one minute is not");
    let (_, mail) = world.mails().pop().unwrap();
    assert!(mail.text.contains(&format!("replaced by {SECOND}")), "{}", mail.text);
}

#[test]
fn what_the_index_did_not_show_is_found_when_the_end_is_overdue() {
    let world = world(9);
    heard(&world, &event("start_ramp_down", "c-1", ("16:30", Some("17:50")), true));
    let _ = world.swap_hydrators(Vec::new());
    world.fault("dispatches.active", Toxic::Refuse, Times::First(1));
    heard(&world, &event("start_ramp_down", "c-2", ("16:41", Some("19:50")), true));
    assert_eq!(record(&world, FIRST).ramping.replaced, None);
    until(&world, "18:00:00");
    assert_eq!(mail_subjects(&world), [""; 0]);
    assert!(timeline(&world, FIRST).contains(&format!("replaced by {SECOND}")));
}

#[test]
fn an_index_that_does_not_answer_delays_no_mail() {
    let world = world(10);
    heard(&world, &event("start_ramp_down", "c-1", ("16:30", Some("16:50")), true));
    world.fault("dispatches.active", Toxic::Refuse, Times::Always);
    until(&world, "16:56:00");
    assert_eq!(mail_subjects(&world), [overdue(FIRST)]);
}

#[test]
fn compliance_of_each_event_is_on_the_timeline() {
    let world = world(11);
    heard(&world, &event("start_ramp_down", "c-1", ("16:30", Some("17:50")), false));
    let mut end = event("end_ramp_down", "c-1", ("16:30", Some("17:50")), true);
    end["calculated_load"] = json!({"value": 6.3, "unit": "mw"});
    heard(&world, &end);
    let mut up = event("start_ramp_up", "c-1", ("17:50", None), true);
    up["compliant"] = Value::Null;
    up["calculated_load"] = Value::Null;
    heard(&world, &up);
    let expected = [
        "gridbell.power.start_ramp_down.v1 #1: the load is 9200 kW, the limit 6500 kW; compliant: no",
        "gridbell.power.end_ramp_down.v1 #2: the load is 6300 kW, the limit 6500 kW; compliant: yes",
        "gridbell.power.start_ramp_up.v1 #3: the load was not measured, the limit 6500 kW; compliant: not known",
    ];
    assert_eq!(timeline(&world, FIRST), expected);
}

#[test]
fn whatever_call_fails_an_overdue_target_is_mailed_once() {
    let play = |fault: Option<(usize, Toxic)>| {
        let world = world(12);
        if let Some((call, toxic)) = fault {
            world.fault_at(call, toxic);
        }
        for (correlation, start) in [("c-1", "16:30"), ("c-2", "16:40")] {
            let start = event("start_ramp_down", correlation, (start, Some("17:00")), true);
            insisted(&world, &start);
            pass(&world, SignedDuration::from_secs(150));
        }
        until(&world, "17:20:00");
        let end = event("end_ramp_down", "c-2", ("16:40", Some("17:00")), true);
        insisted(&world, &end);
        pass(&world, SignedDuration::from_mins(20));
        let mut mails = mail_subjects(&world);
        mails.retain(|subject| subject.contains("not-compliant"));
        mails.dedup();
        assert_eq!(mails, [overdue(SECOND), resolved(SECOND)], "{fault:?}");
        let replaced = record(&world, FIRST).ramping.replaced.map(|replaced| replaced.by.to_string());
        assert_eq!(replaced.as_deref(), Some(SECOND), "{fault:?}");
        world.calls()
    };
    for (call, _) in worth_a_fault(&play(None), 0) {
        for toxic in Toxic::ALL {
            play(Some((call, toxic)));
        }
    }
}
