//! The fixed data: an ordinary day, a day on which every name is malicious, and a day with a thousand dispatches.

mod dispatches;
mod outputs;

use std::sync::Arc;

use aws::dynamo::{Failing, QuarantinedJob, StoredJob};
use dispatch::Subject;
use gridbell::web::{CheckResult, Contents, DeliveryKind, DeliveryView, Verdict};
use jiff::Timestamp;
use pipeline::{
    conditions::{Condition, StageReport},
    config::Config,
    incident::{Acknowledged, Incident, IncidentStatus, Waiting},
    job::{Failure, FailureKind},
    polling::state::{Failing as PollFailing, PollState},
};
use serde_json::json;

use self::{
    dispatches::{Names, Wanted, record, records, terms},
    outputs::{kept_signals, outputs},
};
use super::fixed::{Data, FixedStack};

pub(crate) const DISPATCH: &str = "voltus-prod/dkmq";
pub(crate) const INCIDENT: &str = "dispatch-at-risk/voltus-prod/dkmq";
pub(crate) const OUTPUT: &str = "site-gateway";
pub(crate) const QUARANTINED: &str = "019ca932-ba80-7000-8000-00000000000a";
const DELIVERY: &str = "019ca932-ba80-7000-8000-000000000001";

/// A malicious name: markup, escape sequences, direction marks.
pub(crate) const EVIL: &str = "<script>window.evil=1</script>\"'><img src=//evil.example/x onerror=window.evil=1>\u{1b}[2J\u{1b}]0;pwn\u{7}\u{9b}8m\u{202e}\u{200b}\u{feff}\u{0}\u{2028}&amp;END";

/// The same, 20 KB long.
pub(crate) fn long() -> String {
    format!("{EVIL}{}", "<b>\u{1b}[31mlong\u{202e}".repeat(1_300))
}

pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-03-01T{time}Z").parse().expect("an instant")
}

pub(crate) fn now() -> Timestamp {
    at("12:00:00")
}

fn incidents(detail: &str, who: &str) -> Vec<Incident> {
    let dispatch = Subject::dispatch("voltus-prod", "dkmq");
    let stage = StageReport { stage: "start".to_owned(), about: dispatch.to_string(), detail: detail.to_owned() };
    let open = Incident {
        incident: INCIDENT.to_owned(),
        revision: 3,
        write: "w".to_owned(),
        condition: Condition::NotAcknowledged { dispatch: dispatch.clone() },
        about: dispatch.to_string(),
        status: IncidentStatus::Open,
        opened_at: at("11:55:00"),
        last_at: at("11:59:58"),
        resolved_at: None,
        acknowledged: None,
        snoozed: None,
        level: 0,
        detail: detail.to_owned(),
        mails: [("first".to_owned(), at("11:55:02"))].into(),
        notified: ["duty@example.com".to_owned()].into(),
        waiting: Some(Waiting {
            group: "group".to_owned(),
            since: at("11:59:58"),
            send_at: at("12:00:05"),
            sorts_by: at("12:05:00"),
            stages: vec![stage],
        }),
        channels: Vec::new(),
    };
    let quarantined = Condition::Quarantined { source: "leap-prod".to_owned(), about: None };
    let taken = Acknowledged { by: who.to_owned(), at: at("11:50:00") };
    let known = Incident {
        incident: "quarantined/leap-prod".to_owned(),
        condition: quarantined,
        about: "leap-prod".to_owned(),
        status: IncidentStatus::Acknowledged,
        acknowledged: Some(taken),
        waiting: None,
        channels: Vec::new(),
        ..open.clone()
    };
    let over = Incident {
        incident: "dispatch-at-risk/voltus-prod/early".to_owned(),
        condition: Condition::NotAcknowledged { dispatch: Subject::dispatch("voltus-prod", "early") },
        status: IncidentStatus::Resolved,
        resolved_at: Some(at("09:00:00")),
        waiting: None,
        channels: Vec::new(),
        ..open.clone()
    };
    vec![open, known, over]
}

fn jobs(reason: &str) -> Vec<StoredJob> {
    let failure = |time: &str| Failure::new(FailureKind::Provider, at(time), reason);
    let failing = Failing {
        id: "retry#voltus-prod/new".to_owned(),
        delivery: DELIVERY.to_owned(),
        source: "voltus-prod".to_owned(),
        received_at: at("11:58:00"),
        next_at: at("12:00:40"),
        attempt: 3,
        failures: vec![failure("11:58:01"), failure("11:58:20"), failure("11:59:20")],
        kind: None,
        traceparent: None,
    };
    let quarantined = QuarantinedJob {
        id: QUARANTINED.to_owned(),
        source: "leap-prod".to_owned(),
        received_at: at("11:30:00"),
        at: at("11:30:01"),
        kind: "unreadable".to_owned(),
        reason: reason.to_owned(),
        replayed_as: None,
    };
    vec![StoredJob::Failing(Box::new(failing)), StoredJob::Quarantined(quarantined)]
}

fn contents(jobs: &[StoredJob], body: &str) -> Vec<Contents> {
    jobs.iter()
        .map(|job| {
            let view = DeliveryView::from(job);
            let failures = if let StoredJob::Failing(failing) = job { failing.failures.clone() } else { Vec::new() };
            let body = matches!(job, StoredJob::Quarantined(_)).then(|| body.to_owned());
            let fetch = body.is_none().then(|| json!({"subject": "voltus-prod/new", "why": body}));
            Contents { view, body, fetch, failures }
        })
        .collect()
}

fn checks(found: &str) -> Vec<CheckResult> {
    let check = |check, verdict, about: Option<&str>, mend: Option<&str>| CheckResult {
        check,
        about: about.map(str::to_owned),
        verdict,
        found: found.to_owned(),
        mend: mend.map(str::to_owned),
    };
    vec![
        check("configuration", Verdict::Good, None, None),
        check(
            "provider key",
            Verdict::Bad,
            Some("leap-prod"),
            Some("put the provider's current key into ssm:/gridbell/leap-prod"),
        ),
        check("clock", Verdict::Notice, None, Some("timedatectl set-ntp true")),
        check("secret", Verdict::Unknown, Some("voltus-prod"), None),
    ]
}

/// The configuration, with what the operator has written about one site.
fn config(name: &str, instructions: &str) -> Config {
    let sources = json!({
        "voltus-prod": {"provider": "voltus", "api_url": "https://api.voltus.co", "api_key": "ssm:/gridbell/voltus-prod", "tokens": []},
        "leap-prod": {"provider": "leap", "api_url": "https://api.leap.energy/v2", "api_key": "ssm:/gridbell/leap-prod", "tokens": []},
        "voltus-sandbox": {"provider": "voltus", "environment": "sandbox", "tokens": []},
    });
    let outputs = json!({
        OUTPUT: {"target": {"http": {"url": "https://ems.example.com/in", "secrets": ["ssm:/gridbell/gateway"]}}},
        "historian": {"target": {"sqs": {"queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/history"}}},
    });
    let mill = json!({"name": name, "timezone": "America/Los_Angeles", "phone": "+1 555 0100", "instructions": instructions,
        "runbook_url": "https://wiki.example.com/mill"});
    let config = json!({"sources": sources, "outputs": outputs, "sites": {"voltus-prod/d4z9": mill}});
    Config::parse(&config.to_string()).expect("good")
}

fn polls(detail: &str) -> Vec<PollState> {
    let state = |source: &str, failing: Option<PollFailing>| PollState {
        source: source.to_owned(),
        revision: 1,
        write: "w".to_owned(),
        began_at: at("11:59:00"),
        under_way: false,
        good_at: Some(at("11:59:00")),
        near_from: None,
        not_before: None,
        failing,
        doubts: None,
        budget: pipeline::polling::budget::Budget::default(),
    };
    let failing = PollFailing {
        since: at("11:50:00"),
        count: 9,
        last: Failure::new(FailureKind::Credentials, at("11:59:00"), detail),
    };
    vec![state("voltus-prod", None), state("leap-prod", Some(failing))]
}

fn stack(data: Data) -> Arc<FixedStack> {
    let instructions = "Stop line 2.\nCall the shift lead.";
    Arc::new(FixedStack::new(now(), config("Paper mill", instructions), data))
}

fn dead(reason: &str) -> DeliveryView {
    DeliveryView {
        id: "dead#m-1".to_owned(),
        kind: DeliveryKind::DeadLetter,
        source: "voltus-prod".to_owned(),
        received_at: at("10:00:00"),
        at: at("10:10:00"),
        failure: "retries_dead".to_owned(),
        reason: reason.to_owned(),
        about: Some(DISPATCH.to_owned()),
        attempt: None,
        next_at: None,
        replayed_as: None,
    }
}

/// An ordinary day with a bit of everything.
pub(crate) fn ordinary() -> Arc<FixedStack> {
    let jobs = jobs("Voltus does not answer (connection refused)");
    stack(Data {
        records: records(Names::plain),
        incidents: incidents("No controller has confirmed this dispatch.", "Ada"),
        contents: contents(&jobs, "{\"meter_dispatches\": \"what is this\"}"),
        jobs,
        dead: vec![dead("the retrier failed five times on its work")],
        polls: polls("Leap refuses the key (401)"),
        outputs: outputs("no connection", "building-2"),
        kept_signals: kept_signals(DISPATCH),
        checks: checks("3 sources, an acknowledgement is awaited"),
        says: vec![
            "The dispatch is s3lf.".to_owned(),
            "Published for voltus-prod/s3lf: gridbell.dispatch.scheduled.v1 #1".to_owned(),
        ],
        ..Data::default()
    })
}

/// The same, with malicious names everywhere.
pub(crate) fn evil() -> Arc<FixedStack> {
    let jobs = jobs(&long());
    let mut records = records(|_| Names::evil());
    let (id, site) = (EVIL, long());
    let wanted =
        Wanted { source: "voltus-prod", provider: "voltus", id, sites: &[&site], times: ("12:30:00", None), watts: 1 };
    records.push(record(&wanted, [terms(&wanted, &Names::evil())]));
    let data = Data {
        records,
        incidents: incidents(&long(), EVIL),
        contents: contents(&jobs, &long()),
        jobs,
        dead: vec![dead(&long())],
        polls: polls(&long()),
        outputs: outputs(&long(), EVIL),
        kept_signals: kept_signals(EVIL),
        checks: checks(&long()),
        unreadable: vec![long()],
        says: vec![long()],
        done: Vec::new(),
    };
    Arc::new(FixedStack::new(now(), config(&long(), &long()), data))
}

/// A thousand dispatches, each of its own site.
pub(crate) fn many() -> Arc<FixedStack> {
    let record = |number: usize| {
        let (id, site) = (format!("d{number:04}"), format!("s{number:04}"));
        let start = format!("{:02}:{:02}:00", 12 + number % 8, number % 60);
        let wanted = Wanted {
            source: "voltus-prod",
            provider: "voltus",
            id: &id,
            sites: &[&site],
            times: (&start, Some("22:00:00")),
            watts: 5_000,
        };
        dispatches::record(&wanted, [terms(&wanted, &Names::plain(&format!("Site {number}")))])
    };
    stack(Data { records: (0..1_000).map(record).collect(), ..Data::default() })
}
