//! What no webhook brought is found, merged like anything else, and told of; a source that cannot be polled is told of too.

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    config::Config,
    work::{Task, Work},
};
use serde_json::{Value, json};
use sim::{Inner, Reply, Times, Toxic, World};

use crate::common::{accepted, config, last, leap, mail_subjects, published, thin, types, voltus};

const LIST: &str = "/dispatches";
const VOLTUS: &str = "voltus-prod/dkmq";
const MISSED: &str = "[gridbell] missed-delivery: voltus-prod/dkmq";

/// Only these sources are polled.
fn polled(sources: &[&str]) -> Config {
    let mut config = config();
    for source in sources {
        config.sources.get_mut(*source).expect("a source").poll_s = 300;
    }
    config
}

/// A world in which Voltus is polled and lists nothing yet.
fn polling(seed: u64) -> World {
    let world = World::new(seed, polled(&["voltus-prod"]));
    lists(&world, &[]);
    world
}

fn list(dispatches: &[Value]) -> Reply {
    Reply::Json(json!({ "dispatches": dispatches, "page": 0, "perPage": 0 }).to_string())
}

fn lists(world: &World, dispatches: &[Value]) {
    world.answers("voltus-prod", LIST, [list(dispatches)]);
}

/// Runs everything and lets that much time pass.
fn run_for(world: &World, seconds: i64) {
    let until = world.now() + SignedDuration::from_secs(seconds);
    world.settle(SignedDuration::from_secs(seconds));
    if world.now() < until {
        world.advance(until.duration_since(world.now()));
    }
}

fn between(id: &str, number: u64, start: &str, end: Option<&str>) -> Value {
    let mut dispatch = voltus(id, number, 5);
    dispatch["start_time"] = json!(start);
    dispatch["end_time"] = json!(end);
    dispatch
}

/// When the source was asked for its list.
fn asked(world: &World, source: &str, about: &str) -> Vec<Timestamp> {
    let fetches = world.fetches().into_iter();
    let lists = |ask: &str| ask.ends_with(about) || ask.contains(&format!("{about} {{\"start_date"));
    fetches.filter(|fetch| fetch.source == source && lists(&fetch.ask)).map(|fetch| fetch.at).collect()
}

fn writes(world: &World) -> usize {
    world.calls().iter().filter(|call| call.port == "dispatches.write").count()
}

#[test]
fn what_no_webhook_brought_is_published_and_told_of_once() {
    let world = polling(1);
    run_for(&world, 90);
    lists(&world, &[between("dkmq", 0, "2023-12-01T18:00:00Z", None)]);
    run_for(&world, 300);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(mail_subjects(&world), [""; 0], "a webhook may be late");
    run_for(&world, 121);
    assert_eq!(mail_subjects(&world), [MISSED]);
    let (_, mail) = world.mails().pop().expect("a mail");
    assert!(mail.text.starts_with("Sites:"), "{}", mail.text);
    assert!(mail.text.contains("gridbell.dispatch.scheduled.v1 #1"), "{}", mail.text);
    run_for(&world, 1_800);
    let over = format!("[gridbell] over: missed-delivery: {VOLTUS}");
    assert_eq!(mail_subjects(&world), [MISSED, &over], "nothing more was missed");
}

#[test]
fn a_missed_update_and_a_missed_cancel_are_told_of_each() {
    let world = polling(2);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 30);
    lists(&world, &[voltus("dkmq", 0, 5)]);
    run_for(&world, 90);
    lists(&world, &[voltus("dkmq", 1, 9)]);
    run_for(&world, 200);
    let mut cancelled = voltus("dkmq", 2, 9);
    cancelled["authorized"] = json!(false);
    lists(&world, &[cancelled]);
    run_for(&world, 200);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled", "dispatch.updated", "dispatch.cancelled"]);
    assert_eq!(mail_subjects(&world), [MISSED, MISSED]);
}

#[test]
fn a_webhook_that_is_only_late_wakes_nobody() {
    for seed in 0..10 {
        let world = polling(seed);
        run_for(&world, 90);
        let dispatch = between("dkmq", 0, "2023-12-01T18:00:00Z", None);
        lists(&world, std::slice::from_ref(&dispatch));
        world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
        run_for(&world, 300);
        assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&world, 1_800);
        assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
        assert_eq!(mail_subjects(&world), [""; 0]);
    }
}

#[test]
fn a_webhook_that_comes_after_the_mail_ends_the_incident() {
    let world = polling(3);
    run_for(&world, 90);
    let dispatch = between("dkmq", 0, "2023-12-01T18:00:00Z", None);
    lists(&world, std::slice::from_ref(&dispatch));
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    run_for(&world, 460);
    assert_eq!(mail_subjects(&world), [MISSED]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    assert_eq!(mail_subjects(&world).pop(), Some(format!("[gridbell] over: missed-delivery: {VOLTUS}")));
    let (_, mail) = world.mails().pop().expect("a mail");
    assert!(mail.text.contains("came after all"), "{}", mail.text);
}

#[test]
fn what_was_there_before_us_is_published_and_not_called_missed() {
    let world = polling(4);
    lists(&world, &[between("dkmq", 3, "2023-12-01T16:30:00Z", None)]);
    run_for(&world, 1_800);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(mail_subjects(&world), [""; 0]);
}

#[test]
fn after_an_outage_of_hours_one_pass_curtails_for_nothing_that_is_over() {
    let world = polling(5);
    for id in ["ran", "off"] {
        let dispatch = between(id, 0, "2023-12-01T16:45:00Z", None);
        world.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(dispatch.to_string())]);
        accepted(&world, "voltus-prod", &thin("dispatch.create", id));
    }
    run_for(&world, 90);
    let mut off = between("off", 1, "2023-12-01T16:45:00Z", None);
    off["authorized"] = json!(false);
    lists(
        &world,
        &[
            between("ran", 1, "2023-12-01T16:45:00Z", Some("2023-12-01T17:10:00Z")),
            off,
            between("came-and-went", 1, "2023-12-01T17:00:00Z", Some("2023-12-01T18:00:00Z")),
            between("last-week", 1, "2023-11-24T17:00:00Z", Some("2023-11-24T18:00:00Z")),
            between("next", 0, "2023-12-02T17:00:00Z", Some("2023-12-02T18:00:00Z")),
        ],
    );
    world.advance(SignedDuration::from_hours(6));
    run_for(&world, 90);
    assert_eq!(types(&world, "voltus-prod/ran"), ["dispatch.scheduled", "dispatch.ended"]);
    assert_eq!(types(&world, "voltus-prod/off"), ["dispatch.scheduled", "dispatch.cancelled"]);
    assert_eq!(types(&world, "voltus-prod/came-and-went"), ["dispatch.ended"]);
    assert_eq!(types(&world, "voltus-prod/last-week"), [""; 0]);
    assert_eq!(types(&world, "voltus-prod/next"), ["dispatch.scheduled"]);
}

#[test]
fn an_unchanged_list_writes_and_publishes_nothing() {
    let mut unnumbered = between("dkmq", 0, "2023-12-01T16:30:00Z", None);
    unnumbered.as_object_mut().unwrap().remove("modification_number");
    let soon_over = between("over", 0, "2023-12-01T16:30:00Z", Some("2023-12-01T16:50:00Z"));
    let world = World::new(6, polled(&["voltus-prod", "leap-prod"]));
    // The same dispatch twice, and not alike: which of both holds does not change from minute to minute.
    lists(&world, &[unnumbered.clone(), voltus_like(&unnumbered, 7), soon_over]);
    let found = json!({ "results": leap("e-1", 10)["meter_dispatches"], "next_page_token": null });
    world.answers("leap-prod", "/dispatch/meter/search", [Reply::Json(found.to_string())]);
    accepted(&world, "leap-prod", &leap("e-1", 10).to_string());
    run_for(&world, 300);
    let (wrote, sent) = (writes(&world), world.signals().len());
    run_for(&world, 3_600);
    assert!(asked(&world, "voltus-prod", LIST).len() > 50);
    assert_eq!((writes(&world), world.signals().len()), (wrote, sent));
    assert_eq!(mail_subjects(&world), [""; 0]);
}

fn voltus_like(dispatch: &Value, commitment_kw: u64) -> Value {
    let mut other = dispatch.clone();
    other["sites"][0]["commitment"] = json!(commitment_kw);
    other
}

#[test]
fn a_source_is_polled_every_minute_near_a_dispatch_and_seldom_otherwise() {
    let world = polling(7);
    lists(&world, &[between("dkmq", 0, "2023-12-01T19:00:00Z", Some("2023-12-01T20:00:00Z"))]);
    run_for(&world, 5 * 3_600);
    let asked = asked(&world, "voltus-prod", LIST);
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
fn a_source_that_is_not_to_be_polled_is_not_asked() {
    let world = World::new(8, polled(&["dc-1", "openvolt-prod"]));
    run_for(&world, 3_600);
    assert!(world.fetches().is_empty() && world.polls().all().is_empty());
}

#[test]
fn a_provider_that_asks_to_be_left_alone_is() {
    let world = polling(9);
    world.answers("voltus-prod", LIST, [Reply::Status(429, Some(200)), list(&[])]);
    run_for(&world, 1_000);
    let asked = asked(&world, "voltus-prod", LIST);
    let first = asked[1].duration_since(asked[0]).as_secs();
    assert!((200..262).contains(&first), "{asked:?}");
    assert_eq!(mail_subjects(&world), [""; 0]);
    // For longer than a source may fail: then it is down already.
    world.answers("voltus-prod", LIST, [Reply::Status(429, Some(90_000)), list(&[])]);
    run_for(&world, 400);
    assert_eq!(mail_subjects(&world), ["[gridbell] source-down: voltus-prod"]);
    run_for(&world, 3_600);
    assert_eq!(mail_subjects(&world).pop().as_deref(), Some("[gridbell] over: source-down: voltus-prod"));
}

#[test]
fn a_refused_key_is_told_at_once_and_over_once_it_is_taken() {
    let world = polling(10);
    world.answers("voltus-prod", LIST, [Reply::Refused]);
    run_for(&world, 62);
    assert_eq!(mail_subjects(&world), ["[gridbell] credentials: voltus-prod"]);
    run_for(&world, 3_600);
    assert_eq!(mail_subjects(&world).len(), 1, "one mail, and no other kind for the same cause");
    assert!(asked(&world, "voltus-prod", LIST).len() < 15, "a refused key is not hammered with");
    lists(&world, &[]);
    run_for(&world, 310);
    assert_eq!(mail_subjects(&world)[1..], ["[gridbell] over: credentials: voltus-prod"]);
}

#[test]
fn a_provider_that_is_down_is_told_of_after_five_minutes_and_once() {
    let world = polling(11);
    world.answers("voltus-prod", LIST, [Reply::Status(500, None), Reply::Nothing]);
    run_for(&world, 300);
    assert_eq!(mail_subjects(&world), [""; 0]);
    run_for(&world, 125);
    assert_eq!(mail_subjects(&world), ["[gridbell] source-down: voltus-prod"]);
    let (_, mail) = world.mails().pop().expect("a mail");
    assert!(mail.text.contains("no answer within 5 s"), "the last error: {}", mail.text);
    run_for(&world, 7_200);
    assert_eq!(mail_subjects(&world).len(), 1);
    lists(&world, &[]);
    run_for(&world, 62);
    assert_eq!(mail_subjects(&world)[1..], ["[gridbell] over: source-down: voltus-prod"]);
}

#[test]
fn near_a_dispatch_three_failures_in_a_row_are_enough() {
    let world = polling(12);
    let dispatch = voltus("dkmq", 0, 5);
    world.answers("voltus-prod", LIST, [list(std::slice::from_ref(&dispatch)), Reply::Status(503, None)]);
    run_for(&world, 200);
    assert_eq!(mail_subjects(&world), [""; 0]);
    run_for(&world, 62);
    assert_eq!(mail_subjects(&world), ["[gridbell] source-down: voltus-prod"]);
}

#[test]
fn a_provider_down_from_before_the_delivery_until_after_the_start_passes_in_no_silence() {
    let world = polling(13);
    run_for(&world, 90);
    let down = Reply::Status(500, None);
    world.answers("voltus-prod", LIST, [down.clone()]);
    world.answers("voltus-prod", "/dispatches/dkmq", [down]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 480);
    let start: Timestamp = "2023-12-01T16:50:00Z".parse().unwrap();
    assert!(world.now() < start);
    let told = mail_subjects(&world);
    assert!(told.contains(&format!("[gridbell] hydration-failing: {VOLTUS}")), "{told:?}");
    run_for(&world, 600);
    assert!(mail_subjects(&world).contains(&"[gridbell] source-down: voltus-prod".to_owned()));
    let dispatch = between("dkmq", 0, "2023-12-01T16:50:00Z", Some("2023-12-01T18:00:00Z"));
    lists(&world, std::slice::from_ref(&dispatch));
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    run_for(&world, 62);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"], "the list is there before the next slow attempt");
    run_for(&world, 1_800);
    let told = mail_subjects(&world);
    for kind in ["hydration-failing: voltus-prod/dkmq", "source-down: voltus-prod"] {
        assert!(told.contains(&format!("[gridbell] over: {kind}")), "{told:?}");
    }
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
}

#[test]
fn lists_that_are_none_change_nothing_and_are_told_of() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in ["", "nonsense", "[]", "{}", "null", r#"{"dispatches":7}"#, r#"{"message":"no","type":"e"}"#, &deep] {
        let world = polling(14);
        world.answers("voltus-prod", LIST, [Reply::Json(body.to_owned())]);
        run_for(&world, 600);
        assert_eq!(mail_subjects(&world), ["[gridbell] source-down: voltus-prod"], "{body:.20}");
        assert!(world.signals().is_empty() && world.dispatches().all().is_empty());
    }
}

#[test]
fn a_list_without_end_is_not_taken() {
    let world = polling(15);
    let many: Vec<Value> = (0..2_001).map(|n| voltus(&format!("d{n}"), 0, 5)).collect();
    lists(&world, &many);
    run_for(&world, 600);
    assert_eq!(mail_subjects(&world), ["[gridbell] source-down: voltus-prod"]);
    assert!(world.signals().is_empty());
}

#[test]
fn one_unreadable_dispatch_among_many_costs_the_others_nothing_and_is_told_of_once() {
    let world = polling(16);
    run_for(&world, 90);
    let broken = json!({ "id": "broken", "start_time": "soon" });
    let foreign = json!({ "id": "../sites", "start_time": "2023-12-01T16:50:00Z" });
    lists(&world, &[json!(7), broken, foreign, between("dkmq", 0, "2023-12-01T16:30:00Z", None)]);
    run_for(&world, 3_600);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(published(&world).len(), 1);
    let mut told = mail_subjects(&world);
    told.retain(|subject| !subject.contains("over:"));
    told.sort();
    assert_eq!(told, [MISSED, "[gridbell] quarantined: voltus-prod"]);
    assert!(world.mails()[0].1.text.contains("dispatches[1]: `start_time`"), "{}", world.mails()[0].1.text);
}

#[test]
fn a_dispatch_that_is_listed_twice_is_one() {
    let world = polling(17);
    lists(&world, &[voltus("dkmq", 1, 5), voltus("dkmq", 2, 9), voltus("dkmq", 1, 5)]);
    run_for(&world, 300);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(last(&world, VOLTUS)["dispatch"]["request"]["watts"], json!(9_000));
}

#[test]
fn a_sandbox_is_polled_and_all_of_it_is_a_test() {
    let world = World::new(18, polled(&["voltus-sandbox"]));
    world.answers("voltus-sandbox", LIST, [list(&[]), list(&[voltus("dkmq", 0, 5)])]);
    run_for(&world, 600);
    let dispatch = last(&world, "voltus-sandbox/dkmq")["dispatch"].take();
    assert_eq!((&dispatch["test"], &dispatch["test_reason"]), (&json!(true), &json!("sandbox")));
    assert_eq!(mail_subjects(&world), ["[gridbell] [TEST] missed-delivery: voltus-sandbox/dkmq"]);
}

const METERS: &str = "/dispatch/meter/search";
const GROUPS: &str = "/dispatch/group/search";

fn leap_lists(event: &str) -> Reply {
    let mut items = leap(event, 10)["meter_dispatches"].take();
    items[0]["timeslots"][0]["end_time"] = json!("2023-12-02T00:00:00Z");
    Reply::Json(json!({ "results": items, "next_page_token": null }).to_string())
}

fn group_lists(event: &str) -> Reply {
    let slot = json!({
        "market_group_event_id": event, "start_time": "2023-12-01T16:50:00Z", "end_time": "2023-12-02T00:00:00Z",
        "cancelled": false, "energy_kw": 10, "priority": 1, "is_voluntary": false, "programs": ["DRAM"],
    });
    let group = json!({
        "market_group_id": "g-1", "meter_ids": ["dd21c76c-7126-4ef7-b0a6-f190fad300b2"], "timeslots": [slot],
    });
    Reply::Json(json!({ "results": [group], "next_page_token": null }).to_string())
}

#[test]
fn a_level_of_leap_that_an_account_has_not_is_no_incident() {
    for unused in [Reply::Missing, Reply::Refused] {
        let world = World::new(19, polled(&["leap-prod"]));
        world.answers("leap-prod", METERS, [leap_lists("e-1")]);
        world.answers("leap-prod", GROUPS, [unused]);
        run_for(&world, 1_800);
        assert_eq!(types(&world, "leap-prod/e-1"), ["dispatch.scheduled"]);
        assert_eq!(mail_subjects(&world), [""; 0]);
    }
}

#[test]
fn one_list_of_leap_that_fails_does_not_hold_the_other_back_and_is_told_of() {
    let world = World::new(20, polled(&["leap-prod"]));
    world.answers("leap-prod", METERS, [leap_lists("e-1")]);
    world.answers("leap-prod", GROUPS, [Reply::Status(500, None)]);
    run_for(&world, 600);
    assert_eq!(types(&world, "leap-prod/e-1"), ["dispatch.scheduled"]);
    assert_eq!(mail_subjects(&world), ["[gridbell] source-down: leap-prod"]);
}

#[test]
fn a_call_that_leap_lists_at_both_levels_is_one_dispatch() {
    let both = |webhook: Option<Value>| {
        let world = World::new(21, polled(&["leap-prod"]));
        webhook.into_iter().for_each(|body| drop(accepted(&world, "leap-prod", &body.to_string())));
        world.answers("leap-prod", METERS, [leap_lists("e-1")]);
        world.answers("leap-prod", GROUPS, [group_lists("g-1")]);
        run_for(&world, 900);
        assert_eq!(mail_subjects(&world), [""; 0]);
        published(&world).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(both(None), ["leap-prod/e-1"]);
    let Reply::Json(group) = group_lists("g-1") else { panic!("a list") };
    let group: Value = serde_json::from_str(&group).unwrap();
    assert_eq!(both(Some(json!({ "group_dispatches": group["results"] }))), ["leap-prod/g-1"]);
}

#[test]
fn polls_that_waited_for_the_hydrator_are_one() {
    let world = polling(22);
    for n in 0..20 {
        let work = Work {
            delivery: format!("poll-{n}"),
            source: "voltus-prod".to_owned(),
            received_at: world.now(),
            attempt: 0,
            troubles: Vec::new(),
            told: None,
            task: Task::Poll,
        };
        world.put(Inner::Deliveries, &serde_json::to_string(&work).unwrap());
    }
    run_for(&world, 40);
    assert_eq!(asked(&world, "voltus-prod", LIST).len(), 1);
    assert!(world.queued(Inner::Deliveries).is_empty());
}

#[test]
fn a_list_that_kills_the_hydrator_is_told_of() {
    let world = polling(23);
    world.fault("api.fetch", Toxic::CrashBefore, Times::Always);
    run_for(&world, 3_600);
    assert_eq!(mail_subjects(&world), ["[gridbell] source-down: voltus-prod"]);
    assert!(world.kept().is_empty() && world.queued(Inner::RetriesDead).is_empty());
    world.heal();
    run_for(&world, 120);
    assert_eq!(mail_subjects(&world)[1..], ["[gridbell] over: source-down: voltus-prod"]);
}

/// A dispatch that no webhook told of, then a key that is refused for a while, in calm and with each call failing once.
fn story(world: &World) {
    run_for(world, 150);
    lists(world, &[between("dkmq", 0, "2023-12-02T17:00:00Z", None)]);
    run_for(world, 900);
    world.answers("voltus-prod", LIST, [Reply::Refused]);
    run_for(world, 400);
    lists(world, &[between("dkmq", 1, "2023-12-02T17:00:00Z", None)]);
    run_for(world, 1_500);
}

fn outcome(world: &World) -> (Vec<String>, Vec<String>) {
    let mut mails = mail_subjects(world);
    mails.sort();
    mails.dedup();
    (types(world, VOLTUS), mails)
}

#[test]
fn whichever_call_of_a_poll_fails() {
    let calm = polling(24);
    story(&calm);
    let expected = outcome(&calm);
    assert_eq!(expected.0, ["dispatch.scheduled"]);
    assert_eq!(expected.1.len(), 4, "{:?}", expected.1);
    // Of the many that find nothing new, one is like the other.
    let calls = calm.calls();
    let mut of: std::collections::BTreeMap<(String, &str), u32> = std::collections::BTreeMap::new();
    for (number, call) in calls.iter().enumerate() {
        let seen = of.entry((format!("{:?}", call.function), call.port)).or_default();
        *seen += 1;
        if *seen > 8 {
            continue;
        }
        for toxic in Toxic::ALL {
            let world = polling(24);
            world.fault_at(number, toxic);
            story(&world);
            let what = format!("call {number} of {:?}, {}: {toxic:?}", call.function, call.port);
            assert_eq!(outcome(&world), expected, "{what}");
            assert!(world.queued(Inner::RetriesDead).is_empty(), "{what}");
        }
    }
}
