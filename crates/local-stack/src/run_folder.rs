//! A folder per running stack under `target/gridbell/run`: the emulator's log and files. The logs of the last few stay.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{files, token};

/// How many folders of stacks that have ended are left, for a look at their logs.
const LEFT: usize = 8;

/// The folder; it counts as running while this is held.
#[derive(Debug)]
pub(super) struct RunFolder {
    pub(super) path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes one, and clears up after stacks that have ended.
    pub(super) fn make(parent: &Path) -> Result<Self> {
        let path = parent.join(token::suffix());
        let lock = files::try_lock(&path.join("lock")).with_context(|| format!("{} cannot be made", path.display()))?;
        let lock = lock.context("the stack's folder is taken")?;
        sweep(parent);
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(self.path.join("tmp")));
    }
}

/// Clearing up is a courtesy: what cannot be removed stays.
fn sweep(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    let mut ended: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        // Only a folder whose lock is there and free: one without is being made right now.
        .filter(|folder| folder.join("lock").is_file() && matches!(files::try_lock(&folder.join("lock")), Ok(Some(_))))
        .collect();
    ended.sort_by_key(|folder| std::cmp::Reverse(folder.metadata().and_then(|metadata| metadata.modified()).ok()));
    for (age, folder) in ended.iter().enumerate() {
        drop(std::fs::remove_dir_all(if age < LEFT { folder.join("tmp") } else { folder.clone() }));
    }
}
