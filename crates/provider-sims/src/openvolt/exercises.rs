//! Openvolt's exercises, each with its own meters.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    Exercise,
    bodies::{Window, openvolt as bodies},
    plan::{Act, ExerciseSetup},
};

pub(super) const ALL: &[Exercise] = &[
    Exercise {
        name: "daily",
        title: "a meter's data of yesterday arrived: one part of 49 half-hours",
        asks: true,
        acts: |stage| {
            let meter = meter(stage);
            let period = period(stage, &meter, (2, 1));
            vec![data(stage, 0, "yesterday's data", &period)]
        },
    },
    Exercise {
        name: "backfill-residential",
        title: "13 months of a home: 13 webhooks, one after the other",
        asks: true,
        acts: |stage| {
            let meter = meter(stage);
            let month = |stage: &mut ExerciseSetup<'_>, number: i64| {
                let period = period(stage, &meter, (30 * (14 - number) + 1, 30 * (13 - number) + 1));
                data(stage, number - 1, &format!("month {number} of 13"), &period)
            };
            (1..=13).map(|number| month(stage, number)).collect()
        },
    },
    Exercise {
        name: "backfill-commercial",
        title: "13 months of a business in one webhook: it is fetched in parts",
        asks: true,
        acts: |stage| {
            let meter = meter(stage);
            let period = period(stage, &meter, (391, 1));
            vec![data(stage, 0, "13 months at once", &period)]
        },
    },
    Exercise {
        name: "gap-filled",
        title: "a day has a gap; later the same day arrives once more, filled",
        asks: true,
        acts: |stage| {
            let meter = meter(stage);
            let period = period(stage, &meter, (2, 1));
            let reading = |consumption: Value| json!({"meter_id": meter, "start_interval": period["start_interval"], "consumption": consumption});
            let first = Act { holds: Some(reading(Value::Null)), ..data(stage, 0, "with a gap", &period) };
            let then = Act { holds: Some(reading(json!("0.42"))), ..data(stage, 10, "with the gap filled", &period) };
            vec![first, then]
        },
    },
    Exercise {
        name: "backwards",
        title: "an interval that ends before it starts, as in the documentation: quarantined, and gridbell sends an alert",
        asks: true,
        acts: |stage| {
            let meter = meter(stage);
            let period = period(stage, &meter, (1, 2));
            vec![data(stage, 0, "an interval that runs backwards", &period)]
        },
    },
    Exercise {
        name: "account",
        title: "events of the account; the key is rotated, which a person must know",
        asks: false,
        acts: |stage| {
            let customer = json!({"customer_id": stage.ids.short()});
            vec![
                event(stage, 0, "customer.created", &customer, "a customer is created"),
                event(stage, 1, "api_keys.rotated", &json!(""), "the API keys are rotated"),
            ]
        },
    },
];

/// A meter's id: 24 hex digits.
fn meter(stage: &mut ExerciseSetup<'_>) -> String {
    stage.ids.uuid().replace('-', "").chars().take(24).collect()
}

/// A period between two midnights, given in days ago.
fn period(stage: &ExerciseSetup<'_>, meter: &str, (from, to): (i64, i64)) -> Value {
    let midnight = stage.now.as_second().div_euclid(86_400) * 86_400;
    let ago = |days: i64| {
        let at = Timestamp::from_second(midnight).and_then(|at| at.checked_sub(SignedDuration::from_hours(24 * days)));
        format!("{:.3}", at.unwrap_or(stage.now))
    };
    bodies::period(meter, &Window::new(ago(from), ago(to)))
}

fn data(stage: &mut ExerciseSetup<'_>, minutes: i64, says: &str, period: &Value) -> Act {
    event(stage, minutes, "meter_data.received", &json!([period]), says)
}

fn event(stage: &mut ExerciseSetup<'_>, minutes: i64, kind: &str, payload: &Value, says: &str) -> Act {
    let body = bodies::webhook(kind, &stage.ids.uuid(), format!("{:.3}", stage.at(minutes)), payload);
    let says = format!("{kind}: {says}");
    Act { at: stage.at(minutes), says, holds: None, sends: Some(body) }
}
