//! Scripted providers: the answers of a source's API, in order; the last one repeats.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use pipeline::ports::FetchError;
use providers::{ApiRequest, Method};

/// One answer of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// 200 with this body.
    Json(String),
    /// 200 with this body after so many seconds.
    Slow(u32, String),
    /// This status, with `Retry-After` in seconds.
    Status(u16, Option<u32>),
    /// 401.
    Refused,
    /// 404.
    Missing,
    /// No usable answer.
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

/// A request to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// When.
    pub at: Timestamp,
    /// Through which source.
    pub source: String,
    /// The request on one line, such as `GET /2022-04-15/dispatches/dkmq`.
    pub request: String,
    /// Its time-out.
    pub within: SignedDuration,
}

/// The scripted answers, and the requests so far.
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
    /// Sets the answers to requests of that source that contain `about`. Replaces an earlier script for the same.
    pub(crate) fn put(&mut self, source: &str, about: &str, replies: Vec<Reply>) {
        self.scripts.retain(|script| script.source != source || script.about != about);
        self.scripts.push(Script { source: source.to_owned(), about: about.to_owned(), replies: replies.into() });
    }

    /// Answers a request, and returns how long that takes. A request without a script gets "not found".
    pub(crate) fn answer(
        &mut self,
        at: Timestamp,
        source: &str,
        request: &ApiRequest,
        within: SignedDuration,
    ) -> (SignedDuration, Result<String, FetchError>) {
        let request = line(request);
        self.fetches.push(Fetch { at, source: source.to_owned(), request: request.clone(), within });
        // A list's path is part of the paths of the dispatches in it: the script with the longest match applies.
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
