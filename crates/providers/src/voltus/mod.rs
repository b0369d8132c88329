//! Voltus: a thin webhook names a dispatch, which is then fetched.
//!
//! Two successive updates of one dispatch are byte-identical and both matter, so a webhook is never more than "look again".
//! The list of dispatches reaches back a day.

mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use dispatch::{DispatchFact, Fact, Origin, Program, Rank, Request, Says, Statement, Subject, Target, TestReason};
use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};

use self::wire::{Site, Webhook};
use crate::{
    Answer, ApiPath, Ask, Delivery, Finding, Id, KeyHeader, Look, Method, Provider, Reading, Unreadable,
    UnreadableAnswer,
    amount::Kilowatts,
    fields::{Fields, Reason, brief, json},
    findings::{Findings, Impossible},
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

/// The dispatch that was asked for. What cannot be read of it costs the answer.
fn one(answer: &Answer<'_>, listed: &[&Value], id: &Id) -> Result<Reading, UnreadableAnswer> {
    let mut findings = Findings::default();
    let mut facts = Vec::new();
    for dispatch in listed.iter().filter(|dispatch| wire::id(dispatch) == Some(id.as_str())) {
        let dispatch = wire::Dispatch::read(dispatch)?;
        facts.push(fact(answer, id, dispatch, ("", &mut findings)));
    }
    if facts.is_empty() {
        return Err(not_among(listed, id));
    }
    Ok(Reading { facts, findings: findings.into_list(), ..Reading::default() })
}

/// Whatever the list holds. What cannot be read costs only itself.
fn all(answer: &Answer<'_>, listed: &[&Value]) -> Reading {
    let mut findings = Findings::default();
    let mut facts = Vec::new();
    for (index, dispatch) in listed.iter().enumerate() {
        let Some(id) = wire::id(dispatch).and_then(Id::parse) else {
            findings.unreadable(format!("dispatches[{index}]"), "`id` is none of letters, digits, `-` and `_`");
            continue;
        };
        match wire::Dispatch::read(dispatch) {
            Ok(dispatch) => {
                facts.push(fact(answer, &id, dispatch, (&format!("dispatches[{index}]."), &mut findings)));
            }
            Err(reason) => findings.unreadable(format!("dispatches[{index}]"), reason),
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

/// `place` is what stands before a finding's part.
fn fact(answer: &Answer<'_>, id: &Id, dispatch: wire::Dispatch<'_>, (place, findings): (&str, &mut Findings)) -> Fact {
    let origin = answer.origin;
    let subject = Subject::dispatch(&origin.source, id.as_str());
    let rank = match dispatch.modification_number {
        Ok(Some(number)) => Rank::Numbered(number, answer.began_at),
        Ok(None) => Rank::Fetched(answer.began_at),
        Err(reason) => {
            findings.unreadable(format!("{place}modification_number"), reason);
            Rank::Fetched(answer.began_at)
        }
    };
    let program = dispatch.program.unwrap_or_else(|reason| {
        findings.unreadable(format!("{place}program"), reason);
        None
    });
    let (targets, request) = targets(dispatch.sites, &subject, (place, findings));
    let statement = Statement {
        // A cancel is stated as false. An answer that leaves the field out must not release a site that was called.
        authorized: dispatch.authorized.unwrap_or(true),
        start: dispatch.start,
        end: dispatch.end,
        request,
        targets,
        test_reason: test_reason(origin, dispatch.test),
        voluntary: false,
        priority: None,
        programs: program.into_iter().map(read_program).collect(),
        details: dispatch.details,
    };
    let said = DispatchFact { id: id.as_str().to_owned(), rank, statement };
    Fact { origin: origin.clone(), subject, says: Says::Dispatch(said) }
}

/// Sandbox dispatches carry `test: false`, so the source counts before the body.
fn test_reason(origin: &Origin, test: bool) -> Option<TestReason> {
    if origin.sandbox { Some(TestReason::Sandbox) } else { test.then_some(TestReason::SelfTest) }
}

fn read_program(program: Fields<'_>) -> Program {
    Program {
        name: program.label("name"),
        market: program.label("market"),
        kind: program.label("program_type"),
        timezone: program.label("timezone"),
    }
}

/// The sites that can be read, and what is asked of all together. A site that cannot be read has a share that nobody knows, so
/// the sum is then unknown as well.
fn targets(sites: &[Value], subject: &Subject, (within, findings): (&str, &mut Findings)) -> (Vec<Target>, Request) {
    let mut targets: Vec<Target> = Vec::with_capacity(sites.len());
    let mut place_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut impossible = Impossible::default();
    let mut whole = true;
    for (index, site) in sites.iter().enumerate() {
        let site = match Site::read(site) {
            Ok(site) => site,
            Err(reason) => {
                findings.unreadable(format!("{within}sites[{index}]"), reason);
                whole = false;
                continue;
            }
        };
        let target = target(site, &mut impossible);
        let place = *place_of.entry(target.id.clone()).or_insert(targets.len());
        match targets.get(place) {
            None => targets.push(target),
            Some(known) if *known == target => {}
            // Two different shares for one site: neither can be trusted to be the whole.
            Some(_) => {
                findings.unreadable(
                    format!("{within}sites[{index}]"),
                    "the site stands here twice and differs; the first was taken",
                );
                whole = false;
            }
        }
    }
    findings.impossible(subject, impossible);
    let request = if whole {
        Request::together(targets.iter().filter_map(|target| target.request))
    } else {
        Request::Unspecified
    };
    (targets, request)
}

fn target(site: Site, impossible: &mut Impossible) -> Target {
    let request = match site.commitment {
        Kilowatts::Reduce(request) => request,
        Kilowatts::Absent => Request::Unspecified,
        Kilowatts::Impossible(number) => {
            impossible.add(|| format!("{}: commitment {number} kW", brief(&site.id)));
            Request::Unspecified
        }
    };
    Target { id: site.id, name: site.name, external_id: site.customer_location_id, request: Some(request) }
}
