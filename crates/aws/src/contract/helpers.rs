//! Helpers of the checks.

use std::time::Duration;

use pipeline::ports::{WriteError, fifo_id};

/// True if the condition becomes true within some seconds: in AWS an index follows its table with a delay.
pub(super) async fn soon(is_so: impl AsyncFn() -> bool) -> bool {
    for _ in 0..50 {
        if is_so().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}

/// The stored value that made a write fail.
pub(super) fn lost<T: std::fmt::Debug>(written: Result<(), WriteError<T>>) -> T {
    match written {
        Err(WriteError::Lost(Some(old))) => *old,
        other => panic!("the write must fail and return the stored value: {other:?}"),
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
