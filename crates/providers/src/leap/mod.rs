//! Leap: notifications that hold whole dispatches, of meters or of market groups.
//!
//! Leap sends neither a number nor a send time and redelivers for 50 minutes, so an old notification can land after a newer
//! one. A notification that contradicts what is known is settled by asking the search.

mod events;
mod items;
mod statement;
mod wire;

#[cfg(test)]
mod tests;

use dispatch::{Fact, Origin, Rank, Says, Statement, Subject};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::{
    events::Events,
    wire::{Flags, Level},
};
use crate::{
    Answer, ApiPath, Ask, Delivery, KeyHeader, Look, Method, Provider, Reading, Unreadable, UnreadableAnswer,
    diagnostics::Diagnostics,
    fields::{Fields, Reason},
    findings::Findings,
    instant::shift,
    lenient::json,
};

/// The most that one search may span.
const MAX_SEARCH: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How far a search reaches beyond the times that are known.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);
/// How far back a list reaches: an outage of a day is made up for. The rest of [`MAX_SEARCH`] lies ahead.
const LISTED_BACK: SignedDuration = SignedDuration::from_hours(24);
/// The longest page token that is sent back.
const MAX_TOKEN_BYTES: usize = 1_024;

/// The provider.
pub(crate) struct Leap;

/// The context of a look.
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
    fn of(look: &Look) -> Result<(Self, Level), UnreadableAnswer> {
        let foreign = || UnreadableAnswer::Look("no search for an event".to_owned());
        let search = Self::deserialize(&look.context).map_err(|_| foreign())?;
        let level = Level::parse(&search.level).ok_or_else(foreign)?;
        Ok((search, level))
    }
}

impl Provider for Leap {
    fn name(&self) -> &'static str {
        "leap"
    }

    fn api_url(&self, sandbox: bool) -> Option<&'static str> {
        Some(if sandbox { "https://api.staging.leap.energy/v2" } else { "https://api.leap.energy/v2" })
    }

    fn key_header(&self) -> Option<KeyHeader> {
        Some(KeyHeader { name: "authorization", prefix: "Bearer " })
    }

    fn parse(&self, delivery: &Delivery<'_>, body: &str) -> Result<Reading, Unreadable> {
        let body = json(body)?;
        let body = wire::notification(&body);
        let fields = Fields::of(body).map_err(|reason| Reason::new(format!("the body is {reason}")))?;
        let mut of_all = Diagnostics::default();
        let flags = Flags::read(fields, &mut of_all);
        if Level::ALL.iter().all(|level| fields.get(level.list()).is_none()) {
            return Err(Unreadable("neither `meter_dispatches` nor `group_dispatches`".to_owned()));
        }
        let mut findings = Findings::default();
        let mut facts = Vec::new();
        for level in Level::ALL {
            let mut events = Events::new(level, delivery.origin, None);
            match fields.list(level.list()) {
                Ok(items) => events.take(level.list(), items, &mut findings),
                Err(reason) => findings.unreadable(level.list(), reason),
            }
            facts.extend(events.into_facts(Rank::Pushed(delivery.received_at), flags, &of_all));
        }
        Ok(Reading { facts, findings: findings.into_list(), ..Reading::default() })
    }

    fn settle(&self, push: &Fact, known: Option<&Statement>) -> Option<Look> {
        let Says::Dispatch(said) = &push.says else { return None };
        let level = if is_group(&said.statement) { Level::Group } else { Level::Meter };
        let (start_date, end_date) = window(&said.statement, known);
        let search = Search { level: level.as_str().to_owned(), event_id: Some(said.id.clone()), start_date, end_date };
        let context = serde_json::to_value(search).ok()?;
        Some(Look { subject: push.subject.clone(), key: push.subject.to_string(), context })
    }

    /// Both levels: which of them an account uses, only its answers tell. Meters come first, since they say more.
    fn listings(&self, origin: &Origin, now: Timestamp) -> Vec<Look> {
        let start_date = shift(now, -LISTED_BACK);
        let end_date = shift(start_date, MAX_SEARCH);
        let look = |level: Level| {
            let search = Search { level: level.as_str().to_owned(), event_id: None, start_date, end_date };
            Some(Look {
                subject: Subject::account(&origin.source),
                key: format!("{}/list/{}", origin.source, level.as_str()),
                context: serde_json::to_value(search).ok()?,
            })
        };
        Level::ALL.into_iter().filter_map(look).collect()
    }

    /// A call shows up at either level under ids of its own. The times are the same, and so are the meters.
    fn is_same_call(&self, one: &Fact, other: &Fact) -> bool {
        let (Says::Dispatch(one), Says::Dispatch(other)) = (&one.says, &other.says) else { return false };
        let (one, other) = (&one.statement, &other.statement);
        is_group(one) != is_group(other)
            && (one.start, one.end) == (other.start, other.end)
            && one.targets.iter().any(|target| other.targets.iter().any(|same| same.id == target.id))
    }

    fn ask(&self, look: &Look, page_token: Option<&str>) -> Result<Ask, UnreadableAnswer> {
        let (search, level) = Search::of(look)?;
        let mut body = json!({
            "start_date": search.start_date,
            "end_date": search.end_date,
            // The default hides CAISO's 5-minute events.
            "exclude_real_time_events": false,
            "exclude_voluntary_events": false,
        });
        if let Some(event_id) = search.event_id {
            body[level.filter()] = json!([event_id]);
        }
        if let Some(token) = page_token {
            body["page_token"] = Value::from(token);
        }
        Ok(Ask {
            method: Method::Post,
            path: ApiPath::fixed(level.search()),
            query: Vec::new(),
            body: Some(body),
            idempotent: true,
        })
    }

    fn next_page(&self, look: &Look, page: &str) -> Option<String> {
        let level = Search::of(look).map_or(Level::Meter, |(_, level)| level);
        let page = json(page).ok()?;
        let token = wire::page(&page, level).get("next_page_token")?.as_str()?;
        (!token.is_empty() && token.len() <= MAX_TOKEN_BYTES).then(|| token.to_owned())
    }

    fn decode(&self, answer: &Answer<'_>) -> Result<Reading, UnreadableAnswer> {
        let (search, level) = Search::of(answer.look)?;
        let mut findings = Findings::default();
        let mut events = Events::new(level, answer.origin, search.event_id.as_deref());
        let mut flags = Flags::default();
        let mut of_all = Diagnostics::default();
        for page in answer.pages {
            let page = json(page)?;
            let page = wire::page(&page, level);
            let (list, items) = wire::results(page, level)?;
            if let Ok(fields) = Fields::of(page) {
                let told = Flags::read(fields, &mut of_all);
                flags.integration |= told.integration;
                flags.communication |= told.communication;
            }
            events.take(list, items, &mut findings);
        }
        let facts = events.into_facts(Rank::Fetched(answer.began_at), flags, &of_all);
        let Some(event_id) = search.event_id else {
            return Ok(Reading { facts, findings: findings.into_list(), ..Reading::default() });
        };
        match (facts.is_empty(), findings.is_empty()) {
            (false, _) => Ok(Reading { facts, findings: findings.into_list(), ..Reading::default() }),
            (true, true) => Err(UnreadableAnswer::Missing(event_id)),
            (true, false) => Err(UnreadableAnswer::Shape("no slot of the event can be read".to_owned())),
        }
    }
}

/// Only a group's statement names its group.
fn is_group(statement: &Statement) -> bool {
    statement.details.contains_key("market_group_id")
}

/// What to search: the times of the push and of what is known, with a day on either side. Where that is more than a search may
/// span, the push's own surroundings, since its start is the one that has to be found.
fn window(push: &Statement, known: Option<&Statement>) -> (Timestamp, Timestamp) {
    let statements = || std::iter::once(push).chain(known);
    let first = statements().map(|said| said.start).min().unwrap_or(push.start);
    let last = statements().map(|said| said.end.unwrap_or(said.start).max(said.start)).max().unwrap_or(push.start);
    let (from, to) = (shift(first, -MARGIN), shift(last, MARGIN));
    if to.duration_since(from) <= MAX_SEARCH {
        return (from, to);
    }
    let from = shift(push.start, -MARGIN);
    (from, shift(from, MAX_SEARCH).min(to))
}
