//! What the checks have in common.

use std::time::Duration;

use pipeline::ports::{WriteError, fifo_id};

/// Whether it becomes so within some seconds: an index follows its table, in AWS a moment later.
pub(super) async fn soon(is_so: impl AsyncFn() -> bool) -> bool {
    for _ in 0..50 {
        if is_so().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}

/// What stood there when a write did not happen.
pub(super) fn lost<T: std::fmt::Debug>(written: Result<(), WriteError<T>>) -> T {
    match written {
        Err(WriteError::Lost(Some(old))) => *old,
        other => panic!("a write that must lose, and say to what: {other:?}"),
    }
}

/// Text that hardly compresses.
pub(super) fn noise(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64);
    for n in 0.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(&fifo_id(&format!("noise {n}")));
    }
    text.truncate(bytes);
    text
}
