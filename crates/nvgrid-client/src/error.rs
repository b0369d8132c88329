//! Why a call to `NvGrid` failed, in one line that says what to do.

use std::error::Error;

use tonic::{Code, Status};

use super::channel::in_words;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum NvgridError {
    /// A given setting is unusable.
    #[error("{problem}")]
    Setting {
        /// What is wrong.
        problem: String,
    },
    /// The description is unreadable.
    #[error("{from} does not describe the service: {reason}")]
    Description {
        /// The file, or the reflection.
        from: String,
        /// What is wrong.
        reason: String,
    },
    /// The description lacks a documented name.
    #[error("{from} has no {what}; it has {there}")]
    Lacks {
        /// The file, or the reflection.
        from: String,
        /// The name.
        what: String,
        /// The names of that kind which exist.
        there: String,
    },
    /// The server offers no reflection.
    #[error(
        "{base} does not describe itself ({reason}): give the .proto files that came with the DPS install with --proto, or their descriptor set with --descriptor-set"
    )]
    NoReflection {
        /// The server's address.
        base: String,
        /// Its message.
        reason: String,
    },
    /// The server does not answer.
    #[error("{base} cannot be reached: {reason}; check the network and the address: https or http, host, port")]
    Unreachable {
        /// The server's address.
        base: String,
        /// The reason.
        reason: String,
    },
    /// The server's certificate is not trusted.
    #[error("no TLS with {base}: {reason}; {way}")]
    Tls {
        /// The server's address.
        base: String,
        /// The reason.
        reason: String,
        /// What to do.
        way: String,
    },
    /// The server refused the login.
    #[error("{base} does not take the login ({said}): {way}")]
    Login {
        /// The server's address.
        base: String,
        /// Its message.
        said: String,
        /// What to do.
        way: &'static str,
    },
    /// A call failed.
    #[error("{method} of {base} failed ({said}): {meaning}")]
    Failed {
        /// The server's address.
        base: String,
        /// The call.
        method: String,
        /// The status code and its message.
        said: String,
        /// What to do.
        meaning: &'static str,
        /// Whether the call may have taken effect nevertheless.
        in_doubt: bool,
    },
    /// An answer that cannot be decoded: the call may have taken effect.
    #[error(
        "{base} answered {method} with what cannot be understood ({reason}): the description may be of another release"
    )]
    Strange {
        /// The server's address.
        base: String,
        /// The call.
        method: String,
        /// What is wrong.
        reason: String,
        /// Whether the call may have taken effect nevertheless.
        in_doubt: bool,
    },
    /// The server answered with a refusal.
    #[error("{base} refuses ({said}){meaning}")]
    Refused {
        /// The server's address.
        base: String,
        /// Its message.
        said: String,
        /// What to do, if known.
        meaning: String,
    },
}

impl NvgridError {
    /// The error of a failed call.
    pub(crate) fn failed(base: &str, method: &str, status: &Status) -> Self {
        let (meaning, in_doubt) = match status.code() {
            Code::PermissionDenied => ("this login may not do that; ask the site's operator for the right", false),
            Code::Unauthenticated => ("the session is not taken; check the login", false),
            Code::Unimplemented => ("this server has no such call; the description may be of another release", false),
            Code::InvalidArgument => ("the request was not taken as it is", false),
            Code::ResourceExhausted => ("too many requests, or too large; try again in a minute", false),
            Code::DeadlineExceeded | Code::Cancelled => ("no answer in time; try again later", true),
            Code::Unavailable => ("the service is not available; try again later", true),
            _ => ("the provider has trouble; try again later", true),
        };
        Self::Failed { base: base.to_owned(), method: method.to_owned(), said: said(status), meaning, in_doubt }
    }

    /// Whether the call may have taken effect nevertheless.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Strange { in_doubt: true, .. } | Self::Failed { in_doubt: true, .. })
    }

    /// The same error for the login before a call: the call had no effect.
    pub(crate) fn before(mut self) -> Self {
        if let Self::Strange { in_doubt, .. } | Self::Failed { in_doubt, .. } = &mut self {
            *in_doubt = false;
        }
        self
    }
}

/// A status on one line: its code's name and its message.
pub(crate) fn said(status: &Status) -> String {
    let words = match status.source() {
        // The transport's own message says nothing; its cause does.
        Some(source) => one_line(&in_words(source)),
        None => one_line(status.message()),
    };
    let code = format!("{:?}", status.code());
    let mut name = String::new();
    for letter in code.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    if words.is_empty() { name } else { format!("{name}: {words}") }
}

/// A foreign text, cleaned and shortened to one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|letter| !letter.is_control())
        .take(200)
        .collect()
}
