//! Creates tokens that the configuration does not define.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// 32 random bytes as base64url: 43 characters that need no escape in a path.
pub fn random() -> String {
    let mut bytes = [0_u8; 32];
    // Without randomness of the system nothing can run safely, and this code cannot recover.
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("the system gives no randomness: {error}");
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A short random suffix that makes names unique among stacks: lower-case letters and digits.
pub(super) fn suffix() -> String {
    random().chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).take(8).collect()
}
