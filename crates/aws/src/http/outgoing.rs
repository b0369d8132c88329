//! Posts to addresses that the operator configures: no redirect, no proxy, limited time and size, and no address inside a
//! private network.

use std::time::Duration;

use reqwest::{
    Client,
    header::{CONTENT_TYPE, USER_AGENT},
};

use super::{Connections, Guard, HttpApiError, Limits, Reachable};
use crate::client::with_causes;

/// How much of an answer is read, in bytes.
const MOST_ANSWER_BYTES: usize = 4 * 1_024;

/// The client for these addresses.
#[derive(Debug, Clone)]
pub struct Outgoing {
    client: Client,
}

/// A post.
#[derive(Debug, Clone)]
pub struct Post<'a> {
    /// The address: https, or http on this machine.
    pub url: &'a str,
    /// Headers besides the content type, which is JSON.
    pub headers: &'a [(&'static str, String)],
    /// The body.
    pub body: String,
    /// The timeout of the whole call.
    pub within: Duration,
}

/// An answer with any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostAnswer {
    /// The status.
    pub status: u16,
    /// The beginning of the body, as text.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Nothing was sent: the address is not allowed, or no connection was made.
    #[error("{0}")]
    NotSent(String),
    /// It was sent, or may have been, and the answer did not come.
    #[error("{0}")]
    Unanswered(String),
}

impl Outgoing {
    /// A client that trusts the public authorities and those in `extra_roots` (PEM).
    pub fn new(extra_roots: Option<&[u8]>) -> Result<Self, HttpApiError> {
        let connections = Connections::guarded(extra_roots, Limits::default(), Guard(Reachable::PublicOrHere))?;
        Ok(Self { client: connections.client() })
    }

    /// Posts JSON, once.
    pub async fn post(&self, post: &Post<'_>) -> Result<PostAnswer, PostError> {
        let url = Reachable::PublicOrHere.url(post.url).map_err(PostError::NotSent)?;
        let mut request = self
            .client
            .post(url)
            .timeout(post.within)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("gridbell/", env!("CARGO_PKG_VERSION")))
            .body(post.body.clone());
        for (name, value) in post.headers {
            request = request.header(*name, value);
        }
        let mut response = request.send().await.map_err(unanswered)?;
        let (status, mut body) = (response.status().as_u16(), Vec::new());
        // What the answer says beyond its status is only for people.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk[..chunk.len().min(MOST_ANSWER_BYTES - body.len())]);
            if body.len() >= MOST_ANSWER_BYTES {
                break;
            }
        }
        Ok(PostAnswer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

fn unanswered(error: reqwest::Error) -> PostError {
    let was_sent = !error.is_connect() && !error.is_builder();
    let late = if error.is_timeout() { "no answer in time: " } else { "" };
    let reason = format!("{late}{}", with_causes(error.without_url()));
    if was_sent { PostError::Unanswered(reason) } else { PostError::NotSent(reason) }
}
