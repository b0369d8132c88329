//! The configuration in the table `config`, the single source of truth: each version under its own key, and a copy of
//! the current one under `current`, which the functions read at their cold start with one call.

mod current;
mod permit;
mod probe;
mod stored;
mod table;

pub use current::{Current, ReadError, Running};
pub use probe::{PROBE, Probed, is_probe};
pub use stored::{Stored, Version, digest};
pub use table::{ConfigTable, Head, ReplaceError, TableError};

/// The table's key.
const KEY: &str = "version";

/// The key of the current version's copy.
const CURRENT: &str = "current";

/// The key of the permit of `gridbell verify`.
const PERMIT: &str = "permit";
