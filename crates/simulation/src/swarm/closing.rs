//! Incidents resolve within two minutes of the end of their condition. The condition is judged from the simulation's
//! state, which no fault can hide.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::channels::ChannelHealth,
    conditions::{Condition, Evidence, NotedEvent, OutputEvidence, QUIET, Verdict},
    config::Config,
    incident::IncidentStatus,
    outputs::{lane::Lane, reach::reach_of},
    ports::{Backlog, Watched},
};

use super::driver::Driver;
use crate::{Controller, Inner, sim::State};

/// How long an incident may stay open after the end of its condition.
const CLOSES_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// The time after the faults in which incidents may still be open.
const SETTLES: SignedDuration = SignedDuration::from_mins(5);

impl Driver<'_> {
    /// Checks every open incident, once a minute.
    pub(super) fn check_incidents(&mut self, now: Timestamp) {
        let counts = self.live(|live| {
            let works = !live.scenario.kinds().any(super::FaultKind::is_ours) && !live.scenario.by_priority;
            works || now > live.scenario.heals_at + SETTLES
        });
        if !counts {
            self.resolved_since.clear();
            return;
        }
        let config = &self.sim.config;
        let resolved: Vec<String> = self.sim.with(|state| {
            let open = state.incidents.all().into_iter().filter(|row| row.status != IncidentStatus::Resolved);
            // In the quiet phase at the end, no sweep checks dead letters.
            let resolved = open.filter(|row| !matches!(row.condition, Condition::DeadLetters { .. })).filter(|row| {
                let evidence = evidence(state, config, &row.condition, now);
                matches!(row.condition.judge(&evidence, row.opened_at, now), Verdict::Resolved(_))
            });
            resolved.map(|row| row.incident).collect()
        });
        let before = std::mem::take(&mut self.resolved_since);
        self.resolved_since =
            resolved.into_iter().map(|key| (key.clone(), before.get(&key).copied().unwrap_or(now))).collect();
        let late = self.resolved_since.iter().find(|(_, since)| now.duration_since(**since) > CLOSES_WITHIN);
        if let Some((incident, since)) = late.map(|(incident, since)| (incident.clone(), *since)) {
            let what = format!("its condition is resolved since {since}, and it is open");
            self.live(|live| live.violated(now, "incident-closes", &incident, what));
        }
    }
}

/// By incident: since when the condition of an open incident is resolved.
pub(super) type ResolvedSince = BTreeMap<String, Timestamp>;

/// What the alerter would read without faults.
fn evidence(state: &mut State, config: &Config, condition: &Condition, now: Timestamp) -> Evidence {
    let record = condition.subject().and_then(|subject| state.dispatches.get(subject.as_str()));
    let source = condition.source().to_owned();
    let mut events: Vec<NotedEvent> = state
        .events
        .values()
        .filter(|noted| noted.alone || !noted.quarantined.is_empty())
        .map(|noted| noted.event.clone())
        .filter(|event| event.condition == *condition && now.duration_since(event.at) < QUIET)
        .collect();
    events.sort_by_key(|event| event.at);
    let published = record.as_ref().and_then(|record| record.state.published());
    let programs = published.map(|(_, terms)| terms.programs).unwrap_or_default();
    let retry = if let Condition::Failing { key, .. } = condition {
        state.bookings.get(key).map(|booking| booking.state.clone())
    } else {
        None
    };
    let queue = match condition {
        Condition::DeadLetters { queue: Watched::RetriesDead } => Inner::RetriesDead,
        Condition::DeadLetters { queue: Watched::OutputsDead } => Inner::OutputsDead,
        Condition::DeadLetters { .. } => Inner::AlertsDead,
        _ => Inner::Deliveries,
    };
    let backlog = match (condition, state.controller) {
        (Condition::NotAcknowledged { .. }, Controller::Reads) => Backlog::default(),
        (Condition::NotAcknowledged { .. }, Controller::IsSilent) => state.signals.backlog(),
        _ => state.queue(queue).backlog(now),
    };
    let lanes = state.lanes.all();
    let reach = record.as_ref().filter(|_| !config.outputs.is_empty()).map(|record| reach_of(config, record, &lanes));
    let output = if let Condition::OutputFailing { output } = condition {
        let of_it = lanes.iter().filter(|lane| lane.key.output == *output && lane.indexed_at().is_some());
        Some(OutputEvidence {
            is_configured: config.outputs.contains_key(output),
            state: state.output_states.get(output),
            lanes: of_it.map(Lane::summary).collect(),
        })
    } else {
        None
    };
    Evidence {
        reach,
        output,
        record,
        retry,
        refusal: state.refusals.get(&source).cloned(),
        poll: state.polls.get(&source),
        events,
        backlog: Some(backlog),
        answered: state.answered.map(|answered| answered.sent_at),
        channel: if let Condition::ChannelFailing { channel } = condition {
            state.channels.get(&ChannelHealth::key(channel))
        } else {
            None
        },
        has_acknowledgements: config.deadlines_for(&source, &programs).acknowledge,
    }
}
