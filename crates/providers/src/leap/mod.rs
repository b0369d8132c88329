//! Leap: its notifications contain whole dispatches, of meters or of market groups.
//!
//! Leap sends neither a sequence number nor a send time, and it redelivers for 50 minutes, so an old notification can
//! arrive after a newer one. If a notification contradicts what is known, gridbell searches for the current state.

mod events;
mod items;
mod terms;
mod wire;

#[cfg(test)]
mod tests;

use dispatch::{DispatchTerms, Fact, FactBody, Origin, Rank, Subject};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::{
    events::Events,
    wire::{Flags, Level},
};
use crate::{
    ApiPath, ApiRequest, ApiResponse, Delivery, FetchRequest, KeyHeader, Method, Parsed, Precedence, Provider,
    Unreadable, UnreadableResponse,
    diagnostics::Findings,
    field_errors::FieldErrors,
    fields::{Fields, Reason},
    instant::shift,
    lenient::json,
};

/// Longest time span of one search.
const MAX_SEARCH: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How far a search extends beyond the known times.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);
/// How far back a list extends: it covers an outage of one day. The rest of [`MAX_SEARCH`] is in the future.
const LISTED_BACK: SignedDuration = SignedDuration::from_hours(24);
/// The longest page token that is sent back.
const MAX_TOKEN_BYTES: usize = 1_024;

/// The provider.
pub(crate) struct Leap;

/// The context of a request.
#[derive(Serialize, Deserialize)]
struct Search {
    level: String,
    /// None: all events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    start_date: Timestamp,
    end_date: Timestamp,
}

impl Search {
    fn of(fetch: &FetchRequest) -> Result<(Self, Level), UnreadableResponse> {
        let foreign = || UnreadableResponse::Foreign("no search for an event".to_owned());
        let search = Self::deserialize(&fetch.context).map_err(|_| foreign())?;
        let level = Level::parse(&search.level).ok_or_else(foreign)?;
        Ok((search, level))
    }
}

impl Provider for Leap {
    fn name(&self) -> &'static str {
        "leap"
    }

    fn title(&self) -> &'static str {
        "Leap"
    }

    fn api_url(&self, sandbox: bool) -> Option<&'static str> {
        Some(if sandbox { "https://api.staging.leap.energy/v2" } else { "https://api.leap.energy/v2" })
    }

    fn key_header(&self) -> Option<KeyHeader> {
        Some(KeyHeader { name: "authorization", prefix: "Bearer " })
    }

    fn governs(&self) -> Option<Precedence> {
        Some(Precedence::LOWER_PRIORITY)
    }

    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Parsed, Unreadable> {
        let body = json(body)?;
        let body = wire::notification(&body);
        let fields = Fields::of(body).map_err(|reason| Reason::new(format!("the body is {reason}")))?;
        let mut of_all = FieldErrors::default();
        let flags = Flags::read(fields, &mut of_all);
        if Level::ALL.iter().all(|level| fields.get(level.list()).is_none()) {
            return Err(Unreadable("neither `meter_dispatches` nor `group_dispatches`".to_owned()));
        }
        let mut diagnostics = Findings::default();
        let mut facts = Vec::new();
        for level in Level::ALL {
            let mut events = Events::new(level, delivery.origin, None);
            match fields.list(level.list()) {
                Ok(items) => events.take(level.list(), items, &mut diagnostics),
                Err(reason) => diagnostics.unreadable(level.list(), reason),
            }
            facts.extend(events.into_facts(Rank::Pushed(delivery.received_at), flags, &of_all));
        }
        Ok(Parsed { facts, diagnostics: diagnostics.into_list(), ..Parsed::default() })
    }

    fn settle(&self, push: &Fact, known: Option<&DispatchTerms>) -> Option<FetchRequest> {
        let FactBody::Dispatch(said) = &push.body else { return None };
        let level = if is_group(&said.terms) { Level::Group } else { Level::Meter };
        let (start_date, end_date) = window(&said.terms, known);
        let search = Search { level: level.as_str().to_owned(), event_id: Some(said.id.clone()), start_date, end_date };
        let context = serde_json::to_value(search).ok()?;
        Some(FetchRequest { subject: push.subject.clone(), key: push.subject.to_string(), context })
    }

    /// Lists both levels, since only the responses show which of them an account uses. Meters first: they have more
    /// detail.
    fn listings(&self, origin: &Origin, now: Timestamp) -> Vec<FetchRequest> {
        let start_date = shift(now, -LISTED_BACK);
        let end_date = shift(start_date, MAX_SEARCH);
        let fetch = |level: Level| {
            let search = Search { level: level.as_str().to_owned(), event_id: None, start_date, end_date };
            Some(FetchRequest {
                subject: Subject::account(&origin.source),
                key: format!("{}/list/{}", origin.source, level.as_str()),
                context: serde_json::to_value(search).ok()?,
            })
        };
        Level::ALL.into_iter().filter_map(fetch).collect()
    }

    /// The same call appears at both levels under different ids, but with the same times and meters.
    fn is_same_call(&self, one: &Fact, other: &Fact) -> bool {
        let (FactBody::Dispatch(one), FactBody::Dispatch(other)) = (&one.body, &other.body) else { return false };
        let (one, other) = (&one.terms, &other.terms);
        is_group(one) != is_group(other)
            && (one.start, one.end) == (other.start, other.end)
            && one.targets.iter().any(|target| other.targets.iter().any(|same| same.id == target.id))
    }

    fn request(&self, fetch: &FetchRequest, page_token: Option<&str>) -> Result<ApiRequest, UnreadableResponse> {
        let (search, level) = Search::of(fetch)?;
        let mut body = json!({
            "start_date": search.start_date,
            "end_date": search.end_date,
            // The default omits CAISO's 5-minute events.
            "exclude_real_time_events": false,
            "exclude_voluntary_events": false,
        });
        if let Some(event_id) = search.event_id {
            body[level.filter()] = json!([event_id]);
        }
        if let Some(token) = page_token {
            body["page_token"] = Value::from(token);
        }
        Ok(ApiRequest {
            method: Method::Post,
            path: ApiPath::fixed(level.search()),
            query: Vec::new(),
            body: Some(body),
            idempotent: true,
        })
    }

    fn next_page(&self, fetch: &FetchRequest, page: &str) -> Option<String> {
        let level = Search::of(fetch).map_or(Level::Meter, |(_, level)| level);
        let page = json(page).ok()?;
        let token = wire::page(&page, level).get("next_page_token")?.as_str()?;
        (!token.is_empty() && token.len() <= MAX_TOKEN_BYTES).then(|| token.to_owned())
    }

    fn decode(&self, answer: &ApiResponse<'_>) -> Result<Parsed, UnreadableResponse> {
        let (search, level) = Search::of(answer.fetch)?;
        let mut diagnostics = Findings::default();
        let mut events = Events::new(level, answer.origin, search.event_id.as_deref());
        let mut flags = Flags::default();
        let mut of_all = FieldErrors::default();
        for page in answer.pages {
            let page = json(page)?;
            let page = wire::page(&page, level);
            let (list, items) = wire::results(page, level)?;
            if let Ok(fields) = Fields::of(page) {
                let told = Flags::read(fields, &mut of_all);
                flags.integration |= told.integration;
                flags.communication |= told.communication;
            }
            events.take(list, items, &mut diagnostics);
        }
        let facts = events.into_facts(Rank::Fetched(answer.began_at), flags, &of_all);
        let Some(event_id) = search.event_id else {
            return Ok(Parsed { facts, diagnostics: diagnostics.into_list(), ..Parsed::default() });
        };
        match (facts.is_empty(), diagnostics.is_empty()) {
            (false, _) => Ok(Parsed { facts, diagnostics: diagnostics.into_list(), ..Parsed::default() }),
            (true, true) => Err(UnreadableResponse::Missing(event_id)),
            (true, false) => Err(UnreadableResponse::Shape("no slot of the event can be read".to_owned())),
        }
    }
}

/// Only dispatches of a group name the group.
fn is_group(terms: &DispatchTerms) -> bool {
    terms.details.contains_key("market_group_id")
}

/// The time window to search: the times of the push and of the known dispatch, with a day on either side. If that
/// exceeds the longest search, only the push's own times: the search must find its start.
fn window(push: &DispatchTerms, known: Option<&DispatchTerms>) -> (Timestamp, Timestamp) {
    let terms = || std::iter::once(push).chain(known);
    let first = terms().map(|said| said.start).min().unwrap_or(push.start);
    let last = terms().map(|said| said.end.unwrap_or(said.start).max(said.start)).max().unwrap_or(push.start);
    let (from, to) = (shift(first, -MARGIN), shift(last, MARGIN));
    if to.duration_since(from) <= MAX_SEARCH {
        return (from, to);
    }
    let from = shift(push.start, -MARGIN);
    (from, shift(from, MAX_SEARCH).min(to))
}
