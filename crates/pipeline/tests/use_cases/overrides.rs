//! A source, or one of its programs, with deadlines of its own.

use dispatch::Program;
use jiff::SignedDuration;
use pipeline::config::{Config, Deadlines};
use serde_json::json;
use simulation::{Controller, Reply, Simulation};

use crate::common::{accepted, config, mail_subjects, run_for, thin, voltus};

const USUAL: Deadlines = Deadlines { lead_s: 600, immediate_s: 60, acknowledge: false };
const OWN: Deadlines = Deadlines { lead_s: 300, immediate_s: 90, acknowledge: false };

/// `voltus-prod` has its own deadlines, and two of its programs have theirs.
fn configured() -> Config {
    let mut config = config();
    let source = config.sources.get_mut("voltus-prod").expect("the source");
    source.deadlines = Some(OWN);
    source.programs.insert("A Program".to_owned(), Deadlines { acknowledge: true, ..OWN });
    source.programs.insert("Fast".to_owned(), Deadlines { lead_s: 60, immediate_s: 10, acknowledge: false });
    config
}

fn program(name: Option<&str>) -> Program {
    Program { name: name.map(str::to_owned), market: None, kind: None, timezone: None }
}

#[test]
fn the_nearest_counts_and_of_several_programs_the_strictest() {
    let config = configured();
    let check = |source: &str, programs: &[Option<&str>], expected: Deadlines| {
        let programs: Vec<Program> = programs.iter().copied().map(program).collect();
        assert_eq!(config.deadlines_for(source, &programs), expected, "{source} {programs:?}");
    };
    let fast = Deadlines { lead_s: 60, immediate_s: 10, acknowledge: false };
    check("leap-prod", &[Some("A Program")], USUAL);
    check("a source of yesterday", &[], USUAL);
    check("voltus-prod", &[], OWN);
    check("voltus-prod", &[None], OWN);
    check("voltus-prod", &[Some("Fast")], fast);
    check(
        "voltus-prod",
        &[Some("A Program"), Some("Fast")],
        Deadlines { lead_s: 300, immediate_s: 10, acknowledge: true },
    );
    // A program that is not named has the source's deadlines, which must be met as well.
    check(
        "voltus-prod",
        &[Some("Fast"), Some("Another")],
        Deadlines { lead_s: 300, immediate_s: 10, acknowledge: false },
    );
}

#[test]
fn they_are_read_as_the_command_line_writes_them() {
    let config = configured();
    let json = serde_json::to_string(&config).expect("JSON");
    assert_eq!(Config::parse(&json).expect("a configuration"), config);
}

/// `dkmq` of that program, which starts at 17:10, half an hour after it was announced.
fn announced(config: Config, name: &str) -> Simulation {
    let sim = Simulation::new(1, config);
    let mut answer = voltus("dkmq", 0, 5);
    answer["start_time"] = json!("2023-12-01T17:10:00Z");
    answer["end_time"] = json!("2023-12-01T18:00:00Z");
    answer["program"]["name"] = json!(name);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(answer.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    sim
}

/// When the first mail left, in minutes after the announcement.
fn mailed_after_min(sim: &Simulation) -> Option<i64> {
    let began = sim.now();
    run_for(sim, 3_600);
    sim.mails().first().map(|(at, _)| at.duration_since(began).as_mins())
}

#[test]
fn for_a_program_that_acknowledges_being_read_is_not_enough() {
    // The controller reads the queue of signals, and acknowledges nothing.
    let check = |name: &str, mailed: Option<i64>| {
        assert_eq!(mailed_after_min(&announced(configured(), name)), mailed, "{name}");
    };
    check("A Program", Some(25));
    check("Another", None);
}

#[test]
fn each_source_and_program_is_mailed_in_its_own_time() {
    let check = |config: Config, name: &str, minutes: i64| {
        let sim = announced(config, name);
        sim.controller(Controller::IsSilent);
        assert_eq!(mailed_after_min(&sim), Some(minutes), "{name}");
        assert_eq!(mail_subjects(&sim)[0], "[gridbell] dispatch-at-risk: voltus-prod/dkmq");
    };
    check(config(), "Fast", 20);
    check(configured(), "Another", 25);
    check(configured(), "Fast", 29);
}

#[test]
fn what_cannot_be_fetched_is_mailed_in_its_sources_time() {
    let check = |immediate_s: u32, mailed: bool| {
        let mut config = config();
        let own = Deadlines { immediate_s, ..USUAL };
        config.sources.get_mut("voltus-prod").expect("the source").deadlines = Some(own);
        let sim = Simulation::new(1, config);
        sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(429, Some(200))]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        sim.settle(SignedDuration::from_secs(10));
        assert_eq!(!sim.mails().is_empty(), mailed, "{immediate_s} s");
    };
    check(60, true);
    check(300, false);
}
