//! The documented exercises, as scenarios that the real sandbox also accepts.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::scenario::acts;
use crate::{
    Exercise,
    ids::Ids,
    plan::{Act, ExerciseSetup},
};

pub(super) const ALL: &[Exercise] = &[
    Exercise {
        name: "basic",
        title: "a dispatch is announced ten minutes ahead: curtail at its start, ramp up at its end",
        asks: true,
        acts: |stage| play("basic", stage),
    },
    Exercise {
        name: "ancillary-services",
        title: "a dispatch starts now, without an end; an update ends it: curtail now, release on the update",
        asks: true,
        acts: |stage| play("ancillary-services", stage),
    },
    Exercise {
        name: "back-to-back",
        title: "a second dispatch begins when the first one ends: neither is dropped",
        asks: true,
        acts: |stage| play("back-to-back", stage),
    },
    Exercise {
        name: "minutes-apart",
        title: "a second dispatch begins three minutes after the first one ended",
        asks: true,
        acts: |stage| play("minutes-apart", stage),
    },
    Exercise {
        name: "cancelled",
        title: "a dispatch is withdrawn before its start: never curtail",
        asks: true,
        acts: |stage| play("cancelled", stage),
    },
    Exercise {
        name: "moved",
        title: "a dispatch is announced, moved to later, and made longer",
        asks: true,
        acts: |stage| play("moved", stage),
    },
];

/// The scenario of that name, as `POST /2022-04-15/scenarios` accepts it, with times from now on; none for an unknown
/// name.
pub fn scenario(name: &str, now: Timestamp) -> Option<Value> {
    let at = |minutes: i64| now.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(now).to_string();
    let window = |from: i64, to: i64| json!({"start_time": at(from), "end_time": at(to)});
    let withdrawn = |from: i64, to: i64| json!({"authorized": false, "start_time": at(from), "end_time": at(to)});
    let reserve = |mut dispatch: Value| {
        dispatch["program"] =
            json!({"name": "A Program", "timezone": "PST", "market": "ERCOT", "program_type": "ancillary_services"});
        dispatch
    };
    let state = |minutes: i64, dispatch: Value| json!({"published_time": at(minutes), "dispatch": dispatch});
    let sites = json!([
        {"name": "My Site", "customer_location_id": "democustomerlocationid", "commitment": 5},
        {"name": "Another Site", "customer_location_id": "democustomerlocationid2", "commitment": 50},
    ]);
    let dispatches = match name {
        "basic" => {
            return Some(json!({
                "scenario_type": "basic", "notification_time": at(0), "start_time": at(10), "end_time": at(20),
                "sites": sites,
                "program": {"name": "A Program", "timezone": "PST", "market": "CAISO", "program_type": "capacity"},
            }));
        }
        "ancillary-services" => json!({"reserve": {"states": [
            state(0, reserve(json!({"start_time": at(0)}))),
            state(15, reserve(window(0, 15))),
        ]}}),
        "back-to-back" => json!({
            "first": {"states": [state(0, window(10, 20))]},
            "second": {"states": [state(5, window(20, 30))]},
        }),
        "minutes-apart" => json!({
            "first": {"states": [state(0, window(10, 20))]},
            "second": {"states": [state(15, window(23, 33))]},
        }),
        "cancelled" => json!({"withdrawn": {"states": [state(0, window(30, 60)), state(10, withdrawn(30, 60))]}}),
        "moved" => json!({"moved": {"states": [
            state(0, window(30, 60)), state(5, window(45, 75)), state(10, window(45, 90)),
        ]}}),
        _ => return None,
    };
    let mut scenario = json!({"name": name, "scenario_type": "custom", "dispatches": dispatches});
    for dispatch in scenario["dispatches"].as_object_mut()?.values_mut() {
        for state in dispatch["states"].as_array_mut()? {
            state["dispatch"]["sites"] = sites.clone();
        }
    }
    Some(scenario)
}

fn play(name: &str, stage: &mut ExerciseSetup<'_>) -> Vec<Act> {
    let ExerciseSetup { now, ids } = stage;
    let ids: &mut Ids = ids;
    scenario(name, *now).and_then(|scenario| acts(&scenario, *now, ids).ok()).unwrap_or_default()
}
