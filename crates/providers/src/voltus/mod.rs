//! Voltus: a thin webhook names a dispatch, which is then fetched.
//!
//! Two successive updates of one dispatch are byte-identical, and both matter, so a webhook only ever triggers a fetch.
//! The list of dispatches goes back one day.

mod terms;
mod wire;

#[cfg(test)]
mod tests;

use dispatch::{Fact, Origin, Subject};
use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};

use self::{terms::fact, wire::Webhook};
use crate::{
    ApiPath, ApiRequest, ApiResponse, Delivery, Diagnostic, FetchRequest, Id, KeyHeader, Method, Parsed, Precedence,
    Provider, Unreadable, UnreadableResponse,
    diagnostics::Findings,
    field_errors::element,
    fields::{Reason, brief},
    lenient::json,
};

/// The API version of the polled list. A webhook names its own version.
const LISTED_VERSION: Date = jiff::civil::date(2022, 4, 15);

/// The provider.
pub(crate) struct Voltus;

/// The purpose of a request.
enum Asked {
    One(Id),
    All,
}

impl Asked {
    fn of(fetch: &FetchRequest) -> Result<Self, UnreadableResponse> {
        if fetch.context.get("list") == Some(&Value::Bool(true)) {
            return Ok(Self::All);
        }
        let id = fetch.context.get("id").and_then(Value::as_str).and_then(Id::parse);
        id.map(Self::One).ok_or_else(|| UnreadableResponse::Foreign("no dispatch id".to_owned()))
    }
}

impl Provider for Voltus {
    fn name(&self) -> &'static str {
        "voltus"
    }

    fn title(&self) -> &'static str {
        "Voltus"
    }

    fn api_url(&self, sandbox: bool) -> Option<&'static str> {
        Some(if sandbox { "https://sandbox.voltus.co" } else { "https://api.voltus.co" })
    }

    fn key_header(&self) -> Option<KeyHeader> {
        Some(KeyHeader { name: "x-voltus-api-key", prefix: "" })
    }

    /// The larger request governs; the sites are curtailed until all dispatches have ended.
    fn governs(&self) -> Option<Precedence> {
        Some(Precedence::LARGER_REQUEST)
    }

    fn ping(&self) -> Option<&'static str> {
        Some(r#"{"event":{"name":""},"resource":""}"#)
    }

    fn is_ping(&self, body: &str) -> bool {
        wire::is_handshake(body)
    }

    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Parsed, Unreadable> {
        if self.is_ping(body) {
            return Ok(Parsed::default());
        }
        let body = json(body)?;
        let Webhook { event, resource } = Webhook::read(&body)?;
        let subject = Subject::dispatch(&delivery.origin.source, resource.id.as_str());
        let fetch = FetchRequest {
            key: subject.to_string(),
            context: json!({ "date": resource.version, "id": resource.id.as_str() }),
            subject,
        };
        // A fetch does no harm, whatever an unknown event means.
        let diagnostics = match event {
            Some("dispatch.create" | "dispatch.update") => Vec::new(),
            other => vec![Diagnostic::UnknownEvent { name: brief(other.unwrap_or("(none)")) }],
        };
        Ok(Parsed { fetches: vec![fetch], diagnostics, ..Parsed::default() })
    }

    fn listings(&self, origin: &Origin, _now: Timestamp) -> Vec<FetchRequest> {
        vec![FetchRequest {
            subject: Subject::account(&origin.source),
            key: format!("{}/list", origin.source),
            context: json!({ "date": LISTED_VERSION, "list": true }),
        }]
    }

    fn elements(&self, fetch: &FetchRequest) -> Option<&'static str> {
        matches!(Asked::of(fetch), Ok(Asked::All)).then_some("dispatches")
    }

    fn is_answered_by_list(&self, fetch: &FetchRequest) -> bool {
        // The list has one API version; another version may have other fields.
        let is_listed_version = fetch.context.get("date").and_then(Value::as_str) == Some(&LISTED_VERSION.to_string());
        is_listed_version && matches!(Asked::of(fetch), Ok(Asked::One(_)))
    }

    fn request(&self, fetch: &FetchRequest, _page_token: Option<&str>) -> Result<ApiRequest, UnreadableResponse> {
        let version = fetch.context.get("date").and_then(|date| date.as_str()).and_then(wire::parse_version);
        let version = version.ok_or_else(|| UnreadableResponse::Foreign("no date".to_owned()))?;
        let dispatches = ApiPath::versioned(version, "/dispatches");
        let path = match Asked::of(fetch)? {
            Asked::One(id) => dispatches.join(&id),
            Asked::All => dispatches,
        };
        Ok(ApiRequest { method: Method::Get, path, query: Vec::new(), body: None, idempotent: true })
    }

    fn decode(&self, answer: &ApiResponse<'_>) -> Result<Parsed, UnreadableResponse> {
        let asked = Asked::of(answer.fetch)?;
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

/// The requested dispatch. Without a start, the whole response is rejected.
fn one(answer: &ApiResponse<'_>, listed: &[&Value], id: &Id) -> Result<Parsed, UnreadableResponse> {
    let mut facts: Vec<Fact> = Vec::new();
    for dispatch in listed.iter().filter(|dispatch| wire::id(dispatch) == Some(id.as_str())) {
        facts.push(fact(answer, id, wire::Dispatch::read(dispatch)?));
    }
    if facts.is_empty() {
        return Err(not_among(listed, id));
    }
    Ok(Parsed { facts, ..Parsed::default() })
}

/// All dispatches of a list. One without id or start affects only itself.
fn all(answer: &ApiResponse<'_>, listed: &[&Value]) -> Parsed {
    let mut diagnostics = Findings::default();
    let mut facts = Vec::new();
    for (index, dispatch) in listed.iter().enumerate() {
        let Some(id) = wire::id(dispatch).and_then(Id::parse) else {
            diagnostics.unreadable(format!("dispatches[{index}]"), "`id` is none of letters, digits, `-` and `_`");
            continue;
        };
        match wire::Dispatch::read(dispatch) {
            Ok(dispatch) => facts.push(fact(answer, &id, dispatch)),
            Err(reason) => {
                let subject = Subject::dispatch(&answer.origin.source, id.as_str());
                diagnostics.lost(subject, element("dispatches", id.as_str()), reason);
            }
        }
    }
    Parsed { facts, diagnostics: diagnostics.into_list(), ..Parsed::default() }
}

/// Why a response without the requested dispatch is rejected.
fn not_among(listed: &[&Value], asked: &Id) -> UnreadableResponse {
    match listed.first().map(|dispatch| wire::id(dispatch)) {
        None => UnreadableResponse::Missing(asked.as_str().to_owned()),
        Some(None) => UnreadableResponse::Shape("a dispatch without `id`".to_owned()),
        Some(Some(other)) => UnreadableResponse::OtherId { asked: asked.as_str().to_owned(), answered: brief(other) },
    }
}
