//! Leap: one webhook per level, the search, test notifications.

mod exercises;
mod search;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use self::exercises::integration_test;
use self::search::Slots;
use crate::{
    Hook, Request, Simulated, WebhookOutcome,
    api::{Api, Asked, Done, Refusal, Waiting},
    bodies::{self, Window},
    ids::Ids,
    plan::Act,
    rules::{self, Rules},
};

/// The level of a notification.
#[derive(Debug, PartialEq, Eq)]
struct Level {
    /// Its name in paths.
    name: &'static str,
    /// The name of the notification's list.
    list: &'static str,
    holder: &'static str,
    holders: &'static str,
    event: &'static str,
    events: &'static str,
}

static METER: Level = Level {
    name: "meter",
    list: "meter_dispatches",
    holder: "meter_id",
    holders: "meter_ids",
    event: "meter_event_id",
    events: "meter_event_ids",
};

static GROUP: Level = Level {
    name: "group",
    list: "group_dispatches",
    holder: "market_group_id",
    holders: "market_group_ids",
    event: "market_group_event_id",
    events: "market_group_event_ids",
};

/// Its simulator.
pub static LEAP: Simulated =
    Simulated { name: "leap", base: "/v2", proto: None, api: || Box::<Leap>::default(), exercises: exercises::ALL };

/// Time slots, and the webhook of each level.
#[derive(Debug, Default)]
pub(crate) struct Leap {
    slots: Slots,
    meter: Option<Hook>,
    group: Option<Hook>,
}

impl Leap {
    fn hook(&mut self, level: &Level) -> &mut Option<Hook> {
        if *level == METER { &mut self.meter } else { &mut self.group }
    }

    fn webhook(&mut self, level: &Level, asked: &Asked<'_>) -> Result<Done, Refusal> {
        match asked.method() {
            "GET" => self
                .hook(level)
                .as_ref()
                .map(shown)
                .map_or(Err(Refusal(404, "no webhook is set")), |hook| Ok(Done::Answer(200, hook))),
            "PUT" => {
                let hook = read(&asked.body)?;
                let answer = shown(&hook);
                *self.hook(level) = Some(hook);
                Ok(Done::Answer(200, answer))
            }
            "DELETE" => match self.hook(level).take() {
                Some(_) => Ok(Done::Empty(204)),
                None => Err(Refusal(404, "no webhook is set")),
            },
            _ => Err(Refusal(405, "a webhook is read, put or deleted")),
        }
    }

    /// Sends the caller's own notification now. The answer reports the receiver's answer.
    fn integration_test(&mut self, level: &Level, asked: &Asked<'_>) -> Result<Done, Refusal> {
        let hook = self.hook(level).clone().ok_or(Refusal(400, "no webhook is set"))?;
        let list = asked.body[level.list].as_array().filter(|list| !list.is_empty());
        let list = list.ok_or(Refusal(400, "a list of dispatches with their timeslots is missing"))?;
        let mut body = json!({"integration_test_notification": true, "communication_test": false});
        body[level.list] = json!(list);
        let waiting = Waiting::Report { sent_at: asked.now };
        Ok(Done::Posts { hook, body, says: "the test notification", waiting })
    }

    fn communication_test(asked: &Asked<'_>, ids: &mut Ids) -> Result<Done, Refusal> {
        let meters = asked.body["meter_uuids"].as_array().filter(|meters| !meters.is_empty());
        let meters = meters.ok_or(Refusal(400, "meter_uuids is a list"))?;
        let (start, end) = (&asked.body["start_time"], &asked.body["end_time"]);
        if [start, end].into_iter().any(|time| time.as_str().is_none_or(|time| time.parse::<Timestamp>().is_err())) {
            return Err(Refusal(400, "start_time and end_time are instants"));
        }
        let item = |meter: &Value| {
            let kw = asked.body["dispatch_quantity_kw"].clone();
            let mut slot = bodies::leap::slot(&ids.uuid(), kw, &Window::new(start, end));
            slot["dispatch_event_types"] = json!(["capacity-test"]);
            slot["programs"] = json!([asked.body["program"]]);
            json!({"meter_id": meter, "timeslots": [slot]})
        };
        let items: Vec<Value> = meters.iter().map(item).collect();
        let mut body = bodies::leap::notification(&items);
        body["communication_test"] = json!(true);
        let act = Act {
            at: asked.now,
            says: format!("a communication test of {} meters", items.len()),
            holds: Some(body.clone()),
            sends: Some(body),
        };
        Ok(Done::Plays { acts: vec![act], answer: json!({"message": "scheduled"}), anew: false })
    }
}

/// Reads a webhook from a body. Leap sends every header name in lower case.
fn read(body: &Value) -> Result<Hook, Refusal> {
    let url = body["url"].as_str().filter(|url| url.starts_with("http")).ok_or(Refusal(400, "url is no address"))?;
    let header = |header: &Value| {
        let (name, value) = header["name"].as_str().zip(header["value"].as_str())?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    let headers = body["headers"].as_array().into_iter().flatten().map(header).collect::<Option<Vec<_>>>();
    let headers = headers.ok_or(Refusal(400, "headers is a list of name and value"))?;
    Ok(Hook { url: url.to_owned(), headers })
}

fn shown(hook: &Hook) -> Value {
    let headers: Vec<Value> = hook.headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({"url": hook.url, "headers": headers})
}

impl Api for Leap {
    fn key<'r>(&self, request: &'r Request) -> Option<&'r str> {
        request.headers.get("authorization")?.strip_prefix("Bearer ")
    }

    fn about(&self, request: &Request) -> Vec<String> {
        let body = request.json();
        let ids = [&METER, &GROUP].into_iter().filter_map(|level| body.get(level.events)?.as_array());
        ids.flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
    }

    fn answer(&mut self, asked: &Asked<'_>, ids: &mut Ids) -> Result<Done, Refusal> {
        let path = asked.path().strip_prefix("/dispatch/").ok_or(Refusal(404, "no such path"))?;
        if path == "meter/communication_test" && asked.method() == "POST" {
            return Self::communication_test(asked, ids);
        }
        let (level, call) = path.split_once('/').ok_or(Refusal(404, "no such path"))?;
        let level = [&METER, &GROUP].into_iter().find(|known| known.name == level);
        let level = level.ok_or(Refusal(404, "no such path"))?;
        match (call, asked.method()) {
            ("webhook", _) => self.webhook(level, asked),
            ("webhook/integration_test", "POST") => self.integration_test(level, asked),
            ("search", "POST") => self.slots.search(level, asked).map(|answer| Done::Answer(200, answer)),
            ("webhook/integration_test" | "search", _) => Err(Refusal(405, "this is a POST")),
            _ => Err(Refusal(404, "no such path")),
        }
    }

    fn concludes(
        &mut self,
        waiting: Waiting,
        outcome: &WebhookOutcome,
        now: Timestamp,
        _: &mut Ids,
    ) -> Result<Done, Refusal> {
        let Waiting::Report { sent_at } = waiting else { return Err(Refusal(500, "nothing waits")) };
        let headers: serde_json::Map<String, Value> =
            outcome.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        Ok(Done::Answer(
            200,
            json!({
                "http_status": outcome.status, "sent_time": sent_at.to_string(), "received_time": now.to_string(),
                "headers": headers, "body": outcome.body, "error_message": outcome.problem,
            }),
        ))
    }

    fn error(&self, status: u16, message: &str) -> Value {
        let code = match status {
            400 => "BAD_REQUEST",
            401 => "UNAUTHORIZED",
            403 => "FORBIDDEN",
            404 => "NOT_FOUND",
            405 => "METHOD_NOT_ALLOWED",
            429 => "TOO_MANY_REQUESTS",
            _ => "INTERNAL_SERVER_ERROR",
        };
        json!({"code": status, "message": message, "error_code": code})
    }

    fn hold(&mut self, content: &Value) {
        self.slots.hold(content);
    }

    fn hooks(&self, webhook: &Value) -> Vec<Hook> {
        let of = |level: &Level, hook: &Option<Hook>| webhook.get(level.list).and_then(|_| hook.clone());
        [of(&METER, &self.meter), of(&GROUP, &self.group)].into_iter().flatten().collect()
    }

    fn register(&mut self, hook: Hook) {
        (self.meter, self.group) = (Some(hook.clone()), Some(hook));
    }

    fn rules(&self) -> &'static Rules {
        &rules::LEAP
    }
}
