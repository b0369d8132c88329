//! Openvolt: a webhook announces new data of a meter, which is fetched in parts; account events are published
//! unchanged.

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    harness::{SOON, TestStack, cases, config, holds, same, shared_stack},
    stub::{Reply, Seen},
};

cases!("openvolt":
    a_delivery_becomes_intervals,
    thirteen_months_come_in_parts,
    an_interval_that_ends_before_it_starts_is_quarantined,
    several_meters_of_one_delivery,
    what_is_not_read_is_null_and_what_is_written_is_rounded,
    an_event_of_the_account_is_passed_on,
    rotated_keys_and_unknown_events_are_reported,
    an_answer_about_another_meter_is_not_taken,
);

const SOURCE: &str = "ov";

/// The longest span of a part.
const MOST_DAYS: i64 = 31;

/// The maximum size of a signal about a meter, in bytes.
const MOST_BYTES: usize = 262_144;

/// The webhook about new data.
pub(crate) fn webhook(delivery: &str, payload: &Value) -> Value {
    json!({
        "subscription_id": "0318df2f-7b9c-4b2e-bf8d-113919ab1e78", "event_id": "meter_data.received",
        "event_timestamp": "2024-05-02T12:31:26.257Z", "delivery_id": delivery, "payload": payload,
    })
}

pub(crate) fn period(meter: &str, start: &str, end: &str) -> Value {
    json!({"meter_id": meter, "start_interval": start, "end_interval": end})
}

fn instant(text: &Value) -> Result<Timestamp> {
    text.as_str().with_context(|| format!("{text} is no instant"))?.parse().context("no instant")
}

/// Half-hours of 0.25 kWh from the requested start to the requested end, inclusive.
pub(crate) fn readings(seen: &Seen) -> Value {
    let asked = |name: &str| seen.query.get(name).and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(start), Some(end)) = (asked("start_date"), asked("end_date")) else { return Value::Null };
    let first = start.as_second() + (-start.as_second()).rem_euclid(1_800);
    let starts = (0..).map(|index| first + index * 1_800).take_while(|start| *start <= end.as_second());
    let row = |start: i64| {
        let start = Timestamp::from_second(start).map(|start| format!("{start:.3}")).unwrap_or_default();
        json!({
            "start_interval": start, "consumption": "0.250", "consumption_units": "kwh", "meter_id": seen.about,
            "meter_number": "9999999999995", "customer_id": "c", "account_id": "a",
        })
    };
    json!({"start_interval": start, "end_interval": end, "granularity": "hh", "data": starts.map(row).collect::<Vec<_>>()})
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

async fn an_interval_that_ends_before_it_starts_is_quarantined() -> Result<()> {
    let stack = shared_stack().await?;
    stack.stub.answer("meter-good", Reply::with(readings));
    stack.stub.answer("meter-back", Reply::with(readings));
    let (early, late) = ("2024-05-01T00:00:00Z", "2024-05-01T01:00:00Z");
    let payload =
        json!([period("meter-back", late, early), period("meter-good", early, late), {"meter_id": "meter-none"}]);
    stack.accepted(SOURCE, &webhook("delivery-back", &payload)).await?;
    stack.signals.of("ov/meter-good", 1).await?;
    stack.mail.one_naming(SOON, &["quarantined"], "ov").await?;
    stack.at_the_end(|stack| async move {
        let asked = stack.stub.asked("meter-back");
        ensure!(asked.is_empty(), "an interval that ends before it starts was fetched: {asked:?}");
        Ok(())
    });
    Ok(())
}

async fn several_meters_of_one_delivery() -> Result<()> {
    let stack = shared_stack().await?;
    let meters: Vec<String> = (0..25).map(|index| format!("meter-many-{index}")).collect();
    stack.stub.answer_each(&meters, |_| Reply::with(readings));
    let payload = meters.iter().map(|meter| period(meter, "2024-05-01T00:00:00Z", "2024-05-01T01:00:00Z"));
    stack.accepted(SOURCE, &webhook("delivery-many", &payload.collect())).await?;
    for meter in meters {
        let signals = stack.signals.of(&format!("ov/{meter}"), 1).await?;
        holds(&meter, &signals[0].event["data"]["meter"], &json!({"delivery": "delivery-many", "id": meter}))?;
    }
    Ok(())
}

async fn what_is_not_read_is_null_and_what_is_written_is_rounded() -> Result<()> {
    let stack = shared_stack().await?;
    let row = |minute: &str, consumption: Value| json!({"start_interval": format!("2024-05-01T00:{minute}:00Z"), "consumption": consumption, "consumption_units": "kwh", "meter_id": "meter-gaps"});
    let rows = [
        row("00", Value::Null),
        row("30", json!("0.0125")),
        row("45", json!(1.0135)),
        row("50", json!(-0.5)),
        row("55", json!("lots")),
    ];
    stack.stub.answer("meter-gaps", Reply::Json(json!({"granularity": "hh", "data": rows})));
    let payload = json!([period("meter-gaps", "2024-05-01T00:00:00Z", "2024-05-01T01:00:00Z")]);
    stack.accepted(SOURCE, &webhook("delivery-gaps", &payload)).await?;
    let signals = stack.signals.of("ov/meter-gaps", 1).await?;
    let interval = |minute: &str, watt_hours: Value| json!({"start": format!("2024-05-01T00:{minute}:00Z"), "watt_hours": watt_hours});
    // Half to even: 12.5 Wh become 12, 1013.5 Wh become 1014. An unreadable value is no reading.
    let expected = json!([
        interval("00", Value::Null),
        interval("30", json!(12)),
        interval("45", json!(1_014)),
        interval("50", json!(-500)),
        interval("55", Value::Null)
    ]);
    same("the intervals", &signals[0].event["data"]["meter"]["intervals"], &expected)
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

async fn rotated_keys_and_unknown_events_are_reported() -> Result<()> {
    let stack = shared_stack().await?;
    account(&stack, "obox", "api_keys.rotated", "delivery-keys", &json!({})).await?;
    let signals = stack.signals.of("obox/account", 1).await?;
    ensure!(signals[0].event["type"] == "gridbell.account.api_keys.rotated.v1", "{}", signals[0].event);
    let mail = stack.mail.one(SOON, &["credentials", "obox"]).await?;
    ensure!(mail.text.contains("rotated"), "{}", mail.text);

    // An unknown event is published under its own name and reported.
    account(&stack, "obox", "tariff.changed", "delivery-tariff", &json!([1])).await?;
    let signals = stack.signals.of("obox/account", 2).await?;
    ensure!(signals[1].event["type"] == "gridbell.account.tariff.changed.v1", "{}", signals[1].event);
    let mail = stack.mail.one(SOON, &["unknown-event", "tariff.changed"]).await?;
    ensure!(mail.text.contains("obox"), "{}", mail.text);

    // A known delivery with another type or payload is another event; a repetition is not.
    let others = [("user.created", json!({"user_id": "u1"})), ("user.created", json!({"user_id": "u2"}))];
    for (index, (event, payload)) in others.iter().enumerate() {
        for _ in 0..2 {
            account(&stack, "obox", event, "delivery-tariff", payload).await?;
        }
        let signals = stack.signals.of("obox/account", 3 + index).await?;
        let said = &signals[2 + index].event;
        ensure!(said["data"]["account"]["payload"] == *payload, "{said}");
    }
    Ok(())
}

async fn an_answer_about_another_meter_is_not_taken() -> Result<()> {
    let stack = shared_stack().await?;
    let foreign = json!({"granularity": "hh", "data": [{"start_interval": "2024-05-01T00:00:00Z", "consumption": 1, "meter_id": "meter-theirs"}]});
    stack.stub.answers("meter-mine", [Reply::Json(foreign), Reply::with(readings)]);
    let payload = json!([period("meter-mine", "2024-05-01T00:00:00Z", "2024-05-01T00:30:00Z")]);
    stack.accepted(SOURCE, &webhook("delivery-mine", &payload)).await?;
    let signals = stack.signals.of("ov/meter-mine", 1).await?;
    let watt_hours = &signals[0].event["data"]["meter"]["intervals"][0]["watt_hours"];
    ensure!(watt_hours == &json!(250), "the first reading is {watt_hours}");
    Ok(())
}
