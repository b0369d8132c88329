//! Consecutive load targets on a feed: which one replaces which, which ramp end is awaited, and what that resolves.

use jiff::SignedDuration;
use serde_json::json;
use simulation::{Ended, Inner, Simulation};

use crate::{
    common::{accepted, mail_subjects, pass, run_for, sim},
    power::{FIRST, SECOND, event, heard, overdue, resolved, timeline, until},
};

const THIRD: &str = "dc-1/main_power_feed/c-3";

fn replaced(sim: &Simulation, by: &str) -> Vec<String> {
    timeline(sim, by).into_iter().filter(|what| what.starts_with("replaces")).collect()
}

#[test]
fn an_overdue_target_is_resolved_where_another_replaces_it() {
    let sim = sim(1);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:50", Some("17:50")), true));
    until(&sim, "17:56:00");
    heard(&sim, &event("start_ramp_down", "c-2", ("17:40", None), true));
    run_for(&sim, 60);
    assert_eq!(mail_subjects(&sim), [overdue(FIRST), resolved(FIRST)]);
    let (_, mail) = sim.mails().pop().unwrap();
    assert!(mail.text.contains(&format!("it was replaced by {SECOND}")), "{}", mail.text);
}

#[test]
fn an_overdue_ramp_is_resolved_once_another_has_followed() {
    let sim = sim(2);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:50", Some("17:50")), true));
    until(&sim, "17:56:00");
    heard(&sim, &event("start_ramp_up", "c-1", ("17:50", None), true));
    assert_eq!(mail_subjects(&sim), [overdue(FIRST)], "its end is still awaited while the way back has begun");
    heard(&sim, &event("start_ramp_down", "c-1", ("18:30", Some("19:30")), true));
    pass(&sim, SignedDuration::from_secs(100));
    assert_eq!(mail_subjects(&sim), [overdue(FIRST), resolved(FIRST)]);
    let (_, mail) = sim.mails().pop().unwrap();
    assert!(mail.text.contains("nothing more was heard of it for a day"), "{}", mail.text);
}

#[test]
fn the_way_back_of_a_replaced_target_is_resolved_with_its_end() {
    let sim = sim(3);
    heard(&sim, &event("start_ramp_down", "c-1", ("16:38", Some("17:50")), true));
    heard(&sim, &event("start_ramp_down", "c-2", ("16:39", None), true));
    heard(&sim, &event("start_ramp_up", "c-1", ("18:00", Some("18:30")), true));
    until(&sim, "18:36:40");
    assert_eq!(mail_subjects(&sim), [overdue(FIRST)]);
    heard(&sim, &event("end_ramp_up", "c-1", ("18:00", Some("18:30")), true));
    pass(&sim, SignedDuration::from_secs(100));
    assert_eq!(mail_subjects(&sim), [overdue(FIRST), resolved(FIRST)]);
    let (_, mail) = sim.mails().pop().unwrap();
    assert!(mail.text.contains("its end was reported at 2023-12-01T18:36"), "{}", mail.text);
}

#[test]
fn what_was_replaced_is_not_replaced_again_but_its_way_back_is() {
    let sim = sim(4);
    for (name, correlation, start) in [
        ("start_ramp_down", "c-1", "16:36"),
        ("start_ramp_down", "c-2", "16:37"),
        ("start_ramp_up", "c-1", "16:38"),
        ("start_ramp_down", "c-3", "16:39"),
    ] {
        heard(&sim, &event(name, correlation, (start, Some("17:50")), true));
    }
    assert_eq!(replaced(&sim, SECOND), [format!("replaces {FIRST}")]);
    assert_eq!(replaced(&sim, FIRST), [format!("replaces {SECOND}")]);
    assert_eq!(replaced(&sim, THIRD), [format!("replaces {FIRST}")], "the second was replaced before");
}

#[test]
fn two_targets_of_one_batch_replace_a_third_once() {
    for seed in 0..5 {
        let sim = sim(seed);
        heard(&sim, &event("start_ramp_down", "c-1", ("16:20", Some("17:50")), false));
        for (correlation, start) in [("c-2", "16:38"), ("c-3", "16:39")] {
            accepted(&sim, "dc-1", &event("start_ramp_down", correlation, (start, None), true).to_string());
        }
        assert_eq!(sim.hydrate(sim.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
        let by = timeline(&sim, FIRST).into_iter().filter(|what| what.starts_with("replaced by")).count();
        assert_eq!(by, 1, "{:?}", timeline(&sim, FIRST));
        run_for(&sim, 40);
        assert_eq!(mail_subjects(&sim), [overdue(FIRST)]);
    }
}

#[test]
fn starts_of_one_batch_read_what_was_active_once_for_an_instant() {
    // Whichever of the two is processed first.
    for feed in ["another_feed", "one_more_feed"] {
        for elsewhere in ["16:39", "17:30"] {
            let sim = sim(5);
            heard(&sim, &event("start_ramp_down", "c-1", ("16:30", Some("17:00")), true));
            let before = sim.calls().len();
            let mut other_feed = event("start_ramp_down", "c-2", (elsewhere, None), true);
            other_feed["feed_tag"] = json!(feed);
            for start in [other_feed, event("start_ramp_down", "c-3", ("16:39", None), true)] {
                accepted(&sim, "dc-1", &start.to_string());
            }
            assert_eq!(sim.hydrate(sim.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
            assert_eq!(replaced(&sim, THIRD), [format!("replaces {FIRST}")], "{feed} starts at {elsewhere}");
            let is_read = |port: &str| ["dispatches.active", "dispatches.changed"].contains(&port);
            let reads = sim.calls()[before..].iter().filter(|call| is_read(call.port)).count();
            assert!(elsewhere != "16:39" || reads == 1, "{reads} reads");
        }
    }
}
