//! The trait that each simulated provider implements.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Request, WebhookOutcome, ids::Ids, plan::Act, rules::Rules, script::Script};

/// Where webhooks are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The URL.
    pub url: String,
    /// Headers, with names in lower case.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

/// How to change an answer; the default changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ResponseStyle {
    pub(crate) other_shape: bool,
    pub(crate) stale: bool,
    /// Refuse the webhook's URL, whatever it is.
    pub(crate) unlisted: bool,
}

/// A request with a valid key.
#[derive(Debug)]
pub(crate) struct Asked<'r> {
    pub(crate) request: &'r Request,
    pub(crate) body: Value,
    pub(crate) view: ResponseStyle,
    pub(crate) now: Timestamp,
}

impl Asked<'_> {
    pub(crate) fn method(&self) -> &str {
        &self.request.method
    }

    pub(crate) fn path(&self) -> &str {
        &self.request.path
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.request.query.get(name).map(String::as_str)
    }
}

/// The effect of a request.
#[derive(Debug)]
pub(crate) enum Done {
    Answer(u16, Value),
    Empty(u16),
    /// It waits for the answer to a webhook.
    Posts {
        hook: Hook,
        body: Value,
        says: &'static str,
        waiting: Waiting,
    },
    /// It is answered, and these acts follow. `anew` cancels the planned acts of an earlier request.
    Plays {
        acts: Vec<Act>,
        answer: Value,
        anew: bool,
    },
}

/// An error answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) u16, pub(crate) &'static str);

/// What is done when the webhook is answered.
#[derive(Debug, Clone)]
pub(crate) enum Waiting {
    /// A registration.
    Registration { url: String, events: Value },
    /// A test that returns a report.
    Report { sent_at: Timestamp },
}

/// A provider.
pub(crate) trait Api: Send {
    /// The key in the request, if any.
    fn key<'r>(&self, request: &'r Request) -> Option<&'r str>;

    /// The status of the answer to a request without a key.
    fn without_key(&self) -> u16 {
        401
    }

    /// Checks the request's key.
    fn admits(&self, request: &Request, script: &mut Script, _: Timestamp) -> Result<(), Refusal> {
        match self.key(request) {
            None => Err(Refusal(self.without_key(), "no API key")),
            Some(key) if !script.takes(key) => Err(Refusal(401, "unknown API key")),
            Some(_) => Ok(()),
        }
    }

    /// The limit of requests a minute.
    fn limit(&self) -> Option<u32> {
        None
    }

    /// The ids in the request: a dispatch, events, a meter.
    fn about(&self, request: &Request) -> Vec<String>;

    /// Handles a request with a valid key.
    fn answer(&mut self, asked: &Asked<'_>, ids: &mut Ids) -> Result<Done, Refusal>;

    /// Answers the waiting request after the webhook has been answered.
    fn concludes(&mut self, _: Waiting, _: &WebhookOutcome, _: Timestamp, _: &mut Ids) -> Result<Done, Refusal> {
        Err(Refusal(500, "nothing waits"))
    }

    /// The provider's error body.
    fn error(&self, status: u16, message: &str) -> Value;

    /// Stores a resource.
    fn hold(&mut self, content: &Value);

    /// The registered hooks for this webhook.
    fn hooks(&self, webhook: &Value) -> Vec<Hook>;

    /// Registers a hook as the provider's dashboard or operator does.
    fn register(&mut self, hook: Hook);

    fn rules(&self) -> &'static Rules;
}
