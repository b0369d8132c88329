//! The door behind the link in a mail: reading it shows a page, only its button acknowledges.
//!
//! Mail scanners and previews read links, so a GET changes nothing. The secret is 244 random bits that stand in the mail alone;
//! the table knows its hash. That is as good as a signature: neither can be guessed, both end with their date, and there is no
//! key to keep, to leak or to rotate. Looking a hash up tells nobody by its timing how near a guess was.

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::{AcknowledgeIncident, IncidentAckOutcome};
use crate::{
    alerts::{
        group::AckLink,
        mail::{escape, tame},
    },
    job::clip,
    ports::{Clock, Incidents, PortError, Ports, Random, WriteError},
};

/// A secret is 64 hex digits; nothing longer is looked up.
const MAX_SECRET: usize = 100;

/// Incidents named on the page before the rest is counted.
const SHOWN: usize = 20;

/// Writes under way at once.
const AT_ONCE: usize = 16;

/// The door.
#[derive(Debug)]
pub struct AckPages<'a, P: Ports> {
    /// `alerts`.
    pub incidents: &'a P::Incidents,
    /// Time and chance.
    pub host: &'a P::Host,
}

/// An answer for a browser. Whoever serves it adds that it must not be kept, indexed, framed or told to other sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// HTML.
    pub body: String,
    /// What happened, for the log: one word.
    pub outcome: &'static str,
}

impl<P: Ports> AckPages<'_, P> {
    /// Handles a request for `/alerts/{secret}`.
    pub async fn handle(&self, method: &str, secret: &str) -> Page {
        let acts = match method {
            "GET" | "HEAD" => false,
            "POST" => true,
            _ => return page(405, "method_not_allowed", "Not this way", "Open the link in a browser.", ""),
        };
        self.open(secret, acts).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a link could not be followed");
            page(503, "unavailable", "Not now", "It was not noted. Please try again in a moment.", "")
        })
    }

    async fn open(&self, secret: &str, acts: bool) -> Result<Page, PortError> {
        let link = if secret.is_empty() || secret.len() > MAX_SECRET {
            None
        } else {
            self.incidents.link(&AckLink::key(secret)).await?
        };
        let Some(link) = link else {
            return Ok(page(404, "unknown", "Nothing here", "This link leads nowhere.", ""));
        };
        let now = self.host.now();
        if link.used_at.is_some() {
            return Ok(used_before());
        }
        if link.expires_at <= now {
            return Ok(page(410, "expired", "Too old", "This link has expired.", ""));
        }
        if acts { self.acknowledge(link).await } else { Ok(ask(&link)) }
    }

    /// First what it is for, then that it is used: whoever dies in between can press the button again.
    async fn acknowledge(&self, link: AckLink) -> Result<Page, PortError> {
        let by = format!("the link in the mail to {}", link.to.join(", "));
        let acknowledge = AcknowledgeIncident::<P> { incidents: self.incidents, host: self.host };
        let noting =
            link.incidents.iter().map(|(incident, opened_at)| acknowledge.note(incident, Some(*opened_at), &by));
        let outcomes: Vec<Result<IncidentAckOutcome, PortError>> =
            stream::iter(noting).buffered(AT_ONCE).collect().await;
        let outcomes: Vec<IncidentAckOutcome> = outcomes.into_iter().collect::<Result<_, _>>()?;
        let expected = link.revision;
        let used = AckLink {
            revision: expected + 1,
            write: self.host.unique(),
            used_at: Some(self.host.now()),
            ..link.clone()
        };
        match self.incidents.write_link(&used, Some(expected)).await {
            Ok(()) => Ok(done(&link, &outcomes)),
            Err(WriteError::Lost(Some(stored))) if stored.write == used.write => Ok(done(&link, &outcomes)),
            Err(WriteError::Lost(_)) => Ok(used_before()),
            Err(WriteError::Port(error)) => Err(error),
        }
    }
}

fn used_before() -> Page {
    page(410, "used", "Used", "This link was used before. It works once.", "")
}

fn ask(link: &AckLink) -> Page {
    let button = "<form method=\"post\" action=\"\"><button>I take this on</button></form>\
                  <p>Nobody is reminded of it any more then. That it is over will still be mailed.</p>";
    let until = format!("The link works once, until {}.", minute(link.expires_at));
    page(200, "shown", &link.subject, &until, &format!("{}{button}", list(link)))
}

fn done(link: &AckLink, outcomes: &[IncidentAckOutcome]) -> Page {
    let noted = outcomes.iter().filter(|outcome| **outcome == IncidentAckOutcome::Noted).count();
    let words = match (noted, outcomes) {
        (0, [IncidentAckOutcome::Already(before)]) => {
            format!("Taken on before, at {} by {}.", minute(before.at), tame(&before.by))
        }
        (0, [_]) => "It is over already.".to_owned(),
        (0, _) => "All of it is over or was taken on before.".to_owned(),
        (_, [_]) => "It is yours. Nobody is reminded of it any more.".to_owned(),
        (noted, all) => format!("{noted} of {} are yours. Nobody is reminded of them any more.", all.len()),
    };
    page(200, "acknowledged", &link.subject, &words, &list(link))
}

fn list(link: &AckLink) -> String {
    let shown = link.incidents.iter().take(SHOWN).map(|(incident, opened_at)| {
        format!("<li>{}, since {}</li>", escape(&clip(&tame(incident), 200)), minute(*opened_at))
    });
    let more = link.incidents.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("<li>and {more} more</li>") } else { String::new() };
    format!("<ul>{}{more}</ul>", shown.collect::<String>())
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn page(status: u16, outcome: &'static str, title: &str, words: &str, rest: &str) -> Page {
    let (title, words) = (escape(&tame(title)), escape(&tame(words)));
    let body = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <style>body{{font:1.1em sans-serif;max-width:40em;margin:2em auto;padding:0 1em;overflow-wrap:anywhere}}\
         button{{font:inherit;padding:.6em 1.2em}}</style></head>\
         <body><h1>{title}</h1><p>{words}</p>{rest}</body></html>\n"
    );
    Page { status, body, outcome }
}
