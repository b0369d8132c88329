//! A person takes an incident on: no reminder and no escalation any more. That it is over is still mailed.

use jiff::Timestamp;

use crate::{
    incident::{Acknowledged, Incident, IncidentStatus},
    ports::{Chance, Clock, Incidents, PortError},
    work::clip,
    written::{MAX_TRIES, always_overtaken, written},
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
    /// Somebody had taken it on before.
    Already(Acknowledged),
    /// It was over before.
    Over,
    /// No such incident.
    Unknown,
}

impl<I: Incidents, C: Clock + Chance> AcknowledgeIncident<'_, I, C> {
    /// Notes that somebody takes an incident on, by its key `<kind>/<what it gathers by>`. Doing it again changes nothing.
    pub async fn acknowledge(&self, incident: &str, by: &str) -> Result<Outcome, PortError> {
        self.note(incident, None, by).await
    }

    /// The same for one occurrence alone: what has begun anew since is another matter.
    pub(super) async fn note(&self, key: &str, opened_at: Option<Timestamp>, by: &str) -> Result<Outcome, PortError> {
        for _ in 0..MAX_TRIES {
            let Some(known) = self.incidents.read(key).await? else { return Ok(Outcome::Unknown) };
            if known.status == IncidentStatus::Over || opened_at.is_some_and(|at| at != known.opened_at) {
                return Ok(Outcome::Over);
            }
            if let (IncidentStatus::Acknowledged, Some(by)) = (known.status, &known.acknowledged) {
                return Ok(Outcome::Already(by.clone()));
            }
            let expected = known.revision;
            let next = Incident {
                revision: expected + 1,
                write: self.world.unique(),
                status: IncidentStatus::Acknowledged,
                acknowledged: Some(Acknowledged { by: clip(by, MAX_BY), at: self.world.now() }),
                ..known
            };
            if written(&next, self.incidents.write(&next, Some(expected)).await)?.is_done() {
                tracing::info!(alert.incident = key, "acknowledged");
                return Ok(Outcome::Noted);
            }
        }
        Err(always_overtaken("alerts", key))
    }
}
