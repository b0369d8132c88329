//! What a sweep does for many items: as much as its time allows, and what is left in the next minute.

use futures_util::{StreamExt, future::ready, stream};
use jiff::{SignedDuration, Timestamp};

use crate::ports::{Clock, Random};

/// So long a sweep begins something new, of the 20 s that its invocation has.
pub const SWEEPS_FOR: SignedDuration = SignedDuration::from_secs(10);

/// Items under way at once.
pub(crate) const AT_ONCE: usize = 16;

/// Does `one` for each item, several at once, until that instant. It begins at any of them, so that items which fail slowly, minute by
/// minute, keep no other waiting for ever. What came of those that were begun.
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
