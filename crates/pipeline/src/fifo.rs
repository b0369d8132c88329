//! Ids for a FIFO queue.

use sha2::{Digest, Sha256};

/// A group or deduplication id as SQS allows it: up to 128 printable ASCII characters, else its SHA-256 in hex.
pub fn fifo_id(text: &str) -> String {
    use std::fmt::Write as _;
    if text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_sqs_does_not_allow_is_hashed() {
        assert_eq!(fifo_id("voltus-prod/dkmq#2"), "voltus-prod/dkmq#2");
        assert_eq!(fifo_id(&"a".repeat(129)).len(), 64);
        assert_eq!(fifo_id("has space").len(), 64);
    }
}
