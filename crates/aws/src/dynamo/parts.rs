//! Splits a quarantined job over several items: the limit of an item is 400 KB, and a webhook's body may be 2 MiB.

use pipeline::job::CHUNK_BYTES;

/// The content of the head, and the parts that are stored before it in their own items.
pub(super) fn split(gz: &[u8]) -> (Option<&[u8]>, Vec<&[u8]>) {
    if gz.len() <= CHUNK_BYTES { (Some(gz), Vec::new()) } else { (None, gz.chunks(CHUNK_BYTES).collect()) }
}

/// The key of a part, counted from 1.
pub(super) fn key(head: &str, part: usize) -> String {
    format!("{head}#{part}")
}
