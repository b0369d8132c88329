//! Mistakes in a `gridbell.toml`: what, where, and how to correct it.

use super::Place;

/// Why a file was rejected.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is missing or is not readable text.
    #[error("{file} cannot be read")]
    Read {
        /// The file as the caller named it.
        file: String,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The file contains these mistakes, at least one, in the file's order.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

impl From<Problem> for FileError {
    fn from(problem: Problem) -> Self {
        Self::Invalid(vec![problem])
    }
}

/// A line for each mistake.
fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// One mistake: `file:line:column: key: the mistake and its correction`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}:{}: {}{text}", place.file, place.line, place.column, prefix(key))]
pub struct Problem {
    /// Its position.
    pub place: Place,
    /// The key's full name (`sources.voltus-prod.api_key`); empty for a syntax error.
    pub key: String,
    /// What is wrong and what to write instead; never the value itself.
    pub text: String,
}

/// The mistakes found so far. A reader goes on after a mistake, so that a person sees all of them at once.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    problems: Vec<Problem>,
    /// The table has an unknown key: a missing one is most likely misspelt, which is one mistake and not two.
    has_unknown_key: bool,
}

impl Mistakes {
    /// The result of [`super::table::Table::only`].
    pub(super) fn keys(&mut self, only: Result<(), FileError>) {
        self.has_unknown_key |= self.keep(only).is_none();
    }

    /// The value of a key that must be there; `missing`: what to write.
    pub(super) fn required<T>(
        &mut self,
        read: Result<Option<T>, FileError>,
        missing: impl FnOnce() -> FileError,
    ) -> Option<T> {
        let value = self.keep(read)?;
        if value.is_none() && !self.has_unknown_key {
            self.keep::<T>(Err(missing()));
        }
        value
    }

    /// The value; none if there is a mistake in it.
    pub(super) fn keep<T>(&mut self, read: Result<T, FileError>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(FileError::Invalid(problems)) => {
                self.problems.extend(problems);
                None
            }
            Err(error @ FileError::Read { .. }) => {
                let place = Place { file: String::new(), line: 1, column: 1 };
                self.problems.push(Problem { place, key: String::new(), text: error.to_string() });
                None
            }
        }
    }

    /// The value of a key that may be missing; none also if there is a mistake in it.
    pub(super) fn some<T>(&mut self, read: Result<Option<T>, FileError>) -> Option<T> {
        self.keep(read).flatten()
    }

    /// The value if no mistake was found. Without a value there is a mistake.
    ///
    /// # Errors
    /// All mistakes, in the file's order, each once.
    pub(super) fn or<T>(self, value: Option<T>) -> Result<T, FileError> {
        let Self { mut problems, .. } = self;
        problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        problems.dedup();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(FileError::Invalid(problems)),
        }
    }
}

fn prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}
