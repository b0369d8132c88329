//! A person acknowledges an incident: reminders and escalation stop. The resolved mail is still sent.

use jiff::Timestamp;

use super::Occasion;
use crate::{
    alerts::incident::{Acknowledged, Incident, IncidentStatus, Snoozed, Waiting},
    job::clip,
    ports::{Clock, PortError, Ports, Random},
    update::{Change, From, IncidentRows, update},
};

const MAX_BY: usize = 200;

/// Acknowledges and snoozes incidents.
#[derive(Debug)]
pub struct AcknowledgeIncident<'a, P: Ports> {
    /// `alerts`.
    pub incidents: &'a P::Incidents,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

/// The result of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentAckOutcome {
    /// It is stored.
    Noted,
    /// It was acknowledged before.
    Already(Acknowledged),
    /// It was resolved before.
    Resolved,
    /// No such incident.
    Unknown,
}

impl<P: Ports> AcknowledgeIncident<'_, P> {
    /// Stores that a person acknowledges an incident, by its key `<kind>/<what it is about>`. Idempotent.
    pub async fn acknowledge(&self, incident: &str, by: &str) -> Result<IncidentAckOutcome, PortError> {
        self.note(incident, None, by).await
    }

    /// The same for one occurrence: a later occurrence of the incident is not acknowledged.
    pub(super) async fn note(
        &self,
        key: &str,
        opened_at: Option<Timestamp>,
        by: &str,
    ) -> Result<IncidentAckOutcome, PortError> {
        let noted = update(IncidentRows(self.incidents), key, From::Stored, async |known| {
            let Some(known) = known else { return Ok::<_, PortError>(Change::Keep(IncidentAckOutcome::Unknown)) };
            if known.status == IncidentStatus::Resolved || opened_at.is_some_and(|at| at != known.opened_at) {
                return Ok(Change::Keep(IncidentAckOutcome::Resolved));
            }
            if let (IncidentStatus::Acknowledged, Some(by)) = (known.status, &known.acknowledged) {
                return Ok(Change::Keep(IncidentAckOutcome::Already(by.clone())));
            }
            let mut next = Incident {
                revision: known.revision + 1,
                write: self.host.unique(),
                status: IncidentStatus::Acknowledged,
                acknowledged: Some(Acknowledged { by: clip(by, MAX_BY), at: self.host.now() }),
                waiting: known.waiting.and_then(without_calls),
                ..known
            };
            next.settle_channels(self.host.now());
            Ok(Change::Write(Box::new(next), IncidentAckOutcome::Noted))
        });
        let outcome = noted.await?.result;
        if outcome == IncidentAckOutcome::Noted {
            tracing::info!(alert.incident = key, "acknowledged");
        }
        Ok(outcome)
    }

    /// Snoozes an incident: no reminder and no escalation until then, and no channel rings. It stays open, and its news is
    /// still mailed.
    pub async fn snooze(&self, key: &str, until: Timestamp, by: &str) -> Result<IncidentAckOutcome, PortError> {
        let noted = update(IncidentRows(self.incidents), key, From::Stored, async |known| {
            let Some(known) = known else { return Ok::<_, PortError>(Change::Keep(IncidentAckOutcome::Unknown)) };
            match (known.status, &known.acknowledged) {
                (IncidentStatus::Resolved, _) => return Ok(Change::Keep(IncidentAckOutcome::Resolved)),
                (IncidentStatus::Acknowledged, Some(by)) => {
                    return Ok(Change::Keep(IncidentAckOutcome::Already(by.clone())));
                }
                _ => {}
            }
            let mut next = Incident {
                revision: known.revision + 1,
                write: self.host.unique(),
                snoozed: Some(Snoozed { by: clip(by, MAX_BY), at: self.host.now(), until }),
                waiting: known.waiting.and_then(without_calls),
                ..known
            };
            next.settle_channels(self.host.now());
            Ok(Change::Write(Box::new(next), IncidentAckOutcome::Noted))
        });
        let outcome = noted.await?.result;
        if outcome == IncidentAckOutcome::Noted {
            tracing::info!(alert.incident = key, snoozed.until = %until, "snoozed");
        }
        Ok(outcome)
    }
}

fn without_calls(mut waiting: Waiting) -> Option<Waiting> {
    let calls = |stage: &str| matches!(Occasion::of(stage), Occasion::Reminder(_) | Occasion::Escalation(_));
    waiting.stages.retain(|news| !calls(&news.stage));
    (!waiting.stages.is_empty()).then_some(waiting)
}
