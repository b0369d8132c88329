//! The time, and waiting for conditions.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use jiff::Timestamp;

/// The time-out of anything that nothing delays. While the machine also builds, a function can time out; its messages
/// come back after the queue's two minutes.
pub(crate) const SOON: Duration = Duration::from_mins(3);

/// The polling interval.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// The current time.
#[expect(clippy::disallowed_methods, reason = "these tests run in real time")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// The current instant, for durations.
#[expect(clippy::disallowed_methods, reason = "these tests run in real time")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// A whole second, so many seconds from now, in RFC 3339.
pub(crate) fn from_now(seconds: i64) -> String {
    let whole = Timestamp::from_second(now().as_second() + seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    whole.to_string()
}

/// Calls `fetch` until it returns a value. Fails with `what` and its last message.
pub(crate) async fn eventually<T, F, Fut>(within: Duration, what: &str, mut fetch: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Checked<T>>>,
{
    let began = instant();
    loop {
        let last = match fetch().await? {
            Checked::Found(it) => return Ok(it),
            Checked::NotYet(last) => last,
        };
        if began.elapsed() > within {
            bail!("{what}: not after {} s; the last: {last}", within.as_secs());
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// The result of a check.
pub(crate) enum Checked<T> {
    /// The expected value.
    Found(T),
    /// Something else, described in words.
    NotYet(String),
}
