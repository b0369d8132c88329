//! No dependency points back: each crate, and each module of `pipeline` and `gridbell`, has a place in an order and uses only what
//! stands before it.

mod crates;
mod modules;
mod paths;

use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
