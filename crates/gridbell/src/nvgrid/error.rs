//! Why `NvGrid` did not do what it was asked, in one line that says what to do.

use std::error::Error;

use tonic::{Code, Status};

use super::channel::in_words;

/// What stands in the way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NvgridError {
    /// Something that the caller gave cannot be used.
    #[error("{problem}")]
    Setting {
        /// What is wrong with it.
        problem: String,
    },
    /// The description cannot be read.
    #[error("{from} does not describe the service: {reason}")]
    Description {
        /// The file, or the reflection.
        from: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The description lacks a documented name.
    #[error("{from} has no {what}; it has {there}")]
    Lacks {
        /// The file, or the reflection.
        from: String,
        /// The name.
        what: String,
        /// Names of its kind that are there.
        there: String,
    },
    /// The server does not describe itself.
    #[error(
        "{base} does not describe itself ({reason}): give the .proto files that came with the DPS install with --proto, or their descriptor set with --descriptor-set"
    )]
    NoReflection {
        /// Where.
        base: String,
        /// Its words.
        reason: String,
    },
    /// Nobody answers.
    #[error("{base} cannot be reached: {reason}; check the network and the address: https or http, host, port")]
    Unreachable {
        /// Where.
        base: String,
        /// Why.
        reason: String,
    },
    /// Whoever answers is not known.
    #[error("no TLS with {base}: {reason}; {way}")]
    Tls {
        /// Where.
        base: String,
        /// Why.
        reason: String,
        /// What to do.
        way: String,
    },
    /// The login is not taken.
    #[error("{base} does not take the login ({said}): {way}")]
    Login {
        /// Where.
        base: String,
        /// Its words.
        said: String,
        /// What to do.
        way: &'static str,
    },
    /// A call failed.
    #[error("{method} of {base} failed ({said}): {meaning}")]
    Failed {
        /// Where.
        base: String,
        /// The call.
        method: String,
        /// The code and its words.
        said: String,
        /// What to do.
        meaning: &'static str,
        /// Whether what was asked may have been done all the same.
        in_doubt: bool,
    },
    /// An answer that cannot be understood: what was asked may have been done.
    #[error(
        "{base} answered {method} with what cannot be understood ({reason}): the description may be of another release"
    )]
    Strange {
        /// Where.
        base: String,
        /// The call.
        method: String,
        /// What is wrong with it.
        reason: String,
        /// Whether what was asked may have been done all the same.
        in_doubt: bool,
    },
    /// A refusal as an answer.
    #[error("{base} refuses ({said}){meaning}")]
    Refused {
        /// Where.
        base: String,
        /// Its words.
        said: String,
        /// What to do, where it is known.
        meaning: String,
    },
}

impl NvgridError {
    /// A call's failure.
    pub(super) fn failed(base: &str, method: &str, status: &Status) -> Self {
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

    /// Whether what was asked may have been done all the same.
    pub(crate) fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Strange { in_doubt: true, .. } | Self::Failed { in_doubt: true, .. })
    }

    /// The same of a call that does nothing of what was asked: the login before it.
    pub(super) fn before(mut self) -> Self {
        if let Self::Strange { in_doubt, .. } | Self::Failed { in_doubt, .. } = &mut self {
            *in_doubt = false;
        }
        self
    }
}

/// A status in short: its code's name and its words, on one line.
pub(super) fn said(status: &Status) -> String {
    let words = match status.source() {
        // The transport's own words say nothing; what lies behind them does.
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

/// What somebody else wrote, as far as it fits on one line.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|letter| !letter.is_control())
        .take(200)
        .collect()
}
