//! The alerter: judges conditions, stores incidents, and sends mails, and messages to other channels, at each incident's
//! stages.
//!
//! It is level-triggered: the state decides, and a hint only triggers the judgement. It writes only the table `alerts`.

mod acknowledge;
pub mod channels;
pub mod condition;
pub mod conditions;
mod decide;
mod evidence;
pub mod group;
pub mod incident;
mod kind;
pub mod mail;
mod notify;
mod occasion;
mod page;
mod recipients;
pub mod review;
mod ring;
mod schedule;
mod send;
mod stages;

use std::collections::BTreeMap;

use dispatch::TraceParent;
use futures_util::{StreamExt, future::join, stream};
use jiff::{SignedDuration, Timestamp};
use tracing::{Instrument, Span};

use crate::{
    alerts::{condition::Condition, conditions::Verdict, incident::Incident},
    config::Config,
    dispatches::record::SubjectRecord,
    job::Message,
    messages::{self, Hint, ReadError, ToAlert, hop_s},
    ports::{Clock, Incidents, JobQueue, Lane, PortError, Ports, Random},
    trace::Hop,
    update::{Change, From, IncidentRows, update},
};

pub use acknowledge::{AcknowledgeIncident, IncidentAckOutcome};
pub use occasion::Occasion;
pub use page::{AckPages, Page};

use decide::{Decided, decide};
use notify::JustJudged;
use ring::Rung;
use schedule::Schedule;
use stages::{Rules, published};

/// Incidents judged at the same time.
const AT_ONCE: usize = 16;

/// A later stage needs no timer: the next review finds it.
const REVIEWED: SignedDuration = SignedDuration::from_secs(75);

/// A hint whose evidence cannot be read is sent again after so many seconds …
const UNREAD_S: u32 = 10;

/// … at most so many times. Then a person is notified of the hint's subject.
const UNREAD_ATTEMPTS: u32 = 6;

/// The alerter.
#[derive(Debug)]
pub struct Alert<'a, P: Ports> {
    /// The contacts.
    pub config: &'a Config,
    /// The base URL of `/alerts/{secret}`, without a slash at the end; none: mails contain no link.
    pub public_url: Option<&'a str>,
    /// The stack name for commands in mails; none: the local stack, which needs no name.
    pub stack: Option<&'a str>,
    /// `alerts`.
    pub incidents: &'a P::Incidents,
    /// `dispatches`, read only.
    pub table: &'a P::Dispatches,
    /// `deliveries`, read only.
    pub deliveries: &'a P::Deliveries,
    /// The queues' depths.
    pub queues: &'a P::Depths,
    /// `outputs`, read only; none if the stack has no courier.
    pub outputs: Option<&'a P::Outputs>,
    /// SES.
    pub mailer: &'a P::Mailer,
    /// The channels besides mail.
    pub ringer: &'a P::Ringer,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

#[derive(Debug, Clone, Copy)]
struct Cause {
    /// The instant as of which it is judged, if later than now.
    at: Timestamp,
    /// How often the hint's evidence could not be read; none: a review.
    hint: Option<u32>,
    /// Whether the next stage gets a timer.
    sets_timer: bool,
    /// The hop that judges it.
    traceparent: Option<TraceParent>,
}

struct Seen {
    verdict: Verdict,
    /// The record that it is about.
    record: Option<SubjectRecord>,
    /// It is about a dispatch whose record cannot be read.
    may_be_test: bool,
}

/// The state of an incident after it was judged.
struct Judged {
    incident: Option<Incident>,
    record: Option<SubjectRecord>,
    /// The group whose mail must be sent now.
    flush: Option<String>,
}

impl<P: Ports> Alert<'_, P> {
    /// Handles a batch; returns the ids of the messages to deliver again.
    pub async fn batch(&self, messages: Vec<Message>) -> Vec<String> {
        let mut failed = Vec::new();
        // Hints at the same condition are judged once.
        let mut hints: BTreeMap<Condition, (Hint, Vec<String>)> = BTreeMap::new();
        let mut reviews = Vec::new();
        let mut flushes: BTreeMap<String, (Option<TraceParent>, Vec<String>)> = BTreeMap::new();
        for Message { id, body, .. } in messages {
            match messages::read(&body) {
                Ok(ToAlert::Hint(hint)) => {
                    let (known, ids) =
                        hints.entry(hint.condition.clone()).or_insert_with(|| (hint.clone(), Vec::new()));
                    known.at = known.at.max(hint.at);
                    known.traceparent = known.traceparent.or(hint.traceparent);
                    ids.push(id);
                }
                Ok(ToAlert::Review { incidents }) => reviews.push((incidents, id)),
                Ok(ToAlert::Flush { group, traceparent }) => {
                    let (known, ids) = flushes.entry(group).or_default();
                    *known = known.or(traceparent);
                    ids.push(id);
                }
                Err(error) => {
                    if matches!(error, ReadError::Foreign(_)) {
                        tracing::error!(alert.message = id, %error, "it goes to the dead letters");
                    } else {
                        tracing::error!(alert.message = id, %error, "left for a function of that release");
                    }
                    failed.push(id);
                }
            }
        }
        let judged = hints.into_values().map(async |(hint, ids)| {
            let incident = hint.condition.incident();
            let (traceparent, span) = self.next_hop(hint.traceparent, "alert", hint.condition.source(), &incident);
            let judged = async {
                let Err(error) = self.hinted(&Hint { traceparent, ..hint }).await else { return Vec::new() };
                tracing::error!(alert.incident = incident, %error, "left to be delivered again");
                ids
            };
            judged.instrument(span).await
        });
        let judged: Vec<Vec<String>> = stream::iter(judged).buffer_unordered(AT_ONCE).collect().await;
        failed.extend(judged.into_iter().flatten());
        // At the same time: a channel that is slow for one group does not hold up the mails of another.
        let sends = flushes.into_iter().map(async |(group, (traceparent, ids))| {
            let (_, span) = self.next_hop(traceparent, "mail", "", &group);
            (self.flush(&group, None).instrument(span).await, group, ids)
        });
        let sends: Vec<_> = stream::iter(sends).buffer_unordered(AT_ONCE).collect().await;
        for (done, group, ids) in sends {
            if let Err(error) = done {
                tracing::error!(alert.group = group, %error, "left to be delivered again");
                failed.extend(ids);
            }
        }
        for (incidents, _) in reviews {
            self.review(incidents).await;
        }
        failed
    }

    /// The next hop of a trace; nothing without a trace.
    fn next_hop(
        &self,
        traceparent: Option<TraceParent>,
        name: &'static str,
        source: &str,
        about: &str,
    ) -> (Option<TraceParent>, Span) {
        let hop = traceparent.map(|_| Hop::after(traceparent, self.host));
        (hop.map(|hop| hop.context), hop.map_or_else(Span::none, |hop| hop.span(name, source, about)))
    }

    async fn hinted(&self, hint: &Hint) -> Result<(), PortError> {
        let Hint { at, attempt, timer, traceparent, .. } = *hint;
        let cause = Cause { at, hint: Some(attempt), sets_timer: !timer, traceparent };
        let Judged { incident, record, flush } = self.judge(&hint.condition, cause).await?;
        match (flush, incident) {
            (Some(group), Some(incident)) => self.flush(&group, Some(JustJudged { incident, record })).await,
            (None, Some(incident)) => {
                self.ring(vec![Rung { incident, record }]).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Judges incidents again. If that fails, the next review retries.
    async fn review(&self, incidents: Vec<String>) {
        let judged = incidents.into_iter().map(async |key| {
            let incident = self.incidents.read(&key).await?;
            let Some(incident) = incident.filter(Incident::is_reviewed) else { return Ok(None) };
            let cause = Cause { at: Timestamp::MIN, hint: None, sets_timer: true, traceparent: None };
            Ok::<_, PortError>(Some(self.judge(&incident.condition, cause).await?))
        });
        let judged: Vec<Result<_, PortError>> = stream::iter(judged).buffer_unordered(AT_ONCE).collect().await;
        let (mut groups, mut rung) = (std::collections::BTreeSet::new(), Vec::new());
        for one in judged {
            match one {
                Ok(None) => {}
                Ok(Some(Judged { incident, record, flush })) => {
                    // A flush also rings.
                    match (flush, incident) {
                        (Some(group), _) => groups.extend([group]),
                        (None, incident) => rung.extend(incident.map(|incident| Rung { incident, record })),
                    }
                }
                Err(error) => tracing::warn!(%error, "an incident waits for the next review"),
            }
        }
        let flushes = async {
            for group in groups {
                if let Err(error) = self.flush(&group, None).await {
                    tracing::warn!(alert.group = group, %error, "mails wait for the next review");
                }
            }
        };
        join(flushes, self.ring(rung)).await;
    }

    async fn judge(&self, condition: &Condition, cause: Cause) -> Result<Judged, PortError> {
        let key = condition.incident();
        let (mut known, mut seen, mut flush, mut timer) = (None, None, None, None);
        let updated = update(IncidentRows(self.incidents), &key, From::Stored, async |stored| {
            let now = self.host.now().max(cause.at);
            (flush, timer) = (None, None);
            let Some(Seen { verdict, record, may_be_test }) =
                self.verdict(condition, stored.as_ref(), cause, now).await?
            else {
                known = stored;
                return Ok::<_, PortError>(Change::Keep(()));
            };
            let dispatch = published(record.as_ref());
            let rules = Rules::new(self.config, condition, record.as_ref(), dispatch.as_ref(), now);
            let rules = Rules { may_be_test, ..rules };
            let decided = decide(stored.as_ref(), condition, &verdict, rules, now);
            let incident = decided.as_ref().map(|decided| &decided.next).or(stored.as_ref());
            timer = incident.and_then(|incident| Self::timer(incident, rules, now));
            seen.clone_from(&record);
            let Some(Decided { mut next, occasion, opens }) = decided else {
                known = stored;
                return Ok(Change::Keep(()));
            };
            if let Some(occasion) = occasion {
                let schedule = Schedule { occasion, rules, now, traceparent: cause.traceparent };
                flush = self.schedule(&mut next, schedule).await?;
            }
            if opens {
                tracing::info!(alert.incident = next.incident, "opened");
            }
            next.revision = stored.as_ref().map_or(1, |stored| stored.revision + 1);
            next.write = self.host.unique();
            Ok(Change::Write(Box::new(next), ()))
        });
        let written = updated.await?.written;
        let is_new = written.as_ref().is_some_and(|written| written.mails.is_empty());
        if let Some(at) = timer.filter(|_| cause.sets_timer && (cause.hint.is_none() || is_new)) {
            self.send_timer(condition, at, cause.traceparent).await?;
        }
        Ok(Judged { incident: written.or(known), record: seen, flush })
    }

    /// The condition's current state; none if it is judged later.
    async fn verdict(
        &self,
        condition: &Condition,
        known: Option<&Incident>,
        cause: Cause,
        now: Timestamp,
    ) -> Result<Option<Seen>, PortError> {
        let open = known.filter(|known| known.status != crate::alerts::incident::IncidentStatus::Resolved);
        let asked = open.map_or(cause.at, |open| open.opened_at);
        let error = match self.evidence(condition, now).await {
            Ok(evidence) => {
                let verdict = condition.judge(&evidence, asked, now);
                return Ok(Some(Seen { verdict, record: evidence.record, may_be_test: false }));
            }
            Err(error) => error,
        };
        let unread = |verdict| Seen { verdict, record: None, may_be_test: condition.subject().is_some() };
        // An open incident is reviewed each minute. Sending its hints again would multiply duplicated messages without
        // limit.
        match cause.hint.filter(|attempt| open.is_none() || *attempt == 0) {
            // The incident stays as it is.
            None => {
                tracing::warn!(alert.incident = condition.incident(), %error, "its evidence cannot be read");
                Ok(Some(unread(Verdict::Undecided)))
            }
            Some(attempt) if attempt >= UNREAD_ATTEMPTS && condition.is_urgent() => {
                let about =
                    condition.subject().map_or_else(|| condition.source().to_owned(), |about| about.to_string());
                let detail = format!("what is stored of it cannot be read: {error}");
                let firing = crate::alerts::conditions::Firing::new(cause.at.min(now), about, detail);
                Ok(Some(unread(Verdict::Firing(firing))))
            }
            Some(attempt) if attempt < UNREAD_ATTEMPTS => {
                tracing::warn!(alert.incident = condition.incident(), %error, "its evidence cannot be read; it is judged later");
                let (attempt, timer, traceparent) = (attempt + 1, !cause.sets_timer, cause.traceparent);
                let hint = Hint { attempt, timer, traceparent, ..Hint::new(condition.clone(), cause.at) };
                self.job_queue.alert(&ToAlert::Hint(hint), Lane::of(condition), UNREAD_S).await?;
                Ok(None)
            }
            Some(_) => Err(error),
        }
    }

    /// When the next stage is due, if before the next review.
    fn timer(incident: &Incident, rules: Rules<'_>, now: Timestamp) -> Option<Timestamp> {
        // The mail just scheduled counts as sent: the next stage comes after it.
        let (stages, sent) = (incident.waiting.iter().flat_map(|waiting| &waiting.stages), now);
        let mails = stages.map(|news| (news.stage.clone(), sent)).chain(incident.mails.clone()).collect();
        let level = rules.level(incident, now);
        let mailed = Incident { waiting: None, mails, level, ..incident.clone() };
        let (_, at) = stages::next(&mailed, rules, now)?;
        (at > now && at <= now + REVIEWED).then_some(at)
    }

    async fn send_timer(
        &self,
        condition: &Condition,
        at: Timestamp,
        traceparent: Option<TraceParent>,
    ) -> Result<(), PortError> {
        let hint = Hint { timer: true, traceparent, ..Hint::new(condition.clone(), at) };
        self.job_queue.alert(&ToAlert::Hint(hint), Lane::of(condition), hop_s(at, self.host.now())).await
    }
}
