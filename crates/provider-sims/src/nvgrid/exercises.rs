//! Ramps of a data centre, with the webhooks that `NvGrid` sends.

use serde_json::Value;

use crate::{
    Exercise,
    bodies::{
        Window,
        nvgrid::{Loads, webhook},
    },
    plan::{Act, ExerciseSetup},
};

pub(super) const ALL: &[Exercise] = &[
    Exercise {
        name: "ramp-compliant",
        title: "a data centre ramps down, meets its target, and ramps up an hour later",
        asks: false,
        acts: |stage| {
            let id = correlation(stage);
            let (down, up) = (Some((2, 62)), Some((62, 62)));
            vec![
                ramp(stage, 0, &id, ("start_ramp_down", down, [6.5, 10.0, 9.2], false)),
                ramp(stage, 2, &id, ("end_ramp_down", down, [6.5, 10.0, 6.3], true)),
                ramp(stage, 62, &id, ("start_ramp_up", up, [10.0, 6.5, 6.4], true)),
                ramp(stage, 64, &id, ("end_ramp_up", up, [10.0, 6.5, 9.8], true)),
            ]
        },
    },
    Exercise {
        name: "ramp-missed",
        title: "a data centre ramps down and misses its target: gridbell sends an alert",
        asks: false,
        acts: |stage| {
            let id = correlation(stage);
            let window = Some((2, 62));
            vec![
                ramp(stage, 0, &id, ("start_ramp_down", window, [6.5, 10.0, 9.2], false)),
                ramp(stage, 5, &id, ("end_ramp_down", window, [6.5, 10.0, 8.1], false)),
            ]
        },
    },
    Exercise {
        name: "for-ever",
        title: "a limit without an end",
        asks: false,
        acts: |stage| {
            let id = correlation(stage);
            vec![
                ramp(stage, 0, &id, ("start_ramp_down", None, [4.0, 10.0, 9.6], false)),
                ramp(stage, 3, &id, ("end_ramp_down", None, [4.0, 10.0, 3.9], true)),
            ]
        },
    },
    Exercise {
        name: "new-target",
        title: "a second, lower target is set while the first one runs: the one scheduled last wins",
        asks: false,
        acts: |stage| {
            let (first, second) = (correlation(stage), correlation(stage));
            vec![
                ramp(stage, 0, &first, ("start_ramp_down", Some((0, 60)), [6.5, 10.0, 9.2], false)),
                ramp(stage, 2, &first, ("end_ramp_down", Some((0, 60)), [6.5, 10.0, 6.4], true)),
                ramp(stage, 10, &second, ("start_ramp_down", Some((10, 40)), [5.0, 6.5, 6.4], false)),
                ramp(stage, 12, &second, ("end_ramp_down", Some((10, 40)), [5.0, 6.5, 4.9], true)),
            ]
        },
    },
];

fn correlation(stage: &mut ExerciseSetup<'_>) -> String {
    format!("curtailment-{}", stage.ids.short())
}

type Ramp = (&'static str, Option<(i64, i64)>, [f64; 3], bool);

/// One webhook: the event, its window in minutes; target, previous target and measured load in megawatts.
fn ramp(
    stage: &ExerciseSetup<'_>,
    minutes: i64,
    id: &str,
    (event, window, [target, before, load], compliant): Ramp,
) -> Act {
    let window = window.filter(|(from, to)| from < to).map_or_else(
        || Window::new(stage.text(window.map_or(minutes, |(from, _)| from)), Value::Null),
        |(from, to)| Window::new(stage.text(from), stage.text(to)),
    );
    let body = webhook(event, id, &window, Loads { target, previous: before, measured: load }, compliant);
    let met = if compliant { "" } else { ", not compliant" };
    stage.publishes(minutes, format!("{event} to {target} MW, {load} MW measured{met}"), body)
}
