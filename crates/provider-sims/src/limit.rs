//! The rate limit, and its headers.

use jiff::{SignedDuration, Timestamp};

use crate::Reply;

/// The length of a window; an assumption.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// The requests in the current window.
#[derive(Debug)]
pub(crate) struct Window {
    began: Timestamp,
    used: u32,
}

/// The caller's rate-limit state.
pub(crate) struct Standing {
    most: u32,
    remaining: u32,
    reset_s: i64,
    pub(crate) is_over: bool,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { began: Timestamp::MIN, used: 0 }
    }

    /// Counts a request; `most` is the limit.
    pub(crate) fn count(&mut self, most: u32, now: Timestamp) -> Standing {
        if now.duration_since(self.began) >= WINDOW {
            (self.began, self.used) = (now, 0);
        }
        self.used += 1;
        let reset_s = (WINDOW - now.duration_since(self.began)).as_secs();
        Standing { most, remaining: most.saturating_sub(self.used), reset_s, is_over: self.used > most }
    }
}

/// Adds the rate-limit headers to the reply.
pub(crate) fn with_headers(mut reply: Reply, standing: Option<&Standing>) -> Reply {
    if let (Reply::Now(response), Some(standing)) = (&mut reply, standing) {
        response.headers.extend([
            ("x-ratelimit-limit", standing.most.to_string()),
            ("x-ratelimit-remaining", standing.remaining.to_string()),
            ("x-ratelimit-reset", standing.reset_s.to_string()),
        ]);
    }
    reply
}
