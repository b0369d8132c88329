//! Scripted providers: what a source's API answers, in order; the last answer holds.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use pipeline::ports::FetchError;
use providers::{ApiRequest, Method};

/// One answer of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// 200 with this body.
    Json(String),
    /// The same after so many seconds.
    Slow(u32, String),
    /// That status, and `Retry-After` in seconds.
    Status(u16, Option<u32>),
    /// 401.
    Refused,
    /// 404.
    Missing,
    /// No answer that may be taken.
    Nothing,
}

impl Reply {
    fn takes(&self) -> SignedDuration {
        SignedDuration::from_secs(if let Self::Slow(seconds, _) = self { i64::from(*seconds) } else { 0 })
    }

    fn answer(&self) -> Result<String, FetchError> {
        Err(match self {
            Self::Json(body) | Self::Slow(_, body) => return Ok(body.clone()),
            Self::Status(status, retry_after_s) => {
                FetchError::Status { status: *status, retry_after_s: *retry_after_s, a_minute: None }
            }
            Self::Refused => FetchError::Refused { status: 401 },
            Self::Missing => FetchError::Missing,
            Self::Nothing => FetchError::Answer("no answer within 5 s".to_owned()),
        })
    }
}

/// A request that a provider was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// When.
    pub at: Timestamp,
    /// Through which source.
    pub source: String,
    /// The request on one line, such as `GET /2022-04-15/dispatches/dkmq`.
    pub request: String,
    /// What it may take.
    pub within: SignedDuration,
}

/// What the providers answer, and what they were asked.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    scripts: Vec<Script>,
    pub(crate) fetches: Vec<Fetch>,
}

#[derive(Debug)]
struct Script {
    source: String,
    about: String,
    replies: VecDeque<Reply>,
}

impl Scripts {
    /// Requests of that source that hold `about` are answered so; an earlier script of the same is replaced.
    pub(crate) fn put(&mut self, source: &str, about: &str, replies: Vec<Reply>) {
        self.scripts.retain(|script| script.source != source || script.about != about);
        self.scripts.push(Script { source: source.to_owned(), about: about.to_owned(), replies: replies.into() });
    }

    /// Answers a request, and says how long that takes; what nobody scripted is not known to the provider.
    pub(crate) fn answer(
        &mut self,
        at: Timestamp,
        source: &str,
        request: &ApiRequest,
        within: SignedDuration,
    ) -> (SignedDuration, Result<String, FetchError>) {
        let request = line(request);
        self.fetches.push(Fetch { at, source: source.to_owned(), request: request.clone(), within });
        // A list's path stands in the paths of all that it lists: the script that says more about the request is meant.
        let scripts =
            self.scripts.iter_mut().filter(|script| script.source == source && request.contains(&script.about));
        let script = scripts.max_by_key(|script| script.about.len());
        let reply = script.and_then(|script| {
            if script.replies.len() > 1 { script.replies.pop_front() } else { script.replies.front().cloned() }
        });
        let reply = reply.unwrap_or(Reply::Missing);
        (reply.takes(), reply.answer())
    }
}

pub(crate) fn line(request: &ApiRequest) -> String {
    let ApiRequest { method, path, query, body, .. } = request;
    let method = match method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let question = if query.is_empty() { "" } else { "?" };
    let body = body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
    format!("{method} {path}{question}{}{body}", query.join("&"))
}
