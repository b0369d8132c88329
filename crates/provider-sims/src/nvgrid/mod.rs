//! `NvGrid`: logins with expiring sessions, registration against a whitelist, status and schedule, and the webhooks of
//! ramps.
//!
//! Its real API is gRPC. The server translates: the path is the call's, messages are JSON with the names in [`PROTO`],
//! and an HTTP status stands for the gRPC code of the same meaning. Assumptions, because it is not documented: the
//! length of a session, that a second registration of a URL replaces the first, and everything that [`PROTO`] marks as
//! ours.

mod exercises;
mod whitelist;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use self::whitelist::Whitelist;
use crate::{
    Hook, Request, Simulated,
    api::{Api, Asked, Done, Refusal},
    ids::Ids,
    rules::{self, Rules},
    script::Script,
};

/// The description of the simulated service: an assumption, as its first lines state.
pub const PROTO: &str = include_str!("nvgrid.proto");

/// How long a session lasts; an assumption.
const SESSION: SignedDuration = SignedDuration::from_mins(10);

/// The id of every call other than the login, besides the call's own.
pub(crate) const SESSION_CALL: &str = "session";

/// The call that registers a webhook.
pub(crate) const REGISTER: &str = "RegisterWebhook";

/// Its simulator.
pub static NVGRID: Simulated = Simulated {
    name: "nvgrid",
    base: "",
    proto: Some(PROTO),
    api: || Box::<Nvgrid>::default(),
    exercises: exercises::ALL,
};

/// A site.
#[derive(Debug, Default)]
pub(crate) struct Nvgrid {
    whitelist: Whitelist,
    hooks: Vec<Registered>,
    /// When each token expires.
    sessions: BTreeMap<String, Timestamp>,
    /// The targets so far, each from its latest webhook, by feed, correlation and start.
    targets: BTreeMap<[String; 3], Value>,
    /// The last webhook of each feed.
    now: BTreeMap<String, Value>,
}

#[derive(Debug)]
struct Registered {
    hook: Hook,
    /// Event names as in a webhook's body; none: all.
    events: BTreeSet<String>,
}

fn call(request: &Request) -> &str {
    request.path.rsplit('/').next().unwrap_or_default()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// The answer of the webhook calls: a refusal also has status 200.
fn answered(refused: Option<&str>) -> Done {
    let code = if refused.is_some() { "STATUS_CODE_ERROR" } else { "STATUS_CODE_SUCCESS" };
    Done::Answer(200, json!({"code": code, "diag_msg": refused.unwrap_or_default()}))
}

/// Translates a load from the webhook's unit (`mw`) to the messages'.
fn load(value: &Value) -> Value {
    json!({"value": value["value"], "unit": "UNIT_MEGAWATT"})
}

fn target(webhook: &Value) -> Value {
    json!({
        "interval": {"start_time": webhook["start_time"], "end_time": webhook["end_time"]},
        "target_load": load(&webhook["target_load"]),
        "feed_tags": [webhook["feed_tag"]],
        "correlation_id": webhook["correlation_id"],
    })
}

impl Nvgrid {
    fn log_in(&mut self, now: Timestamp, ids: &mut Ids) -> Value {
        let token = ids.uuid();
        self.sessions.retain(|_, until| *until > now);
        self.sessions.insert(token.clone(), now.checked_add(SESSION).unwrap_or(now));
        json!({"access_token": token, "refresh_token": ids.uuid()})
    }

    fn register_asked(&mut self, body: &Value, unlisted: bool) -> Done {
        let url = text(body, "url");
        if unlisted || !self.whitelist.admits(url) {
            return answered(Some("webhook URL not whitelisted"));
        }
        let name = |event: &Value| event.as_str()?.strip_prefix("POWER_EVENT_").map(str::to_ascii_lowercase);
        let mut events: BTreeSet<String> =
            body["for_events"].as_array().into_iter().flatten().filter_map(name).collect();
        if events.contains("unspecified") {
            events.clear();
        }
        self.hooks.retain(|known| known.hook.url != url);
        self.hooks.push(Registered { hook: Hook { url: url.to_owned(), headers: Vec::new() }, events });
        answered(None)
    }

    fn unregister(&mut self, url: &str) -> Done {
        let before = self.hooks.len();
        self.hooks.retain(|known| known.hook.url != url);
        answered((self.hooks.len() == before).then_some("webhook not found"))
    }

    fn status(&self) -> Value {
        let feed = |(tag, webhook): (&String, &Value)| {
            let status = json!({
                "load_target": target(webhook),
                "calculated_load": load(&webhook["calculated_load"]),
                "compliant": webhook["compliant"],
            });
            (tag.clone(), status)
        };
        json!({"statuses": self.now.iter().map(feed).collect::<serde_json::Map<_, _>>()})
    }

    /// The targets of those feeds that apply at any time in the interval.
    fn schedule(&self, body: &Value) -> Value {
        let instant = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let (from, to) = (instant(&body["interval"]["start_time"]), instant(&body["interval"]["end_time"]));
        let feeds: Vec<&str> = body["feed_tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let within = |webhook: &&Value| {
            let (starts, ends) = (instant(&webhook["start_time"]), instant(&webhook["end_time"]));
            (feeds.is_empty() || feeds.contains(&text(webhook, "feed_tag")))
                && to.is_none_or(|to| starts.is_none_or(|starts| starts < to))
                && from.is_none_or(|from| ends.is_none_or(|ends| ends > from))
        };
        json!({"load_targets": self.targets.values().filter(within).map(target).collect::<Vec<_>>()})
    }
}

impl Api for Nvgrid {
    fn key<'r>(&self, request: &'r Request) -> Option<&'r str> {
        request.headers.get("authorization")?.strip_prefix("Bearer ")
    }

    /// The login needs the password; every other call needs a token from the login.
    fn admits(&self, request: &Request, script: &mut Script, now: Timestamp) -> Result<(), Refusal> {
        if call(request) == "Token" {
            let body = request.json();
            let password = text(&body["password_credential"], "password");
            return if script.takes(password) { Ok(()) } else { Err(Refusal(401, "invalid credentials")) };
        }
        match self.key(request).map(|token| self.sessions.get(token)) {
            None => Err(Refusal(401, "no authorization")),
            Some(Some(until)) if *until > now => Ok(()),
            Some(_) => Err(Refusal(401, "the token is invalid or expired")),
        }
    }

    fn about(&self, request: &Request) -> Vec<String> {
        match call(request) {
            "Token" => vec!["Token".to_owned()],
            other => vec![other.to_owned(), SESSION_CALL.to_owned()],
        }
    }

    fn answer(&mut self, asked: &Asked<'_>, ids: &mut Ids) -> Result<Done, Refusal> {
        match call(asked.request) {
            "Token" => Ok(Done::Answer(200, self.log_in(asked.now, ids))),
            REGISTER => Ok(self.register_asked(&asked.body, asked.view.unlisted)),
            "UnregisterWebhook" => Ok(self.unregister(text(&asked.body, "url"))),
            "GetStatus" => Ok(Done::Answer(200, self.status())),
            "GetLoadSchedule" => Ok(Done::Answer(200, self.schedule(&asked.body))),
            _ => Err(Refusal(501, "no such call")),
        }
    }

    fn error(&self, _: u16, message: &str) -> Value {
        json!({"message": message})
    }

    /// Stores the state in a webhook to be sent, or adds the operator's `{"whitelist": ["<address>", …]}`.
    fn hold(&mut self, content: &Value) {
        for entry in content["whitelist"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            self.whitelist.add(entry);
        }
        if content["event"].is_string() {
            let key = ["feed_tag", "correlation_id", "start_time"].map(|name| text(content, name).to_owned());
            self.now.insert(key[0].clone(), content.clone());
            self.targets.insert(key, content.clone());
        }
    }

    fn hooks(&self, webhook: &Value) -> Vec<Hook> {
        let wanted = |known: &&Registered| known.events.is_empty() || known.events.contains(text(webhook, "event"));
        self.hooks.iter().filter(wanted).map(|known| known.hook.clone()).collect()
    }

    fn register(&mut self, hook: Hook) {
        self.hooks.push(Registered { hook, events: BTreeSet::new() });
    }

    fn rules(&self) -> &'static Rules {
        &rules::NVGRID
    }
}
