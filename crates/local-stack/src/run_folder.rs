//! A folder per running stack under `target/gridbell/run`, for the emulator's log and files. The logs of the last few
//! stacks stay.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{files, token};

/// The number of folders of ended stacks that stay, so that a person can read their logs.
const LEFT: usize = 8;

/// The folder; its stack counts as running while this value exists.
#[derive(Debug)]
pub(super) struct RunFolder {
    pub(super) path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Creates a folder, and removes old folders of ended stacks.
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

/// Best effort: a folder that cannot be removed stays.
fn sweep(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    let mut ended: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        // Only a folder whose lock exists and is free: a folder without a lock is being created.
        .filter(|folder| folder.join("lock").is_file() && matches!(files::try_lock(&folder.join("lock")), Ok(Some(_))))
        .collect();
    ended.sort_by_key(|folder| std::cmp::Reverse(folder.metadata().and_then(|metadata| metadata.modified()).ok()));
    for (age, folder) in ended.iter().enumerate() {
        drop(std::fs::remove_dir_all(if age < LEFT { folder.join("tmp") } else { folder.clone() }));
    }
}
