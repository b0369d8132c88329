//! The pipeline's ports on the simulation.

use std::cell::Cell;

use dispatch::Signal;
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::channels::{ChannelHealth, ChannelMessage},
    config::{Channel, Source},
    group::{AckLink, AlertGroup},
    incident::Incident,
    job::{JobKind, StoredBody, unpack},
    mail::Mail,
    messages::{self, Delayed, ToAlert, ToHydrate, ToRetry},
    ports::{
        Backlog, ChannelError, Clock, Depths, FetchError, Incidents, IngestQueue, JobQueue, Lane, Mailer, Measurement,
        Metrics, OpenIncidentIndex, OpenPage, PortError, Ports, ProviderApi, Random, Ringer, SignalStream, Watched,
        WriteError, fifo_id,
    },
};
use providers::{ApiRequest, Elements};
use serde::Serialize;

use crate::{
    Controller, Inner, Invocation, Sent, Standard, queue::MAX_MESSAGE_BYTES, sim::State, swarm::Saboteur, table::Row,
};

/// The size of the pieces in which a list arrives, in bytes.
const CHUNK_BYTES: usize = 1_000;

impl Ports for Invocation<'_> {
    type Host = Self;
    type IngestQueue = Self;
    type JobQueue = Self;
    type SignalStream = Self;
    type Depths = Self;
    type Dispatches = Self;
    type Deliveries = Self;
    type Incidents = Self;
    type ProviderApi = Self;
    type Mailer = Self;
    type Ringer = Self;
    type Outputs = Self;
    type CourierQueue = Self;
    type OutputTargets = Self;
}

impl Clock for Invocation<'_> {
    fn now(&self) -> Timestamp {
        self.sim.with(|state| state.now + state.skew(self.number()))
    }

    fn ends_at(&self) -> Timestamp {
        self.ends_at + self.sim.with(|state| state.skew(self.number()))
    }
}

impl Random for Invocation<'_> {
    fn unique(&self) -> String {
        self.sim.with(|state| state.unique(self.function))
    }

    fn secret(&self) -> String {
        self.sim.with(|state| state.name("secret"))
    }

    fn up_to(&self, most: u64) -> u64 {
        self.sim.with(|state| state.seed.up_to(most))
    }

    fn bits(&self) -> u64 {
        self.sim.with(|state| state.trace_ids.any())
    }
}

impl Metrics for Invocation<'_> {
    fn measure(&self, measurement: Measurement<'_>) {
        self.sim.with(|state| state.measured.push(format!("{measurement:?}")));
    }
}

impl Invocation<'_> {
    pub(crate) async fn send(
        &self,
        port: &'static str,
        queue: Inner,
        body: &str,
        delay_s: u32,
    ) -> Result<(), PortError> {
        if !Standard::takes(body) {
            return Err(PortError::Broken { port, reason: format!("{} bytes are too large", body.len()) });
        }
        let (chain, body) = (self.chain + 1, self.in_its_format(body));
        self.call(port, |state| state.send(queue, &body, delay_s, chain)).await
    }

    pub(crate) async fn write<T: Row>(
        &self,
        port: &'static str,
        write: impl Fn(&mut State) -> Result<(), Option<Box<T>>>,
    ) -> Result<(), WriteError<T>> {
        self.call(port, write).await?.map_err(WriteError::Lost)
    }
}

pub(crate) fn json(port: &'static str, message: &impl Serialize) -> Result<String, PortError> {
    messages::to_json(message).map_err(|error| PortError::Broken { port, reason: error.to_string() })
}

impl IngestQueue for Invocation<'_> {
    async fn take(&self, message: &str) -> Result<(), PortError> {
        if let Ok(ToHydrate::Job(job)) = messages::read(message) {
            self.sim.with(|state| state.begins_trace(&job));
        }
        self.send("deliveries.take", Inner::Deliveries, message, 0).await
    }
}

impl JobQueue for Invocation<'_> {
    async fn deliver(&self, message: ToHydrate, delay_s: u32) -> Result<(), PortError> {
        const PORT: &str = "jobs.deliver";
        if self.sim.with(|state| state.swallows_delivery(&message)) {
            return Ok(());
        }
        let message = match message {
            ToHydrate::Job(job) => ToHydrate::Job(self.sim.with(|state| {
                if job.kind == JobKind::Poll {
                    state.begins_trace(&job);
                }
                state.retried(job)
            })),
            beat @ ToHydrate::Heartbeat(_) => beat,
        };
        self.send(PORT, Inner::Deliveries, &json(PORT, &message)?, delay_s).await
    }

    async fn retry(&self, messages: &[Delayed]) -> Result<(), PortError> {
        const PORT: &str = "jobs.retry";
        for Delayed { message, delay_s } in messages {
            if matches!(message, ToRetry::Deadline(_)) && self.sabotaged(Saboteur::DeadlineNeverArmed) {
                continue;
            }
            self.send(PORT, Inner::Retries, &json(PORT, message)?, *delay_s).await?;
        }
        Ok(())
    }

    async fn alert(&self, message: &ToAlert, lane: Lane, delay_s: u32) -> Result<(), PortError> {
        const PORT: &str = "jobs.alert";
        if self.sim.with(|state| state.swallows_alert(message)) {
            return Ok(());
        }
        let queue = if lane == Lane::Urgent { Inner::Alerts } else { Inner::Reviews };
        self.send(PORT, queue, &json(PORT, message)?, delay_s).await
    }
}

impl State {
    /// A body stored in parts; none if a part is missing.
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

/// The size by which SQS limits a message: the body and the attributes' names, types and values.
fn bytes(sent: &Sent) -> usize {
    let attributes = sent.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len());
    sent.body.len() + attributes.sum::<usize>()
}

impl SignalStream for Invocation<'_> {
    fn limit_bytes(&self) -> usize {
        self.sim.with(|state| state.signal_limit_bytes)
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
            let group = fifo_id(signal.subject.as_str());
            if self.sim.with(|state| state.rules.refused_groups.contains(&group)) {
                return Err(PortError::Unavailable { port: PORT, reason: "refused".to_owned() });
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
}

impl Depths for Invocation<'_> {
    async fn depth(&self, queue: Watched) -> Result<Backlog, PortError> {
        let inner = match queue {
            Watched::Signals => {
                let depth = self.call("signals.backlog", |state| match state.controller {
                    Controller::Reads => Backlog::default(),
                    Controller::IsSilent => state.signals.backlog(),
                });
                return depth.await;
            }
            Watched::Deliveries => Inner::Deliveries,
            Watched::Reviews => Inner::Reviews,
            Watched::RetriesDead => Inner::RetriesDead,
            Watched::AlertsDead => Inner::AlertsDead,
            Watched::OutputsDead => Inner::OutputsDead,
        };
        self.call("queues.depth", |state| {
            let now = state.now;
            if let Some(storm) = &state.storm {
                return storm.backlog(inner, now);
            }
            state.queue(inner).backlog(now)
        })
        .await
    }
}

impl ProviderApi for Invocation<'_> {
    async fn fetch(
        &self,
        name: &str,
        _source: &Source,
        request: &ApiRequest,
        within: SignedDuration,
    ) -> Result<String, FetchError> {
        self.call("api.fetch", |state| {
            if let Some(answer) = state.swarm_answers(name, request) {
                return answer;
            }
            if let Some(storm) = &mut state.storm {
                return storm.answers(state.now, request);
            }
            let (took, answer) = state.providers.answer(state.now, name, request, within);
            state.now += took;
            answer
        })
        .await
        .map_err(|error| FetchError::Answer(error.to_string()))?
    }

    async fn fetch_list(
        &self,
        name: &str,
        source: &Source,
        request: &ApiRequest,
        within: SignedDuration,
        mut list: Elements,
    ) -> Result<Elements, FetchError> {
        let answer = self.fetch(name, source, request, within).await?;
        answer.as_bytes().chunks(CHUNK_BYTES).for_each(|chunk| list.feed(chunk));
        Ok(list)
    }
}

impl Incidents for Invocation<'_> {
    async fn read(&self, incident: &str) -> Result<Option<Incident>, PortError> {
        self.call("alerts.read", |state| state.shown_incident(state.incidents.get(incident))).await
    }

    async fn write(&self, incident: &Incident, expected: Option<u64>) -> Result<(), WriteError<Incident>> {
        self.write("alerts.write", |state| state.incidents.write(incident, expected)).await
    }

    async fn waiting(&self, group: &str, limit: usize) -> Result<Vec<String>, PortError> {
        self.call("alerts.waiting", |state| {
            let waits = state.incidents.rows().filter_map(|row| Some((row.waiting.as_ref()?, &row.incident)));
            let waits = waits.filter(|(waiting, _)| waiting.group == group);
            let mut waits: Vec<(Timestamp, String)> =
                waits.map(|(waiting, key)| (waiting.sorts_by, key.clone())).collect();
            waits.sort();
            waits.into_iter().take(limit).map(|(_, key)| key).collect()
        })
        .await
    }

    async fn group(&self, group: &str) -> Result<Option<AlertGroup>, PortError> {
        self.call("alerts.group", |state| state.shown_group(state.groups.get(group))).await
    }

    async fn write_group(&self, group: &AlertGroup, expected: Option<u64>) -> Result<(), WriteError<AlertGroup>> {
        self.write("alerts.write_group", |state| state.groups.write(group, expected)).await
    }

    async fn link(&self, link: &str) -> Result<Option<AckLink>, PortError> {
        self.call("alerts.link", |state| state.links.get(link)).await
    }

    async fn write_link(&self, link: &AckLink, expected: Option<u64>) -> Result<(), WriteError<AckLink>> {
        if link.used_at.is_some() && self.sabotaged(Saboteur::LinkNeverUsedUp) {
            return Ok(());
        }
        self.write("alerts.write_link", |state| state.links.write(link, expected)).await
    }

    async fn channel(&self, channel: &str) -> Result<Option<ChannelHealth>, PortError> {
        self.call("alerts.channel", |state| state.channels.get(channel)).await
    }

    async fn write_channel(
        &self,
        channel: &ChannelHealth,
        expected: Option<u64>,
    ) -> Result<(), WriteError<ChannelHealth>> {
        self.write("alerts.write_channel", |state| state.channels.write(channel, expected)).await
    }
}

impl Ringer for Invocation<'_> {
    async fn ring(&self, channel: &Channel, message: &ChannelMessage) -> Result<(), ChannelError> {
        let port = match channel {
            Channel::Sns { .. } => "channel.sns",
            Channel::PagerDuty { .. } => "channel.pagerduty",
            Channel::Webhook { .. } => "channel.webhook",
        };
        let (is_taken, invocation) = (Cell::new(false), self.number());
        let sent = self.call(port, |state| {
            is_taken.set(true);
            let (at, channel, message) = (state.now, channel.clone(), message.clone());
            state.rings.push(Rung { at, invocation, channel, message });
        });
        match sent.await {
            Ok(()) if self.sabotaged(Saboteur::RingAnswerIgnored) => Err(ChannelError::Refused("ignored".to_owned())),
            Ok(()) => Ok(()),
            Err(error) if is_taken.get() => Err(ChannelError::Unanswered(error.to_string())),
            Err(error) => Err(ChannelError::Refused(error.to_string())),
        }
    }
}

/// A message that a channel accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// When.
    pub at: Timestamp,
    /// The invocation that sent it.
    pub invocation: u64,
    /// The channel.
    pub channel: Channel,
    /// The message.
    pub message: ChannelMessage,
}

impl OpenIncidentIndex for Invocation<'_> {
    async fn open(&self, after: Option<&str>) -> Result<OpenPage, PortError> {
        self.call("alerts.open", |state| {
            let open = state.incidents.rows().filter(|row| row.is_reviewed()).map(|row| row.incident.clone());
            let mut rest = open.filter(|key| after.is_none_or(|after| key.as_str() > after));
            let incidents: Vec<String> = rest.by_ref().take(state.rules.page_items).collect();
            let next = rest.next().and_then(|_| incidents.last().cloned());
            OpenPage { incidents, next }
        })
        .await
    }
}

impl Mailer for Invocation<'_> {
    async fn is_short(&self) -> bool {
        self.sim.with(|state| state.is_short_of_mails)
    }

    async fn send(&self, mail: &Mail) -> Result<(), PortError> {
        self.call("mailer.send", |state| {
            let now = state.now;
            state.mails.push((now, mail.clone()));
        })
        .await
    }
}
