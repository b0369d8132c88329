//! Openvolt: a webhook announces new data of a meter, which is fetched in parts; account events are published
//! unchanged.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use provider_sims::bodies::{self, Window};
use serde_json::{Value, json};

use crate::{
    harness::{TestStack, cases, config, holds, same, shared_stack},
    stub::{Reply, Seen},
};

cases!("openvolt":
    a_delivery_becomes_intervals,
    thirteen_months_come_in_parts,
    an_event_of_the_account_is_passed_on,
);

const SOURCE: &str = "ov";

/// The longest span of a part.
const MOST_DAYS: i64 = 31;

/// The maximum size of a signal about a meter, in bytes.
const MOST_BYTES: usize = 262_144;

/// The webhook about new data.
fn webhook(delivery: &str, payload: &Value) -> Value {
    bodies::openvolt::webhook("meter_data.received", delivery, "2024-05-02T12:31:26.257Z", payload)
}

fn period(meter: &str, start: &str, end: &str) -> Value {
    bodies::openvolt::period(meter, &Window::new(start, end))
}

fn instant(text: &Value) -> Result<Timestamp> {
    text.as_str().with_context(|| format!("{text} is no instant"))?.parse().context("no instant")
}

/// Half-hours of 0.25 kWh from the requested start to the requested end, inclusive.
fn readings(seen: &Seen) -> Value {
    let asked = |name: &str| seen.query.get(name).and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(start), Some(end)) = (asked("start_date"), asked("end_date")) else { return Value::Null };
    let first = start.as_second() + (-start.as_second()).rem_euclid(1_800);
    let starts = (0..).map(|index| first + index * 1_800).take_while(|start| *start <= end.as_second());
    let row = |start: i64| {
        let start = Timestamp::from_second(start).map(|start| format!("{start:.3}")).unwrap_or_default();
        bodies::openvolt::row(&seen.about, start, &json!("0.250"))
    };
    bodies::openvolt::answer(&Window::new(start, end), &starts.map(row).collect::<Vec<_>>())
}

async fn a_delivery_becomes_intervals() -> Result<()> {
    let stack = shared_stack().await?;
    stack.stub.answer("meter-day", Reply::with(readings));
    let (start, end) = ("2024-05-01T00:00:00.000Z", "2024-05-01T02:00:00.000Z");
    let body = webhook("delivery-day", &json!([period("meter-day", start, end)]));
    for _ in 0..3 {
        stack.accepted(SOURCE, &body).await?;
    }
    let signals = stack.signals.of("ov/meter-day", 1).await?;
    ensure!(signals[0].event["type"] == "gridbell.meter.data.v1", "{}", signals[0].event);
    let interval = |time: &str| json!({"start": format!("2024-05-01T{time}:00Z"), "watt_hours": 250});
    let expected = json!({"meter": {
        "key": "ov/meter-day", "provider": "openvolt", "source": "ov", "id": "meter-day", "delivery": "delivery-day",
        "start": "2024-05-01T00:00:00Z", "end": "2024-05-01T02:00:00Z", "granularity": "hh", "part": 1, "parts": 1,
        "intervals": (["00:00", "00:30", "01:00", "01:30", "02:00"].map(interval)),
    }});
    same("the signal", &signals[0].event["data"], &expected)?;
    let asked = stack.stub.asked("meter-day");
    for seen in asked {
        ensure!(seen.path == "/v1/interval-data" && seen.key == config::api_key(SOURCE), "{seen:?}");
        ensure!(seen.query.get("granularity").map(String::as_str) == Some("hh"), "{seen:?}");
    }
    // The same interval in another delivery is a new event.
    stack.accepted(SOURCE, &webhook("delivery-day-2", &json!([period("meter-day", start, end)]))).await?;
    let signals = stack.signals.of("ov/meter-day", 2).await?;
    holds("the second", &signals[1].event["data"]["meter"], &json!({"delivery": "delivery-day-2"}))
}

async fn thirteen_months_come_in_parts() -> Result<()> {
    let stack = shared_stack().await?;
    stack.stub.answer("meter-year", Reply::with(readings));
    let (start, end) = ("2023-04-01T00:00:00Z", "2024-05-01T00:00:00Z");
    stack.accepted(SOURCE, &webhook("delivery-year", &json!([period("meter-year", start, end)]))).await?;
    // 396 days.
    let parts = 13;
    let signals = stack.signals.of("ov/meter-year", parts).await?;
    let mut seen = Vec::new();
    let mut covered = Vec::new();
    for signal in &signals {
        ensure!(signal.bytes <= MOST_BYTES, "a part is {} bytes long", signal.bytes);
        let meter = &signal.event["data"]["meter"];
        ensure!(meter["parts"] == json!(parts), "{} parts", meter["parts"]);
        seen.push(meter["part"].as_u64().context("a part without its number")?);
        let (from, to) = (instant(&meter["start"])?, instant(&meter["end"])?);
        ensure!(to.duration_since(from) <= SignedDuration::from_hours(MOST_DAYS * 24), "a part from {from} to {to}");
        covered.push((from, to));
        let intervals = meter["intervals"].as_array().context("no intervals")?;
        for interval in intervals {
            let start = instant(&interval["start"])?;
            ensure!(start >= from && start <= to, "{start} stands in the part from {from} to {to}");
        }
    }
    seen.sort_unstable();
    ensure!(seen == (1..=13).collect::<Vec<_>>(), "the parts {seen:?}");
    covered.sort_unstable();
    let gaps: Vec<_> = covered.windows(2).filter(|pair| pair[0].1 != pair[1].0).collect();
    ensure!(gaps.is_empty(), "between parts: {gaps:?}");
    ensure!(covered[0].0.to_string() == start && covered[12].1.to_string() == end, "{covered:?}");
    let mut starts: Vec<Timestamp> = Vec::new();
    for signal in &signals {
        for interval in signal.event["data"]["meter"]["intervals"].as_array().into_iter().flatten() {
            starts.push(instant(&interval["start"])?);
        }
    }
    starts.sort_unstable();
    let rows = starts.len();
    starts.dedup();
    // Every half-hour once, including the row that starts at the stated end.
    ensure!(rows == 396 * 48 + 1 && starts.len() == rows, "{rows} rows, {} different ones", starts.len());
    for seen in stack.stub.asked("meter-year") {
        let asked = |name: &str| -> Result<Timestamp> {
            Ok(seen.query.get(name).with_context(|| format!("no {name}"))?.parse()?)
        };
        let span = asked("end_date")?.duration_since(asked("start_date")?);
        ensure!(span <= SignedDuration::from_hours((MOST_DAYS + 1) * 24), "one request spans {span}");
    }
    Ok(())
}

async fn account(stack: &TestStack, source: &str, event: &str, delivery: &str, payload: &Value) -> Result<()> {
    let mut body = webhook(delivery, payload);
    body["event_id"] = json!(event);
    stack.accepted(source, &body).await.map(drop)
}

async fn an_event_of_the_account_is_passed_on() -> Result<()> {
    let stack = shared_stack().await?;
    // `""` is a payload too.
    let payload = json!("");
    for _ in 0..3 {
        account(&stack, SOURCE, "customer.created", "delivery-customer", &payload).await?;
    }
    let signals = stack.signals.of("ov/account", 1).await?;
    ensure!(signals[0].event["type"] == "gridbell.account.customer.created.v1", "{}", signals[0].event);
    let expected = json!({"account": {
        "provider": "openvolt", "source": "ov", "event": "customer.created", "delivery": "delivery-customer", "payload": "",
    }});
    same("the signal", &signals[0].event["data"], &expected)?;
    let payload = json!({"deep": [{"er": null, "n": 1.50}], "ü": "\u{1f600}"});
    account(&stack, SOURCE, "meter.created", "delivery-meter", &payload).await?;
    let signals = stack.signals.of("ov/account", 2).await?;
    ensure!(signals[1].event["type"] == "gridbell.account.meter.created.v1", "{}", signals[1].event);
    same("the payload", &signals[1].event["data"]["account"]["payload"], &payload)
}
