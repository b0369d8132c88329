//! The controller's answer to a signal. Contract, section 5.

use dispatch::{Epoch, Subject};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    alerts::condition::Condition,
    config::{Config, token},
    dispatches::{
        record::{Ack, AckState, SubjectRecord},
        timeline::{Event, TimelineEvent},
    },
    ingest::{plain, receive::HttpAnswer},
    job::clip,
    messages::ByHand,
    ports::{Clock, Dispatches, JobQueue, Measurement, Metrics, PortError, Ports, Random},
    update::{Change, From, Records, Updated, update},
};

/// The size limit of a body, in bytes: an acknowledgement has a few hundred.
const MAX_BODY_BYTES: usize = 64 * 1_024;

/// No key of a dispatch is longer, in bytes. A longer or empty key is not looked up: the table would refuse it.
const MAX_KEY_BYTES: usize = 4_096;

/// A deadline this near may have passed by another clock.
const SOON: SignedDuration = SignedDuration::from_secs(10);

/// The longest text of a controller that is stored, in characters.
const MAX_DETAIL: usize = 500;

/// The endpoint for acknowledgements.
#[derive(Debug)]
pub struct Acknowledge<'a, P: Ports> {
    /// The tokens that may acknowledge.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a P::Dispatches,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

/// A controller's acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The dispatch's key, which is the signal's subject.
    pub dispatch: String,
    /// The epoch of the signal that it answers; none: the current one.
    pub epoch: Option<Epoch>,
    /// The version that it answers.
    pub version: u64,
    /// The state that it reports.
    pub state: AckState,
    /// The controller's own words.
    pub detail: Option<String>,
    /// The person who answers in place of a controller.
    pub by: Option<String>,
}

/// The result of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckOutcome {
    /// It is stored, now or earlier.
    Noted,
    /// No such dispatch.
    Unknown,
    /// The dispatch has another version now.
    Superseded {
        /// The current version.
        current: u64,
        /// Its epoch.
        epoch: Epoch,
    },
}

impl Acknowledgement {
    /// Parses a controller's JSON. An error names the field and the expected value.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let said: Value = serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
        if !said.is_object() {
            return Err("the body is not a JSON object".to_owned());
        }
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        let dispatch = text("dispatch").filter(|dispatch| !dispatch.is_empty());
        let state = match text("state") {
            Some("accepted") => AckState::Accepted,
            Some("completed") => AckState::Completed,
            Some("failed") => AckState::Failed,
            _ => return Err("`state` is none of \"accepted\", \"completed\", \"failed\"".to_owned()),
        };
        let detail = match said.get("detail") {
            None | Some(Value::Null) => None,
            Some(Value::String(detail)) => Some(detail.clone()),
            Some(_) => return Err("`detail` is not text".to_owned()),
        };
        let epoch = match said.get("epoch") {
            None | Some(Value::Null) => None,
            Some(epoch) => Some(whole(epoch).ok_or("`epoch` is not the decimal number of a signal's `epoch`")?),
        };
        Ok(Self {
            dispatch: dispatch
                .ok_or("`dispatch` is not the key of a dispatch, such as \"voltus-prod/dkmq\"")?
                .to_owned(),
            epoch: epoch.map(Epoch::from),
            version: said.get("version").and_then(whole).ok_or("`version` is not a whole number from 0")?,
            state,
            detail,
            by: None,
        })
    }
}

/// A whole number from 0: as such, as `1.0`, or as decimal text.
fn whole(value: &Value) -> Option<u64> {
    let text = value.as_str().or_else(|| value.as_number().map(serde_json::Number::as_str))?;
    let number = dispatch::decimal(text)?.normalize();
    (number.scale() == 0).then(|| u64::try_from(number).ok()).flatten()
}

impl<P: Ports> Acknowledge<'_, P> {
    /// Handles a request to the acknowledgement endpoint.
    pub async fn handle(&self, method: &str, token: &str, body: &[u8]) -> HttpAnswer {
        if !token::admits(&self.config.acks.tokens, token) {
            return refusal(404, "not_found", "no such hook");
        }
        if method != "POST" {
            return HttpAnswer {
                header: Some(("allow", "POST".to_owned())),
                ..refusal(405, "method_not_allowed", "a POST is taken")
            };
        }
        if body.len() > MAX_BODY_BYTES {
            return refusal(413, "too_large", "an acknowledgement may be 64 KiB");
        }
        let said = match Acknowledgement::parse(plain::unmarked(body)) {
            Ok(said) => said,
            Err(reason) => return refusal(400, "unreadable", &reason),
        };
        match self.note(&said).await {
            Ok(AckOutcome::Noted) => answer(200, "acknowledged", &json!({"status": "acknowledged"})),
            Ok(AckOutcome::Unknown) => refusal(404, "unknown_dispatch", "no such dispatch"),
            Ok(AckOutcome::Superseded { current, epoch }) => {
                let message = format!("the current version is {current} of epoch {epoch}");
                let error = json!({"code": "superseded", "message": message, "current": current});
                answer(409, "superseded", &json!({"error": error, "current": current, "epoch": epoch.to_string()}))
            }
            Err(error) => {
                tracing::error!(dispatch.subject = clip(&said.dispatch, MAX_DETAIL), %error, "an acknowledgement could not be noted");
                let unavailable = refusal(503, "unavailable", "not noted; send it again");
                HttpAnswer { header: Some(("retry-after", "5".to_owned())), ..unavailable }
            }
        }
    }

    /// Stores that a person has curtailed by hand, if the dispatch still has the version that the person saw.
    pub async fn by_hand(&self, subject: &Subject, ByHand { by, epoch, version }: &ByHand) -> Result<(), PortError> {
        let said = Acknowledgement {
            dispatch: subject.to_string(),
            epoch: Some(*epoch),
            version: *version,
            state: AckState::Accepted,
            detail: Some("curtailed by hand".to_owned()),
            by: Some(by.clone()),
        };
        let outcome = self.note(&said).await?;
        tracing::info!(dispatch.subject = %subject, dispatch.version = version, outcome = ?outcome, "curtailed by hand");
        Ok(())
    }

    /// Stores a controller's acknowledgement. Idempotent.
    pub async fn note(&self, said: &Acknowledgement) -> Result<AckOutcome, PortError> {
        if !(1..=MAX_KEY_BYTES).contains(&said.dispatch.len()) {
            return Ok(AckOutcome::Unknown);
        }
        let subject = Subject::from_stored(said.dispatch.clone());
        let (mut hints, mut traceparent, mut due) = (Vec::new(), None, None);
        let noted = update(Records(self.table), &subject, From::Stored, async |record| {
            let Some(record) = record.filter(|record| record.state.dispatch_id().is_some()) else {
                return Ok(Change::Keep(AckOutcome::Unknown));
            };
            // A record without a signal in this epoch has no version to answer yet.
            let epoch = self.table.epoch(self.host.now()).await?.max(record.state.epoch);
            let of_today = record.state.epoch == epoch && said.epoch.is_none_or(|said| said == epoch);
            if !of_today || record.state.version != said.version {
                let current = if record.state.epoch == epoch { record.state.version } else { 0 };
                return Ok(Change::Keep(AckOutcome::Superseded { current, epoch }));
            }
            (hints, traceparent, due) = (self.hints(&record, said), record.traceparent, record.due);
            if !is_news(record.ack.as_ref(), said) {
                return Ok(Change::Keep(AckOutcome::Noted));
            }
            Ok(Change::Write(Box::new(self.following(record, said)), AckOutcome::Noted))
        });
        let Updated { written, result: outcome } = noted.await?;
        if let (Some(_), Some(due), true) = (&written, due, said.state != AckState::Failed) {
            let left_s = due.duration_since(self.host.now()).as_secs();
            self.host.measure(Measurement::DeadlineMargin { left_s });
        }
        for condition in hints {
            self.job_queue.hint_in(traceparent, condition, self.host.now(), 0).await?;
        }
        Ok(outcome)
    }

    /// The conditions that may change: a controller that cannot act is an incident at once; one that acts may resolve
    /// incidents.
    fn hints(&self, record: &SubjectRecord, said: &Acknowledgement) -> Vec<Condition> {
        let failed = said.state == AckState::Failed || record.has_failed();
        let failed = failed.then(|| Condition::ControllerFailed { dispatch: record.subject.clone() });
        let is_due = record.due.is_some_and(|due| due <= self.host.now() + SOON);
        let overdue = is_due.then(|| Condition::NotAcknowledged { dispatch: record.subject.clone() });
        failed.into_iter().chain(overdue).collect()
    }

    fn following(&self, record: SubjectRecord, said: &Acknowledgement) -> SubjectRecord {
        let now = self.host.now();
        let detail = said.detail.as_deref().map(|detail| clip(detail, MAX_DETAIL));
        let by = said.by.as_deref().map(|by| clip(by, MAX_DETAIL));
        let event =
            TimelineEvent::new(now, Event::Acknowledged { version: said.version, state: said.state, by: by.clone() });
        let ack = Some(Ack { version: said.version, state: said.state, detail, by, at: now });
        // An acknowledged version needs no deadline.
        let due = record.due.filter(|_| said.state == AckState::Failed);
        SubjectRecord { due, ack, ..record.noting(event, self.host.unique()) }
    }
}

/// A late "accepted" does not replace a "completed"; any other difference is news.
fn is_news(known: Option<&Ack>, said: &Acknowledgement) -> bool {
    known.filter(|known| known.version == said.version).is_none_or(|known| {
        known.state != said.state && !(known.state == AckState::Completed && said.state == AckState::Accepted)
    })
}

fn answer(status: u16, outcome: &'static str, body: &serde_json::Value) -> HttpAnswer {
    HttpAnswer { status, header: None, body: body.to_string(), outcome, delivery: None }
}

fn refusal(status: u16, code: &'static str, message: &str) -> HttpAnswer {
    answer(status, code, &json!({"error": {"code": code, "message": message}}))
}
