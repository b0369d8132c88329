//! Voltus: dispatches by id and in a list, webhooks with their handshake, the sandbox's scenarios, self-tests.

mod exercises;
mod scenario;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub use self::exercises::scenario;
use crate::{
    Hook, Request, Simulated, WebhookOutcome,
    api::{Api, Asked, Done, Refusal, Waiting},
    bodies::{self, voltus::webhook},
    ids::Ids,
    plan::Act,
    rules::{self, Rules},
    times,
};

/// The API version in every path.
const BASE: &str = "/2022-04-15/";

/// How long a dispatch stays in the list after its publication.
const LISTED: SignedDuration = SignedDuration::from_hours(24);

/// How far ahead a self-test may be.
const AHEAD: SignedDuration = SignedDuration::from_hours(72);

/// The limit in the sandbox's headers; that it is per minute is an assumption.
const LIMIT: u32 = 101;

/// Its simulator.
pub static VOLTUS: Simulated =
    Simulated { name: "voltus", base: "", proto: None, api: || Box::<Voltus>::default(), exercises: exercises::ALL };

/// Dispatches by id and registered webhooks by id.
#[derive(Debug, Default)]
pub(crate) struct Voltus {
    dispatches: BTreeMap<String, StoredDispatch>,
    webhooks: BTreeMap<String, Webhook>,
}

#[derive(Debug)]
struct StoredDispatch {
    now: Value,
    before: Option<Value>,
}

#[derive(Debug)]
struct Webhook {
    hook: Hook,
    events: Value,
}

impl Voltus {
    fn dispatches(&self, asked: &Asked<'_>, id: Option<&str>) -> Result<Done, Refusal> {
        let pick = |stored: &StoredDispatch| {
            let mut dispatch =
                if asked.view.stale { stored.before.as_ref() } else { None }.unwrap_or(&stored.now).clone();
            times::resolve(&mut dispatch, asked.now);
            dispatch
        };
        let listed = |dispatch: &Value| {
            let published = dispatch["creation_time"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
            published.is_none_or(|published| asked.now.duration_since(published) <= LISTED)
        };
        let dispatches: Vec<Value> = match id {
            Some(id) => vec![pick(self.dispatches.get(id).ok_or(Refusal(404, "no such dispatch"))?)],
            None => self.dispatches.values().map(pick).filter(listed).collect(),
        };
        if let (true, Some(_), [one]) = (asked.view.other_shape, id, dispatches.as_slice()) {
            return Ok(Done::Answer(200, one.clone()));
        }
        Ok(Done::Answer(200, bodies::voltus::answer(&dispatches)))
    }

    /// A self-test: a dispatch with `test: true` for all sites.
    fn self_test(asked: &Asked<'_>, ids: &mut Ids) -> Result<Done, Refusal> {
        let instant = |name: &str| asked.body[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let (start, end) = instant("start_time")
            .zip(instant("end_time"))
            .ok_or(Refusal(400, "start_time and end_time are instants with an offset"))?;
        if start <= asked.now || end <= start || end.duration_since(asked.now) > AHEAD {
            return Err(Refusal(400, "start_time and end_time lie in the next 72 hours, in this order"));
        }
        let id = ids.short();
        let mut dispatch = json!({
            "id": id, "authorized": true, "test": true,
            "creation_time": asked.now.to_string(), "modification_number": 0,
            "start_time": start.to_string(), "end_time": end.to_string(), "metadata": {},
        });
        scenario::complete(&mut dispatch, &mut scenario::Sites::new(), ids);
        let act = Act {
            at: asked.now,
            says: format!("dispatch.create: self-test {id}"),
            holds: Some(dispatch.clone()),
            sends: Some(webhook("dispatch.create", &id)),
        };
        Ok(Done::Plays { acts: vec![act], answer: dispatch, anew: false })
    }

    fn register(asked: &Asked<'_>) -> Result<Done, Refusal> {
        let events = &asked.body["events"];
        let known = |event: &Value| matches!(event["name"].as_str(), Some("dispatch.create" | "dispatch.update"));
        if !events.as_array().is_some_and(|events| !events.is_empty() && events.iter().all(known)) {
            return Err(Refusal(
                400,
                "events is a list of {\"name\": \"dispatch.create\"} and {\"name\": \"dispatch.update\"}",
            ));
        }
        let url = asked.body["url"]
            .as_str()
            .filter(|url| url.starts_with("http"))
            .ok_or(Refusal(400, "url is no address"))?;
        Ok(Done::Posts {
            hook: Hook { url: url.to_owned(), headers: Vec::new() },
            body: json!({"event": {"name": ""}, "resource": ""}),
            says: "the handshake",
            waiting: Waiting::Registration { url: url.to_owned(), events: events.clone() },
        })
    }

    fn listed_webhooks(&self) -> Value {
        let one =
            |(id, webhook): (&String, &Webhook)| json!({"url": webhook.hook.url, "events": webhook.events, "id": id});
        json!({"webhooks": self.webhooks.iter().map(one).collect::<Vec<_>>(), "page": 0, "perPage": 0})
    }
}

impl Api for Voltus {
    fn key<'r>(&self, request: &'r Request) -> Option<&'r str> {
        request.headers.get("x-voltus-api-key").map(String::as_str)
    }

    fn without_key(&self) -> u16 {
        400
    }

    fn limit(&self) -> Option<u32> {
        Some(LIMIT)
    }

    fn about(&self, request: &Request) -> Vec<String> {
        let below = request.path.strip_prefix(BASE);
        let id = below.and_then(|below| below.split_once('/')).map(|(_, id)| id.to_owned());
        id.into_iter().collect()
    }

    fn answer(&mut self, asked: &Asked<'_>, ids: &mut Ids) -> Result<Done, Refusal> {
        let below = asked.path().strip_prefix(BASE).ok_or(Refusal(404, "no such path"))?;
        match (asked.method(), below.split_once('/').unwrap_or((below, ""))) {
            ("GET", ("dispatches", "")) if below.ends_with('/') => Err(Refusal(404, "no such path")),
            ("GET", ("dispatches", "")) => self.dispatches(asked, None),
            ("GET", ("dispatches", id)) => self.dispatches(asked, Some(id)),
            ("POST", ("dispatches", "")) => Self::self_test(asked, ids),
            ("POST", ("scenarios", "")) => {
                let acts = scenario::acts(&asked.body, asked.now, ids).map_err(|why| Refusal(400, why))?;
                Ok(Done::Plays { acts, answer: json!({"message": "scenario accepted"}), anew: true })
            }
            ("GET", ("webhooks", "")) => Ok(Done::Answer(200, self.listed_webhooks())),
            ("POST", ("webhooks", "")) => Self::register(asked),
            ("DELETE", ("webhooks", id)) => match self.webhooks.remove(id) {
                Some(_) => Ok(Done::Empty(204)),
                None => Err(Refusal(404, "no such webhook")),
            },
            (_, ("dispatches" | "scenarios" | "webhooks", _)) => Err(Refusal(405, "not this method")),
            _ => Err(Refusal(404, "no such path")),
        }
    }

    fn concludes(
        &mut self,
        waiting: Waiting,
        outcome: &WebhookOutcome,
        _: Timestamp,
        ids: &mut Ids,
    ) -> Result<Done, Refusal> {
        let Waiting::Registration { url, events } = waiting else { return Err(Refusal(500, "nothing waits")) };
        // The handshake needs 200; later webhooks may get other statuses.
        if outcome.status != Some(200) {
            return Err(Refusal(400, "the webhook's url did not answer the test request with 200"));
        }
        let id = ids.short();
        let answer = json!({"id": id, "url": url, "events": events});
        self.webhooks.insert(id, Webhook { hook: Hook { url, headers: Vec::new() }, events });
        Ok(Done::Answer(200, answer))
    }

    fn error(&self, status: u16, message: &str) -> Value {
        let kind = match status {
            400 => "bad_request",
            401 | 403 => "unauthorized",
            404 => "not_found",
            429 => "too_many_requests",
            _ => "error",
        };
        json!({"message": message, "type": kind})
    }

    fn hold(&mut self, content: &Value) {
        let id = content["id"].as_str().unwrap_or_default().to_owned();
        let before = self.dispatches.remove(&id).map(|stored| stored.now);
        self.dispatches.insert(id, StoredDispatch { now: content.clone(), before });
    }

    fn hooks(&self, webhook: &Value) -> Vec<Hook> {
        let name = &webhook["event"]["name"];
        let wants = |webhook: &&Webhook| {
            webhook.events.as_array().is_some_and(|events| events.iter().any(|event| event["name"] == *name))
        };
        self.webhooks.values().filter(wants).map(|webhook| webhook.hook.clone()).collect()
    }

    fn register(&mut self, hook: Hook) {
        let events = json!([{"name": "dispatch.create"}, {"name": "dispatch.update"}]);
        self.webhooks.insert(hook.url.clone(), Webhook { hook, events });
    }

    fn rules(&self) -> &'static Rules {
        &rules::VOLTUS
    }
}
