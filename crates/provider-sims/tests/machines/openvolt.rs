use provider_sims::{NVGRID, OPENVOLT};
use serde_json::{Value, json};

use crate::bench::{Bench, begin, hook};

#[test]
fn half_hours_of_any_meter_the_one_at_the_end_included() {
    let mut bench = Bench::new(&OPENVOLT);
    bench.simulator.hold(&json!({"meter_id": "m", "start_interval": "2024-05-01T00:30:00Z", "consumption": null}));
    let base = "/v1/interval-data?";
    let (status, body) = bench.get(&format!(
        "{base}meter_id=m&granularity=hh&start_date=2024-05-01T00:10:00Z&end_date=2024-05-01T01:30:00.000Z"
    ));
    let rows = body["data"].as_array().expect("rows");
    let rows: Vec<(&Value, &Value)> = rows.iter().map(|row| (&row["start_interval"], &row["consumption"])).collect();
    let expected = [
        (&json!("2024-05-01T00:30:00.000Z"), &Value::Null),
        (&json!("2024-05-01T01:00:00.000Z"), &json!("0.186")),
        (&json!("2024-05-01T01:30:00.000Z"), &json!("0.189")),
    ];
    assert_eq!((status, rows.as_slice()), (200, expected.as_slice()));
    let (_, day) = bench.get(&format!("{base}meter_id=m&granularity=hh&start_date=2024-05-01&end_date=2024-05-02"));
    assert_eq!(day["data"].as_array().map(Vec::len), Some(49));
    for wrong in [
        "granularity=hh&start_date=2024-05-01&end_date=2024-05-02",
        "meter_id=m&granularity=day&start_date=2024-05-01&end_date=2024-05-02",
        "meter_id=m&granularity=hh&start_date=2024-05-02&end_date=2024-05-01",
        "meter_id=m&granularity=hh&start_date=x&end_date=y",
    ] {
        assert_eq!(bench.get(&format!("{base}{wrong}")).0, 400, "{wrong}");
    }
}

#[test]
fn a_home_is_backfilled_month_by_month_and_a_business_at_once() {
    for (name, webhooks) in [("backfill-residential", 13), ("backfill-commercial", 1), ("daily", 1)] {
        let mut bench = Bench::new(&OPENVOLT);
        bench.simulator.play(name, Some(&hook()), None, begin()).expect("played");
        let got = bench.run(|_| 200);
        assert_eq!(got.len(), webhooks, "{name}");
        let text = |got: &crate::bench::Got, end: &str| got.body["payload"][0][end].as_str().expect("text").to_owned();
        assert!(
            got.windows(2).all(|pair| text(&pair[0], "end_interval") == text(&pair[1], "start_interval")),
            "{name}"
        );
        assert_eq!(got.last().map(|got| text(got, "end_interval")).as_deref(), Some("2026-02-28T00:00:00.000Z"));
    }
}

#[test]
fn what_is_not_answered_is_not_sent_again() {
    for whom in [&OPENVOLT, &NVGRID] {
        for exercise in whom.exercises {
            let mut bench = Bench::new(whom);
            bench.simulator.play(exercise.name, Some(&hook()), None, begin()).expect("played");
            let got = bench.run(|_| 500).len();
            let gave_up = bench.log_lines().iter().filter(|line| line.contains("gave up")).count();
            assert_eq!(got, gave_up, "{}", exercise.name);
        }
    }
}
