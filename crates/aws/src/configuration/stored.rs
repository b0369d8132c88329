//! A version as it is stored: compressed JSON with a checksum, and what a person at the AWS console wants to know of it.

use std::io::{self, Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// What the items of this release look like. A function refuses a newer format instead of misreading it.
pub(super) const FORMAT: u64 = 1;

/// The most that a configuration may be as JSON, in bytes: some 4,000 sources. Compressed it fits into an item of 400 KB with room
/// to spare, since hardly anything but the hashes of tokens resists compression.
pub const MAX_JSON_BYTES: usize = 1_024 * 1_024;

/// The most that it may be compressed, in bytes.
pub(super) const MAX_PACKED_BYTES: usize = 380 * 1_024;

/// One version of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Counted from 1; a version that was restored has a number of its own.
    pub number: u64,
    /// SHA-256 of the JSON, in hex.
    pub digest: String,
    /// What the functions read. It holds hashes and references, no secret.
    pub json: String,
    /// When it was applied.
    pub at: Timestamp,
    /// Who applied it.
    pub by: String,
}

/// What `current` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// The version that every function reads.
    Applied(Version),
    /// The first version did not work and was withdrawn: its number is used up.
    Withdrawn {
        /// The number.
        number: u64,
    },
}

impl Stored {
    /// The number that `current` has.
    pub fn number(&self) -> u64 {
        match self {
            Self::Applied(version) => version.number,
            Self::Withdrawn { number } => *number,
        }
    }
}

/// What a configuration is known by.
pub fn digest(json: &str) -> String {
    format!("{:x}", Sha256::digest(json))
}

/// Compresses JSON. The checksum in it tells a damaged item from a configuration.
pub(super) fn packed(json: &str) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(json.as_bytes())?;
    encoder.finish()
}

/// The inverse of [`packed`], bounded.
pub(super) fn unpacked(packed: &[u8]) -> Result<String, String> {
    let mut json = String::new();
    let limit = MAX_JSON_BYTES as u64 + 1;
    ZlibDecoder::new(packed).take(limit).read_to_string(&mut json).map_err(|error| error.to_string())?;
    if json.len() > MAX_JSON_BYTES {
        return Err(format!("more than {MAX_JSON_BYTES} bytes"));
    }
    Ok(json)
}

/// The key of a version, which sorts as its number does.
pub(super) fn key(number: u64) -> String {
    format!("v{number:010}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_and_damage_is_noticed() {
        let json = r#"{"sources":{}}"#.repeat(3_000);
        let bytes = packed(&json).unwrap();
        assert!(bytes.len() < json.len() / 10);
        assert_eq!(unpacked(&bytes).unwrap(), json);
        let mut damaged = bytes.clone();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        assert!(unpacked(&damaged).is_err());
        assert!(unpacked(&bytes[..last]).is_err());
    }

    #[test]
    fn what_unpacks_to_more_than_a_configuration_may_be_is_refused() {
        assert!(unpacked(&packed(&" ".repeat(MAX_JSON_BYTES)).unwrap()).is_ok());
        assert!(unpacked(&packed(&" ".repeat(MAX_JSON_BYTES + 1)).unwrap()).unwrap_err().contains("more than"));
    }

    #[test]
    fn keys_sort_as_numbers_do() {
        assert!(key(9) < key(10) && key(99) < key(100));
        assert_eq!(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
