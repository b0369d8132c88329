//! Keys and ids on the command line. An impossible value is refused before any request, so it never reaches a table.

use std::ffi::OsStr;

use clap::{Arg, Command, Error, builder::TypedValueParser, error::ErrorKind};

/// Longest key in bytes: a source, and identifiers of 512 bytes each, percent-encoded.
const MAX_KEY_BYTES: usize = 4_096;

/// Parses a key. An error names `shown_by`, the command that lists the existing keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// The command that lists the keys, such as `gridbell dispatch list`.
    pub(crate) shown_by: &'static str,
}

impl Key {
    /// A parser whose errors name that command.
    pub(crate) const fn shown_by(shown_by: &'static str) -> Self {
        Self { shown_by }
    }
}

/// Returns the key, or what is wrong with it.
fn check(value: &OsStr) -> Result<String, String> {
    let Some(text) = value.to_str() else { return Err("is no UTF-8".to_owned()) };
    match text.len() {
        0 => Err("is empty".to_owned()),
        1..=MAX_KEY_BYTES => Ok(text.to_owned()),
        bytes => Err(format!("is {bytes} bytes long, and none is longer than {MAX_KEY_BYTES}")),
    }
}

impl TypedValueParser for Key {
    type Value = String;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        check(value).map_err(|wrong| {
            // Clap would repeat the value, however long it is.
            let name = argument.map_or_else(|| "the key".to_owned(), ToString::to_string);
            let said = format!("{name} {wrong}; `{}` shows those that there are\n", self.shown_by);
            Error::raw(ErrorKind::ValueValidation, said).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_key_is_said_in_few_words() {
        let check = |text: &str| check(OsStr::new(text));
        assert!(check("voltus-prod/dkmq").is_ok() && check(&"k".repeat(4_096)).is_ok());
        assert_eq!(check(""), Err("is empty".to_owned()));
        assert_eq!(check(&"k".repeat(4_097)), Err("is 4097 bytes long, and none is longer than 4096".to_owned()));
    }
}
