//! Tokens that are made where the configuration names none.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// 32 random bytes as base64url, 43 characters that stand in a path as they are.
pub fn random() -> String {
    let mut bytes = [0_u8; 32];
    // Where the system has no randomness nothing secure can run, and nothing here could mend it.
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("the system gives no randomness: {error}");
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A short random suffix for names that must differ from every other stack's: lower-case letters and digits.
pub(super) fn suffix() -> String {
    random().chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).take(8).collect()
}
