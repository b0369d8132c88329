//! The ports of the pipeline over the world.

use dispatch::{Epoch, Signal, Subject, fifo_id};
use jiff::Timestamp;
use pipeline::{
    config::Source,
    held::{Gate, Link},
    incident::{Incident, Notice},
    mail::Mail,
    poll::PollState,
    ports::{
        Active, Backlog, Chance, Clock, Deliveries, Depths, Dispatches, FetchError, Health, Incidents, Intake, Mailer,
        Outlet, Pending, PortError, ProviderApi, SignalStream, Vitals, Watched, WriteError,
    },
    pulse::{Inquiry, Probe},
    record::Record,
    work::{BodyPart, Check, Failed, StoredBody, Trouble, Work, unpack},
};
use providers::Ask;
use serde::Serialize;

use crate::{
    Booking, Controller, Inner, Invocation, Kept, Sent, Standard, queue::MAX_MESSAGE_BYTES, swarm::Saboteur,
    table::Row, world::State,
};

/// How many subjects one sweep looks at.
const SWEPT: usize = 100;

impl Clock for Invocation<'_> {
    fn now(&self) -> Timestamp {
        self.world.with(|state| state.now + state.skew(self.number()))
    }
}

impl Chance for Invocation<'_> {
    fn unique(&self) -> String {
        self.world.with(|state| state.unique(self.function))
    }

    fn secret(&self) -> String {
        self.world.with(|state| state.name("secret"))
    }

    fn up_to(&self, most: u64) -> u64 {
        self.world.with(|state| state.seed.up_to(most))
    }
}

impl Invocation<'_> {
    async fn send(&self, port: &'static str, queue: Inner, body: &str, delay_s: u32) -> Result<(), PortError> {
        if !Standard::takes(body) {
            return Err(PortError::Broken { port, reason: format!("{} bytes are too large", body.len()) });
        }
        self.call(port, |state| state.send(queue, body, delay_s)).await
    }

    async fn write<T: Row>(
        &self,
        port: &'static str,
        write: impl Fn(&mut State) -> Result<(), Option<Box<T>>>,
    ) -> Result<(), WriteError<T>> {
        self.call(port, write).await?.map_err(WriteError::Lost)
    }
}

fn json(port: &'static str, message: &impl Serialize) -> Result<String, PortError> {
    serde_json::to_string(message).map_err(|error| PortError::Broken { port, reason: error.to_string() })
}

impl Intake for Invocation<'_> {
    async fn take(&self, message: &str) -> Result<(), PortError> {
        self.send("deliveries.take", Inner::Deliveries, message, 0).await
    }
}

impl Outlet for Invocation<'_> {
    async fn work(&self, work: &Work, delay_s: u32) -> Result<(), PortError> {
        if self.world.with(|state| state.swallows(work)) {
            return Ok(());
        }
        let work = self.world.with(|state| state.retried(work.clone()));
        self.send("outlet.work", Inner::Deliveries, &json("outlet.work", &work)?, delay_s).await
    }

    async fn failed(&self, failed: &Failed) -> Result<(), PortError> {
        self.send("outlet.failed", Inner::Retries, &json("outlet.failed", failed)?, 0).await
    }

    async fn checks(&self, checks: &[(Check, u32)]) -> Result<(), PortError> {
        if self.sabotaged(Saboteur::DeadlineNeverArmed) {
            return Ok(());
        }
        for (check, delay_s) in checks {
            self.send("outlet.checks", Inner::Retries, &json("outlet.checks", check)?, *delay_s).await?;
        }
        Ok(())
    }

    async fn probe(&self, probe: Probe, delay_s: u32) -> Result<(), PortError> {
        self.send("outlet.probe", Inner::Deliveries, &json("outlet.probe", &probe)?, delay_s).await
    }

    async fn inquiry(&self, inquiry: Inquiry, delay_s: u32) -> Result<(), PortError> {
        self.send("outlet.inquiry", Inner::Retries, &json("outlet.inquiry", &inquiry)?, delay_s).await
    }

    async fn notice(&self, notice: &Notice, delay_s: u32) -> Result<(), PortError> {
        if self.world.with(|state| state.swallows(notice)) {
            return Ok(());
        }
        self.send("outlet.notice", Inner::Alerts, &json("outlet.notice", notice)?, delay_s).await
    }
}

impl State {
    /// A body that came in parts; none where one is missing.
    pub(crate) fn body(&self, stored: &StoredBody) -> Option<String> {
        let chunk = |number| self.chunks.get(&(stored.delivery.clone(), number));
        let chunks: Option<Vec<&Vec<u8>>> = (0..stored.chunks).map(chunk).collect();
        unpack(&chunks?.into_iter().flatten().copied().collect::<Vec<u8>>()).ok()
    }
}

fn sent(signal: &Signal, at: Timestamp) -> Sent {
    let mut attributes =
        vec![("type", signal.kind.clone()), ("source", signal.source.clone()), ("test", signal.test.to_string())];
    let parts = signal.part.map(|part| [("part", part.number.to_string()), ("parts", part.of.to_string())]);
    attributes.extend(parts.into_iter().flatten());
    Sent {
        at,
        group: fifo_id(signal.subject.as_str()),
        deduplication: fifo_id(&signal.id()),
        attributes: attributes.into_iter().collect(),
        body: signal.body.clone(),
    }
}

/// What SQS counts of a message: its attributes' names, types and values as well.
fn bytes(sent: &Sent) -> usize {
    let attributes = sent.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len());
    sent.body.len() + attributes.sum::<usize>()
}

impl SignalStream for Invocation<'_> {
    fn limit_bytes(&self) -> usize {
        self.world.with(|state| state.signal_limit_bytes)
    }

    async fn publish(&self, signals: &[Signal]) -> Result<(), PortError> {
        const PORT: &str = "signals.send";
        if let (true, Some(signal)) = (self.sabotaged(Saboteur::OutboxClearedBeforeSend), signals.first()) {
            self.call("dispatches.sent", |state| state.clear_outbox(signal)).await?;
        }
        for signal in signals {
            if bytes(&sent(signal, Timestamp::UNIX_EPOCH)) > MAX_MESSAGE_BYTES {
                return Err(PortError::Broken { port: PORT, reason: "the signal is too large".to_owned() });
            }
            self.call(PORT, |state| {
                let at = state.now;
                if state.drops(signal) {
                    return;
                }
                let sent = state.sent_as(sent(signal, at));
                state.signals.send(sent);
            })
            .await?;
        }
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, PortError> {
        self.call("signals.backlog", |state| match state.controller {
            Controller::Reads => Backlog::default(),
            Controller::IsSilent => state.signals.backlog(),
        })
        .await
    }
}

impl Dispatches for Invocation<'_> {
    /// A process asks once in its life, which is as good as never where many share one.
    async fn epoch(&self, now: Timestamp) -> Result<Epoch, PortError> {
        Ok(self.world.with(|state| *state.epoch.get_or_insert_with(|| Epoch::at(now))))
    }

    async fn read(&self, subject: &Subject) -> Result<Option<Record>, PortError> {
        self.call("dispatches.read", |state| state.shown(state.dispatches.get(subject.as_str()))).await
    }

    async fn write(&self, record: &Record, expected: Option<u64>) -> Result<(), WriteError<Record>> {
        if self.sabotaged(Saboteur::SendThenWrite) {
            self.publish(&record.outbox).await?;
        }
        // What a write follows is said to the store and not stored, as in the real table.
        let record = Record { follows: None, ..record.clone() };
        self.write("dispatches.write", |state| {
            if state.sabotaged(Saboteur::NoVersionCheck) {
                state.dispatches.put(&record);
                return Ok(());
            }
            let written = state.dispatches.write(&record, expected);
            written.map_err(|stored| state.shown(stored.map(|stored| *stored)).map(Box::new))
        })
        .await
    }

    async fn sent(&self, subject: &Subject, revision: u64) -> Result<bool, PortError> {
        self.call("dispatches.sent", |state| {
            let Some(record) = state.dispatches.get(subject.as_str()) else { return false };
            let next = Record { revision: revision + 1, outbox: Vec::new(), ..record };
            state.dispatches.write(&next, Some(revision)).is_ok()
        })
        .await
    }

    async fn unsent(&self, before: Timestamp) -> Result<Vec<Subject>, PortError> {
        self.call("dispatches.unsent", |state| {
            let owes = |record: &&Record| !record.outbox.is_empty() && record.changed_at < before;
            let mut owing: Vec<&Record> = state.dispatches.rows().filter(owes).collect();
            owing.sort_by_key(|record| record.changed_at);
            owing.into_iter().take(SWEPT).map(|record| record.subject.clone()).collect()
        })
        .await
    }

    async fn due(&self, before: Timestamp) -> Result<Vec<Subject>, PortError> {
        self.call("dispatches.due", |state| {
            let mut due: Vec<(Timestamp, Subject)> = state
                .dispatches
                .rows()
                .filter_map(|record| Some((record.look_at()?, record.subject.clone())))
                .filter(|(at, _)| *at < before)
                .collect();
            due.sort();
            due.into_iter().take(SWEPT).map(|(_, subject)| subject).collect()
        })
        .await
    }

    async fn active(&self, source: &str, at: Timestamp) -> Result<Vec<Active>, PortError> {
        self.call("dispatches.active", |state| {
            let of_source = state.dispatches.all().into_iter().filter(|record| record.origin.source == source);
            let mut active: Vec<Active> = of_source
                .filter_map(|record| Some(Active { plan: record.plan()?, subject: record.subject }))
                .filter(|active| active.plan.until().is_none_or(|until| until > at))
                .collect();
            active.sort_by_key(|active| std::cmp::Reverse(active.plan.until().unwrap_or(Timestamp::MAX)));
            active
        })
        .await
    }
}

impl Deliveries for Invocation<'_> {
    async fn book(&self, pending: &Pending, now: Timestamp) -> Result<bool, PortError> {
        let Pending { work, next_at } = pending.clone();
        self.call("deliveries.book", |state| {
            let other = state.bookings.get(work.key());
            let replaces = |other: &Booking| {
                other.chain == work.delivery && (other.work.attempt < work.attempt || other.next_at == next_at)
            };
            if other.is_some_and(|other| other.next_at > now && !replaces(other)) {
                return false;
            }
            let booking = Booking { chain: work.delivery.clone(), next_at, work: work.clone() };
            state.bookings.insert(work.key().to_owned(), booking);
            true
        })
        .await
    }

    async fn settled(&self, work: &Work) -> Result<(), PortError> {
        self.call("deliveries.settled", |state| {
            if state.bookings.get(work.key()).is_some_and(|booked| booked.chain == work.delivery) {
                state.bookings.remove(work.key());
            }
        })
        .await
    }

    async fn quarantine(&self, work: &Work, reason: &Trouble) -> Result<(), PortError> {
        let kept = Kept { work: work.clone(), reason: reason.detail.clone() };
        self.call("deliveries.quarantine", |state| {
            state.kept.insert(work.kept_as(), kept.clone());
        })
        .await
    }

    async fn keep_part(&self, delivery: &str, part: &BodyPart, _at: Timestamp) -> Result<(), PortError> {
        const PORT: &str = "deliveries.keep_part";
        let chunks = part.chunks().map_err(|error| PortError::Broken { port: PORT, reason: error.to_string() })?;
        for (number, chunk) in chunks {
            self.call(PORT, |state| state.chunks.insert((delivery.to_owned(), number), chunk.clone())).await?;
        }
        Ok(())
    }

    async fn body(&self, stored: &StoredBody) -> Result<Option<String>, PortError> {
        self.call("deliveries.body", |state| state.body(stored)).await
    }

    async fn poll_state(&self, source: &str) -> Result<Option<PollState>, PortError> {
        self.call("deliveries.poll_state", |state| state.polls.get(source)).await
    }

    async fn write_poll_state(&self, poll: &PollState, expected: Option<u64>) -> Result<(), WriteError<PollState>> {
        self.write("deliveries.write_poll_state", |state| state.polls.write(poll, expected)).await
    }
}

impl Health for Invocation<'_> {
    async fn answered(&self, probe_at: Timestamp) -> Result<(), PortError> {
        self.call("health.answered", |state| {
            state.vitals.answered = state.vitals.answered.max(Some(probe_at));
        })
        .await
    }

    async fn vitals(&self) -> Result<Vitals, PortError> {
        self.call("health.vitals", |state| state.vitals.clone()).await
    }

    async fn told(&self, of: Watched, since: Timestamp) -> Result<(), PortError> {
        self.call("health.told", |state| {
            state.vitals.told.entry(of).or_insert(since);
        })
        .await
    }

    async fn over(&self, of: Watched, since: Timestamp) -> Result<(), PortError> {
        self.call("health.over", |state| state.vitals.told.retain(|told, at| *told != of || *at != since)).await
    }
}

impl Depths for Invocation<'_> {
    async fn depth(&self, queue: Watched) -> Result<Backlog, PortError> {
        let inner = match queue {
            Watched::Deliveries => Inner::Deliveries,
            Watched::RetriesDead => Inner::RetriesDead,
            Watched::AlertsDead => Inner::AlertsDead,
        };
        self.call("queues.depth", |state| {
            let now = state.now;
            state.queue(inner).backlog(now)
        })
        .await
    }
}

impl ProviderApi for Invocation<'_> {
    async fn fetch(&self, name: &str, _source: &Source, ask: &Ask) -> Result<String, FetchError> {
        self.call("api.fetch", |state| {
            if let Some(answer) = state.swarm_answers(name, ask) {
                return answer;
            }
            let (took, answer) = state.providers.answer(state.now, name, ask);
            state.now += took;
            answer
        })
        .await
        .map_err(|error| FetchError::Answer(error.to_string()))?
    }
}

impl Incidents for Invocation<'_> {
    async fn read(&self, incident: &str) -> Result<Option<Incident>, PortError> {
        self.call("alerts.read", |state| state.shown_incident(state.incidents.get(incident))).await
    }

    async fn write(&self, incident: &Incident, expected: Option<u64>) -> Result<(), WriteError<Incident>> {
        self.write("alerts.write", |state| state.incidents.write(incident, expected)).await
    }

    async fn gate(&self, gate: &str) -> Result<Option<Gate>, PortError> {
        self.call("alerts.gate", |state| state.gates.get(gate)).await
    }

    async fn write_gate(&self, gate: &Gate, expected: Option<u64>) -> Result<(), WriteError<Gate>> {
        self.write("alerts.write_gate", |state| state.gates.write(gate, expected)).await
    }

    async fn link(&self, link: &str) -> Result<Option<Link>, PortError> {
        self.call("alerts.link", |state| state.links.get(link)).await
    }

    async fn write_link(&self, link: &Link, expected: Option<u64>) -> Result<(), WriteError<Link>> {
        if link.used_at.is_some() && self.sabotaged(Saboteur::LinkNeverUsedUp) {
            return Ok(());
        }
        self.write("alerts.write_link", |state| state.links.write(link, expected)).await
    }
}

impl Mailer for Invocation<'_> {
    async fn send(&self, mail: &Mail) -> Result<(), PortError> {
        self.call("mailer.send", |state| {
            let now = state.now;
            state.mails.push((now, mail.clone()));
        })
        .await
    }
}
