//! Passes the changes of each step to the checker.

use dispatch::Epoch;
use pipeline::{
    job::JobKind,
    record::{AckState, SubjectRecord},
};

use super::{
    configuration::CHANNELS,
    live::Live,
    model::SECRETS,
    outputs::Received,
    scenario::{FaultKind, Scenario},
};
use crate::{
    Inner, Rung, Sent, Simulation,
    history::{Broken, Checker, Circumstances, Event, Line},
    sim::State,
};

/// The checker, and how far it has read.
#[derive(Debug)]
pub(super) struct Monitor {
    checker: Checker,
    signals: usize,
    mails: usize,
    rings: usize,
    received: Received,
}

impl Monitor {
    /// Starts with the providers' timelines.
    pub(super) fn new(live: Option<&mut Live>) -> Self {
        let Some(live) = live else { return Self::of(Circumstances::default()) };
        let scenario = &live.scenario;
        let polls = scenario.poll_s > 0;
        let mut monitor = Self::of(Circumstances {
            acknowledges: scenario.acknowledge,
            is_silent: scenario.has(FaultKind::Silent),
            ours_fail: scenario.kinds().any(FaultKind::is_ours),
            heals_at: scenario.heals_at,
            slack_s: slack_s(scenario),
            channels: if scenario.rings.on { CHANNELS.len() } else { 0 },
            ring_tests: scenario.rings.tests,
        });
        monitor.checker = monitor.checker.polling(polls).complete();
        let dispatches = live.model.dispatches.iter().cloned().map(|story| Event::Dispatch { story });
        let streams = live.model.streams.iter().cloned().map(|story| Event::Stream { story });
        let stories: Vec<Event> = dispatches.chain(streams).collect();
        for event in stories {
            monitor.check(&Line { at: crate::sim::BEGINNING, event }, live);
        }
        monitor
    }

    fn of(circumstances: Circumstances) -> Self {
        let secrets = SECRETS.iter().map(|secret| (*secret).to_owned()).collect();
        Self {
            checker: Checker::new(circumstances, secrets),
            signals: 0,
            mails: 0,
            rings: 0,
            received: Received::default(),
        }
    }

    fn check(&mut self, entry: &Line, live: &mut Live) -> Option<Broken> {
        live.journal.line(entry);
        self.checker.takes(entry)
    }

    /// Checks what the last step changed.
    pub(super) fn step(&mut self, sim: &Simulation) {
        sim.with(|state| {
            let Some(mut live) = state.swarm.take() else { return };
            let lines = self.news(state, &mut live);
            let broken = lines.iter().find_map(|line| self.check(line, &mut live));
            report(state, &mut live, broken);
            let wrong = self.received.check(&sim.config, state);
            report_output(state, &mut live, wrong);
            state.swarm = Some(live);
        });
    }

    fn news(&mut self, state: &mut State, live: &mut Live) -> Vec<Line> {
        let mut lines = std::mem::take(&mut live.seen);
        let sent = state.signals.sent();
        lines.extend(sent[self.signals..].iter().map(|sent| signal(sent, state)));
        self.signals = sent.len();
        let now = state.now;
        for key in state.incidents.take_written() {
            let row = state.incidents.get(&key).map(|row| Event::Incident { row: Box::new(row) });
            lines.extend(row.map(|event| Line { at: now, event }));
        }
        for key in state.dispatches.take_written() {
            lines.extend(state.dispatches.get(&key).and_then(by_hand).map(|event| Line { at: now, event }));
        }
        for (at, mail) in &state.mails[self.mails..] {
            let (subject, text, html) = (mail.subject.clone(), mail.text.clone(), mail.html.clone());
            lines.push(Line { at: *at, event: Event::Mail { subject, text, html } });
        }
        self.mails = state.mails.len();
        for Rung { at, invocation, channel, message } in &state.rings[self.rings..] {
            let body = serde_json::to_value(message).unwrap_or_default();
            let (at, invocation) = (*at, *invocation);
            lines.push(Line { at, event: Event::Ring { channel: channel.id(), invocation, body } });
        }
        self.rings = state.rings.len();
        lines
    }

    /// Checks what is left at the end.
    pub(super) fn at_the_end(&mut self, sim: &Simulation) {
        sim.with(|state| {
            let Some(mut live) = state.swarm.take() else { return };
            for line in left(state) {
                self.check(&line, &mut live);
            }
            let broken = self.checker.ends().into_iter().next();
            report(state, &mut live, broken);
            let wrong = Received::ends(&sim.config, state);
            report_output(state, &mut live, wrong);
            state.swarm = Some(live);
        });
    }
}

/// How much longer than ten seconds a mail may take: a deadline passes two queues, one of them twice, and each may wait
/// for a batch.
fn slack_s(scenario: &Scenario) -> u32 {
    let batches_s = u32::try_from(4 * scenario.window_ms / 1_000).unwrap_or(0);
    // Calls of up to 2.5 s each are slower than any of AWS's.
    batches_s + if scenario.by_priority { 140 } else { 0 }
}

fn signal(sent: &Sent, state: &State) -> Line {
    let subject = dispatch_subject(&sent.body);
    let record = subject.and_then(|subject| state.dispatches.get(&subject));
    let stored = record.map_or((Epoch::default(), 0), |record| (record.state.epoch, record.state.version));
    let (group, deduplication, body) = (sent.group.clone(), sent.deduplication.clone(), sent.body.clone());
    Line { at: sent.at, event: Event::Signal { group, deduplication, body, stored: Some(stored.into()) } }
}

/// The acceptance by a person who has curtailed by hand, as a controller's would be.
fn by_hand(record: SubjectRecord) -> Option<Event> {
    let ack = record.ack.filter(|ack| ack.by.is_some() && ack.state != AckState::Failed)?;
    let version = (record.state.epoch, ack.version).into();
    Some(Event::Noted { subject: record.subject.as_str().to_owned(), version })
}

fn dispatch_subject(body: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(body).ok()?;
    event["subject"].as_str().map(str::to_owned)
}

/// The lines that are known only at the end.
fn left(state: &mut State) -> Vec<Line> {
    let quarantined = state.quarantined.values().filter_map(|quarantined| {
        let body = match &quarantined.job.kind {
            JobKind::Stored(stored) => state.body(stored)?,
            _ => quarantined.job.body()?.ok()?,
        };
        Some(Event::Quarantined { source: quarantined.job.source.clone(), body })
    });
    let mut events: Vec<Event> = quarantined.collect();
    for queue in [Inner::RetriesDead, Inner::AlertsDead, Inner::OutputsDead] {
        let dead = state.queue(queue).messages().iter();
        events.extend(dead.map(|message| Event::Dead { queue: format!("{queue:?}"), body: message.body.clone() }));
    }
    let at = state.now;
    events.into_iter().map(|event| Line { at, event }).collect()
}

fn report_output(state: &State, live: &mut Live, wrong: Option<(&'static str, String, String)>) {
    if let Some((invariant, subject, detail)) = wrong {
        live.violated(state.now, invariant, &subject, detail);
    }
}

fn report(state: &State, live: &mut Live, broken: Option<Broken>) {
    if let Some(Broken { invariant, subject, detail }) = broken {
        live.violated(state.now, invariant, &subject, detail);
    }
}
