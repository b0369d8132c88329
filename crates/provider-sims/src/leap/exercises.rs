//! Leap's exercises.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    Exercise,
    bodies::{Window, leap as bodies},
    plan::{Act, ExerciseSetup},
};

/// The number of meters in the huge notification: half a megabyte.
const MANY: usize = 1_500;

pub(super) const ALL: &[Exercise] = &[
    Exercise {
        name: "basic",
        title: "one meter, 10 kW, two hours ahead",
        asks: false,
        acts: |stage| {
            let event = stage.ids.uuid();
            vec![meter(stage, 0, "10 kW in two hours", vec![made(stage, &event, &json!(10), (120, 180))])]
        },
    },
    Exercise { name: "group", title: "two meters of one market group, 8 kW together", asks: false, acts: group },
    Exercise {
        name: "update",
        title: "the same event comes with twice the power: it is updated",
        asks: true,
        acts: |stage| {
            let event = stage.ids.uuid();
            vec![
                meter(stage, 0, "10 kW in two hours", vec![made(stage, &event, &json!(10), (120, 180))]),
                meter(stage, 10, "the same event, 20 kW", vec![made(stage, &event, &json!(20), (120, 180))]),
            ]
        },
    },
    Exercise {
        name: "cancel",
        title: "an event is withdrawn before its start: never curtail",
        asks: true,
        acts: |stage| {
            let event = stage.ids.uuid();
            let mut withdrawn = made(stage, &event, &json!(10), (120, 180));
            withdrawn["cancelled"] = json!(true);
            vec![
                meter(stage, 0, "10 kW in two hours", vec![made(stage, &event, &json!(10), (120, 180))]),
                meter(stage, 10, "the same event, cancelled", vec![withdrawn]),
            ]
        },
    },
    Exercise {
        name: "priority-overlap",
        title: "one meter twice in one body, overlapping events of priority 1 and 3: both are published, 1 wins",
        asks: false,
        acts: overlap,
    },
    Exercise {
        name: "five-minute",
        title: "a CAISO five-minute event begins now and is raised: the search hides it unless asked",
        asks: true,
        acts: |stage| {
            let event = stage.ids.uuid();
            let mut now = made(stage, &event, &json!(10), (0, 5));
            now["dispatch_event_types"] = json!(["5m"]);
            let mut more = now.clone();
            more["energy_kw"] = json!(15);
            vec![meter(stage, 0, "10 kW now, 5m", vec![now]), meter(stage, 2, "the same event, 15 kW", vec![more])]
        },
    },
    Exercise { name: "huge", title: "1,500 meters in one body", asks: false, acts: huge },
    Exercise {
        name: "replay-of-old",
        title: "the first of two notifications arrives once more after the second: nothing goes back",
        asks: true,
        acts: |stage| {
            let event = stage.ids.uuid();
            let first = meter(stage, 0, "10 kW in two hours", vec![made(stage, &event, &json!(10), (120, 180))]);
            let second = meter(stage, 10, "the same event, 20 kW", vec![made(stage, &event, &json!(20), (120, 180))]);
            // A late redelivery does not change the search's answer.
            let late =
                Act { at: stage.at(15), says: "the first one again, late".to_owned(), holds: None, ..first.clone() };
            vec![first, second, late]
        },
    },
    Exercise {
        name: "communication-test",
        title: "a communication test: a test dispatch, never real",
        asks: false,
        acts: |stage| {
            let event = stage.ids.uuid();
            let mut act = meter(stage, 0, "a communication test", vec![made(stage, &event, &json!(10), (60, 120))]);
            for body in [&mut act.holds, &mut act.sends].into_iter().flatten() {
                body["communication_test"] = json!(true);
            }
            vec![act]
        },
    },
];

fn made(stage: &ExerciseSetup<'_>, event: &str, kw: &Value, (from, to): (i64, i64)) -> Value {
    bodies::slot(event, kw.clone(), &Window::new(stage.text(from), stage.text(to)))
}

const METER_ID: &str = "dd21c76c-7126-4ef7-b0a6-f190fad300b2";

fn meter(stage: &ExerciseSetup<'_>, minutes: i64, says: &str, slots: Vec<Value>) -> Act {
    let items: Vec<Value> = slots.into_iter().map(|slot| bodies::meter(METER_ID, &[slot])).collect();
    stage.publishes(minutes, says, bodies::notification(&items))
}

fn group(stage: &mut ExerciseSetup<'_>) -> Vec<Act> {
    let event = stage.ids.uuid();
    let slot = bodies::of_group(made(stage, &event, &json!(8), (60, 120)));
    let meters = ["abae2779-e392-4f00-b0cf-32e716204f78", "bbae2779-e392-4f00-b0cf-32e716204f78"].map(str::to_owned);
    let item = bodies::group("11aa7aae-24e5-455f-91e9-e0f5f145f2ae", &meters, &[slot]);
    vec![stage.publishes(0, "8 kW of a group in an hour", bodies::group_notification(&[item]))]
}

fn overlap(stage: &mut ExerciseSetup<'_>) -> Vec<Act> {
    let (firm, offered) = (stage.ids.uuid(), stage.ids.uuid());
    let mut voluntary = made(stage, &offered, &Value::Null, (60, 300));
    (voluntary["priority"], voluntary["is_voluntary"]) = (json!(3), json!(true));
    voluntary["programs"] = json!(["ELRP"]);
    voluntary["dispatch_event_types"] = json!(["standard"]);
    let slots = vec![made(stage, &firm, &json!(20), (60, 120)), voluntary];
    vec![meter(stage, 0, "20 kW firm, and voluntary as much as can be", slots)]
}

fn huge(stage: &mut ExerciseSetup<'_>) -> Vec<Act> {
    let item = |stage: &mut ExerciseSetup<'_>| {
        let (meter, event) = (stage.ids.uuid(), stage.ids.uuid());
        bodies::meter(&meter, &[made(stage, &event, &json!(5), (120, 180))])
    };
    let items: Vec<Value> = (0..MANY).map(|_| item(stage)).collect();
    vec![stage.publishes(0, format!("{MANY} meters, 5 kW each"), bodies::notification(&items))]
}

/// The body of `POST /dispatch/{meter|group}/webhook/integration_test`: one slot of 10 kW in an hour, with these ids.
pub fn integration_test(group: bool, event: &str, now: Timestamp) -> Value {
    let at = |hours| now.checked_add(SignedDuration::from_hours(hours)).unwrap_or(now).to_string();
    let slot = bodies::slot(event, 10, &Window::new(at(1), at(2)));
    if !group {
        return json!({"meter_dispatches": [bodies::meter(METER_ID, &[slot])]});
    }
    json!({"group_dispatches": [bodies::group(event, &[METER_ID.to_owned()], &[bodies::of_group(slot)])]})
}
