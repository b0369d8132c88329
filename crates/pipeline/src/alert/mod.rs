//! Notices into incidents, and mails at each incident's stages: one for each, or one for many of one cause.
//!
//! A stage is claimed in the table before its mail is sent and marked as sent afterwards. Who dies in between leaves a claim
//! that expires: rather the same mail twice than none.

mod acknowledge;
mod decide;
mod gate;
mod page;
mod stages;

use dispatch::{Status, Subject};
use jiff::{SignedDuration, Timestamp};

use crate::{
    config::Config,
    held::Link,
    incident::{Incident, IncidentStatus, Kind, MailState, News, Notice},
    mail::{self, Circumstances, Mail},
    ports::{Chance, Clock, Dispatches, Incidents, Mailer, Outlet, PortError},
    record::Record,
    work::Message,
    written::{MAX_TRIES, Written, always_overtaken, written},
};

pub use acknowledge::{AcknowledgeIncident, Outcome};
pub use page::{Door, Page};
pub use stages::Occasion;

use decide::{Decision, decide};
use gate::Pass;
use stages::{Rules, published};

/// After so many seconds a review asks again for a dispatch that cannot be read.
const UNREAD_S: u32 = 300;

/// After so many seconds an invocation has written or never will.
const IS_OVER_S: u32 = 30;

/// How long the link in a mail can be used.
const LINK_LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The alerter.
#[derive(Debug)]
pub struct Alert<'a, I, T, M, O, C> {
    /// The contacts.
    pub config: &'a Config,
    /// What `/alerts/{secret}` stands behind, without a slash at the end; none: no mail holds a link.
    pub public_url: Option<&'a str>,
    /// `alerts`.
    pub incidents: &'a I,
    /// `dispatches`, to name sites and times.
    pub table: &'a T,
    /// SES.
    pub mailer: &'a M,
    /// The inner queues.
    pub outlet: &'a O,
    /// Time and chance.
    pub world: &'a C,
}

impl<I: Incidents, T: Dispatches, M: Mailer, O: Outlet, C: Clock + Chance> Alert<'_, I, T, M, O, C> {
    /// Handles a batch in order; returns the ids of the messages that nobody took care of, to be delivered again.
    pub async fn batch(&self, messages: Vec<Message>) -> Vec<String> {
        let mut failed = Vec::new();
        for message in messages {
            let Ok(notice) = serde_json::from_str::<Notice>(&message.body) else {
                tracing::error!(
                    alert.message = message.id,
                    "a message of the alerts queue is no notice; it goes to the dead letters"
                );
                failed.push(message.id);
                continue;
            };
            let done = match &notice.news {
                News::Flush { gate } => self.flush(&notice, gate).await,
                News::Happens { .. } | News::Over { .. } | News::Review => self.one(&notice).await,
            };
            if let Err(error) = done {
                tracing::error!(alert.incident = notice.incident(), %error, "left to be delivered again");
                failed.push(message.id);
            }
        }
        failed
    }

    async fn one(&self, notice: &Notice) -> Result<(), PortError> {
        let key = notice.incident();
        let read = self.dispatch(notice.dispatch.as_ref()).await;
        let is_review = notice.news == News::Review;
        for _ in 0..MAX_TRIES {
            let known = self.incidents.read(&key).await?;
            let now = self.world.now();
            let record = match &read {
                Ok(record) => record.as_ref(),
                Err(error) if is_review && may_wait(known.as_ref(), now) => {
                    tracing::warn!(alert.incident = key, %error, "a review waits for the dispatch");
                    // As it is: that it follows a refused mail is known by its attempt alone.
                    return self.outlet.notice(notice, UNREAD_S).await;
                }
                Err(_) => None,
            };
            let mut resolved = None;
            if read.is_ok() && is_at_risk_no_more(notice, record) {
                let open = known.as_ref().filter(|known| known.status != IncidentStatus::Over);
                match (open, is_review) {
                    (Some(open), true) => resolved = Some(open.resolved_by_record()),
                    (Some(_), false) => {}
                    (None, _) => {
                        tracing::info!(alert.incident = key, "a late notice: the dispatch is not at risk any more");
                        return Ok(());
                    }
                }
            }
            let notice = resolved.as_ref().unwrap_or(notice);
            let dispatch = published(record);
            let claim = MailState { owner: self.world.unique(), claimed_at: now, sent_at: None };
            let rules = Rules::new(self.config, &notice.source, dispatch.as_ref());
            let (next, mail, review_in_s) = match decide(known.as_ref(), notice, rules, &claim) {
                Decision::Nothing if decide::is_in_other_hands(known.as_ref(), notice) => {
                    return self.notice_again(notice, decide::CLAIM_LASTS_S).await;
                }
                Decision::Nothing => return Ok(()),
                Decision::Later(delay_s) => return self.review(notice, delay_s).await,
                Decision::Write { next, mail, review_in_s } => (next, mail, review_in_s),
            };
            if let Some(delay_s) = review_in_s.filter(|_| !is_review) {
                // Under way before the write: whoever dies in between leaves no incident that nobody looks at again.
                self.review(notice, delay_s.max(IS_OVER_S)).await?;
            }
            let answer = self.incidents.write(&next, known.map(|known| known.revision)).await;
            if !written(&*next, answer)?.is_done() {
                continue;
            }
            if let Some(delay_s) = review_in_s.filter(|delay_s| is_review || *delay_s < IS_OVER_S) {
                self.review(notice, delay_s).await?;
            }
            return match mail {
                Some(stage) => self.mail(notice, *next, &stage).await,
                None if decide::is_in_other_hands(Some(&next), notice) => {
                    self.notice_again(notice, decide::CLAIM_LASTS_S).await
                }
                None => Ok(()),
            };
        }
        Err(always_overtaken("alerts", &key))
    }

    async fn review(&self, notice: &Notice, delay_s: u32) -> Result<(), PortError> {
        let review = Notice { news: News::Review, attempt: 0, ..notice.clone() };
        self.outlet.notice(&review, delay_s.min(stages::MAX_DELAY_S)).await
    }

    /// Sends the mail of a claimed stage, or leaves it at the gate, and marks it; where SES does not take it, the notice comes
    /// back later.
    async fn mail(&self, notice: &Notice, incident: Incident, stage: &str) -> Result<(), PortError> {
        let record = self.dispatch(incident.dispatch.as_ref()).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the mail cannot name the dispatch");
            None
        });
        let dispatch = published(record.as_ref());
        let rules = Rules::new(self.config, &incident.source, dispatch.as_ref());
        let (now, occasion) = (self.world.now(), Occasion::of(stage));
        let level = if occasion == Occasion::Over { incident.level } else { rules.level(&incident, now) };
        if self.pass(&incident, stage, rules).await? == Pass::Held {
            tracing::info!(alert.incident = incident.incident, alert.stage = stage, "gathered with others");
            return self.mark(incident, stage, Some((now, level))).await;
        }
        let to = rules.audience.addresses(level);
        let sent = self.send_one(&incident, occasion, record.as_ref(), to).await;
        let sent_at = self.world.now();
        match &sent {
            Ok(()) => tracing::info!(alert.incident = incident.incident, alert.stage = stage, "mailed"),
            Err(error) => {
                tracing::error!(alert.incident = incident.incident, alert.stage = stage, %error, "not mailed");
            }
        }
        if sent.is_err() {
            // Before the claim is given back: whoever dies in between leaves a claim that expires, and not nobody.
            self.try_again(notice).await?;
        }
        self.mark(incident, stage, sent.is_ok().then_some((sent_at, level))).await
    }

    async fn send_one(
        &self,
        incident: &Incident,
        occasion: Occasion,
        record: Option<&Record>,
        to: Vec<String>,
    ) -> Result<(), PortError> {
        let dispatch = published(record);
        let test = mail::is_test(self.config, &incident.source, dispatch.as_ref());
        let awaited = stages::is_awaited(incident, test) && occasion != Occasion::Over;
        let subject = mail::subject(incident, occasion, test);
        let of = [(incident.incident.clone(), incident.opened_at)];
        let link = if awaited { self.link(&of, &subject, &to).await } else { None };
        let circumstances = Circumstances { to, now: self.world.now(), link, awaited };
        self.send(mail::compose(self.config, incident, occasion, record, circumstances)).await
    }

    async fn send(&self, mail: Option<Mail>) -> Result<(), PortError> {
        let Some(mail) = mail else {
            tracing::error!("nobody to tell: contacts.email is empty");
            return Ok(());
        };
        self.mailer.send(&mail).await
    }

    /// Makes the link of a mail. A mail goes out without one rather than not at all.
    async fn link(&self, incidents: &[(String, Timestamp)], subject: &str, to: &[String]) -> Option<String> {
        let base = self.public_url?;
        let secret = self.world.secret();
        let link = Link {
            link: Link::key(&secret),
            revision: 1,
            write: self.world.unique(),
            incidents: incidents.to_vec(),
            subject: subject.to_owned(),
            to: to.to_vec(),
            expires_at: self.world.now() + LINK_LASTS,
            used_at: None,
        };
        match written(&link, self.incidents.write_link(&link, None).await) {
            Ok(Written::Done) => return Some(format!("{base}/alerts/{secret}")),
            Ok(Written::Overtaken(_)) => tracing::warn!("the mail goes without a link: another bears its name"),
            Err(error) => tracing::warn!(%error, "the mail goes without a link"),
        }
        None
    }

    async fn try_again(&self, notice: &Notice) -> Result<(), PortError> {
        let delay_s = (2_u32 << notice.attempt.min(8)).min(300);
        tracing::warn!(alert.incident = notice.incident(), retry.delay_s = delay_s, "the mail will be tried again");
        self.notice_again(notice, i64::from(delay_s)).await
    }

    async fn notice_again(&self, notice: &Notice, delay_s: i64) -> Result<(), PortError> {
        let again = Notice { attempt: notice.attempt.saturating_add(1), ..notice.clone() };
        self.outlet.notice(&again, u32::try_from(delay_s + 1).unwrap_or(stages::MAX_DELAY_S)).await
    }

    /// Marks a claimed stage as sent, to so many steps of the escalation; or gives the claim back.
    async fn mark(&self, incident: Incident, stage: &str, sent: Option<(Timestamp, usize)>) -> Result<(), PortError> {
        let key = incident.incident.clone();
        let mut stored = Some(incident);
        for _ in 0..MAX_TRIES {
            let Some(mut next) = stored.take() else { return Ok(()) };
            let expected = next.revision;
            match (next.mails.get_mut(stage), sent) {
                (Some(mail), Some((at, level))) => {
                    mail.sent_at = Some(at);
                    next.level = next.level.max(level);
                }
                (Some(_), None) => {
                    next.mails.remove(stage);
                }
                (None, _) => return Ok(()),
            }
            next.revision += 1;
            next.write = self.world.unique();
            match written(&next, self.incidents.write(&next, Some(expected)).await)? {
                Written::Done => return Ok(()),
                Written::Overtaken(other) => stored = other,
            }
        }
        Err(always_overtaken("alerts", &key))
    }

    async fn dispatch(&self, subject: Option<&Subject>) -> Result<Option<Record>, PortError> {
        match subject {
            Some(subject) => self.table.read(subject).await,
            None => Ok(None),
        }
    }
}

/// Whether a dispatch's record knows nothing of what a notice or a review is about: the controller has acknowledged meanwhile, the
/// provider has withdrawn the dispatch, or the tables were restored to a time before it. No other component would then resolve it.
fn is_at_risk_no_more(notice: &Notice, record: Option<&Record>) -> bool {
    let (News::Happens { quiet_s: None, .. } | News::Review, Kind::DispatchAtRisk, Some(subject)) =
        (&notice.news, notice.kind, &notice.dispatch)
    else {
        return false;
    };
    let Some(record) = record else { return true };
    let is_withdrawn = matches!(record.state.published(), Some((Status::Cancelled, _)));
    match notice.gather.strip_prefix(subject.as_str()) {
        Some("") => is_withdrawn || record.is_acknowledged() || record.due.is_none_or(|due| due.told == 0),
        // A withdrawal that the controller failed to carry out is an incident like any other version.
        Some("/failed") => record.is_acknowledged() || record.failed_at.is_none(),
        _ => false,
    }
}

/// Whether a review can be put off until the dispatch can be read.
fn may_wait(known: Option<&Incident>, now: Timestamp) -> bool {
    let again = now + SignedDuration::from_secs(i64::from(UNREAD_S));
    known.is_some_and(|known| again < known.opened_at + stages::REMINDED_FOR)
}
