//! Sends the mails about incidents that are ready: one incident alone, several as lists.
//!
//! It sends first and marks afterwards: a crash in between repeats a mail and loses none. A stage counts as mailed when
//! SES has accepted the mail.

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{
    AT_ONCE, Alert, Schedule, decide,
    notify::Ready,
    occasion::{Occasion, RESOLVED},
    stages::{self, Rules, published},
};
use crate::{
    alerts::{
        channels::MAIL,
        condition::StageReport,
        group::{AckLink, AlertGroup},
        incident::{Incident, IncidentStatus, Waiting},
        mail::{self, Case, Circumstances, List, ListPage, Mail},
    },
    dispatches::record::SubjectRecord,
    ports::{Clock, Incidents, Mailer, Measurement, Metrics, PortError, Ports, Random, WriteError},
    update::{Change, From, IncidentRows, update},
};

const LINK_LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);

impl<P: Ports> Alert<'_, P> {
    pub(super) async fn send_mails(
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
}
