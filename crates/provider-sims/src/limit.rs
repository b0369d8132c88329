//! The rate limit, and the headers that say where a caller stands with it.

use jiff::{SignedDuration, Timestamp};

use crate::Reply;

/// What a window takes; not documented.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// Requests of the window that runs.
#[derive(Debug)]
pub(crate) struct Window {
    began: Timestamp,
    used: u32,
}

/// Where a caller stands.
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

    /// Counts one more request of at most so many.
    pub(crate) fn count(&mut self, most: u32, now: Timestamp) -> Standing {
        if now.duration_since(self.began) >= WINDOW {
            (self.began, self.used) = (now, 0);
        }
        self.used += 1;
        let reset_s = (WINDOW - now.duration_since(self.began)).as_secs();
        Standing { most, remaining: most.saturating_sub(self.used), reset_s, is_over: self.used > most }
    }
}

/// The reply with the headers.
pub(crate) fn told(mut reply: Reply, standing: Option<&Standing>) -> Reply {
    if let (Reply::Now(response), Some(standing)) = (&mut reply, standing) {
        response.headers.extend([
            ("x-ratelimit-limit", standing.most.to_string()),
            ("x-ratelimit-remaining", standing.remaining.to_string()),
            ("x-ratelimit-reset", standing.reset_s.to_string()),
        ]);
    }
    reply
}
