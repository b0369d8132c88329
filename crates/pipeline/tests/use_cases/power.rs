//! Load targets: a person is notified once of an end that is not reported in time; a replaced target needs no
//! notification.

use jiff::SignedDuration;
use pipeline::{conditions::Condition, record::SubjectRecord};
use serde_json::{Value, json};
use simulation::{Ended, Inner, PUBLIC_URL, Simulation, Times, Toxic, Webhook};

use crate::{
    common::{TOKEN, accepted, config, mail_subjects, pass, power, run_for, sim, types, worth_a_fault},
    incidents::hint,
};

pub(crate) const FIRST: &str = "dc-1/main_power_feed/c-1";
pub(crate) const SECOND: &str = "dc-1/main_power_feed/c-2";

/// An event of a correlation whose target lasts from one time of the day to another; it is 16:40 now.
pub(crate) fn event(name: &str, correlation: &str, (start, end): (&str, Option<&str>), compliant: bool) -> Value {
    let mut event = power(name, compliant);
    event["correlation_id"] = json!(correlation);
    event["start_time"] = json!(format!("2023-12-01T{start}:00Z"));
    event["end_time"] = end.map_or(Value::Null, |end| json!(format!("2023-12-01T{end}:00Z")));
    event
}

/// Receives an event and processes it.
pub(crate) fn heard(sim: &Simulation, event: &Value) {
    accepted(sim, "dc-1", &event.to_string());
    run_for(sim, 5);
}

/// Receives an event again and again until that succeeds.
fn insisted(sim: &Simulation, event: &Value) {
    let webhook = || sim.post(Webhook { source: "dc-1", token: TOKEN, body: &event.to_string() }).answer();
    while webhook().is_none_or(|answer| answer.status != 200) {
        sim.advance(SignedDuration::from_secs(5));
    }
}

/// Runs the simulation until that time of the day.
pub(crate) fn until(sim: &Simulation, time: &str) {
    let then = format!("2023-12-01T{time}Z").parse().unwrap();
    pass(sim, sim.now().duration_until(then));
}

pub(crate) fn record(sim: &Simulation, subject: &str) -> SubjectRecord {
    sim.dispatches().get(subject).expect("a record")
}

pub(crate) fn timeline(sim: &Simulation, subject: &str) -> Vec<String> {
    record(sim, subject).history.into_iter().map(|entry| entry.event.to_string()).collect()
}

pub(crate) fn overdue(about: &str) -> String {
    format!("[gridbell] not-compliant: {about}")
}

pub(crate) fn resolved(about: &str) -> String {
    format!("[gridbell] Resolved: not-compliant: {about}")
}

#[test]
fn a_ramps_end_that_is_not_reported_in_time_is_mailed_once() {
    let sim = sim(1);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:50", Some("17:50")), false));
    hint(&sim, Condition::NotCompliant { subject: record(&sim, FIRST).subject });
    until(&sim, "17:54:50");
    assert_eq!(mail_subjects(&sim), [""; 0], "five minutes are granted");
    until(&sim, "17:55:40");
    assert_eq!(mail_subjects(&sim), [overdue(FIRST)]);
    let (_, mail) = sim.mails().pop().unwrap();
    for words in ["start_ramp_down", "did not report its end by 2023-12-01T17:55:00Z", "the limit 6500 kW"] {
        assert!(mail.text.contains(words), "{words}: {}", mail.text);
    }
    until(&sim, "20:00:00");
    assert_eq!(mail_subjects(&sim), [overdue(FIRST)], "once");
    heard(&sim, &event("end_ramp_down", "c-1", ("16:50", Some("17:50")), true));
    until(&sim, "20:02:00");
    assert_eq!(mail_subjects(&sim), [overdue(FIRST), resolved(FIRST)]);
    let (_, mail) = sim.mails().pop().unwrap();
    assert!(mail.text.contains("its end was reported at 2023-12-01T20:00"), "{}", mail.text);
    until(&sim, "23:00:00");
    assert_eq!(mail_subjects(&sim).len(), 2);
    assert_eq!(types(&sim, FIRST), ["power.start_ramp_down", "power.end_ramp_down"], "the signals are as ever");
}

#[test]
fn an_end_in_time_wakes_nobody_whichever_event_is_heard_first() {
    for order in [["start_ramp_down", "end_ramp_down"], ["end_ramp_down", "start_ramp_down"]] {
        let sim = sim(2);
        for name in order {
            heard(&sim, &event(name, "c-1", ("16:30", Some("17:50")), true));
        }
        until(&sim, "23:00:00");
        assert_eq!(mail_subjects(&sim), [""; 0], "{order:?}");
        assert_eq!(record(&sim, FIRST).due, None);
    }
}

#[test]
fn what_has_no_stated_end_and_what_is_history_is_not_awaited() {
    let sim = sim(3);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:30", None), false));
    heard(&sim, &event("start_ramp_down", "c-2", ("14:30", Some("15:30")), false));
    assert_eq!((record(&sim, FIRST).due, record(&sim, SECOND).due), (None, None));
    // Its end passed a while ago, and the report may be on its way.
    let mut late = event("start_ramp_down", "c-3", ("15:30", Some("16:00")), false);
    late["feed_tag"] = json!("another_feed");
    heard(&sim, &late);
    until(&sim, "16:44:50");
    assert_eq!(mail_subjects(&sim), [""; 0]);
    until(&sim, "16:46:00");
    assert_eq!(mail_subjects(&sim), [overdue("dc-1/another_feed/c-3")]);
}

#[test]
fn a_target_that_another_replaces_is_not_overdue() {
    let sim = sim(4);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:40", Some("17:50")), true));
    heard(&sim, &event("start_ramp_down", "c-2", ("16:41", Some("18:50")), false));
    assert!(timeline(&sim, FIRST).contains(&format!("replaced by {SECOND}")), "{:?}", timeline(&sim, FIRST));
    assert!(timeline(&sim, SECOND).contains(&format!("replaces {FIRST}")), "{:?}", timeline(&sim, SECOND));
    assert_eq!(record(&sim, FIRST).due, None);
    heard(&sim, &event("end_ramp_down", "c-2", ("16:41", Some("18:50")), true));
    until(&sim, "23:00:00");
    assert_eq!(mail_subjects(&sim), [""; 0]);
    assert_eq!(timeline(&sim, SECOND).iter().filter(|what| what.starts_with("replaces")).count(), 1);
}

#[test]
fn a_start_heard_of_after_the_one_that_replaced_it_is_replaced() {
    let sim = sim(5);
    heard(&sim, &event("start_ramp_down", "c-2", ("16:41", None), false));
    heard(&sim, &event("start_ramp_down", "c-1", ("16:38", Some("17:50")), true));
    assert!(timeline(&sim, FIRST).contains(&format!("replaced by {SECOND}")));
    until(&sim, "23:00:00");
    assert_eq!(mail_subjects(&sim), [""; 0]);
}

#[test]
fn two_starts_in_one_batch_replace_each_other_too() {
    let sim = sim(6);
    for (correlation, start) in [("c-1", "16:30"), ("c-2", "16:36")] {
        accepted(&sim, "dc-1", &event("start_ramp_down", correlation, (start, Some("17:50")), true).to_string());
    }
    assert_eq!(sim.hydrate(sim.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
    let replaced = record(&sim, FIRST).ramping.replaced.map(|replaced| replaced.by.to_string());
    assert_eq!(replaced.as_deref(), Some(SECOND));
    assert_eq!(record(&sim, SECOND).ramping.replaced, None);
}

#[test]
fn neither_another_feed_nor_a_follower_replaces_a_target() {
    let sim = sim(7);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:40", Some("17:00")), true));
    let mut elsewhere = event("start_ramp_down", "c-2", ("16:45", None), true);
    elsewhere["feed_tag"] = json!("another_feed");
    heard(&sim, &elsewhere);
    heard(&sim, &event("start_ramp_down", "c-3", ("17:00", None), true));
    until(&sim, "17:06:00");
    assert_eq!(mail_subjects(&sim), [overdue(FIRST)]);
}

#[test]
fn a_target_that_was_missed_when_it_was_replaced_is_mailed_once() {
    let sim = sim(8);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:34", Some("17:50")), false));
    heard(&sim, &event("start_ramp_down", "c-2", ("16:39", None), false));
    heard(&sim, &event("start_ramp_down", "c-3", ("16:40", None), false));
    run_for(&sim, 40);
    assert_eq!(mail_subjects(&sim), [overdue(FIRST)], "five minutes are enough, one minute is not");
    let (_, mail) = sim.mails().pop().unwrap();
    assert!(mail.text.contains(&format!("replaced by {SECOND}")), "{}", mail.text);
}

#[test]
fn what_the_index_did_not_show_is_found_when_the_end_is_overdue() {
    let sim = sim(9);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:30", Some("17:50")), true));
    let _ = sim.swap_hydrators(Vec::new());
    sim.fault("dispatches.active", Toxic::Refuse, Times::First(1));
    heard(&sim, &event("start_ramp_down", "c-2", ("16:41", Some("19:50")), true));
    assert_eq!(record(&sim, FIRST).ramping.replaced, None);
    until(&sim, "18:00:00");
    assert_eq!(mail_subjects(&sim), [""; 0]);
    assert!(timeline(&sim, FIRST).contains(&format!("replaced by {SECOND}")));
}

#[test]
fn an_index_that_does_not_answer_delays_no_mail() {
    let sim = sim(10);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:30", Some("16:50")), true));
    sim.fault("dispatches.active", Toxic::Refuse, Times::Always);
    until(&sim, "16:56:00");
    assert_eq!(mail_subjects(&sim), [overdue(FIRST)]);
}

#[test]
fn compliance_of_each_event_is_on_the_timeline() {
    let sim = sim(11);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:30", Some("17:50")), false));
    let mut end = event("end_ramp_down", "c-1", ("16:30", Some("17:50")), true);
    end["calculated_load"] = json!({"value": 6.3, "unit": "mw"});
    heard(&sim, &end);
    let mut up = event("start_ramp_up", "c-1", ("17:50", None), true);
    up["compliant"] = Value::Null;
    up["calculated_load"] = Value::Null;
    heard(&sim, &up);
    let expected = [
        "gridbell.power.start_ramp_down.v1 #1: the load is 9200 kW, the limit 6500 kW; compliant: no",
        "gridbell.power.end_ramp_down.v1 #2: the load is 6300 kW, the limit 6500 kW; compliant: yes",
        "gridbell.power.start_ramp_up.v1 #3: the load was not measured, the limit 6500 kW; compliant: not known",
    ];
    assert_eq!(timeline(&sim, FIRST), expected);
}

#[test]
fn whatever_call_fails_an_overdue_target_is_mailed_once() {
    let play = |fault: Option<(usize, Toxic)>| {
        let sim = sim(12);
        if let Some((call, toxic)) = fault {
            sim.fault_at(call, toxic);
        }
        for (correlation, start) in [("c-1", "16:30"), ("c-2", "16:40")] {
            let start = event("start_ramp_down", correlation, (start, Some("17:00")), true);
            insisted(&sim, &start);
            pass(&sim, SignedDuration::from_secs(150));
        }
        until(&sim, "17:20:00");
        let end = event("end_ramp_down", "c-2", ("16:40", Some("17:00")), true);
        insisted(&sim, &end);
        pass(&sim, SignedDuration::from_mins(20));
        let mut mails = mail_subjects(&sim);
        mails.retain(|subject| subject.contains("not-compliant"));
        mails.dedup();
        assert_eq!(mails, [overdue(SECOND), resolved(SECOND)], "{fault:?}");
        let replaced = record(&sim, FIRST).ramping.replaced.map(|replaced| replaced.by.to_string());
        assert_eq!(replaced.as_deref(), Some(SECOND), "{fault:?}");
        sim.calls()
    };
    for (call, _) in worth_a_fault(&play(None), 0) {
        for toxic in Toxic::ALL {
            play(Some((call, toxic)));
        }
    }
}

#[test]
fn a_missed_target_has_a_button_and_reminders() {
    let mut config = config();
    config.contacts.remind_s = 900;
    let sim = Simulation::new(1, config);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:50", Some("18:50")), false));
    heard(&sim, &event("end_ramp_down", "c-1", ("16:50", Some("18:50")), false));
    until(&sim, "17:30:00");
    let subjects = mail_subjects(&sim);
    assert_eq!(subjects[..2], [overdue(FIRST), format!("[gridbell] reminder 1: not-compliant: {FIRST}")]);
    let (_, first) = sim.mails().remove(0);
    let at = first.text.find(PUBLIC_URL).expect("a link");
    let link: String = first.text[at..].chars().take_while(|c| !c.is_whitespace()).collect();
    let page = sim.follow("GET", &link).answer().expect("a page");
    assert!(page.body.contains("main_power_feed") && page.body.contains("6.5 MW"), "{}", page.body);
    assert!(page.body.contains("value=\"acknowledge\"") && !page.body.contains("value=\"curtailed\""), "{}", page.body);
    assert_eq!(sim.follow("POST", &link).answer().expect("a page").outcome, "acknowledged");
    until(&sim, "18:40:00");
    assert_eq!(mail_subjects(&sim).len(), subjects.len(), "no reminder follows");
}
