//! Signatures of outgoing webhooks, as the [Standard Webhooks](https://www.standardwebhooks.com) specification defines
//! them: HMAC-SHA256 over `id.timestamp.body`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The header with the id of the message. It stays the same when the message is sent again.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the instant of sending, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// How many bytes a key has.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How many secrets may be in use at once, for a rotation without a gap.
pub const MAX_SECRETS: usize = 2;

/// One secret, or two while rotating: the receiver accepts a message if one of the signatures is right.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecrets(Vec<Vec<u8>>);

/// A text that contains no usable secret. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("there is no signing secret; it is whsec_ and the base64 of 24 to 64 random bytes")]
    Missing,
    /// Three or more.
    #[error("there are {0} signing secrets; there may be one, or two while rotating, with a space between")]
    TooMany(usize),
    /// It begins with something else.
    #[error("the signing secret does not begin with whsec_")]
    Prefix,
    /// It is not base64.
    #[error("the signing secret is not base64 after whsec_")]
    Base64,
    /// The key is too short or too long.
    #[error("the signing secret has {0} bytes; it must have 24 to 64")]
    Length(usize),
}

impl SigningSecrets {
    /// Reads one secret, `whsec_…`, or two with white space between them.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let keys: Vec<Vec<u8>> = text.split_whitespace().map(key).collect::<Result<_, _>>()?;
        match keys.len() {
            0 => Err(SecretError::Missing),
            1..=MAX_SECRETS => Ok(Self(keys)),
            more => Err(SecretError::TooMany(more)),
        }
    }

    /// The value of `webhook-signature` of a message: a signature for each secret, with a space between. The id is the
    /// value of `webhook-id`, `timestamp_s` that of `webhook-timestamp`.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let signed = self.0.iter().map(|key| format!("v1,{}", STANDARD.encode(mac(key, id, timestamp_s, body))));
        signed.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecrets([redacted])")
    }
}

fn key(secret: &str) -> Result<Vec<u8>, SecretError> {
    let encoded = secret.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
    let key = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
    if KEY_BYTES.contains(&key.len()) { Ok(key) } else { Err(SecretError::Length(key.len())) }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn mac(key: &[u8], id: &str, timestamp_s: i64, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{timestamp_s}.").as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the reference implementations of the specification share.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP_S: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_vector_is_signed_as_published() {
        let secrets = SigningSecrets::parse(SECRET).unwrap();
        assert_eq!(secrets.sign(ID, TIMESTAMP_S, BODY), SIGNATURE);
        let other = SigningSecrets::parse(SECRET).unwrap().sign(ID, TIMESTAMP_S + 1, BODY);
        assert_ne!(other, SIGNATURE, "the timestamp is signed too");
    }

    #[test]
    fn while_rotating_there_is_a_signature_for_each_secret() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = SigningSecrets::parse(&format!("{other}\n{SECRET} ")).unwrap().sign(ID, TIMESTAMP_S, BODY);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(first, SigningSecrets::parse(&other).unwrap().sign(ID, TIMESTAMP_S, BODY));
        assert_eq!(second, SIGNATURE);
    }

    #[test]
    fn an_unusable_secret_is_refused_and_never_repeated() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![1; bytes]));
        assert!(SigningSecrets::parse(&of(24)).is_ok() && SigningSecrets::parse(&of(64)).is_ok());
        let refused = [
            (" ", SecretError::Missing),
            ("sk_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", SecretError::Prefix),
            ("whsec_c2Vj*", SecretError::Base64),
            (&of(23), SecretError::Length(23)),
            (&of(65), SecretError::Length(65)),
            (&[SECRET, SECRET, SECRET].join(" "), SecretError::TooMany(3)),
        ];
        for (text, error) in refused {
            assert_eq!(SigningSecrets::parse(text), Err(error), "{text}");
        }
        assert_eq!(format!("{:?}", SigningSecrets::parse(SECRET).unwrap()), "SigningSecrets([redacted])");
    }
}
