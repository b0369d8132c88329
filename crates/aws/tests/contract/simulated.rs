//! The simulator's ports, with the same checks.

use std::{cell::RefCell, collections::BTreeMap};

use aws::contract::{self, Queue, Reader, Taken};
use jiff::{SignedDuration, Timestamp};
use pipeline::{config::Config, job::Message, ports::Clock};
use serde_json::json;
use simulation::{Inner, Simulation, Standard};

/// Reads the simulator's queues. It hands out batches of any size; the rest waits here.
struct SimReader<'w> {
    sim: &'w Simulation,
    handed_out: RefCell<BTreeMap<Inner, Vec<Message>>>,
}

fn inner(queue: Queue) -> Option<Inner> {
    match queue {
        Queue::Deliveries => Some(Inner::Deliveries),
        Queue::Retries => Some(Inner::Retries),
        Queue::Alerts => Some(Inner::Alerts),
        Queue::Reviews => Some(Inner::Reviews),
        Queue::Signals => None,
    }
}

impl Reader for SimReader<'_> {
    const VISIBILITY_S: u64 = Standard::VISIBILITY.as_secs().unsigned_abs();
    const MAX_RECEIVES: u32 = Standard::MAX_RECEIVES;

    fn now(&self) -> Timestamp {
        self.sim.now()
    }

    async fn pass(&self, seconds: u64) {
        self.sim.advance(SignedDuration::from_secs(i64::try_from(seconds).expect("a short while")));
    }

    async fn receive(&self, queue: Queue) -> Option<Taken> {
        self.sim.advance(SignedDuration::from_secs(1));
        let Some(inner) = inner(queue) else {
            let sent = self.sim.signals_queue(simulation::Fifo::receive)?;
            let attributes = sent.attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
            return Some(Taken {
                handle: sent.group.clone(),
                body: sent.body,
                receives: 1,
                group: Some(sent.group),
                deduplication: Some(sent.deduplication),
                attributes: attributes.collect(),
            });
        };
        let mut handed_out = self.handed_out.borrow_mut();
        let rest = handed_out.entry(inner).or_default();
        if rest.is_empty() {
            rest.extend(self.sim.receive(inner));
        }
        let Message { id, body, receives } = rest.pop()?;
        Some(Taken { handle: id, body, receives, ..Taken::default() })
    }

    async fn delete(&self, queue: Queue, taken: &Taken) {
        match inner(queue) {
            Some(inner) => self.sim.delete(inner, &taken.handle),
            None => self.sim.signals_queue(|signals| signals.done(&taken.handle)),
        }
    }
}

fn sim_of(seed: u64) -> Simulation {
    let config = json!({
        "sources": {}, "deadlines": { "lead_s": 600, "immediate_s": 60, "acknowledge": false },
        "contacts": { "email": ["grid-duty@example.com"], "from": "gridbell@example.com" }, "acks": { "tokens": [] },
    });
    Simulation::new(seed, Config::parse(&config.to_string()).expect("a configuration"))
}

#[tokio::test]
async fn the_simulators_tables_keep_the_contract_of_the_ports() {
    let sim = sim_of(1);
    let ports = sim.ports();
    contract::epoch(&ports, &sim.ports()).await;
    contract::records(&ports).await;
    sim.pages_of(7);
    contract::pages(&ports).await;
    contract::large(&ports).await;
    contract::bodies(&ports).await;
    contract::bookings(&ports).await;
    contract::refusals(&ports).await;
    let quarantined = async |id: &str| sim.quarantined().remove(id).map(|job| (job.job, job.reason));
    contract::quarantine(&ports, quarantined).await;
    let replayed = async |id: &str| sim.replayed(id);
    contract::events(&ports, replayed).await;
    contract::many_events(&ports, replayed).await;
    contract::health(&ports).await;
    contract::polls(&ports).await;
    contract::incidents(&ports).await;
    contract::outputs(&ports).await;
    contract::event_texts(&ports).await;
    contract::waiting(&ports).await;
    contract::open_pages(&ports).await;
    contract::groups_and_links(&ports).await;
}

#[tokio::test]
async fn the_simulators_queues_and_mail_keep_the_contract_of_the_ports() {
    for seed in 0..16 {
        let sim = sim_of(seed);
        let (ports, reader) = (sim.ports(), SimReader { sim: &sim, handed_out: RefCell::default() });
        assert_eq!(ports.now(), reader.now());
        if seed % 2 == 1 {
            sim.keep_receives();
        }
        contract::messages(&ports, &ports, &reader).await;
        contract::visibility(&ports, &reader).await;
        contract::redrive(&ports, &reader).await;
        contract::delays(&ports, &reader).await;
        contract::fifo(&ports, &reader).await;
        let (fresh, rest) = (sim_of(seed), RefCell::default());
        contract::depths(&fresh.ports(), &fresh.ports(), &SimReader { sim: &fresh, handed_out: rest }).await;
        let subject = contract::mail(&ports, "gridbell@example.com", "grid-duty@example.com").await;
        assert_eq!(sim.mails().last().map(|(_, mail)| mail.subject.clone()), Some(subject));
    }
}
