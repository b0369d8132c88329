//! A simulator with a manual clock, and a receiver that answers as the test decides.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use provider_sims::{Hook, Keys, LogEntry, Post, Reply, Request, Response, Simulated, Simulator, WebhookOutcome, What};
use serde_json::{Value, json};

pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) now: Timestamp,
    /// The token from `NvGrid`'s login.
    pub(crate) session: Option<String>,
    whom: &'static Simulated,
}

/// A received webhook, and its time in seconds since the start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Got {
    pub(crate) after_s: i64,
    pub(crate) body: Value,
}

pub(crate) fn hook() -> Hook {
    Hook { url: "https://receiver.example/hook".to_owned(), headers: Vec::new() }
}

pub(crate) fn begin() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("an instant")
}

impl Bench {
    pub(crate) fn new(whom: &'static Simulated) -> Self {
        let keys = Keys::Only(BTreeSet::from(["key".to_owned()]));
        Self { simulator: Simulator::new(whom, keys, 1, 7), now: begin(), session: None, whom }
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Request {
        let (name, value) = match self.whom.name {
            "voltus" => ("x-voltus-api-key", "key".to_owned()),
            "leap" => ("authorization", "Bearer key".to_owned()),
            "nvgrid" => ("authorization", format!("Bearer {}", self.session.as_deref().unwrap_or_default())),
            _ => ("x-api-key", "key".to_owned()),
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            headers: BTreeMap::from([(name.to_owned(), value)]),
            body: body.to_string().into_bytes(),
        }
    }

    pub(crate) fn handle(&mut self, method: &str, path: &str, body: &Value) -> Reply {
        let request = self.request(method, path, body);
        self.simulator.handle(&request, self.now)
    }

    /// Sends a request that is answered at once.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        match self.handle(method, path, body) {
            Reply::Now(response) => read(&response),
            Reply::After(_) => panic!("it waits for a webhook"),
        }
    }

    pub(crate) fn get(&mut self, path: &str) -> (u16, Value) {
        self.ask("GET", path, &Value::Null)
    }

    /// Sends a request that waits for a webhook, and answers that webhook with `status`. Returns the answer and the
    /// webhook.
    pub(crate) fn ask_and_answer(&mut self, path: &str, body: &Value, status: u16) -> ((u16, Value), Post) {
        let Reply::After(id) = self.handle("POST", path, body) else { panic!("it does not wait") };
        let post = self.simulator.due(self.now).pop().expect("a webhook");
        assert_eq!(post.id, id);
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let outcome = WebhookOutcome {
            status: Some(status),
            headers,
            body: "{}".to_owned(),
            took_ms: 5,
            ..WebhookOutcome::default()
        };
        let response = self.simulator.answered(id, &outcome, self.now).expect("the answer that waited");
        (read(&response), post)
    }

    /// Moves the clock until nothing is left to do. `answers` gives the receiver's status for each webhook by number.
    pub(crate) fn run(&mut self, mut answers: impl FnMut(usize) -> u16) -> Vec<Got> {
        let mut got = Vec::new();
        while let Some(at) = self.simulator.next() {
            self.now = self.now.max(at);
            for post in self.simulator.due(self.now) {
                let after_s = self.now.duration_since(begin()).as_secs();
                got.push(Got { after_s, body: serde_json::from_str(&post.body).expect("JSON") });
                let outcome = WebhookOutcome { status: Some(answers(got.len())), ..WebhookOutcome::default() };
                assert!(self.simulator.answered(post.id, &outcome, self.now).is_none());
            }
        }
        got
    }

    /// The log in short form.
    pub(crate) fn log_lines(&self) -> Vec<String> {
        self.simulator.log(0).iter().map(line).collect()
    }

    pub(crate) fn later(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).expect("an instant");
    }
}

fn read(response: &Response) -> (u16, Value) {
    (response.status, serde_json::from_slice(&response.body).unwrap_or(json!(null)))
}

fn line(entry: &LogEntry) -> String {
    let at = entry.at.duration_since(begin()).as_secs();
    match &entry.what {
        What::Published { says } => format!("{at} published {says}"),
        What::Webhook { attempt, status, problem, .. } => {
            let answer = status.map_or_else(|| problem.clone().unwrap_or_default(), |status| status.to_string());
            format!("{at} webhook #{attempt}: {answer}")
        }
        What::GaveUp { then, .. } => format!("{at} gave up: {then}"),
        What::Over => format!("{at} over"),
    }
}
