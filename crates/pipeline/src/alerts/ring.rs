//! Sends the pending messages of channels: SNS, PagerDuty, webhooks.
//!
//! A message is claimed in the incident's item, sent, and marked there, separately for each channel, while mails are
//! sent. A crash between sending and marking repeats a message and loses none.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, future::join_all, stream};
use jiff::{SignedDuration, Timestamp};

use super::{
    AT_ONCE, Alert,
    channels::{
        ChannelHealth, ChannelLog, ChannelMessage, Member,
        log::{Attempt, Calls, Opened, pause},
        message,
    },
    schedule::{fresh_group, group_key},
    stages::{self, published},
};
use crate::{
    alerts::{
        condition::Condition,
        incident::Incident,
        mail::{self, Case},
    },
    config::Channel,
    dispatches::record::SubjectRecord,
    messages::ToAlert,
    ports::{ChannelError, Clock, Incidents, JobQueue, Lane, Measurement, Metrics, PortError, Ports, Random, Ringer},
    update::{Change, ChannelRows, From, IncidentRows, update},
};

/// The most incidents in one message.
const LISTED: usize = 50;

/// Of more incidents at the same time, the messages contain no links.
const LINKED: usize = 20;

/// Events that PagerDuty gets at the same time.
const EVENTS_AT_ONCE: usize = 8;

/// A channel gets no further message in this invocation after so long: the others are sent later.
const RINGS_FOR: SignedDuration = SignedDuration::from_secs(2);

/// A failed message whose next attempt is later than this is sent by the review of each minute.
const REVIEWED_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// An incident whose channels may have to ring.
pub(super) struct Rung {
    pub(super) incident: Incident,
    pub(super) record: Option<SubjectRecord>,
}

/// How incidents are claimed.
struct Claiming {
    /// The ids of channels that rest after a failure.
    resting: BTreeSet<String>,
    /// Whether each gets a link.
    links: bool,
}

/// An incident with messages that this invocation sends.
struct Claimed {
    incident: Incident,
    record: Option<SubjectRecord>,
    /// The claim's name.
    by: String,
    link: Option<String>,
}

/// A message and the incidents that it is about.
struct Outgoing<'a> {
    message: ChannelMessage,
    about: Vec<&'a Claimed>,
}

impl<P: Ports> Alert<'_, P> {
    /// Sends the pending messages of these incidents to their channels, all channels at the same time.
    pub(super) async fn ring(&self, mut due: Vec<Rung>) {
        let now = self.host.now();
        due.retain(|one| one.incident.channels.iter().any(|log| log.is_due(now)));
        if due.is_empty() {
            return;
        }
        let channels = due_channels(&due, now);
        let health = join_all(channels.keys().map(async |id| (id.clone(), self.health(id).await))).await;
        let health: BTreeMap<String, Option<ChannelHealth>> = health.into_iter().collect();
        let is_resting = |health: &Option<ChannelHealth>| health.as_ref().is_some_and(|one| one.retry_at() > now);
        let resting = health.iter().filter(|(_, one)| is_resting(one)).map(|(id, _)| id.clone());
        let claiming = Claiming { resting: resting.collect(), links: due.len() <= LINKED };
        let claims = due.into_iter().map(|one| self.claim(one, &claiming));
        let claimed: Vec<Option<Claimed>> = stream::iter(claims).buffered(AT_ONCE).collect().await;
        let claimed: Vec<Claimed> = claimed.into_iter().flatten().collect();
        let rings = channels.iter().map(async |(id, channel)| {
            let known = health.get(id).and_then(Option::as_ref);
            self.ring_channel(channel, known, &claimed).await;
        });
        join_all(rings).await;
    }

    /// The state of a channel; if it cannot be read, it counts as working.
    pub(super) async fn health(&self, id: &str) -> Option<ChannelHealth> {
        self.incidents.channel(&ChannelHealth::key(id)).await.unwrap_or_else(|error| {
            tracing::warn!(channel = id, %error, "whether it works is not known");
            None
        })
    }

    /// Claims the due messages of an incident, except to channels that rest after a failure.
    async fn claim(&self, one: Rung, claiming: &Claiming) -> Option<Claimed> {
        let (Rung { incident, record }, Claiming { resting, links }) = (one, claiming);
        let (key, opened_at, by) = (incident.incident.clone(), incident.opened_at, self.host.unique());
        let is_silent_test = self.is_silent_test(&incident, record.as_ref());
        let claimed = update(IncidentRows(self.incidents), &key, From::Known(Some(incident)), async |known| {
            let Some(mut next) = known.filter(|known| known.opened_at == opened_at) else {
                return Ok::<_, PortError>(Change::Keep(()));
            };
            let now = self.host.now();
            let calls = match next.calls(now) {
                Calls::Ring if is_silent_test => Calls::Test,
                calls => calls,
            };
            let mut is_changed = false;
            for log in &mut next.channels {
                if log.is_due(now) && !resting.contains(&log.channel.id()) {
                    log.claim(&by, calls, now);
                    is_changed = true;
                }
            }
            if !is_changed {
                return Ok(Change::Keep(()));
            }
            next.revision += 1;
            next.write = self.host.unique();
            Ok(Change::Write(Box::new(next), ()))
        });
        match claimed.await {
            Ok(claimed) => {
                let incident = claimed.written?;
                let link = if *links { self.link_of(&incident, record.as_ref(), &by).await } else { None };
                Some(Claimed { incident, record, by, link })
            }
            Err(error) => {
                tracing::warn!(alert.incident = key, %error, "its channels wait for the next review");
                None
            }
        }
    }

    /// Whether the incident has become test traffic that rings nowhere, since its messages were planned.
    fn is_silent_test(&self, incident: &Incident, record: Option<&SubjectRecord>) -> bool {
        !self.config.channels(incident.source()).ring_tests && self.is_test(incident, record)
    }

    /// The link to the incident's page, if a person must acknowledge it.
    async fn link_of(&self, incident: &Incident, record: Option<&SubjectRecord>, by: &str) -> Option<String> {
        let test = self.is_test(incident, record);
        let claimed = incident.channels.iter().filter(|log| log.is_claimed_by(by));
        let to: Vec<String> = claimed.map(|log| log.channel.to_string()).collect();
        if to.is_empty() || !stages::is_awaited(incident, test) {
            return None;
        }
        let case = Case { config: self.config, incident, record, now: self.host.now() };
        let subject = mail::subject(&case, super::Occasion::First);
        self.link(&[(incident.incident.clone(), incident.opened_at)], &subject, &to).await
    }

    async fn ring_channel(&self, channel: &Channel, health: Option<&ChannelHealth>, claimed: &[Claimed]) {
        let ours: Vec<&Claimed> = claimed.iter().filter(|one| one.log(channel).is_some()).collect();
        if ours.is_empty() {
            return;
        }
        let until = self.host.now() + RINGS_FOR;
        let messages = self.messages(channel, &ours);
        let at_once = if is_event(channel) { EVENTS_AT_ONCE } else { 1 };
        let (mut failure, mut failed, mut freed): (Option<String>, Vec<&Claimed>, Vec<&Claimed>) = Default::default();
        for batch in messages.chunks(at_once) {
            let is_late = self.host.now() >= until;
            let sends = batch.iter().map(async |outgoing| {
                let attempt = match &failure {
                    Some(error) => Attempt::Refused(error.clone()),
                    None if is_late => Attempt::Refused("there was no time left; it is sent again".to_owned()),
                    None => self.attempt(channel, outgoing).await,
                };
                let freed = self.note(channel, outgoing, &attempt).await;
                (attempt, freed)
            });
            for (outgoing, (attempt, now_free)) in batch.iter().zip(join_all(sends).await) {
                freed.extend(now_free);
                if let Attempt::Refused(error) | Attempt::Unanswered(error) = attempt {
                    failed.extend(&outgoing.about);
                    if !is_late {
                        failure.get_or_insert(error);
                    }
                }
            }
        }
        let failures = if let Some(error) = failure {
            self.channel_failed(&channel.id(), &channel.to_string(), &error).await
        } else {
            self.channel_worked(&channel.id(), health).await;
            1
        };
        self.again(&failed, pause(failures)).await;
        self.again(&freed, SignedDuration::ZERO).await;
    }

    async fn attempt(&self, channel: &Channel, outgoing: &Outgoing<'_>) -> Attempt {
        match self.ringer.ring(channel, &outgoing.message).await {
            Ok(()) => {
                tracing::info!(channel = %channel, alert.incidents = outgoing.about.len(), "rung");
                self.host.measure(Measurement::Notification);
                Attempt::Accepted
            }
            Err(ChannelError::Refused(error)) => Attempt::Refused(error),
            Err(ChannelError::Unanswered(error)) => Attempt::Unanswered(error),
        }
    }

    /// The messages to a channel: an event for each incident, or a list for each kind, source and occasion.
    fn messages<'c>(&self, channel: &Channel, claimed: &[&'c Claimed]) -> Vec<Outgoing<'c>> {
        let now = self.host.now();
        let mut groups: BTreeMap<String, Vec<&'c Claimed>> = BTreeMap::new();
        for one in claimed {
            let key = if is_event(channel) { one.incident.incident.clone() } else { self.group_of(channel, one) };
            groups.entry(key).or_default().push(one);
        }
        let mut messages = Vec::new();
        for members in groups.values().flat_map(|all| all.chunks(LISTED)) {
            let Some(first) = members.first() else { continue };
            let Some(log) = first.log(channel) else { continue };
            let occasion = message::occasion(log.stages(&first.by));
            let test = self.is_test(&first.incident, first.record.as_ref());
            let key = group_key(&first.incident, occasion, test);
            let group = fresh_group(&key, &first.incident, occasion, test, now);
            let members_of = members.iter().filter_map(|one| {
                let log = one.log(channel)?;
                Some(Member {
                    case: Case { config: self.config, incident: &one.incident, record: one.record.as_ref(), now },
                    stages: log.stages(&one.by),
                    known_as: log.known_as,
                    may_be_test: one.record.is_none() && one.incident.subject().is_some(),
                    link: one.link.as_deref(),
                })
            });
            let members_of: Vec<Member<'_>> = members_of.collect();
            let composed = message::message(channel, &group, &members_of);
            messages.extend(composed.map(|message| Outgoing { message, about: members.to_vec() }));
        }
        messages
    }

    fn group_of(&self, channel: &Channel, one: &Claimed) -> String {
        let stages = one.log(channel).map(|log| log.stages(&one.by)).unwrap_or_default();
        group_key(&one.incident, message::occasion(stages), self.is_test(&one.incident, one.record.as_ref()))
    }

    fn is_test(&self, incident: &Incident, record: Option<&SubjectRecord>) -> bool {
        mail::is_test(self.config, incident.source(), published(record).as_ref())
    }

    /// Stores the result of an attempt in each incident. Returns those whose next message waited for it.
    async fn note<'c>(&self, channel: &Channel, outgoing: &Outgoing<'c>, attempt: &Attempt) -> Vec<&'c Claimed> {
        let noted = outgoing.about.iter().map(async |one| {
            let (key, opened_at) = (&one.incident.incident, one.incident.opened_at);
            let stages = one.log(channel).map(|log| log.stages(&one.by).to_vec()).unwrap_or_default();
            let known = From::Known(Some(one.incident.clone()));
            let noted = update(IncidentRows(self.incidents), key, known, async |known| {
                let Some(mut next) = known else { return Ok::<_, PortError>(Change::Keep(false)) };
                let now = self.host.now();
                let (calls, reopened_at) = (next.calls(now), next.opened_at);
                let Some(log) = next.channels.iter_mut().find(|log| log.channel.is_same(channel)) else {
                    return Ok(Change::Keep(false));
                };
                let has_reopened = reopened_at != opened_at;
                if !has_reopened {
                    log.note(&stages, attempt, calls, now);
                } else if !log.note_end(&one.by, attempt, Opened { at: reopened_at, now }, calls) {
                    return Ok(Change::Keep(false));
                }
                next.revision += 1;
                next.write = self.host.unique();
                Ok(Change::Write(Box::new(next), has_reopened))
            });
            match noted.await {
                Ok(noted) => noted.result.then_some(*one),
                Err(error) => {
                    tracing::error!(alert.incident = key, channel = %channel, %error, "not marked: it may ring again");
                    None
                }
            }
        });
        let noted: Vec<Option<&Claimed>> = stream::iter(noted).buffer_unordered(AT_ONCE).collect().await;
        noted.into_iter().flatten().collect()
    }

    /// Has these incidents reviewed soon, so that their messages are sent again. If that fails, the review of each
    /// minute finds them.
    async fn again(&self, failed: &[&Claimed], after: SignedDuration) {
        if failed.is_empty() || after >= REVIEWED_AFTER {
            return;
        }
        let incidents: BTreeSet<String> = failed.iter().map(|one| one.incident.incident.clone()).collect();
        let incidents: Vec<String> = incidents.into_iter().collect();
        let delay_s = u32::try_from(after.as_secs()).unwrap_or(1).max(1);
        for incidents in incidents.chunks(100) {
            let review = ToAlert::Review { incidents: incidents.to_vec() };
            if let Err(error) = self.job_queue.alert(&review, Lane::CanWait, delay_s).await {
                tracing::warn!(%error, "the next review sends them again");
            }
        }
    }

    /// Stores that a channel failed, and has it judged whether a person must know; returns how often it failed.
    pub(super) async fn channel_failed(&self, id: &str, name: &str, error: &str) -> u32 {
        tracing::error!(channel = name, error, "it takes no alerts");
        let key = ChannelHealth::key(id);
        let failed = update(ChannelRows(self.incidents), &key, From::Stored, async |known| {
            let now = self.host.now();
            let known = known.unwrap_or_else(|| ChannelHealth::fresh(id, name, now));
            let (revision, write) = (known.revision + 1, self.host.unique());
            let next = ChannelHealth { revision, write, ..known.failed(error, now) };
            Ok::<_, PortError>(Change::Write(Box::new(next), ()))
        });
        match failed.await {
            Ok(failed) => {
                let health = failed.written;
                if health.as_ref().is_some_and(|health| health.is_failing(self.host.now())) {
                    self.hint_at(id).await;
                }
                health.map_or(1, |health| health.failures)
            }
            Err(error) => {
                tracing::warn!(channel = name, %error, "that it fails is not stored");
                1
            }
        }
    }

    /// Stores that a channel works again, if it failed before.
    pub(super) async fn channel_worked(&self, id: &str, known: Option<&ChannelHealth>) {
        let Some(known) = known.filter(|known| known.failures > 0) else { return };
        let worked =
            update(ChannelRows(self.incidents), &known.channel, From::Known(Some(known.clone())), async |known| {
                let Some(known) = known.filter(|known| known.failures > 0) else {
                    return Ok::<_, PortError>(Change::Keep(()));
                };
                let (revision, write) = (known.revision + 1, self.host.unique());
                Ok(Change::Write(Box::new(ChannelHealth { revision, write, ..known.worked(self.host.now()) }), ()))
            });
        match worked.await {
            Ok(_) => self.hint_at(id).await,
            Err(error) => tracing::warn!(channel = id, %error, "that it works again is not stored"),
        }
    }

    async fn hint_at(&self, id: &str) {
        let condition = Condition::ChannelFailing { channel: id.to_owned() };
        if let Err(error) = self.job_queue.hint(condition, self.host.now(), 0).await {
            tracing::warn!(channel = id, %error, "whether it works is judged later");
        }
    }
}

/// PagerDuty gets an event for each incident; the others get lists.
fn is_event(channel: &Channel) -> bool {
    matches!(channel, Channel::PagerDuty { .. })
}

/// The channels that have something due, by id.
fn due_channels(due: &[Rung], now: Timestamp) -> BTreeMap<String, Channel> {
    let logs = due.iter().flat_map(|one| &one.incident.channels).filter(|log| log.is_due(now));
    logs.map(|log| (log.channel.id(), log.channel.clone())).collect()
}

impl Claimed {
    /// What this invocation sends to a channel.
    fn log(&self, channel: &Channel) -> Option<&ChannelLog> {
        self.incident.channels.iter().find(|log| log.channel.is_same(channel) && log.is_claimed_by(&self.by))
    }
}
