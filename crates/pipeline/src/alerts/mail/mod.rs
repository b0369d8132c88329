//! What a person reads at 3 a.m.: which sites, by how much, from when to when, test or real, what failed, what to do now.

mod calendar;
mod html;
mod list;
mod words;

use dispatch::{DispatchTerms, Status};
use jiff::Timestamp;

use crate::{
    alerts::{
        condition::Condition,
        incident::{Incident, IncidentKind},
        occasion::Occasion,
    },
    config::{Config, Environment},
    dispatches::record::SubjectRecord,
    job::clip,
    token::TokenHash,
};

pub(crate) use html::escape;
pub use list::{Line, ListPage, compose_list, line, list_subject};
pub(crate) use words::tame;

/// How much of what an incident is about stands in a subject, in characters.
const MAX_ABOUT: usize = 160;

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
    /// The dispatch's window as iCalendar, where there is one.
    pub calendar: Option<String>,
    /// What the mails of one incident share, so that a reader shows them as one thread: an id in angle brackets.
    pub thread: String,
}

/// What a mail depends on beside its incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circumstances {
    /// The recipients.
    pub to: Vec<String>,
    /// Now.
    pub now: Timestamp,
    /// Where it can be acknowledged.
    pub link: Option<String>,
    /// Whether a person is awaited to acknowledge it.
    pub awaited: bool,
}

/// The mail for one incident and occasion; none where it has no recipient.
pub fn compose(
    config: &Config,
    incident: &Incident,
    occasion: Occasion,
    record: Option<&SubjectRecord>,
    circumstances: Circumstances,
) -> Option<Mail> {
    if circumstances.to.is_empty() {
        return None;
    }
    let dispatch = record.and_then(|record| record.state.published());
    let test = is_test(config, incident.source(), dispatch.as_ref());
    let subject = subject(incident, occasion, test);
    let rows = words::rows(incident, occasion, dispatch.as_ref(), test, &circumstances);
    let calendar = match (record, &dispatch) {
        (Some(record), Some((status, terms))) => Some(calendar::window(record, *status, terms, circumstances.now)),
        _ => None,
    };
    Some(Mail {
        thread: thread(config, &format!("{} {}", incident.incident, incident.opened_at)),
        from: config.contacts.from.clone(),
        to: circumstances.to,
        text: words::text(&rows),
        html: html::page(&subject, test, occasion, &rows, circumstances.link.as_deref()),
        calendar,
        subject,
    })
}

/// A mail's subject: what has happened, what sort, what it is about.
pub fn subject(incident: &Incident, occasion: Occasion, test: bool) -> String {
    let about = clip(&tame(&incident.about), MAX_ABOUT);
    format!("[gridbell] {}{}{}: {about}", test_mark(test), happened(occasion), incident.kind())
}

fn test_mark(test: bool) -> &'static str {
    if test { "[TEST] " } else { "" }
}

fn happened(occasion: Occasion) -> String {
    match occasion {
        Occasion::First => String::new(),
        Occasion::Start => "starts now: ".to_owned(),
        Occasion::Reminder(0) => "reminder: ".to_owned(),
        Occasion::Reminder(n) => format!("reminder {n}: "),
        Occasion::Escalation(_) => "nobody has taken it on: ".to_owned(),
        Occasion::Resolved => "over: ".to_owned(),
    }
}

/// Whether what people are notified of is a test.
pub fn is_test(config: &Config, source: &str, dispatch: Option<&(Status, DispatchTerms)>) -> bool {
    let sandbox = config.sources.get(source).is_some_and(|source| source.environment == Environment::Sandbox);
    sandbox || dispatch.is_some_and(|(_, terms)| terms.test_reason.is_some())
}

fn thread(config: &Config, of: &str) -> String {
    let id = TokenHash::of(of).to_hex();
    let from = config.contacts.from.as_str();
    let domain = from.rsplit_once('@').map_or(from, |(_, domain)| domain);
    format!("<{}@{domain}>", &id[..32])
}

/// What a person does about an incident now.
fn advice_on(incident: &Incident) -> &'static [&'static str] {
    if matches!(incident.condition, Condition::NoEnd { .. }) {
        return &[
            "Ask the provider whether this dispatch is still on, and have it state an end or withdraw it.",
            "Acknowledging it does not end the question: it comes once a day until an end is known.",
        ];
    }
    advice(incident.kind())
}

/// What a person does now.
fn advice(kind: IncidentKind) -> &'static [&'static str] {
    match kind {
        IncidentKind::HydrationFailing => &[
            "Look the dispatch up in the provider's own portal and curtail by hand if it is near.",
            "gridbell goes on trying and will say when it worked.",
        ],
        IncidentKind::Quarantined => &[
            "If a dispatch may be behind it, look into the provider's portal now.",
            "The body is kept in the table of deliveries and can be replayed once the cause is mended.",
        ],
        IncidentKind::UnknownEvent => &[
            "Ask the provider what the event means; if it can concern a dispatch, look into its portal now.",
            "The body is kept in the table of deliveries.",
        ],
        IncidentKind::NotCompliant => &["Shed load by hand, or tell the grid operator that the target is not met."],
        IncidentKind::Credentials => &[
            "Put a valid API key into the parameter that the source names; it is read again within minutes.",
            "Until then, watch the provider's portal: its dispatches cannot be fetched.",
        ],
        IncidentKind::DispatchAtRisk => &["Curtail by hand, or find out why the controller does not acknowledge."],
        IncidentKind::MissedDelivery => {
            &["Nothing is lost: its signals are out. Check the webhook's registration with the provider."]
        }
        IncidentKind::SourceDown => &[
            "Watch the provider's portal: what no webhook brings is not seen while its list cannot be read.",
            "gridbell goes on asking and will say when it worked.",
        ],
        IncidentKind::DeadLetter => {
            &["Look into the provider's portal whether it still matters; the work is kept in the table of deliveries."]
        }
    }
}
