//! Streams, whose events are each published once: power events, meter data, account events.

use jiff::{SignedDuration, Timestamp};
use provider_sims::bodies::{
    Window,
    nvgrid::{self, Loads},
    openvolt,
};
use serde_json::{Value, json};

use super::Pace;
use crate::{
    Seed,
    history::{Happening, StreamStory},
};

pub(crate) fn stream_stories(random: &mut Seed, begins_at: Timestamp) -> Vec<StreamStory> {
    let mut stories = Vec::new();
    if random.up_to(2) == 0 {
        stories.push(power_story(random, 1, begins_at, &Pace::SWARM));
    }
    if random.up_to(2) == 0 {
        stories.push(meter_story(random, "dlv", begins_at, &Pace::SWARM));
    }
    stories
}

fn later(random: &mut Seed, at: Timestamp, pace: &Pace) -> Timestamp {
    at + SignedDuration::from_secs(i64::try_from(1 + random.up_to(pace.later_s)).unwrap_or(1))
}

/// A load target of a data centre: down, hold, up again.
pub fn power_story(random: &mut Seed, number: usize, begins_at: Timestamp, pace: &Pace) -> StreamStory {
    let mut at = begins_at;
    let start = begins_at + SignedDuration::from_mins(10);
    let (mut happenings, id) = (Vec::new(), format!("c-{number}"));
    for event in ["start_ramp_down", "end_ramp_down", "start_ramp_up", "end_ramp_up"] {
        at = later(random, at, pace);
        let window = Window::new(start, start + SignedDuration::from_hours(1));
        let mut body = nvgrid::webhook(event, &id, &window, Loads { target: 6.5, previous: 10.0, measured: 6.0 }, true);
        body["feed_tag"] = json!("main");
        let data = json!({ "correlation_id": id, "event": event, "start": start, "target": { "kind": "limit", "watts": 6_500_000 } });
        let signal = (format!("dc-1/main/{id}"), format!("power.{event}"), json!({ "power": data }));
        happenings.push(Happening { at, body: body.to_string(), signals: vec![signal], readings: Vec::new() });
    }
    StreamStory { source: "dc-1".into(), happenings }
}

/// Data of some meters, twice, then an account event. `name` is in the ids of its deliveries.
pub fn meter_story(random: &mut Seed, name: &str, begins_at: Timestamp, pace: &Pace) -> StreamStory {
    let mut happenings = Vec::new();
    let mut at = begins_at;
    for delivery in [format!("{name}-1"), format!("{name}-2")] {
        at = later(random, at, pace);
        let meters: Vec<String> = (0..=random.place(2)).map(|meter| format!("m{meter}-{delivery}")).collect();
        let (from, to) = ("2023-12-01T10:00:00Z", "2023-12-01T10:30:00Z");
        let window = Window::new(from, to);
        let payload: Vec<Value> = meters.iter().map(|meter| openvolt::period(meter, &window)).collect();
        let reading = random.up_to(900);
        happenings.push(Happening {
            at,
            body: openvolt::webhook("meter_data.received", &delivery, at.to_string(), &json!(payload)).to_string(),
            signals: meters
                .iter()
                .map(|meter| {
                    let intervals = [from, to].map(|start| json!({ "start": start, "watt_hours": reading * 1_000 }));
                    let data = json!({ "meter": { "id": meter, "delivery": delivery, "intervals": intervals } });
                    (format!("openvolt-prod/{meter}"), "meter.data".to_owned(), data)
                })
                .collect(),
            readings: meters
                .iter()
                .map(|meter| {
                    let rows = [from, to].map(|start| openvolt::row(meter, start, &json!(reading)));
                    (meter.clone(), openvolt::answer(&window, &rows))
                })
                .collect(),
        });
    }
    let (at, delivery) = (later(random, at, pace), format!("{name}-3"));
    let data = json!({ "account": { "event": "customer.created", "delivery": delivery, "payload": { "id": "c-9" } } });
    happenings.push(Happening {
        at,
        body: openvolt::webhook("customer.created", &delivery, at.to_string(), &json!({ "id": "c-9" })).to_string(),
        signals: vec![("openvolt-prod/account".to_owned(), "account.customer.created".to_owned(), data)],
        readings: Vec::new(),
    });
    StreamStory { source: "openvolt-prod".into(), happenings }
}
