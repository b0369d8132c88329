//! Tokens of webhook URLs and of the acknowledgement endpoint: gridbell stores only their hashes, and comparing takes
//! the same time for every token.

use std::fmt;

use serde::{Deserialize, Serialize, de};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The SHA-256 of a token, written as 64 lower-case hex digits.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

/// How many tokens may be valid at once, for a rotation without a gap.
pub const MAX_TOKENS: usize = 2;

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads 64 lower-case hex digits.
    pub fn parse(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        if digits.len() != 64 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(hash))
    }

    /// The hash as hex.
    pub fn to_hex(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// Whether the token is one of those. An unknown source has none, and the check takes the same time.
pub fn admits(known: &[TokenHash], token: &str) -> bool {
    let presented = TokenHash::of(token);
    let nobody = TokenHash([0; 32]);
    (0..MAX_TOKENS)
        .map(|slot| {
            let (hash, real) = known.get(slot).map_or((&nobody, 0), |hash| (hash, 1));
            hash.0.ct_eq(&presented.0) & Choice::from(real)
        })
        .fold(Choice::from(0), |any, one| any | one)
        .into()
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash([redacted])")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a token's hash is 64 lower-case hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tokens_are_valid_while_rotating_and_none_where_none_is_known() {
        let known = [TokenHash::of("old"), TokenHash::of("new")];
        assert!(admits(&known, "old") && admits(&known, "new"));
        assert!(!admits(&known, "other") && !admits(&known, ""));
        assert!(!admits(&[], "old") && !admits(&[], ""));
        assert!(admits(&[TokenHash::of("old"), TokenHash::of("old")], "old"), "listed twice it is valid once");
    }

    #[test]
    fn a_hash_reads_back_and_nothing_else_does() {
        let hash = TokenHash::of("token");
        assert_eq!(TokenHash::parse(&hash.to_hex()), Some(hash.clone()));
        assert_eq!(TokenHash::parse(&hash.to_hex().to_uppercase()), None);
        assert_eq!(TokenHash::parse("é".repeat(32).as_str()), None);
        assert_eq!(format!("{hash:?}"), "TokenHash([redacted])");
    }
}
