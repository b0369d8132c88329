//! Voltus: a thin webhook names a dispatch, which is then fetched.
//!
//! Two successive updates of one dispatch are byte-identical and both matter, so a webhook is never more than "look again".
//! The list of dispatches reaches back a day.

mod statement;
mod wire;

#[cfg(test)]
mod tests;

use dispatch::{Fact, Origin, Subject};
use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};

use self::{statement::fact, wire::Webhook};
use crate::{
    Answer, ApiPath, Ask, Delivery, Finding, Id, KeyHeader, Look, Method, Provider, Reading, Unreadable,
    UnreadableAnswer,
    diagnostics::element,
    fields::{Reason, brief},
    findings::Findings,
    lenient::json,
};

/// The version of the API whose list is polled. A webhook names its own.
const LISTED_VERSION: Date = jiff::civil::date(2022, 4, 15);

/// The provider.
pub(crate) struct Voltus;

/// What a look is for.
enum Asked {
    One(Id),
    All,
}

impl Asked {
    fn of(look: &Look) -> Result<Self, UnreadableAnswer> {
        if look.context.get("list") == Some(&Value::Bool(true)) {
            return Ok(Self::All);
        }
        let id = look.context.get("id").and_then(Value::as_str).and_then(Id::parse);
        id.map(Self::One).ok_or_else(|| UnreadableAnswer::Look("no dispatch id".to_owned()))
    }
}

impl Provider for Voltus {
    fn name(&self) -> &'static str {
        "voltus"
    }

    fn api_url(&self, sandbox: bool) -> Option<&'static str> {
        Some(if sandbox { "https://sandbox.voltus.co" } else { "https://api.voltus.co" })
    }

    fn key_header(&self) -> Option<KeyHeader> {
        Some(KeyHeader { name: "x-voltus-api-key", prefix: "" })
    }

    fn is_ping(&self, body: &str) -> bool {
        wire::is_handshake(body)
    }

    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Reading, Unreadable> {
        if self.is_ping(body) {
            return Ok(Reading::default());
        }
        let body = json(body)?;
        let Webhook { event, resource } = Webhook::read(&body)?;
        let subject = Subject::dispatch(&delivery.origin.source, resource.id.as_str());
        let look = Look {
            key: subject.to_string(),
            context: json!({ "date": resource.version, "id": resource.id.as_str() }),
            subject,
        };
        // Whatever an unknown event may mean, looking does no harm.
        let findings = match event {
            Some("dispatch.create" | "dispatch.update") => Vec::new(),
            other => vec![Finding::UnknownEvent { name: brief(other.unwrap_or("(none)")) }],
        };
        Ok(Reading { looks: vec![look], findings, ..Reading::default() })
    }

    fn listings(&self, origin: &Origin, _now: Timestamp) -> Vec<Look> {
        vec![Look {
            subject: Subject::account(&origin.source),
            key: format!("{}/list", origin.source),
            context: json!({ "date": LISTED_VERSION, "list": true }),
        }]
    }

    fn elements(&self, look: &Look) -> Option<&'static str> {
        matches!(Asked::of(look), Ok(Asked::All)).then_some("dispatches")
    }

    fn is_answered_by_list(&self, look: &Look) -> bool {
        // The list is of one version of the API; another version may show other fields.
        let is_listed_version = look.context.get("date").and_then(Value::as_str) == Some(&LISTED_VERSION.to_string());
        is_listed_version && matches!(Asked::of(look), Ok(Asked::One(_)))
    }

    fn ask(&self, look: &Look, _page_token: Option<&str>) -> Result<Ask, UnreadableAnswer> {
        let version = look.context.get("date").and_then(|date| date.as_str()).and_then(wire::parse_version);
        let version = version.ok_or_else(|| UnreadableAnswer::Look("no date".to_owned()))?;
        let dispatches = ApiPath::versioned(version, "/dispatches");
        let path = match Asked::of(look)? {
            Asked::One(id) => dispatches.join(&id),
            Asked::All => dispatches,
        };
        Ok(Ask { method: Method::Get, path, query: Vec::new(), body: None, idempotent: true })
    }

    fn decode(&self, answer: &Answer<'_>) -> Result<Reading, UnreadableAnswer> {
        let asked = Asked::of(answer.look)?;
        let pages = answer.pages.iter().map(|page| json(page)).collect::<Result<Vec<_>, Reason>>()?;
        let mut listed = Vec::new();
        for page in &pages {
            listed.extend(match asked {
                Asked::One(_) => wire::dispatches(page)?,
                Asked::All => wire::list(page)?,
            });
        }
        match asked {
            Asked::One(id) => one(answer, &listed, &id),
            Asked::All => Ok(all(answer, &listed)),
        }
    }
}

/// The dispatch that was asked for. Without a start it costs the answer.
fn one(answer: &Answer<'_>, listed: &[&Value], id: &Id) -> Result<Reading, UnreadableAnswer> {
    let mut facts: Vec<Fact> = Vec::new();
    for dispatch in listed.iter().filter(|dispatch| wire::id(dispatch) == Some(id.as_str())) {
        facts.push(fact(answer, id, wire::Dispatch::read(dispatch)?));
    }
    if facts.is_empty() {
        return Err(not_among(listed, id));
    }
    Ok(Reading { facts, ..Reading::default() })
}

/// Whatever the list holds. What has neither id nor start costs only itself.
fn all(answer: &Answer<'_>, listed: &[&Value]) -> Reading {
    let mut findings = Findings::default();
    let mut facts = Vec::new();
    for (index, dispatch) in listed.iter().enumerate() {
        let Some(id) = wire::id(dispatch).and_then(Id::parse) else {
            findings.unreadable(format!("dispatches[{index}]"), "`id` is none of letters, digits, `-` and `_`");
            continue;
        };
        match wire::Dispatch::read(dispatch) {
            Ok(dispatch) => facts.push(fact(answer, &id, dispatch)),
            Err(reason) => {
                let subject = Subject::dispatch(&answer.origin.source, id.as_str());
                findings.lost(subject, element("dispatches", id.as_str()), reason);
            }
        }
    }
    Reading { facts, findings: findings.into_list(), ..Reading::default() }
}

/// Why an answer without the asked dispatch cannot be taken.
fn not_among(listed: &[&Value], asked: &Id) -> UnreadableAnswer {
    match listed.first().map(|dispatch| wire::id(dispatch)) {
        None => UnreadableAnswer::Missing(asked.as_str().to_owned()),
        Some(None) => UnreadableAnswer::Shape("a dispatch without `id`".to_owned()),
        Some(Some(other)) => UnreadableAnswer::OtherId { asked: asked.as_str().to_owned(), answered: brief(other) },
    }
}
