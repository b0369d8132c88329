//! What a person reads at 3 a.m.: which sites, by how much, from when to when, test or real, what failed, what to do now.

use std::fmt::Write as _;

use dispatch::{Request, Statement, Status, Target};
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    config::{Config, Environment},
    incident::{Incident, Kind},
    record::Record,
    work::clip,
};

/// Sites listed by name before the rest is counted.
const LISTED_SITES: usize = 20;

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
}

/// What a mail is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It is happening.
    Happens,
    /// It is over.
    Over,
}

/// The mail for one incident and stage; none where nobody is to be told.
pub fn compose(config: &Config, incident: &Incident, occasion: Occasion, record: Option<&Record>) -> Option<Mail> {
    if config.contacts.email.is_empty() {
        return None;
    }
    let dispatch = record.and_then(|record| record.state.published());
    let sandbox = config.sources.get(&incident.source).is_some_and(|source| source.environment == Environment::Sandbox);
    let test = sandbox || dispatch.as_ref().is_some_and(|(_, statement)| statement.test_reason.is_some());
    let marks = match (test, occasion) {
        (true, Occasion::Happens) => "[TEST] ",
        (true, Occasion::Over) => "[TEST] over: ",
        (false, Occasion::Happens) => "",
        (false, Occasion::Over) => "over: ",
    };
    let about = clip(&one_line(&incident.about), 160);
    let subject = format!("[gridbell] {marks}{}: {about}", incident.kind);
    let rows = rows(incident, occasion, dispatch.as_ref(), test);
    Some(Mail {
        from: config.contacts.from.clone(),
        to: config.contacts.email.clone(),
        text: text(&rows),
        html: html(&subject, &rows),
        subject,
    })
}

/// A label and its lines.
type Row = (&'static str, Vec<String>);

fn rows(incident: &Incident, occasion: Occasion, dispatch: Option<&(Status, Statement)>, test: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    if let Some((status, statement)) = dispatch {
        rows.push(("Sites", sites(statement)));
        rows.push(("By how much", vec![in_all(statement.request)]));
        rows.push(("From", instant(statement.start, statement)));
        rows.push((
            "To",
            statement.end.map_or_else(|| vec!["not known yet".to_owned()], |end| instant(end, statement)),
        ));
        let state = match status {
            Status::Scheduled => "scheduled",
            Status::Cancelled => "cancelled",
            Status::Ended => "ended",
        };
        rows.push(("State", vec![state.to_owned()]));
    } else if incident.dispatch.is_some() {
        let unknown = "not known: the provider announced it, but it could not be fetched";
        rows.push(("Sites, amount, times", vec![unknown.to_owned()]));
    }
    rows.push((
        "Test or real",
        vec![if test { "TEST: nobody curtails for it" } else { "REAL, unless you know otherwise" }.to_owned()],
    ));
    rows.push(("About", vec![one_line(&incident.about)]));
    rows.push(("Source", vec![incident.source.clone()]));
    rows.push(("Kind", vec![incident.kind.to_string()]));
    let what = if occasion == Occasion::Over { "Over" } else { "What failed" };
    rows.push((what, vec![one_line(&incident.detail)]));
    rows.push(("Since", vec![format!("{:.0}, {} notice(s)", incident.opened_at, incident.count.max(1))]));
    let now = match occasion {
        Occasion::Over => vec!["Nothing: this is over.".to_owned()],
        Occasion::Happens => advice(incident),
    };
    rows.push(("What to do now", now));
    rows
}

fn advice(incident: &Incident) -> Vec<String> {
    let advice: &[&str] = match incident.kind {
        Kind::HydrationFailing => &[
            "Look the dispatch up in the provider's own portal and curtail by hand if it is near.",
            "gridbell goes on trying and will say when it worked.",
        ],
        Kind::Quarantined => &[
            "If a dispatch may be behind it, look into the provider's portal now.",
            "The body is kept in the table of deliveries and can be replayed once the cause is mended.",
        ],
        Kind::UnknownEvent => &[
            "Ask the provider what the event means; if it can concern a dispatch, look into its portal now.",
            "The body is kept in the table of deliveries.",
        ],
        Kind::NotCompliant => &["Shed load by hand, or tell the grid operator that the target is not met."],
        Kind::Credentials => &[
            "Put a valid API key into the parameter that the source names; it is read again within minutes.",
            "Until then, watch the provider's portal: its dispatches cannot be fetched.",
        ],
        Kind::DispatchAtRisk => &["Curtail by hand, or find out why the controller does not acknowledge."],
        Kind::MissedDelivery => {
            &["Nothing is lost: its signals are out. Check the webhook's registration with the provider."]
        }
        Kind::SourceDown => &[
            "Watch the provider's portal: what no webhook brings is not seen while its list cannot be read.",
            "gridbell goes on asking and will say when it worked.",
        ],
        Kind::DeadLetter => {
            &["Look into the provider's portal whether it still matters; the work is kept in the table of deliveries."]
        }
    };
    advice.iter().map(|line| (*line).to_owned()).collect()
}

fn sites(statement: &Statement) -> Vec<String> {
    let mut lines: Vec<String> = statement.targets.iter().take(LISTED_SITES).map(site).collect();
    if statement.targets.len() > LISTED_SITES {
        lines.push(format!("and {} more", statement.targets.len() - LISTED_SITES));
    }
    if lines.is_empty() {
        lines.push("none named".to_owned());
    }
    lines
}

fn site(target: &Target) -> String {
    let mut line = one_line(target.name.as_deref().unwrap_or(&target.id));
    if let Some(external_id) = &target.external_id {
        let _ = write!(line, " ({})", one_line(external_id));
    }
    if let Some(request) = target.request {
        let _ = write!(line, ": {}", amount(Some(request)));
    }
    line
}

fn in_all(request: Request) -> String {
    match request {
        Request::Reduce { .. } | Request::Limit { .. } => format!("{} in all", amount(Some(request))),
        Request::ReduceMax | Request::Unspecified => amount(Some(request)),
    }
}

fn amount(request: Option<Request>) -> String {
    match request {
        Some(Request::Reduce { watts }) => format!("reduce by {}", kilowatts(watts)),
        Some(Request::Limit { watts }) => format!("draw at most {}", kilowatts(watts)),
        Some(Request::ReduceMax) => "reduce as much as you can".to_owned(),
        Some(Request::Unspecified) | None => "an amount that the provider does not name".to_owned(),
    }
}

fn kilowatts(watts: u64) -> String {
    match watts % 1_000 {
        0 => format!("{} kW", watts / 1_000),
        rest => format!("{}.{rest:03} kW", watts / 1_000),
    }
}

/// UTC, then each program's own zone; a name that is no zone ("PST") is said to be none.
fn instant(at: Timestamp, statement: &Statement) -> Vec<String> {
    let mut lines = vec![at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()];
    let mut zones: Vec<&str> = statement.programs.iter().filter_map(|program| program.timezone.as_deref()).collect();
    zones.dedup();
    for name in zones.into_iter().filter(|name| !name.is_empty() && *name != "UTC").take(3) {
        lines.push(match TimeZone::get(name) {
            Ok(zone) => at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %Z (%:Q)").to_string(),
            Err(_) => format!("(the program's zone, {:?}, is no time zone)", clip(name, 40)),
        });
    }
    lines
}

fn text(rows: &[Row]) -> String {
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or_default() + 2;
    let mut text = String::new();
    for (label, lines) in rows {
        for (index, line) in lines.iter().enumerate() {
            let label = if index == 0 { format!("{label}:") } else { String::new() };
            let _ = writeln!(text, "{label:width$}{line}");
        }
    }
    text
}

fn html(subject: &str, rows: &[Row]) -> String {
    let mut html = format!(
        "<h2 style=\"font-family:sans-serif\">{}</h2>\n<table style=\"font-family:sans-serif\" cellpadding=\"4\">\n",
        escape(subject)
    );
    for (label, lines) in rows {
        let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
        let _ =
            writeln!(html, "<tr><th align=\"left\" valign=\"top\">{label}</th><td>{}</td></tr>", lines.join("<br>"));
    }
    html.push_str("</table>\n");
    html
}

fn escape(text: &str) -> String {
    // Nothing stands in an attribute, so a slash stays a slash and a key can be searched for in the source of a mail.
    html_escape::encode_text(text).into_owned()
}

/// What a provider wrote, on one line: a line break in a name must not forge a row or a header.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
