//! The time, and waiting for things to become true.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use jiff::Timestamp;

/// How long anything may take that nothing holds up. On a machine that builds at the same time a function can run out of its
/// time, and what it had in hand comes back after the queue's two minutes.
pub(crate) const SOON: Duration = Duration::from_mins(3);

/// How often is looked.
const LOOKING: Duration = Duration::from_millis(100);

/// Now.
#[expect(clippy::disallowed_methods, reason = "these tests live in real time")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Now, for measuring.
#[expect(clippy::disallowed_methods, reason = "these tests live in real time")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// A whole second, so many seconds from now, in RFC 3339.
pub(crate) fn from_now(seconds: i64) -> String {
    let whole = Timestamp::from_second(now().as_second() + seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    whole.to_string()
}

/// Looks again and again until something is there; fails with `what` and the last thing seen.
pub(crate) async fn eventually<T, F, Fut>(within: Duration, what: &str, mut fetch: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Looked<T>>>,
{
    let began = instant();
    loop {
        let last = match fetch().await? {
            Looked::There(it) => return Ok(it),
            Looked::NotYet(last) => last,
        };
        if began.elapsed() > within {
            bail!("{what}: not after {} s; the last: {last}", within.as_secs());
        }
        tokio::time::sleep(LOOKING).await;
    }
}

/// What a look has seen.
pub(crate) enum Looked<T> {
    /// What was waited for.
    There(T),
    /// Something else, in words.
    NotYet(String),
}
