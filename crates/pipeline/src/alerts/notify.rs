//! The pending mails of an alert group: one invocation at a time claims the group, judges its incidents again, and
//! releases it when their mails are sent.

use std::collections::BTreeMap;

use futures_util::{StreamExt, future::join, stream};
use jiff::{SignedDuration, Timestamp};

use super::{
    AT_ONCE, Alert, Cause, Judged, decide,
    occasion::Occasion,
    ring::Rung,
    stages::{Rules, published},
};
use crate::{
    alerts::{
        channels::MAIL,
        group::{AlertGroup, Urgency},
        incident::Incident,
        mail::ListPage,
    },
    dispatches::record::SubjectRecord,
    messages::hop_s,
    ports::{Clock, Incidents, Mailer, PortError, Ports, Random},
    update::{Change, From, Groups, Updated, update},
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
