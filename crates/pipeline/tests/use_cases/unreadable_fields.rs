//! An unreadable field, end or identifier is dropped alone: the dispatch is published, and a person is notified once.

use serde_json::{Value, json};
use simulation::{Reply, Simulation, Times, Toxic};

use crate::{
    common::{
        accepted, announced, is_about, last, leap, mail_subjects, pass, power, run_for, sim, thin, types, voltus,
    },
    poll::{between, lists, polling},
};

const EVENT: &str = "11cfced0-16f4-4fb7-b72e-5ff939ae541e";
const LEAP: &str = "leap-prod/11cfced0-16f4-4fb7-b72e-5ff939ae541e";
const VOLTUS: &str = "voltus-prod/dkmq";
const QUARANTINED: &str = "[gridbell] quarantined: voltus-prod/dkmq";

/// Voltus' answer with a field changed, by its JSON pointer.
fn voltus_with(pointer: &str, value: &str) -> String {
    let mut answer = voltus("dkmq", 0, 5);
    match answer.pointer_mut(pointer) {
        Some(field) => *field = json!("<here>"),
        None => answer[&pointer[1..]] = json!("<here>"),
    }
    answer.to_string().replace("\"<here>\"", value)
}

fn answering(answer: String) -> Simulation {
    let sim = sim(1);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(answer)]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    sim
}

fn mails_about(sim: &Simulation, subject: &str) -> Vec<String> {
    let wanted = format!("[gridbell] quarantined: {subject}");
    sim.mails()
        .into_iter()
        .map(|(_, mail)| mail)
        .filter(|mail| crate::common::digest(&mail.subject) == wanted)
        .map(|mail| mail.text)
        .collect()
}

#[test]
fn an_unreadable_field_costs_itself_and_is_notified_once() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for (pointer, value, field) in [
        ("/end_time", "false", "end_time"),
        ("/end_time", "\"soon\"", "end_time"),
        ("/end_time", "1701449400", "end_time"),
        ("/end_time", "\"0000-00-00T00:00:00Z\"", "end_time"),
        ("/program/market", "7", "program.market"),
        ("/program/timezone", "[]", "program.timezone"),
        ("/program", "[1]", "program"),
        ("/sites/0/commitment", "{}", "sites[d4z9].commitment"),
        ("/sites/0/commitment", "NaN", "sites[d4z9].commitment"),
        ("/sites/0/name", "{\"a\":1}", "sites[d4z9].name"),
        ("/sites", "7", "sites"),
        ("/authorized", "\"maybe\"", "authorized"),
        ("/test", "[]", "test"),
        ("/modification_number", "-1", "modification_number"),
        ("/sites/0/drop_by", "1e400", ""),
        ("/sites/0/name", "\"My Site \\ud83d\"", "sites[d4z9].name"),
        ("/sites/0/name", "\"My Site \u{fffd}\"", "sites[d4z9].name"),
        ("/sites/0/name", "NaN", "sites[d4z9].name"),
        ("/metadata", "{\"a\":1e400}", "metadata"),
        ("/metadata", "[Infinity]", "metadata"),
        ("/metadata", "{\"\\udc00\":1}", "metadata"),
        ("/end_time", "\"\"", "end_time"),
        ("/sites/0/customer_location_id", &deep, "sites[d4z9].customer_location_id"),
    ] {
        let sim = answering(voltus_with(pointer, value));
        run_for(&sim, 300);
        accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
        run_for(&sim, 300);
        assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"], "{pointer} {value:.20}");
        let mails = mails_about(&sim, VOLTUS);
        assert_eq!(mails.len(), usize::from(!field.is_empty()), "{pointer} {value:.20}: {:?}", mail_subjects(&sim));
        assert!(mails.iter().all(|text| text.contains(&format!("{field}: "))), "{mails:?}");
    }
}

#[test]
fn metadata_nested_too_deeply_becomes_null_where_it_is() {
    for levels in [500, 10_000] {
        let mut answer = voltus("dkmq", 0, 5).to_string();
        answer.truncate(answer.len() - 1);
        let (open, close) = ("{\"a\":".repeat(levels), "}".repeat(levels));
        let sim = answering(format!("{answer},\"metadata\":{open}1{close}}}"));
        run_for(&sim, 300);
        assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
        assert!(last(&sim, VOLTUS)["dispatch"]["details"]["metadata"]["a"]["a"].is_object());
        assert_eq!(mails_about(&sim, VOLTUS).len(), 1);
    }
}

#[test]
fn another_value_of_the_field_is_another_mail() {
    let sim = answering(voltus_with("/program/market", "7"));
    run_for(&sim, 120);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus_with("/program/market", "8"))]);
    for _ in 0..3 {
        accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
        run_for(&sim, 120);
    }
    assert_eq!(mails_about(&sim, VOLTUS).len(), 2, "{:?}", mail_subjects(&sim));
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
}

#[test]
fn a_list_that_is_polled_each_minute_notifies_once() {
    let sim = polling(21);
    let mut odd = between("dkmq", 0, "2023-12-01T16:50:00Z", Some("2023-12-01T18:00:00Z"));
    odd["program"]["market"] = json!(7);
    lists(&sim, std::slice::from_ref(&odd));
    run_for(&sim, 1_200);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(odd.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 1_200);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(mails_about(&sim, VOLTUS).len(), 1, "{:?}", mail_subjects(&sim));
}

#[test]
fn a_push_and_its_redeliveries_notify_once() {
    let sim = sim(1);
    let mut push = leap(EVENT, 10);
    push["meter_dispatches"][0]["timeslots"][0]["is_voluntary"] = json!("perhaps");
    for _ in 0..4 {
        accepted(&sim, "leap-prod", &push.to_string());
        run_for(&sim, 60);
    }
    let mut load = power("start_ramp_down", false);
    load["target_load"] = json!("low");
    for _ in 0..3 {
        accepted(&sim, "dc-1", &load.to_string());
        run_for(&sim, 60);
    }
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled"]);
    assert_eq!(mails_about(&sim, LEAP).len(), 1);
    let subject = "dc-1/main_power_feed/c-1";
    assert_eq!(last(&sim, subject)["power"]["target"], json!({ "kind": "unspecified" }));
    assert_eq!((types(&sim, subject).len(), mails_about(&sim, subject).len()), (1, 1));
}

#[test]
fn a_hydrator_that_dies_between_hint_and_write_makes_one_mail() {
    for toxic in [Toxic::CrashBefore, Toxic::CrashAfter, Toxic::Refuse, Toxic::LoseAnswer] {
        for port in ["jobs.alert", "dispatches.write"] {
            let sim = sim(1);
            sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus_with("/program/market", "7"))]);
            sim.fault(port, toxic, Times::First(1));
            accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
            run_for(&sim, 900);
            assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
            assert_eq!(mails_about(&sim, VOLTUS).len(), 1, "{port} {toxic:?}: {:?}", mail_subjects(&sim));
        }
    }
}

#[test]
fn an_end_that_cannot_be_is_none_and_notified() {
    // When the provider observed it: 16:40 and some seconds.
    for (end, mails) in [
        ("9999-12-31T23:59:59Z", 0),
        ("0001-01-01T00:00:00Z", 1),
        ("1970-01-01T00:00:00Z", 1),
        ("2023-12-01T16:50:00Z", 1),
        ("2023-12-01T16:30:00Z", 1),
        ("2023-12-01T16:49:59.9999999Z", 1),
    ] {
        let sim = answering(voltus_with("/end_time", &json!(end).to_string()));
        run_for(&sim, 300);
        assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"], "{end}");
        assert_eq!(last(&sim, VOLTUS)["dispatch"]["end"], Value::Null);
        assert_eq!(mails_about(&sim, VOLTUS).len(), mails, "{end}");
    }
}

#[test]
fn what_is_called_off_before_it_begins_is_ended_without_an_end() {
    let sim = answering(voltus("dkmq", 0, 5).to_string());
    run_for(&sim, 60);
    let now = sim.now().to_string();
    let called_off = voltus_with("/end_time", &json!(now).to_string())
        .replace("\"modification_number\":0", "\"modification_number\":1");
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(called_off)]);
    sim.advance(jiff::SignedDuration::from_secs(2));
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&sim, 120);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled", "dispatch.ended"]);
    assert_eq!(last(&sim, VOLTUS)["dispatch"]["end"], Value::Null);
    assert_eq!(mails_about(&sim, VOLTUS).len(), 1);
}

#[test]
fn an_unreadable_answer_is_given_up_after_a_few_attempts() {
    for answer in
        ["{\"id\":\"dkmq\"}", "{\"message\":\"no\"}", "7", "{\"id\":\"dkmq\",\"start_time\":\"0001-01-01T00:00:00Z\"}"]
    {
        let sim = answering(answer.to_owned());
        pass(&sim, jiff::SignedDuration::from_hours(3));
        let asked = sim.fetches().len();
        assert!((5..=6).contains(&asked), "{answer}: {asked} attempts");
        assert!(sim.bookings().is_empty() && sim.signals().is_empty());
        assert_eq!(sim.quarantined().len(), 1);
        assert_eq!(mail_subjects(&sim), [QUARANTINED], "{answer}");
        pass(&sim, jiff::SignedDuration::from_hours(22));
        assert_eq!(
            mail_subjects(&sim),
            [QUARANTINED, "[gridbell] Resolved: quarantined: voltus-prod/dkmq"],
            "{answer}"
        );
    }
}

#[test]
fn an_answer_that_can_be_read_at_a_later_attempt_is_taken() {
    let sim = sim(1);
    let page = || Reply::Json("{\"error\":\"bad gateway\"}".to_owned());
    let whole = Reply::Json(voltus("dkmq", 0, 5).to_string());
    sim.answers("voltus-prod", "/dispatches/dkmq", [page(), page(), page(), whole]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 120);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert!(sim.quarantined().is_empty());
}

#[test]
fn another_event_under_a_known_delivery_id_is_another_event() {
    let sim = sim(1);
    let event = |kind: &str, payload: Value| json!({ "subscription_id": "s", "event_id": kind, "event_timestamp": sim.now(), "delivery_id": "33333333", "payload": payload });
    for (kind, payload) in [
        ("customer.created", json!({ "customer_id": "c1" })),
        ("user.created", json!({ "user_id": "u1" })),
        ("user.created", json!({ "user_id": "u2" })),
        ("customer.created", json!({ "customer_id": "c1" })),
        ("API_Keys.Rotated ", json!([[]])),
        ("api_keys.rotated", json!("")),
        ("api_keys.rotated", json!("")),
    ] {
        accepted(&sim, "openvolt-prod", &event(kind, payload).to_string());
        run_for(&sim, 60);
    }
    pass(&sim, jiff::SignedDuration::from_mins(6));
    let published = ["customer.created", "user.created", "user.created", "api_keys.rotated", "api_keys.rotated"];
    assert_eq!(types(&sim, "openvolt-prod/account"), published.map(|kind| format!("account.{kind}")));
    let mails = mail_subjects(&sim);
    let rotated = mails.iter().filter(|subject| *subject == "[gridbell] credentials: openvolt-prod");
    assert_eq!(rotated.count(), 2, "{mails:?}");
}

#[test]
fn another_payload_under_a_known_delivery_id_is_fetched_again() {
    let sim = sim(1);
    sim.answers("openvolt-prod", "/interval-data", [Reply::Json(crate::common::readings("m1").to_string())]);
    for body in [announced("dlv-1", &["m1"]), announced("dlv-1", &["m1"]), announced("dlv-1", &["m1", "m1"])] {
        accepted(&sim, "openvolt-prod", &body.to_string());
        run_for(&sim, 60);
    }
    assert_eq!(types(&sim, "openvolt-prod/m1"), ["meter.data", "meter.data"]);
}

#[test]
fn an_identifier_of_512_bytes_is_published() {
    let id = "a".repeat(512);
    let sim = sim(1);
    sim.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(voltus(&id, 0, 5).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", &id));
    let mut load = power("start_ramp_down", false);
    let (feed, correlation) = ("電".repeat(170), "ü".repeat(256));
    load["feed_tag"] = json!(feed);
    load["correlation_id"] = json!(correlation);
    accepted(&sim, "dc-1", &load.to_string());
    let event = "e".repeat(512);
    accepted(&sim, "leap-prod", &leap(&event, 10).to_string());
    run_for(&sim, 60);
    for subject in [
        format!("voltus-prod/{id}"),
        format!("leap-prod/{event}"),
        dispatch::Subject::power("dc-1", Some(&feed), &correlation).to_string(),
    ] {
        assert_eq!(types(&sim, &subject).len(), 1, "{subject}");
    }
}

#[test]
fn every_odd_dispatch_of_a_source_is_notified() {
    let sim = sim(1);
    for n in 0..30 {
        let mut push = leap(&format!("e-{n}"), 10);
        push["meter_dispatches"][0]["timeslots"][0]["end_time"] = json!("soon");
        accepted(&sim, "leap-prod", &push.to_string());
        run_for(&sim, 20);
    }
    run_for(&sim, 900);
    let mails: Vec<_> = sim.mails().into_iter().map(|(_, mail)| mail).collect();
    for n in 0..30 {
        let key = format!("leap-prod/e-{n}");
        let naming = mails.iter().filter(|mail| is_about(mail, &key));
        assert_eq!(naming.count(), 1, "{key} {:?}", mail_subjects(&sim));
    }
}

#[test]
fn two_values_of_a_field_under_a_long_id_are_two_mails() {
    let id = "e".repeat(300);
    let sim = sim(1);
    for priority in [-1, 77] {
        let mut push = leap(&id, 10);
        push["meter_dispatches"][0]["timeslots"][0]["priority"] = json!(priority);
        accepted(&sim, "leap-prod", &push.to_string());
        run_for(&sim, 60);
    }
    let mails: Vec<_> = sim.mails().into_iter().filter(|(_, mail)| mail.text.contains("priority: ")).collect();
    assert_eq!(mails.len(), 2, "{:?}", mail_subjects(&sim));
}

#[test]
fn keys_that_are_rotated_ten_times_are_notified_ten_times() {
    let sim = sim(1);
    for n in 0..10 {
        let event = json!({ "event_id": "api_keys.rotated", "delivery_id": "same", "payload": { "n": n } });
        accepted(&sim, "openvolt-prod", &event.to_string());
        run_for(&sim, 5);
    }
    run_for(&sim, 60);
    let rotated: usize = sim.mails().iter().map(|(_, mail)| mail.text.matches("API keys were rotated").count()).sum();
    assert_eq!(rotated, 10, "{:?}", mail_subjects(&sim));
}

#[test]
fn a_redelivered_period_with_an_odd_end_is_published_once() {
    let sim = sim(1);
    sim.answers("openvolt-prod", "/interval-data", [Reply::Json(crate::common::readings("m1").to_string())]);
    let mut body = announced("dlv-1", &["m1"]);
    body["payload"][0]["end_interval"] = json!(false);
    for _ in 0..3 {
        accepted(&sim, "openvolt-prod", &body.to_string());
        run_for(&sim, 60);
    }
    assert_eq!(types(&sim, "openvolt-prod/m1"), ["meter.data"]);
}
