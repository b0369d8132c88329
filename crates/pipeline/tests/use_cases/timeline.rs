//! The stored timeline of a dispatch: the grounds of each published version, and how much of a long timeline is stored.

use serde_json::json;
use simulation::{Reply, Simulation};

use crate::common::{accepted, config, leap, run_for, sim, thin, voltus};

fn timeline(sim: &Simulation, subject: &str) -> Vec<String> {
    sim.dispatches().get(subject).expect("a record").history.into_iter().map(|entry| entry.event.to_string()).collect()
}

#[test]
fn the_timeline_says_on_what_grounds_a_version_was_published() {
    let sim = sim(1);
    let mut unnumbered = voltus("bare", 0, 5);
    unnumbered.as_object_mut().unwrap().remove("modification_number");
    for (id, answer) in [("dkmq", voltus("dkmq", 3, 5)), ("bare", unnumbered)] {
        sim.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(answer.to_string())]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", id));
    }
    accepted(&sim, "leap-prod", &leap("e-1", 10).to_string());
    run_for(&sim, 5);
    for (subject, grounds) in [
        ("voltus-prod/dkmq", ", modification 3 as fetched at 2023-12-01T16:40:00."),
        ("voltus-prod/bare", ", as fetched at 2023-12-01T16:40:00."),
        ("leap-prod/e-1", ", as the webhook stated"),
    ] {
        let said = &timeline(&sim, subject)[0];
        assert!(said.starts_with(&format!("gridbell.dispatch.scheduled.v1 #1{grounds}")), "{said}");
    }
}

#[test]
fn of_a_long_timeline_the_beginning_and_the_latest_are_kept() {
    let mut config = config();
    // Each update is fetched by itself.
    config.sources.get_mut("voltus-prod").unwrap().requests_a_minute = Some(6_000);
    let sim = Simulation::new(2, config);
    let answers = (0..70).map(|number| Reply::Json(voltus("dkmq", number, number + 1).to_string()));
    sim.answers("voltus-prod", "/dispatches/dkmq", answers);
    for _ in 0..70 {
        accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
        run_for(&sim, 1);
    }
    let timeline = timeline(&sim, "voltus-prod/dkmq");
    assert_eq!(timeline.len(), 64);
    for (place, number) in [(0, 1), (1, 8), (63, 70)] {
        assert!(timeline[place].contains(&format!(" #{number}, ")), "{}: {}", json!(place), timeline[place]);
    }
}
