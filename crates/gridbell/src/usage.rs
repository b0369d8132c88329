//! A wrong command line that shows only once it is understood.

/// It ends with exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

/// What is wrong with the command line.
pub(crate) fn error(problem: String) -> anyhow::Error {
    UsageError(problem).into()
}
