//! The transport of a webhook's body: compressed, and in parts if no single message can carry it.

use std::io::{Read, Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};

/// The compressed bytes of a body in one table item: a body of 2 MiB is sent and stored in chunks of this size.
pub const CHUNK_BYTES: usize = 350 * 1_024;

/// The chunks in one message: in base64 they leave room for the envelope.
const CHUNKS_A_MESSAGE: usize = 2;

/// A part of a webhook's body that is too large for one message, even compressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyPart {
    /// The number of its first chunk, from 0.
    pub first: u32,
    /// How many chunks the whole body has.
    pub of: u32,
    /// Its consecutive chunks, of [`CHUNK_BYTES`] each except for the body's last: gzip in base64.
    pub data: String,
}

impl BodyPart {
    /// The parts of a compressed body, one for each message.
    pub(super) fn all(gz: &[u8]) -> impl Iterator<Item = Self> {
        let count = |chunks: usize| u32::try_from(chunks).unwrap_or(u32::MAX);
        let of = count(gz.len().div_ceil(CHUNK_BYTES));
        gz.chunks(CHUNK_BYTES * CHUNKS_A_MESSAGE).enumerate().map(move |(number, bytes)| {
            let first = count(number * CHUNKS_A_MESSAGE);
            Self { first, of, data: BASE64_STANDARD.encode(bytes) }
        })
    }

    /// Its chunks with their numbers.
    pub fn chunks(&self) -> Result<Vec<(u32, Vec<u8>)>, UnpackError> {
        let bytes = BASE64_STANDARD.decode(&self.data)?;
        Ok((self.first..).zip(bytes.chunks(CHUNK_BYTES).map(<[u8]>::to_vec)).collect())
    }
}

/// The location of a body that arrived in parts: chunks in the table `deliveries`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBody {
    /// The delivery that brought it.
    pub delivery: String,
    /// How many chunks it has.
    pub chunks: u32,
}

/// A packed body that cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Not base64.
    #[error("the packed body is no base64")]
    Base64(#[from] base64::DecodeError),
    /// Not gzip, or not text.
    #[error("the packed body does not decompress")]
    Gzip(#[from] std::io::Error),
}

/// Gzip, for messages and table items.
#[expect(clippy::expect_used, reason = "otherwise an empty body would be sent or stored")]
pub fn pack(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("writing into memory does not fail");
    encoder.finish().expect("writing into memory does not fail")
}

/// The inverse of [`pack`], with a size limit: gridbell packs nothing larger.
pub fn unpack(gz: &[u8]) -> Result<String, UnpackError> {
    let mut text = String::new();
    GzDecoder::new(gz).take(32 * 1_024 * 1_024).read_to_string(&mut text)?;
    Ok(text)
}
