//! What a person reads at 3 a.m.: what must happen, where and when; what failed; what to do now; who else was notified;
//! the details.

mod advice;
mod amount;
mod body;
mod calendar;
mod case;
mod content;
mod failed;
mod html;
mod list;
mod subject;
mod times;
mod words;

use dispatch::{DispatchTerms, Status};

use crate::{
    alerts::occasion::Occasion,
    config::TokenHash,
    config::{Config, Environment},
};

pub(crate) use body::{must_happen, true_now, what_failed, what_to_do};
pub use case::Case;
pub(crate) use case::Facts;
pub(crate) use content::{Row, Section, row};
pub(crate) use html::{Mood, escape, page, sections};
pub(crate) use list::listed;
pub use list::{List, ListPage};
pub(crate) use subject::brief;
pub use subject::subject;
pub(crate) use times::second;
pub(crate) use words::tame;

/// A mail, plain text first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
    /// Begins with `[gridbell]`.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// The dispatch's window as iCalendar, if known.
    pub calendar: Option<String>,
    /// The thread id that all mails of one incident share, in angle brackets.
    pub thread: String,
}

/// The inputs of a mail besides its incident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The recipients.
    pub to: Vec<String>,
    /// The link to acknowledge it.
    pub link: Option<String>,
    /// Whether a person must acknowledge it.
    pub awaited: bool,
    /// The stack name for commands; none: the local stack.
    pub stack: Option<String>,
    /// Other open incidents about the same dispatch.
    pub still_open: Vec<String>,
}

/// The mail for one incident and occasion; none if it has no recipient.
pub fn compose(case: &Case<'_>, occasion: Occasion, circumstances: Circumstances) -> Option<Mail> {
    if circumstances.to.is_empty() {
        return None;
    }
    let Case { config, incident, record, now } = *case;
    let subject = subject(case, occasion);
    let sections = body::sections(case, occasion, &circumstances);
    let published = record.and_then(|record| Some((record, record.state.published()?)));
    let calendar = published.map(|(record, (status, terms))| calendar::window(record, status, &terms, now));
    Some(Mail {
        thread: thread(config, &format!("{} {}", incident.incident, incident.opened_at)),
        from: config.contacts.from.clone(),
        to: circumstances.to,
        text: content::text(&sections),
        html: as_html(&subject, mood(case.is_test(), occasion), &sections),
        calendar,
        subject,
    })
}

fn as_html(subject: &str, mood: Mood, sections: &[Section]) -> String {
    let heading = subject.strip_prefix("[gridbell] ").unwrap_or(subject);
    page(subject, heading, mood, "", &html::sections(sections))
}

pub(crate) fn mood(test: bool, occasion: Occasion) -> Mood {
    match (test, occasion) {
        (true, _) => Mood::Test,
        (false, Occasion::Resolved) => Mood::Good,
        (false, _) => Mood::Bad,
    }
}

/// Whether it is test traffic.
pub fn is_test(config: &Config, source: &str, dispatch: Option<&(Status, DispatchTerms)>) -> bool {
    let sandbox = config.named(source).is_some_and(|source| source.environment == Environment::Sandbox);
    sandbox || dispatch.is_some_and(|(_, terms)| terms.test_reason.is_some())
}

fn thread(config: &Config, of: &str) -> String {
    let id = TokenHash::of(of).to_hex();
    let from = config.contacts.from.as_str();
    let domain = from.rsplit_once('@').map_or(from, |(_, domain)| domain);
    format!("<{}@{domain}>", &id[..32])
}
