//! Sends the pending mails of an alert group: one mail alone, several as lists.
//!
//! It sends first and marks afterwards: a crash in between repeats a mail and loses none. A stage counts as mailed when
//! SES has accepted the mail.

use std::collections::BTreeMap;

use futures_util::{StreamExt, future::join, stream};
use jiff::{SignedDuration, Timestamp};

use super::{
    AT_ONCE, Alert, Cause, Judged, Schedule, decide,
    occasion::{Occasion, RESOLVED},
    ring::Rung,
    stages::{self, Rules, published},
};
use crate::{
    alerts::{
        channels::MAIL,
        condition::StageReport,
        group::{AckLink, AlertGroup, Urgency},
        incident::{Incident, IncidentStatus, Waiting},
        mail::{self, Case, Circumstances, List, ListPage, Mail},
    },
    dispatches::record::SubjectRecord,
    messages::hop_s,
    ports::{Clock, Incidents, Mailer, Measurement, Metrics, PortError, Ports, Random, WriteError},
    update::{Change, From, Groups, IncidentRows, Updated, update},
};

/// The most incidents in one mail; the others are in the next mail.
const LISTED: usize = 200;

/// The most incidents in one flush; another flush sends the others.
const FLUSHED: usize = 600;

/// A flush that is early by less than this is on time: clocks differ.
const EARLY: SignedDuration = SignedDuration::from_secs(2);

/// The invocation of an older claim has died.
const CLAIM_LASTS: SignedDuration = SignedDuration::from_secs(30);

/// Mails that arrive while another invocation sends are sent after this long.
const BUSY: SignedDuration = SignedDuration::from_secs(3);

const LINK_LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What to do with a group.
enum Claim {
    /// Nothing is pending or due, or another invocation is sending.
    Nothing,
    Ours,
}

#[derive(Clone, Copy)]
enum Ends {
    Sent,
    /// No mail was pending.
    Nothing,
    /// SES refused mails, or something could not be read.
    Refused,
    /// The rest of the daily quota is reserved for urgent mails.
    Saved,
}

/// What is known of a flush beside the incidents that are ready.
struct ReadyState {
    /// Why an incident could not be judged.
    failure: Option<PortError>,
    /// More may wait than one flush reads.
    is_full: bool,
}

/// An incident that was just judged.
pub(super) struct JustJudged {
    pub(super) incident: Incident,
    pub(super) record: Option<SubjectRecord>,
}

/// An incident whose mail is sent now.
pub(super) struct Ready {
    pub(super) incident: Incident,
    pub(super) record: Option<SubjectRecord>,
    /// How many escalation steps are notified.
    pub(super) level: usize,
    is_urgent: bool,
}

impl<P: Ports> Alert<'_, P> {
    /// Sends the pending mails of a group. `own` was just judged; the index may not show it yet.
    pub(super) async fn flush(&self, key: &str, own: Option<JustJudged>) -> Result<(), PortError> {
        let mut waiting = self.incidents.waiting(key, FLUSHED).await?;
        match &own {
            Some(own) => waiting.retain(|key| *key != own.incident.incident),
            None if waiting.is_empty() => return Ok(()),
            None => {}
        }
        let mut is_planned = false;
        let claimed = update(Groups(self.incidents), key, From::Stored, async |known| {
            let now = self.host.now();
            let Some(group) = known else { return Ok::<_, PortError>(Change::Keep(Claim::Nothing)) };
            let (revision, write) = (group.revision + 1, self.host.unique());
            if group.claim.as_ref().is_some_and(|(_, at)| now.duration_since(*at) < CLAIM_LASTS) {
                let again_at = now + BUSY;
                // The sending invocation schedules the next flush. If each concurrent flush were sent again, duplicates
                // would multiply without limit.
                if own.is_none() || group.flush_at.is_some_and(|at| at > now && at <= again_at) {
                    return Ok(Change::Keep(Claim::Nothing));
                }
                if !std::mem::replace(&mut is_planned, true) {
                    self.flush_later(key, Urgency::New, hop_s(again_at, now), None).await?;
                }
                let next = AlertGroup { revision, write, flush_at: Some(again_at), ..group };
                return Ok(Change::Write(Box::new(next), Claim::Nothing));
            }
            // An early flush belongs to mails that were sent already; the pending ones have their own flush.
            if own.is_none() && group.flush_at.is_some_and(|at| at > now + EARLY) {
                return Ok(Change::Keep(Claim::Nothing));
            }
            let claim = Some((write.clone(), now));
            Ok(Change::Write(Box::new(AlertGroup { revision, write, claim, ..group }), Claim::Ours))
        });
        match claimed.await? {
            Updated { written: Some(group), result: Claim::Ours } => self.send_waiting(group, waiting, own).await,
            _ => Ok(()),
        }
    }

    async fn send_waiting(
        &self,
        group: AlertGroup,
        keys: Vec<String>,
        own: Option<JustJudged>,
    ) -> Result<(), PortError> {
        let is_full = keys.len() >= FLUSHED;
        let judged = keys.into_iter().map(|key| self.ready(&group, key));
        let judged: Vec<Result<_, PortError>> = stream::iter(judged).buffered(AT_ONCE).collect().await;
        // Read it again: another invocation may have sent its mail before this one claimed the group.
        let own = match own {
            Some(JustJudged { incident, record }) => {
                let stored = self.incidents.read(&incident.incident).await?;
                stored.and_then(|incident| self.of_group(&group, incident, record))
            }
            None => None,
        };
        let mut ready: Vec<Ready> = own.into_iter().collect();
        let mut failure = None;
        for one in judged {
            match one {
                Ok(one) => ready.extend(one),
                Err(error) => failure = Some(error),
            }
        }
        // A slow channel does not hold up the mails, nor the group's next ones.
        let rings = ready.iter().filter(|one| one.incident.has_message_waiting());
        let rung = rings.map(|one| Rung { incident: one.incident.clone(), record: one.record.clone() }).collect();
        let mails = self.send_ready(&group, ready, ReadyState { failure, is_full });
        join(mails, self.ring(rung)).await.0
    }

    /// Sends the mails of a claimed group, and releases it.
    async fn send_ready(&self, group: &AlertGroup, mut ready: Vec<Ready>, state: ReadyState) -> Result<(), PortError> {
        let ReadyState { mut failure, is_full } = state;
        // That mail fails is no mail: the other channels report it.
        ready.retain(|one| !one.incident.condition.is_about_channel(MAIL));
        if !ready.is_empty() && !ready.iter().any(|one| one.is_urgent) && self.mailer.is_short().await {
            tracing::warn!(alert.group = group.group, "few mails are left for today: these wait");
            return self.finish(&group.group, &group.write, Ends::Saved).await;
        }
        let is_sent = !ready.is_empty();
        ready.sort_by_key(|one| one.incident.waiting.as_ref().map_or(Timestamp::MAX, |waiting| waiting.sorts_by));
        let mut audiences: BTreeMap<Vec<String>, Vec<Ready>> = BTreeMap::new();
        for one in ready {
            audiences.entry(self.recipients(&one)).or_default().push(one);
        }
        for (to, ready) in audiences {
            let total = ready.len().div_ceil(LISTED);
            let mut rest = ready;
            for number in 1..=total {
                let next = rest.split_off(rest.len().min(LISTED));
                let mails = std::mem::replace(&mut rest, next);
                if let Err(error) = self.send_mails(group, mails, &to, ListPage { number, of: total }).await {
                    tracing::error!(alert.group = group.group, %error, "not mailed");
                    failure = Some(error);
                }
            }
        }
        let ends = if failure.is_some() {
            Ends::Refused
        } else if is_sent {
            Ends::Sent
        } else {
            Ends::Nothing
        };
        self.finish(&group.group, &group.write, ends).await?;
        if is_sent && failure.is_none() && self.config.has_channels() {
            let known = self.health(MAIL).await;
            self.channel_worked(MAIL, known.as_ref()).await;
        }
        if is_full && failure.is_none() {
            self.flush_later(&group.group, Urgency::New, 0, None).await?;
        }
        Ok(())
    }

    /// Judges a pending incident again: a mail states what is true when it is sent.
    async fn ready(&self, group: &AlertGroup, key: String) -> Result<Option<Ready>, PortError> {
        let Some(incident) = self.incidents.read(&key).await? else { return Ok(None) };
        if incident.waiting.as_ref().is_none_or(|waiting| waiting.group != group.group) {
            return Ok(None);
        }
        let cause = Cause { at: Timestamp::MIN, hint: None, sets_timer: false, traceparent: None };
        let Judged { incident, record, .. } = self.judge(&incident.condition, cause).await?;
        Ok(incident.and_then(|incident| self.of_group(group, incident, record)))
    }

    fn of_group(&self, group: &AlertGroup, incident: Incident, record: Option<SubjectRecord>) -> Option<Ready> {
        incident.waiting.as_ref().filter(|waiting| waiting.group == group.group)?;
        let now = self.host.now();
        let dispatch = published(record.as_ref());
        let rules = Rules::new(self.config, &incident.condition, record.as_ref(), dispatch.as_ref(), now);
        let occasion = incident.waiting.as_ref().map_or(Occasion::First, decide::occasion_of);
        let is_urgent = decide::urgency(&incident, occasion, rules, now) != Urgency::CanWait;
        Some(Ready { level: rules.level(&incident, now), is_urgent, incident, record })
    }

    async fn send_mails(
        &self,
        group: &AlertGroup,
        ready: Vec<Ready>,
        to: &[String],
        page: ListPage,
    ) -> Result<(), PortError> {
        if to.is_empty() {
            tracing::error!("no person to notify: contacts.email is empty");
        } else if let ([one], ListPage { of: 1, .. }) = (&ready[..], page) {
            self.send_one(&one.incident, one.record.as_ref(), to).await?;
        } else {
            self.send_list(group, &ready, to, page).await?;
        }
        let sent_at = self.host.now();
        let marked = ready.into_iter().map(async |one| self.mark(&one, to, sent_at).await);
        let marked: Vec<Result<(), PortError>> = stream::iter(marked).buffer_unordered(AT_ONCE).collect().await;
        marked.into_iter().collect()
    }

    async fn send_one(
        &self,
        incident: &Incident,
        record: Option<&SubjectRecord>,
        to: &[String],
    ) -> Result<(), PortError> {
        let occasion = incident.waiting.as_ref().map_or(Occasion::First, decide::occasion_of);
        let dispatch = published(record);
        let test = mail::is_test(self.config, incident.source(), dispatch.as_ref());
        let awaited = stages::is_awaited(incident, test) && occasion != Occasion::Resolved;
        let case = Case { config: self.config, incident, record, now: self.host.now() };
        let of = [(incident.incident.clone(), incident.opened_at)];
        let link = if awaited { self.link(&of, &mail::subject(&case, occasion), to).await } else { None };
        let still_open = if occasion == Occasion::Resolved { self.still_open(incident).await } else { Vec::new() };
        let circumstances = self.circumstances(to, link, awaited);
        self.send(mail::compose(&case, occasion, Circumstances { still_open, ..circumstances })).await?;
        tracing::info!(alert.incident = incident.incident, alert.occasion = occasion.word(), "mailed");
        Ok(())
    }

    fn circumstances(&self, to: &[String], link: Option<String>, awaited: bool) -> Circumstances {
        let stack = self.stack.map(str::to_owned);
        Circumstances { to: to.to_vec(), link, awaited, stack, still_open: Vec::new() }
    }

    async fn send_list(
        &self,
        group: &AlertGroup,
        ready: &[Ready],
        to: &[String],
        page: ListPage,
    ) -> Result<(), PortError> {
        let awaited = ready.iter().filter(|one| stages::is_awaited(&one.incident, group.test));
        let awaited: Vec<(String, Timestamp)> =
            awaited.map(|one| (one.incident.incident.clone(), one.incident.opened_at)).collect();
        let awaits = !awaited.is_empty() && Occasion::of(&group.occasion) != Occasion::Resolved;
        let (config, now) = (self.config, self.host.now());
        let cases = ready.iter().map(|one| Case { config, incident: &one.incident, record: one.record.as_ref(), now });
        let cases: Vec<Case<'_>> = cases.collect();
        let list = List::of(group, &cases, page);
        let link = if awaits { self.link(&awaited, &list.subject(), to).await } else { None };
        self.send(list.compose(config, self.circumstances(to, link, awaits))).await?;
        tracing::info!(alert.group = group.group, alert.incidents = ready.len(), "mailed as a list");
        Ok(())
    }

    async fn send(&self, mail: Option<Mail>) -> Result<(), PortError> {
        match mail {
            Some(mail) => {
                let sent = self.mailer.send(&mail).await;
                if let Err(error) = &sent
                    && self.config.has_channels()
                {
                    self.channel_failed(MAIL, "mail", &error.to_string()).await;
                }
                sent?;
            }
            None => return Ok(()),
        }
        self.host.measure(Measurement::Notification);
        Ok(())
    }

    /// Creates the link of a mail or of another message. If that fails, it is sent without a link.
    pub(super) async fn link(&self, incidents: &[(String, Timestamp)], subject: &str, to: &[String]) -> Option<String> {
        let base = self.public_url?;
        let secret = self.host.secret();
        let link = AckLink {
            link: AckLink::key(&secret),
            revision: 1,
            write: self.host.unique(),
            incidents: incidents.to_vec(),
            subject: subject.to_owned(),
            to: to.to_vec(),
            expires_at: self.host.now() + LINK_LASTS,
            used_at: None,
            curtailed_at: None,
        };
        match self.incidents.write_link(&link, None).await {
            Ok(()) => return Some(format!("{base}/alerts/{secret}")),
            Err(WriteError::Lost(Some(stored))) if stored.write == link.write => {
                return Some(format!("{base}/alerts/{secret}"));
            }
            Err(error) => tracing::warn!(%error, "the mail goes without a link"),
        }
        None
    }

    /// Stores that the mail of an incident was sent.
    async fn mark(&self, ready: &Ready, to: &[String], sent_at: Timestamp) -> Result<(), PortError> {
        let Ready { incident: sent, record, level, .. } = ready;
        let Some(stages) = sent.waiting.as_ref().map(|waiting| &waiting.stages) else { return Ok(()) };
        let known = From::Known(Some(sent.clone()));
        let marked = update(IncidentRows(self.incidents), &sent.incident, known, async |known| {
            let Some(mut next) = known.filter(|known| known.opened_at == sent.opened_at) else {
                return Ok::<_, PortError>(Change::Keep(()));
            };
            next.mails.extend(stages.iter().map(|news| (news.stage.clone(), sent_at)));
            next.level = next.level.max(*level);
            next.notified.extend(to.iter().cloned());
            next.waiting = next.waiting.take().and_then(|mut waiting| {
                waiting.stages.retain(|news| !stages.iter().any(|sent| sent.stage == news.stage));
                (!waiting.stages.is_empty()).then_some(waiting)
            });
            if next.status == IncidentStatus::Resolved && next.waiting.is_none() && !next.mails.contains_key(RESOLVED) {
                self.resolve_after(&mut next, record.as_ref(), sent_at).await?;
            }
            next.revision += 1;
            next.write = self.host.unique();
            Ok(Change::Write(Box::new(next), ()))
        });
        marked.await.map(drop)
    }

    /// Schedules the resolved mail of an incident that was resolved before its first mail was sent.
    async fn resolve_after(
        &self,
        next: &mut Incident,
        record: Option<&SubjectRecord>,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let (dispatch, condition) = (published(record), next.condition.clone());
        let rules = Rules::new(self.config, &condition, record, dispatch.as_ref(), now);
        let detail = "it was resolved before the first mail about it was sent".to_owned();
        let news = StageReport { stage: RESOLVED.to_owned(), about: next.about.clone(), detail };
        next.detail.clone_from(&news.detail);
        let (group, sorts_by) = (String::new(), Timestamp::MAX);
        next.waiting = Some(Waiting { group, since: now, send_at: now, sorts_by, stages: vec![news] });
        // A resolved mail is not urgent: its group sends it later.
        let schedule = Schedule { occasion: Occasion::Resolved, rules, now, traceparent: None };
        self.schedule(next, schedule).await.map(drop)
    }

    /// Releases the group. Refused mails are tried again later.
    async fn finish(&self, key: &str, claim: &str, ends: Ends) -> Result<(), PortError> {
        let more_waits = !self.incidents.waiting(key, 1).await?.is_empty();
        let mut is_planned = false;
        let finished = update(Groups(self.incidents), key, From::Stored, async |known| {
            let is_ours = |group: &AlertGroup| group.claim.as_ref().is_some_and(|(owner, _)| owner == claim);
            let Some(group) = known.filter(is_ours) else { return Ok::<_, PortError>(Change::Keep(())) };
            let now = self.host.now();
            let (revision, write) = (group.revision + 1, self.host.unique());
            let next = match ends {
                Ends::Sent | Ends::Nothing => {
                    let mut flush_at = group.flush_at.filter(|at| *at > now);
                    if more_waits && flush_at.is_none() {
                        let at = now + BUSY;
                        if !std::mem::replace(&mut is_planned, true) {
                            self.flush_later(key, Urgency::New, hop_s(at, now), None).await?;
                        }
                        flush_at = Some(at);
                    }
                    let is_sent = matches!(ends, Ends::Sent);
                    let next = if is_sent { group.flushed(now) } else { AlertGroup { claim: None, ..group } };
                    AlertGroup { flush_at, ..next }
                }
                Ends::Saved => {
                    let wait = SignedDuration::from_secs(i64::from(self.config.contacts.group_interval_s.min(900)));
                    if !std::mem::replace(&mut is_planned, true) {
                        self.flush_later(key, Urgency::CanWait, hop_s(now + wait, now), None).await?;
                    }
                    AlertGroup { claim: None, flush_at: Some(now + wait), last_at: now, ..group }
                }
                Ends::Refused => {
                    let delay_s = (2_u32 << group.failures.min(8)).min(300);
                    if !std::mem::replace(&mut is_planned, true) {
                        self.flush_later(key, Urgency::New, delay_s, None).await?;
                    }
                    let again_at = now + SignedDuration::from_secs(i64::from(delay_s));
                    // Another mail may have been scheduled meanwhile.
                    let flush_at = Some(group.flush_at.filter(|at| *at > now).map_or(again_at, |at| at.min(again_at)));
                    AlertGroup { claim: None, failures: group.failures + 1, flush_at, last_at: now, ..group }
                }
            };
            Ok(Change::Write(Box::new(AlertGroup { revision, write, ..next }), ()))
        });
        finished.await.map(drop)
    }
}
