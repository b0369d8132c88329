//! A push that contradicts the stored terms: who is queried, how long, and when the push counts without an answer.

use serde_json::{Value, json};
use simulation::{Ended, Inner, Reply, Simulation};

use crate::common::{accepted, last, leap, leap_found, mail_subjects, run_for, sim, types};

const LEAP: &str = "leap-prod/e-1";
const SEARCH: &str = "/dispatch/meter/search";

/// A push of so many kilowatts, perhaps one of a webhook's own tests.
fn push(energy_kw: u64, test: bool) -> String {
    let mut push = leap("e-1", energy_kw);
    push["integration_test_notification"] = json!(test);
    push.to_string()
}

fn nothing() -> Reply {
    Reply::Json(json!({ "meter_dispatches": [], "next_page_token": null }).to_string())
}

fn watts(sim: &Simulation) -> Value {
    last(sim, LEAP)["dispatch"]["request"]["watts"].take()
}

#[test]
fn only_a_test_over_an_unknown_test_holds_by_itself() {
    for (known_is_test, pushed_is_test, answer, expected) in [
        (true, true, nothing(), 20_000),
        (true, true, Reply::Status(500, None), 10_000),
        (false, false, nothing(), 10_000),
        (false, true, nothing(), 10_000),
        (true, false, nothing(), 10_000),
    ] {
        let sim = sim(1);
        sim.answers("leap-prod", SEARCH, [answer.clone()]);
        accepted(&sim, "leap-prod", &push(10, known_is_test));
        run_for(&sim, 1);
        accepted(&sim, "leap-prod", &push(20, pushed_is_test));
        run_for(&sim, 1_800);
        let what = format!("test: {known_is_test}, then {pushed_is_test}; {answer:?}");
        assert_eq!(watts(&sim), expected, "{what}");
        let failing = mail_subjects(&sim).iter().any(|subject| subject.contains("hydration-failing"));
        assert_eq!(failing, expected == 10_000, "{what}");
    }
}

/// A contradiction for which the search returns page after page; how many pages one invocation requests.
fn pages_asked_for(page: impl Fn(String) -> Reply) -> usize {
    let sim = sim(1);
    let mut endless = leap_found("e-1", 20);
    endless["next_page_token"] = json!("another-page");
    sim.answers("leap-prod", SEARCH, [page(endless.to_string())]);
    accepted(&sim, "leap-prod", &push(10, false));
    run_for(&sim, 1);
    accepted(&sim, "leap-prod", &push(20, false));
    assert_eq!(sim.hydrate(sim.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled"], "half an answer is none");
    let pages = sim.fetches().len();
    sim.answers("leap-prod", SEARCH, [Reply::Json(leap_found("e-1", 20).to_string())]);
    run_for(&sim, 60);
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled", "dispatch.updated"], "it is asked again");
    pages
}

#[test]
fn a_search_that_never_ends_its_pages_holds_no_invocation() {
    assert_eq!(pages_asked_for(Reply::Json), 60);
    // The limit is eight seconds.
    assert_eq!(pages_asked_for(|page| Reply::Slow(3, page)), 3);
}
