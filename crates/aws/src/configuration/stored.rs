//! A stored version: compressed JSON with a checksum, plus readable attributes for people at the AWS console.

use pipeline::config::MAX_JSON_BYTES;
use std::io::{self, Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// The item format of this release. A function refuses a newer format, so it cannot misread it.
pub(super) const FORMAT: u64 = 1;

/// The maximum compressed size, in bytes.
pub(super) const MAX_PACKED_BYTES: usize = 380 * 1_024;

/// One version of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Counted from 1; restoring a version creates a new number.
    pub number: u64,
    /// SHA-256 of the JSON, in hex.
    pub digest: String,
    /// The JSON that the functions read. It contains hashes and references, no secrets.
    pub json: String,
    /// When it was applied.
    pub at: Timestamp,
    /// Who applied it.
    pub by: String,
}

/// The content of `current`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// The version that every function reads.
    Applied(Version),
    /// The first version did not work and was withdrawn: its number is not used again.
    Withdrawn {
        /// The number.
        number: u64,
    },
}

impl Stored {
    /// The number in `current`.
    pub fn number(&self) -> u64 {
        match self {
            Self::Applied(version) => version.number,
            Self::Withdrawn { number } => *number,
        }
    }
}

/// SHA-256 of the JSON, in hex.
pub fn digest(json: &str) -> String {
    format!("{:x}", Sha256::digest(json))
}

/// Compresses JSON and adds a checksum, which detects a damaged item.
pub(super) fn packed(json: &str) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(json.as_bytes())?;
    encoder.finish()
}

/// The inverse of [`packed`], with a size limit.
pub(super) fn unpacked(packed: &[u8]) -> Result<String, String> {
    let mut json = String::new();
    let limit = MAX_JSON_BYTES as u64 + 1;
    ZlibDecoder::new(packed).take(limit).read_to_string(&mut json).map_err(|error| error.to_string())?;
    if json.len() > MAX_JSON_BYTES {
        return Err(format!("more than {MAX_JSON_BYTES} bytes"));
    }
    Ok(json)
}

/// The key of a version. Keys sort as numbers do.
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
