//! What each provider is, behind the parts that all share.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Request, WebhookOutcome, ids::Ids, plan::Act, rules::Rules, script::Script};

/// Where webhooks go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The address.
    pub url: String,
    /// Headers by their names in lower case.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

/// How an answer is to look; ordinary unless something misbehaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ResponseStyle {
    pub(crate) other_shape: bool,
    pub(crate) stale: bool,
    /// An address is refused, whatever it is.
    pub(crate) unlisted: bool,
}

/// A request with a good key.
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

/// What a request does.
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
    /// It is answered, and this is what follows. `anew` drops what an earlier one had still planned.
    Plays {
        acts: Vec<Act>,
        answer: Value,
        anew: bool,
    },
}

/// An answer that is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) u16, pub(crate) &'static str);

/// What waits for a webhook's answer.
#[derive(Debug, Clone)]
pub(crate) enum Waiting {
    /// A registration.
    Registration { url: String, events: Value },
    /// A test that reports.
    Report { sent_at: Timestamp },
}

/// A provider.
pub(crate) trait Api: Send {
    /// The key that a request carries; none: it carries none.
    fn key<'r>(&self, request: &'r Request) -> Option<&'r str>;

    /// The status for a request without a key.
    fn without_key(&self) -> u16 {
        401
    }

    /// Whether a request may come in.
    fn admits(&self, request: &Request, script: &mut Script, _: Timestamp) -> Result<(), Refusal> {
        match self.key(request) {
            None => Err(Refusal(self.without_key(), "no API key")),
            Some(key) if !script.takes(key) => Err(Refusal(401, "unknown API key")),
            Some(_) => Ok(()),
        }
    }

    /// How many requests a minute may have.
    fn limit(&self) -> Option<u32> {
        None
    }

    /// What a request asks for: a dispatch, events, a meter.
    fn about(&self, request: &Request) -> Vec<String>;

    /// What a request with a good key does.
    fn answer(&mut self, asked: &Asked<'_>, ids: &mut Ids) -> Result<Done, Refusal>;

    /// What the request that waited gets, once the webhook has been answered.
    fn concludes(&mut self, _: Waiting, _: &WebhookOutcome, _: Timestamp, _: &mut Ids) -> Result<Done, Refusal> {
        Err(Refusal(500, "nothing waits"))
    }

    /// The provider's envelope of an error.
    fn error(&self, status: u16, message: &str) -> Value;

    /// Holds this from now on.
    fn hold(&mut self, content: &Value);

    /// The registered hooks that this webhook goes to.
    fn hooks(&self, webhook: &Value) -> Vec<Hook>;

    /// Registers a hook as a provider's dashboard or operator does.
    fn register(&mut self, hook: Hook);

    fn rules(&self) -> &'static Rules;
}
