//! The controller: keeps the highest sequence of each subject, and acknowledges or not.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    driver::{Done, Driver, Event, Purpose},
    model::ACK_TOKEN,
    scenario::FaultKind,
};
use crate::{
    Function,
    history::{self, Numbered},
};

/// An acknowledgement on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) subject: String,
    pub(crate) version: Numbered,
    pub(crate) state: &'static str,
    /// It is a stranger's, with a wrong token.
    pub(crate) forged: bool,
    attempt: u32,
}

/// The controller's state of a subject.
#[derive(Debug, Clone)]
struct Known {
    version: Numbered,
    /// Whether the dispatch is scheduled.
    scheduled: bool,
}

/// The controller.
#[derive(Debug, Default)]
pub(crate) struct Consumer {
    read: usize,
    known: BTreeMap<String, Known>,
}

/// How often an acknowledgement is retried.
const MOST_ATTEMPTS: u32 = 40;

impl Driver<'_> {
    /// The controller reads the new signals.
    pub(super) fn consume(&mut self, now: Timestamp) {
        let new = self.sim.with(|state| {
            let sent = state.signals.sent();
            let new: Vec<String> = sent[self.consumer.read..].iter().map(|sent| sent.body.clone()).collect();
            self.consumer.read = sent.len();
            new
        });
        for body in new {
            let Ok(event) = serde_json::from_str::<Value>(&body) else { continue };
            let subject = event["subject"].as_str().unwrap_or_default().to_owned();
            let decimal = |name: &str| event[name].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
            let version = Numbered { epoch: decimal("epoch"), sequence: decimal("sequence") };
            let dispatch = &event["data"]["dispatch"];
            // The parts of a version arrive in order: the last one completes it.
            if dispatch["part"] != dispatch["parts"] {
                continue;
            }
            let Some(status) = event["data"]["dispatch"]["status"].as_str() else { continue };
            if self.consumer.known.get(&subject).is_some_and(|known| known.version >= version) {
                continue;
            }
            let scheduled = status == "scheduled";
            self.consumer.known.insert(subject.clone(), Known { version, scheduled });
            self.answers(&subject, version, scheduled, now);
        }
    }

    fn answers(&mut self, subject: &str, version: Numbered, scheduled: bool, now: Timestamp) {
        let mut said: Vec<(u64, Said)> = Vec::new();
        self.live(|live| {
            let of = |state, version, forged| Said { subject: subject.to_owned(), version, state, forged, attempt: 0 };
            if live.scenario.has(FaultKind::Forged) && version.sequence == 1 {
                said.push((1, of("accepted", version, true)));
            }
            if !live.scenario.acknowledge || !scheduled || (live.scenario.has(FaultKind::Silent) && !live.healed) {
                return;
            }
            let late_s =
                if live.scenario.has(FaultKind::LateAck) { live.random.up_to(600) } else { live.random.up_to(5) };
            let fails = live.scenario.has(FaultKind::FailedAck) && live.random.up_to(2) == 0;
            said.push((late_s, of(if fails { "failed" } else { "accepted" }, version, false)));
            if fails {
                said.push((late_s + 120, of("accepted", version, false)));
            }
            if live.scenario.has(FaultKind::DoubledAck) {
                said.push((late_s + live.random.up_to(60), of("completed", version, false)));
            }
            if live.scenario.has(FaultKind::OldAck) && version.sequence > 1 {
                let older = Numbered { sequence: version.sequence - 1, ..version };
                said.push((late_s, of("accepted", older, false)));
            }
        });
        for (after_s, said) in said {
            self.at(now + SignedDuration::from_secs(i64::try_from(after_s).unwrap_or(0)), Event::Ack(said));
        }
    }

    /// Schedules the acknowledgements of a silent controller after the faults.
    pub(super) fn acknowledge_late(&mut self, now: Timestamp) {
        if !self.live(|live| live.scenario.acknowledge) {
            return;
        }
        // This long after the faults, a mail has reported each dispatch first.
        let at = now + SignedDuration::from_mins(20);
        let awaited = self.consumer.known.iter().filter(|(_, known)| known.scheduled);
        let all: Vec<Said> = awaited
            .map(|(subject, known)| Said {
                subject: subject.clone(),
                version: known.version,
                state: "completed",
                forged: false,
                attempt: 0,
            })
            .collect();
        for said in all {
            self.at(at, Event::Ack(said));
        }
    }

    pub(super) fn acknowledge(&mut self, said: Said) {
        let token = if said.forged { "a-wrong-token" } else { ACK_TOKEN };
        let Numbered { epoch, sequence } = said.version;
        let body =
            json!({ "dispatch": said.subject, "epoch": epoch.to_string(), "version": sequence, "state": said.state });
        let body = body.to_string();
        let now = self.sim.now();
        self.live(|live| live.journal.note(now, "ack", || json!({ "said": format!("{said:?}") })));
        self.start(Function::Retrier, Purpose::Ack(said), move |invocation| {
            Box::pin(async move { Done::Status(invocation.acknowledge(token, body.as_bytes()).await.status) })
        });
    }

    pub(super) fn acknowledged(&mut self, said: Said, status: Option<u16>, now: Timestamp) {
        match status {
            Some(404) if said.forged => {}
            Some(status) if said.forged => {
                let what = format!("a forged acknowledgement was answered {status}");
                self.live(|live| live.violated(now, "only-authentic-requests", &said.subject, what));
            }
            Some(200) => {
                if said.state != "failed" {
                    let event = history::Event::Noted { subject: said.subject, version: said.version };
                    self.live(|live| live.seen.push(history::Line { at: now, event }));
                }
            }
            Some(409) => {}
            _ if said.forged || said.attempt >= MOST_ATTEMPTS => {}
            _ => {
                let again = Said { attempt: said.attempt + 1, ..said };
                self.at(now + SignedDuration::from_secs(20), Event::Ack(again));
            }
        }
    }
}
