//! A configured simulation, and the providers' bodies.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    config::{Config, TokenHash},
    ingest::receive::HttpAnswer,
    mail::Mail,
};
use provider_sims::bodies::{self, Window, nvgrid::Loads};
use serde_json::{Value, json};
use simulation::{Call, Function, Settled, Simulation, Stream, Webhook, streams};

/// The token of every source.
pub(crate) const TOKEN: &str = "a-token-that-nobody-guesses";

/// The old token during a rotation.
pub(crate) const OLD_TOKEN: &str = "the-token-of-yesterday";

/// All sources, none of them polled.
pub(crate) fn config() -> Config {
    let tokens = [TokenHash::of(OLD_TOKEN), TokenHash::of(TOKEN)];
    let source = |provider: &str, environment: &str| json!({ "provider": provider, "environment": environment, "api_key": "env:KEY", "tokens": tokens, "poll_s": 0 });
    let config = json!({
        "sources": {
            "voltus-prod": source("voltus", "production"),
            "voltus-sandbox": source("voltus", "sandbox"),
            "leap-prod": source("leap", "production"),
            "dc-1": source("nvgrid", "production"),
            "openvolt-prod": source("openvolt", "production"),
        },
        "contacts": { "email": ["grid-duty@example.com"], "from": "gridbell@example.com", "remind_s": 0 },
    });
    Config::parse(&config.to_string()).expect("a configuration")
}

pub(crate) fn sim(seed: u64) -> Simulation {
    Simulation::new(seed, config())
}

/// Posts a webhook with a valid token.
pub(crate) fn post(sim: &Simulation, source: &str, body: &str) -> HttpAnswer {
    sim.post(Webhook { source, token: TOKEN, body }).answer().expect("an answer")
}

/// Posts a webhook that is accepted; returns the delivery's id.
pub(crate) fn accepted(sim: &Simulation, source: &str, body: &str) -> String {
    let answer = post(sim, source, body);
    assert_eq!((answer.status, answer.outcome), (200, "accepted"), "{answer:?}");
    answer.delivery.expect("an id")
}

/// Runs everything until no work is left, for a day at most.
pub(crate) fn drain(sim: &Simulation) {
    assert_eq!(sim.settle(SignedDuration::from_hours(24)), Settled::Drained);
}

/// Runs the work of so many seconds.
pub(crate) fn run_for(sim: &Simulation, seconds: i64) {
    sim.settle(SignedDuration::from_secs(seconds));
}

/// Lets that time pass, with a sweep every minute.
pub(crate) fn pass(sim: &Simulation, time: SignedDuration) {
    sim.pass(time);
}

/// What was published, by subject.
pub(crate) fn published(sim: &Simulation) -> BTreeMap<String, Stream> {
    streams(&sim.signals()).expect("streams without holes")
}

/// The types that were published about a subject, such as `dispatch.scheduled`.
pub(crate) fn types(sim: &Simulation, subject: &str) -> Vec<String> {
    published(sim).remove(subject).unwrap_or_default().types
}

/// `data` of the last signal about a subject.
pub(crate) fn last(sim: &Simulation, subject: &str) -> Value {
    published(sim).remove(subject).and_then(|mut stream| stream.events.pop()).expect("a signal")["data"].take()
}

/// The subjects of the mails so far, in order, each as its [`digest`].
pub(crate) fn mail_subjects(sim: &Simulation) -> Vec<String> {
    sim.mails().iter().map(|(_, mail)| digest(&mail.subject)).collect()
}

/// The part of a mail's subject for filters: whether it is a test, the occasion, the kind, and what it is about; for a
/// list, how much it lists. The snapshots contain the part for people.
pub(crate) fn digest(subject: &str) -> String {
    let said = subject.strip_prefix("[gridbell] ").expect("ours");
    let (test, said) = said.strip_prefix("[TEST] ").map_or(("", said), |said| ("[TEST] ", said));
    let at = KINDS.iter().filter_map(|kind| said.find(&format!(" ({kind}, "))).max().expect("a kind in brackets");
    let (said, filter) = said.split_at(at);
    let (kind, about) = filter[2..].strip_suffix(')').expect("a bracket").split_once(", ").expect("a kind and a key");
    let remark = said.rsplit_once("; ").map_or("", |(_, remark)| remark.split(", ").next().unwrap_or_default());
    let occasion = match remark {
        _ if said.starts_with("ASK ") => "asks: ".to_owned(),
        _ if said.starts_with("Resolved: question ") => "Resolved: asks: ".to_owned(),
        _ if said.starts_with("Resolved: ") => "Resolved: ".to_owned(),
        remark if ["starts now", "reminder", "escalated"].iter().any(|word| remark.starts_with(word)) => {
            format!("{remark}: ")
        }
        _ => String::new(),
    };
    let words: Vec<&str> = said.split([' ', ',', ':', ';']).collect();
    let listed = words.windows(2).find(|pair| {
        pair[0].parse::<usize>().is_ok() && (pair[1].starts_with("dispatch") || pair[1].starts_with("incident"))
    });
    match listed {
        Some(pair) if !about.contains('/') => {
            let page = said.split_once(", list ").map(|(_, page)| format!(" ({page})")).unwrap_or_default();
            format!("[gridbell] {test}{occasion}{kind} {about}: {} {}{page}", pair[0], pair[1])
        }
        _ => format!("[gridbell] {test}{occasion}{kind}: {about}"),
    }
}

const KINDS: [&str; 11] = [
    "dispatch-at-risk",
    "hydration-failing",
    "quarantined",
    "unknown-event",
    "not-compliant",
    "credentials",
    "missed-delivery",
    "dead-letter",
    "source-down",
    "channel-failing",
    "output-failing",
];

/// Whether a mail, alone or in a list, reports a failure of that dispatch.
pub(crate) fn is_about(mail: &Mail, key: &str) -> bool {
    let alone = mail.subject.ends_with(&format!(", {key})"));
    let listed = [format!(" ({key})"), format!(" ({key}, acknowledged meanwhile)")];
    !mail.subject.contains("Resolved: ") && (alone || listed.iter().any(|listed| mail.text.contains(listed)))
}

/// When each mail was sent, in seconds since then.
pub(crate) fn mailed_s(sim: &Simulation, since: Timestamp) -> Vec<i64> {
    sim.mails().iter().map(|(at, _)| at.duration_since(since).as_secs()).collect()
}

/// Voltus' thin webhook.
pub(crate) fn thin(event: &str, id: &str) -> String {
    bodies::voltus::webhook(event, id).to_string()
}

/// Voltus' answer about a dispatch from 16:50 to 17:00.
pub(crate) fn voltus(id: &str, number: u64, commitment_kw: u64) -> Value {
    let site = bodies::voltus::site("d4z9", "My Site", "democustomerlocationid", commitment_kw);
    bodies::voltus::dispatch(id, Some(number), &Window::new("2023-12-01T16:50:00Z", "2023-12-01T17:00:00Z"), &[site])
}

/// A Leap notification of one meter in one event, from 16:50 to 17:50.
pub(crate) fn leap(event: &str, energy_kw: u64) -> Value {
    bodies::leap::notification(&[meter(event, energy_kw)])
}

/// Leap's search result for that event.
pub(crate) fn leap_found(event: &str, energy_kw: u64) -> Value {
    bodies::leap::found(&[meter(event, energy_kw)])
}

fn meter(event: &str, energy_kw: u64) -> Value {
    let window = Window::new("2023-12-01T16:50:00Z", "2023-12-01T17:50:00Z");
    let slot = bodies::leap::slot(event, energy_kw, &window);
    bodies::leap::meter("dd21c76c-7126-4ef7-b0a6-f190fad300b2", &[slot])
}

/// One of `NvGrid`'s events.
pub(crate) fn power(event: &str, compliant: bool) -> Value {
    let window = Window::new("2023-12-01T16:50:00Z", "2023-12-01T18:50:00Z");
    let loads = Loads { target: 6.5, previous: 10.0, measured: 9.2 };
    bodies::nvgrid::webhook(event, "c-1", &window, loads, compliant)
}

/// Openvolt's announcement of an hour of data of some meters.
pub(crate) fn announced(delivery: &str, meters: &[&str]) -> Value {
    let periods: Vec<Value> = meters.iter().map(|meter| bodies::openvolt::period(meter, &hour())).collect();
    bodies::openvolt::webhook("meter_data.received", delivery, "2023-12-01T11:05:00Z", &json!(periods))
}

fn hour() -> Window {
    Window::new("2023-12-01T10:00:00Z", "2023-12-01T11:00:00Z")
}

/// Openvolt's readings of that hour.
pub(crate) fn readings(meter: &str) -> Value {
    let rows = [("10:00", "0.5"), ("10:30", "1.25"), ("11:00", "2")]
        .map(|(time, consumption)| bodies::openvolt::row(meter, format!("2023-12-01T{time}:00Z"), &json!(consumption)));
    bodies::openvolt::answer(&hour(), &rows)
}

/// The numbers of the calls, from that one on, that need a fault each: all but those of incidents made by hand, and of
/// the sweep's similar calls only the first two of each sort.
pub(crate) fn worth_a_fault(calls: &[Call], from: usize) -> Vec<(usize, Call)> {
    let mut swept: BTreeMap<&str, u32> = BTreeMap::new();
    let mut is_worth = |call: &Call| {
        let seen = swept.entry(call.port).or_default();
        *seen += u32::from(call.function == Function::Sweeper);
        call.function != Function::Sweeper || *seen <= 2
    };
    let by_number = calls.iter().copied().enumerate().skip(from);
    by_number
        .filter(|(_, call)| call.function != Function::Receiver || call.port == "deliveries.take")
        .filter(|(_, call)| is_worth(call))
        .collect()
}
