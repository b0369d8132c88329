//! The page behind the link in a mail: the incident and two buttons. Reading it changes nothing.
//!
//! Mail scanners and previews open links, so a GET changes nothing. The secret is 244 random bits that only the mail
//! contains; the table stores its hash. That is as safe as a signature: neither can be guessed, both expire, and there
//! is no key to store, leak or rotate. The time of a lookup by hash reveals nothing about the secret.

mod form;
mod view;

use futures_util::{StreamExt, stream};

use super::{AcknowledgeIncident, IncidentAckOutcome};
use crate::{
    alerts::{
        group::AckLink,
        incident::{Incident, IncidentStatus},
    },
    config::Config,
    dispatches::record::SubjectRecord,
    messages::{ByHand, Deadline, ToAlert, ToRetry},
    ports::{Clock, Dispatches, Incidents, JobQueue, Lane, PortError, Ports, Random, WriteError},
};

use form::{Action, Form};
use view::View;

/// A secret is 64 hex digits; anything longer is not looked up.
const MAX_SECRET: usize = 100;

/// Incidents that the page of a list reads; the others are only named.
const SHOWN: usize = 20;

const AT_ONCE: usize = 16;

/// Incidents in one message for a review.
const MOST_REVIEWED: usize = 100;

/// How often a button is stored again if the other one was pressed at the same time.
const ATTEMPTS: usize = 4;

/// The pages.
#[derive(Debug)]
pub struct AckPages<'a, P: Ports> {
    /// The sites.
    pub config: &'a Config,
    /// The stack name for commands; none: the local stack, which needs no name.
    pub stack: Option<&'a str>,
    /// `alerts`.
    pub incidents: &'a P::Incidents,
    /// `dispatches`, to read.
    pub table: &'a P::Dispatches,
    /// The inner queues: the retrier stores that a person has curtailed.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

/// An answer for a browser. The HTTP layer adds headers against caching, indexing, framing and referrers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// HTML.
    pub body: String,
    /// What happened, for the log: one word.
    pub outcome: &'static str,
}

/// An incident of a link and its record, as stored now.
struct Known {
    incident: Incident,
    record: Option<SubjectRecord>,
}

impl<P: Ports> AckPages<'_, P> {
    /// Handles a request for `/alerts/{secret}`.
    pub async fn handle(&self, method: &str, secret: &str, body: &[u8]) -> Page {
        let form = match method {
            "GET" | "HEAD" => None,
            "POST" => match Form::parse(body) {
                Ok(form) => Some(form),
                Err(reason) => return view::notice(400, "unreadable", "Not understood", &reason),
            },
            _ => return view::notice(405, "method_not_allowed", "Not this way", "Open the link in a browser."),
        };
        self.open(secret, form).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a link could not be followed");
            view::notice(503, "unavailable", "Not now", "Nothing was noted. Please try again in a moment.")
        })
    }

    async fn open(&self, secret: &str, form: Option<Form>) -> Result<Page, PortError> {
        let link = if secret.is_empty() || secret.len() > MAX_SECRET {
            None
        } else {
            self.incidents.link(&AckLink::key(secret)).await?
        };
        let Some(link) = link else {
            return Ok(view::notice(404, "unknown", "Nothing here", "This link leads nowhere."));
        };
        if link.expires_at <= self.host.now() {
            return Ok(view::notice(410, "expired", "Too old", "This link has expired."));
        }
        match form {
            None => Ok(self.view(&link).await?.page(200, "shown", None)),
            Some(form) if form.action == Action::Curtailed => self.curtailed(link, &form).await,
            Some(form) => self.acknowledge(link, &form).await,
        }
    }

    /// First acknowledges, then marks the button as used: after a crash in between the person can press it again.
    async fn acknowledge(&self, link: AckLink, form: &Form) -> Result<Page, PortError> {
        if link.used_at.is_some() {
            return self.used(&link, "This was acknowledged with this button before. It works once.").await;
        }
        let by = form.by(&link);
        let acknowledge = AcknowledgeIncident::<P> { incidents: self.incidents, host: self.host };
        let noting =
            link.incidents.iter().map(|(incident, opened_at)| acknowledge.note(incident, Some(*opened_at), &by));
        let outcomes: Vec<Result<IncidentAckOutcome, PortError>> =
            stream::iter(noting).buffered(AT_ONCE).collect().await;
        let outcomes: Vec<IncidentAckOutcome> = outcomes.into_iter().collect::<Result<_, _>>()?;
        self.pass_on(&link).await;
        let now = self.host.now();
        match self.mark(link, |link| link.used_at.replace(now).is_some()).await? {
            Marked::Ours(link) => {
                Ok(self.after(&link).await.page(200, "acknowledged", Some(&view::acknowledged(&outcomes))))
            }
            Marked::Before(link) => {
                self.used(&link, "This was acknowledged with this button before. It works once.").await
            }
        }
    }

    /// A person has curtailed by hand: the retrier stores it as `accepted` for the version that the page showed.
    async fn curtailed(&self, link: AckLink, form: &Form) -> Result<Page, PortError> {
        const BEFORE: &str = "This was reported with this button before. It works once.";
        if link.curtailed_at.is_some() {
            return self.used(&link, BEFORE).await;
        }
        let view = self.view(&link).await?;
        let Some((record, by_hand)) = view.known().and_then(|known| Some((known.record.as_ref()?, form.seen?))) else {
            return Ok(view.page(409, "no_dispatch", Some("Nothing was noted: no dispatch stands here any more.")));
        };
        let (epoch, version) = by_hand;
        if (record.state.epoch, record.state.version) != (epoch, version) || !view.is_curtailable() {
            let changed =
                "Nothing was noted: the dispatch has changed since you opened this page. Please read it again.";
            return Ok(view.page(409, "changed", Some(changed)));
        }
        let by = form.by(&link);
        let by_hand = Some(ByHand { by: by.clone(), epoch, version });
        let deadline = Deadline { by_hand, traceparent: record.traceparent, ..Deadline::of(record.subject.clone()) };
        self.job_queue.retry(&[ToRetry::Deadline(deadline).at_once()]).await?;
        let acknowledge = AcknowledgeIncident::<P> { incidents: self.incidents, host: self.host };
        for (incident, opened_at) in &link.incidents {
            acknowledge.note(incident, Some(*opened_at), &format!("{by}, who has curtailed by hand")).await?;
        }
        self.pass_on(&link).await;
        let now = self.host.now();
        match self.mark(link, |link| link.curtailed_at.replace(now).is_some()).await? {
            Marked::Ours(link) => {
                let done = format!(
                    "Thank you. Version {version} counts as accepted, by hand. The mail that it is resolved follows."
                );
                Ok(self.after(&link).await.page(200, "curtailed", Some(&done)))
            }
            Marked::Before(link) => self.used(&link, BEFORE).await,
        }
    }

    /// Has the incidents reviewed at once, so that PagerDuty hears of the acknowledgement. If that fails, the review of each
    /// minute does it.
    async fn pass_on(&self, link: &AckLink) {
        if !self.config.has_channels() {
            return;
        }
        let incidents = link.incidents.iter().take(MOST_REVIEWED).map(|(incident, _)| incident.clone()).collect();
        if let Err(error) = self.job_queue.alert(&ToAlert::Review { incidents }, Lane::CanWait, 0).await {
            tracing::warn!(%error, "the next review passes the acknowledgement on");
        }
    }

    async fn used(&self, link: &AckLink, words: &str) -> Result<Page, PortError> {
        Ok(self.view(link).await?.page(410, "used", Some(words)))
    }

    /// Stores that a button was used. The other one may be pressed at the same time.
    async fn mark(&self, mut link: AckLink, set: impl Fn(&mut AckLink) -> bool) -> Result<Marked, PortError> {
        for _ in 0..ATTEMPTS {
            let expected = link.revision;
            let mut next = AckLink { revision: expected + 1, write: self.host.unique(), ..link };
            if set(&mut next) {
                return Ok(Marked::Before(next));
            }
            link = match self.incidents.write_link(&next, Some(expected)).await {
                Ok(()) => return Ok(Marked::Ours(next)),
                Err(WriteError::Lost(Some(stored))) if stored.write == next.write => return Ok(Marked::Ours(next)),
                Err(WriteError::Lost(Some(stored))) => *stored,
                Err(WriteError::Lost(None)) => return Ok(Marked::Before(next)),
                Err(WriteError::Port(error)) => return Err(error),
            };
        }
        Err(PortError::Unavailable { port: "alerts", reason: "the link was written again and again".to_owned() })
    }

    /// The page after a button was used. If the tables do not answer, it shows less.
    async fn after<'l>(&self, link: &'l AckLink) -> View<'_, 'l> {
        match self.view(link).await {
            Ok(view) => view,
            Err(error) => {
                tracing::warn!(%error, "the page shows no incident");
                self.shown(link, Vec::new())
            }
        }
    }

    /// The incidents of a link as stored now.
    async fn view<'l>(&self, link: &'l AckLink) -> Result<View<'_, 'l>, PortError> {
        let reading = link.incidents.iter().take(SHOWN).map(async |(key, opened_at)| {
            // A later occurrence has a mail of its own.
            let incident = self.incidents.read(key).await?.filter(|incident| incident.opened_at == *opened_at);
            let Some(incident) = incident else { return Ok(None) };
            let record = match incident.subject() {
                Some(subject) => self.table.read(&subject).await?,
                None => None,
            };
            Ok::<_, PortError>(Some(Known { incident, record }))
        });
        let known: Vec<Result<Option<Known>, PortError>> = stream::iter(reading).buffered(AT_ONCE).collect().await;
        let known = known.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        Ok(self.shown(link, known))
    }

    fn shown<'l>(&self, link: &'l AckLink, known: Vec<Known>) -> View<'_, 'l> {
        View { config: self.config, stack: self.stack, link, known, now: self.host.now() }
    }
}

/// Whether this request used a button, or an earlier one did.
enum Marked {
    Ours(AckLink),
    Before(AckLink),
}

impl Known {
    fn is_open(&self) -> bool {
        self.incident.status == IncidentStatus::Open
    }
}
