//! Notices into incidents, and one mail for each incident and stage.
//!
//! A stage is claimed in the table before its mail is sent and marked as sent afterwards. Who dies in between leaves a claim
//! that expires: rather the same mail twice than none.

use dispatch::Subject;
use jiff::{SignedDuration, Timestamp};

use crate::{
    config::Config,
    incident::{Incident, IncidentStatus, MailState, News, Notice},
    mail::{self, Occasion},
    ports::{Chance, Clock, Dispatches, Incidents, Mailer, Outlet, PortError, WriteError},
    record::Record,
    work::Message,
};

/// The stage of the mail that says that it is over.
const OVER_STAGE: &str = "over";

/// A claim older than this is of somebody who died: an invocation is over by then.
const CLAIM_LASTS: SignedDuration = SignedDuration::from_secs(60);

/// After so many seconds a review is made up for that came too early.
const REVIEW_AGAIN_S: u32 = 60;

/// No incident sends more mails than this, whatever comes in through the door.
const MAX_MAILS: usize = 6;

/// How often a write may lose against others.
const MAX_TRIES: usize = 8;

/// SQS delays a message by this many seconds at most.
const MAX_DELAY_S: u32 = 900;

/// The alerter.
#[derive(Debug)]
pub struct Alert<'a, I, T, M, O, C> {
    /// The contacts.
    pub config: &'a Config,
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

/// What a notice makes of an incident.
enum Decision {
    /// Nothing to write, nothing to mail.
    Nothing,
    /// Look again in so many seconds.
    Later(u32),
    /// Write this; then mail this stage, if any; then look again in so many seconds, if any.
    Write { next: Box<Incident>, mail: Option<String>, review_in_s: Option<u32> },
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
            if let Err(error) = self.one(&notice).await {
                tracing::error!(alert.incident = notice.incident(), %error, "left to be delivered again");
                failed.push(message.id);
            }
        }
        failed
    }

    async fn one(&self, notice: &Notice) -> Result<(), PortError> {
        let key = notice.incident();
        for _ in 0..MAX_TRIES {
            let known = self.incidents.read(&key).await?;
            let claim = MailState { owner: self.world.unique(), claimed_at: self.world.now(), sent_at: None };
            let (next, mail, review_in_s) = match decide(known.as_ref(), notice, &claim) {
                Decision::Nothing => return Ok(()),
                Decision::Later(delay_s) => return self.review(notice, delay_s).await,
                Decision::Write { next, mail, review_in_s } => (next, mail, review_in_s),
            };
            match self.incidents.write(&next, known.map(|known| known.revision)).await {
                Ok(()) => {}
                Err(WriteError::Lost(Some(stored))) if stored.write == next.write => {}
                Err(WriteError::Lost(_)) => continue,
                Err(WriteError::Port(error)) => return Err(error),
            }
            if let Some(delay_s) = review_in_s {
                self.review(notice, delay_s).await?;
            }
            return match mail {
                Some(stage) => self.mail(notice, *next, &stage).await,
                None => Ok(()),
            };
        }
        Err(lost(&key))
    }

    async fn review(&self, notice: &Notice, delay_s: u32) -> Result<(), PortError> {
        let review = Notice { news: News::Review, attempt: 0, ..notice.clone() };
        self.outlet.notice(&review, delay_s.min(MAX_DELAY_S)).await
    }

    /// Sends the mail of a claimed stage and marks it as sent; where SES does not take it, the notice comes back later.
    async fn mail(&self, notice: &Notice, incident: Incident, stage: &str) -> Result<(), PortError> {
        let record = self.dispatch(incident.dispatch.as_ref()).await;
        let occasion = if stage == OVER_STAGE { Occasion::Over } else { Occasion::Happens };
        let sent = if let Some(mail) = mail::compose(self.config, &incident, occasion, record.as_ref()) {
            self.mailer.send(&mail).await
        } else {
            tracing::error!(alert.incident = incident.incident, "nobody to tell: contacts.email is empty");
            Ok(())
        };
        let sent_at = self.world.now();
        match &sent {
            Ok(()) => tracing::info!(alert.incident = incident.incident, alert.stage = stage, "mailed"),
            Err(error) => {
                tracing::error!(alert.incident = incident.incident, alert.stage = stage, %error, "not mailed");
            }
        }
        let key = incident.incident.clone();
        self.mark(incident, stage, sent.is_ok().then_some(sent_at)).await?;
        if sent.is_err() {
            let again = Notice { attempt: notice.attempt.saturating_add(1), ..notice.clone() };
            let delay_s = (2_u32 << notice.attempt.min(8)).min(300);
            tracing::warn!(alert.incident = key, retry.delay_s = delay_s, "the mail will be tried again");
            self.outlet.notice(&again, delay_s).await?;
        }
        Ok(())
    }

    /// Marks a claimed stage as sent, or gives the claim back.
    async fn mark(&self, incident: Incident, stage: &str, sent_at: Option<Timestamp>) -> Result<(), PortError> {
        let key = incident.incident.clone();
        let mut stored = Some(incident);
        for _ in 0..MAX_TRIES {
            let Some(mut next) = stored.take() else { return Ok(()) };
            let expected = next.revision;
            match (next.mails.get_mut(stage), sent_at) {
                (Some(mail), Some(_)) => mail.sent_at = sent_at,
                (Some(_), None) => {
                    next.mails.remove(stage);
                }
                (None, _) => return Ok(()),
            }
            next.revision += 1;
            next.write = self.world.unique();
            match self.incidents.write(&next, Some(expected)).await {
                Ok(()) => return Ok(()),
                Err(WriteError::Lost(Some(other))) if other.write == next.write => return Ok(()),
                Err(WriteError::Lost(other)) => stored = other.map(|other| *other),
                Err(WriteError::Port(error)) => return Err(error),
            }
        }
        Err(lost(&key))
    }

    /// The dispatch that a mail has to name. A mail goes out without it rather than not at all.
    async fn dispatch(&self, subject: Option<&Subject>) -> Option<Record> {
        match self.table.read(subject?).await {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(%error, "the mail cannot name the dispatch");
                None
            }
        }
    }
}

fn lost(incident: &str) -> PortError {
    PortError::Unavailable {
        port: "alerts",
        reason: format!("lost the write of {incident} {MAX_TRIES} times in a row"),
    }
}

fn decide(known: Option<&Incident>, notice: &Notice, claim: &MailState) -> Decision {
    match &notice.news {
        News::Happens { detail, stage, quiet_s } => happens(known, notice, (detail, stage, *quiet_s), claim),
        News::Over { detail } => over(known, notice, detail, claim),
        News::Review => known.map_or(Decision::Nothing, |known| review(known, notice, claim)),
    }
}

/// Time to see whether an incident has gone quiet, or whether the mail that says so died on the way.
fn review(known: &Incident, notice: &Notice, claim: &MailState) -> Decision {
    if known.status == IncidentStatus::Over {
        return over(Some(known), notice, &known.detail, claim);
    }
    let Some(quiet_s) = known.quiet_s else { return Decision::Nothing };
    let left_s = i64::from(quiet_s) - claim.claimed_at.duration_since(known.last_at).as_secs();
    if left_s > 0 {
        return Decision::Later(u32::try_from(left_s).unwrap_or(quiet_s));
    }
    // What nobody could be told of yet is not over: its mail is still being tried.
    if known.mails.is_empty() || known.mails.values().any(|mail| mail.sent_at.is_none()) {
        return Decision::Later(REVIEW_AGAIN_S);
    }
    let minutes = quiet_s.div_ceil(60);
    let detail = format!("nothing more of it for {minutes} minutes; {} in all", known.count);
    over(Some(known), notice, &detail, claim)
}

fn happens(
    known: Option<&Incident>,
    notice: &Notice,
    (detail, stage, quiet_s): (&str, &str, Option<u32>),
    claim: &MailState,
) -> Decision {
    let opened = known.is_none_or(|known| known.status == IncidentStatus::Over);
    if opened && known.and_then(|known| known.over_at).is_some_and(|over_at| notice.at <= over_at) {
        return Decision::Nothing; // older than the news that it is over, or the last of it once more
    }
    let mut next = match known {
        Some(known) if !opened => Incident {
            revision: known.revision + 1,
            count: known.count + u64::from(notice.attempt == 0),
            last_at: known.last_at.max(notice.at),
            quiet_s: known.quiet_s.and(quiet_s),
            ..known.clone()
        },
        _ => fresh(known, notice, quiet_s),
    };
    detail.clone_into(&mut next.detail);
    notice.about.clone_into(&mut next.about);
    next.dispatch.clone_from(&notice.dispatch);
    let due = match next.mails.get(stage) {
        None => next.mails.len() < MAX_MAILS,
        Some(mail) => mail.sent_at.is_none() && claim.claimed_at.duration_since(mail.claimed_at) > CLAIM_LASTS,
    };
    if due {
        next.mails.insert(stage.to_owned(), claim.clone());
    }
    next.write.clone_from(&claim.owner);
    // Once more with a mail that is made up for: whoever died over it may not have come to ask for the review.
    let review_in_s = next.quiet_s.filter(|_| opened || due);
    Decision::Write { next: Box::new(next), mail: due.then(|| stage.to_owned()), review_in_s }
}

fn fresh(known: Option<&Incident>, notice: &Notice, quiet_s: Option<u32>) -> Incident {
    Incident {
        incident: notice.incident(),
        revision: known.map_or(1, |known| known.revision + 1),
        write: String::new(),
        kind: notice.kind,
        source: notice.source.clone(),
        about: notice.about.clone(),
        dispatch: notice.dispatch.clone(),
        status: IncidentStatus::Open,
        opened_at: notice.at,
        last_at: notice.at,
        over_at: None,
        count: 1,
        detail: String::new(),
        quiet_s,
        mails: std::collections::BTreeMap::new(),
    }
}

fn over(known: Option<&Incident>, notice: &Notice, detail: &str, claim: &MailState) -> Decision {
    let told = known.is_some_and(|known| known.status == IncidentStatus::Open && !known.mails.is_empty());
    let unfinished = known
        .and_then(|known| known.mails.get(OVER_STAGE))
        .is_some_and(|mail| mail.sent_at.is_none() && claim.claimed_at.duration_since(mail.claimed_at) > CLAIM_LASTS);
    let retried = notice.attempt > 0
        && known.is_some_and(|known| !known.mails.contains_key(OVER_STAGE) && !known.mails.is_empty());
    if known.is_some_and(|known| known.status == IncidentStatus::Over) && !unfinished && !retried {
        return Decision::Nothing;
    }
    // Without a known incident this is a note for a notice that is still under way: it happened before it was over.
    let mut next = known.cloned().unwrap_or_else(|| Incident { count: 0, revision: 0, ..fresh(None, notice, None) });
    next.revision += 1;
    next.status = IncidentStatus::Over;
    next.over_at = Some(notice.at.max(next.last_at));
    detail.clone_into(&mut next.detail);
    let mail = told || unfinished || retried;
    if mail {
        next.mails.insert(OVER_STAGE.to_owned(), claim.clone());
    }
    next.write.clone_from(&claim.owner);
    Decision::Write { next: Box::new(next), mail: mail.then(|| OVER_STAGE.to_owned()), review_in_s: None }
}
