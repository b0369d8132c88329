//! The sweep's work on many items: as much as its time allows; the next minute does the rest.

use futures_util::{StreamExt, future::ready, stream};
use jiff::{SignedDuration, Timestamp};

use crate::ports::{Clock, Random};

/// How long a sweep begins new work, of the 20 s of its invocation.
pub const SWEEPS_FOR: SignedDuration = SignedDuration::from_secs(10);

/// Items processed at the same time.
pub(crate) const AT_ONCE: usize = 16;

/// Calls `one` for each item, several at once, until that instant. It begins at a random item, so that items which fail
/// slowly every minute do not block others for ever. Returns the results of those that were begun.
pub(crate) async fn each<T, R>(
    mut items: Vec<T>,
    until: Timestamp,
    host: &(impl Clock + Random),
    one: impl AsyncFn(T) -> R,
) -> Vec<R> {
    let all = items.len();
    if let Some(last) = all.checked_sub(1).filter(|last| *last > 0) {
        let first = host.up_to(u64::try_from(last).unwrap_or(0));
        items.rotate_left(usize::try_from(first).unwrap_or(0));
    }
    let in_time = stream::iter(items).take_while(|_| ready(host.now() < until));
    let done: Vec<R> = in_time.map(|item| one(item)).buffer_unordered(AT_ONCE).collect().await;
    if done.len() < all {
        tracing::warn!(sweep.done = done.len(), sweep.left = all - done.len(), "the sweep goes on in the next minute");
    }
    done
}
