//! A wrong command line that clap cannot detect.

/// Ends the program with exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

/// An error about the command line.
pub(crate) fn error(problem: String) -> anyhow::Error {
    UsageError(problem).into()
}
