//! A person acknowledges an incident: no reminder and no escalation any more. That it is resolved is still mailed.

use jiff::Timestamp;

use super::Occasion;
use crate::{
    incident::{Acknowledged, Incident, IncidentStatus, Waiting},
    ports::{Chance, Clock, Incidents, PortError},
    update::{Change, From, IncidentRows, update},
    work::clip,
};

/// How much of a name is kept, in characters.
const MAX_BY: usize = 200;

/// Acknowledging incidents.
#[derive(Debug)]
pub struct AcknowledgeIncident<'a, I, C> {
    /// `alerts`.
    pub incidents: &'a I,
    /// Time and chance.
    pub world: &'a C,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is noted.
    Noted,
    /// It was acknowledged before.
    Already(Acknowledged),
    /// It was resolved before.
    Resolved,
    /// No such incident.
    Unknown,
}

impl<I: Incidents, C: Clock + Chance> AcknowledgeIncident<'_, I, C> {
    /// Notes that a person acknowledges an incident, by its key `<kind>/<what it is about>`. Doing it again changes nothing.
    pub async fn acknowledge(&self, incident: &str, by: &str) -> Result<Outcome, PortError> {
        self.note(incident, None, by).await
    }

    /// The same for one occurrence alone: what has begun anew since is another matter.
    pub(super) async fn note(&self, key: &str, opened_at: Option<Timestamp>, by: &str) -> Result<Outcome, PortError> {
        let noted = update(IncidentRows(self.incidents), key, From::Stored, async |known| {
            let Some(known) = known else { return Ok::<_, PortError>(Change::Keep(Outcome::Unknown)) };
            if known.status == IncidentStatus::Resolved || opened_at.is_some_and(|at| at != known.opened_at) {
                return Ok(Change::Keep(Outcome::Resolved));
            }
            if let (IncidentStatus::Acknowledged, Some(by)) = (known.status, &known.acknowledged) {
                return Ok(Change::Keep(Outcome::Already(by.clone())));
            }
            let next = Incident {
                revision: known.revision + 1,
                write: self.world.unique(),
                status: IncidentStatus::Acknowledged,
                acknowledged: Some(Acknowledged { by: clip(by, MAX_BY), at: self.world.now() }),
                waiting: known.waiting.and_then(without_calls),
                ..known
            };
            Ok(Change::Write(Box::new(next), Outcome::Noted))
        });
        let outcome = noted.await?.result;
        if outcome == Outcome::Noted {
            tracing::info!(alert.incident = key, "acknowledged");
        }
        Ok(outcome)
    }
}

/// A mail that waits, without what only calls for a person to acknowledge.
fn without_calls(mut waiting: Waiting) -> Option<Waiting> {
    let calls = |stage: &str| matches!(Occasion::of(stage), Occasion::Reminder(_) | Occasion::Escalation(_));
    waiting.stages.retain(|news| !calls(&news.stage));
    (!waiting.stages.is_empty()).then_some(waiting)
}
