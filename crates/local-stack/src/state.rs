//! The file `stack.json`. It holds tokens, so its owner alone may read it.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use stack_client::Description;

use super::files;

/// A claim on a state file, and the file once it is written. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct StateFile {
    file: PathBuf,
    written: bool,
    _claim: File,
}

impl StateFile {
    /// Claims the file for this process, so that two stacks do not write the same one; `locks` is the folder of the
    /// claims.
    pub(super) fn claim(file: &Path, locks: &Path) -> Result<Self> {
        let absolute = std::path::absolute(file).with_context(|| format!("{} is no path", file.display()))?;
        let id = format!("{:.16x}", Sha256::digest(absolute.as_os_str().as_encoded_bytes()));
        let claim = files::try_lock(&locks.join(format!("{id}.lock"))).context("the state file cannot be claimed")?;
        let Some(claim) = claim else {
            bail!(
                "another gridbell keeps its stack in {}; give this one a --state FILE of its own",
                absolute.display()
            );
        };
        // A killed gridbell left it; its stack has ended.
        if let Err(error) = std::fs::remove_file(&absolute)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            bail!("{} cannot be replaced: {error}", absolute.display());
        }
        Ok(Self { file: absolute, written: false, _claim: claim })
    }

    pub(super) fn write(&mut self, description: &Description) -> Result<()> {
        let mut text = serde_json::to_string_pretty(description)?;
        text.push('\n');
        files::write(&self.file, text.as_bytes())
            .with_context(|| format!("{} cannot be written", self.file.display()))?;
        self.written = true;
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.file
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        if self.written {
            // It may already have been removed, which is fine.
            drop(std::fs::remove_file(&self.file));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_state_file_has_one_owner_and_goes_with_it() {
        let folder = tempfile::tempdir().expect("folder");
        let (file, locks) = (folder.path().join("a/stack.json"), folder.path().join("locks"));
        let description = Description {
            endpoint_url: "http://127.0.0.1:1".to_owned(),
            region: "us-east-1".to_owned(),
            webhook_base: "http://127.0.0.1:1/x".to_owned(),
            queues: BTreeMap::new(),
            tables: BTreeMap::new(),
            sources: BTreeMap::new(),
            acks: String::new(),
            mail: String::new(),
        };
        let mut state = StateFile::claim(&file, &locks).expect("claimed");
        state.write(&description).expect("written");
        assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        let error = StateFile::claim(&file, &locks).expect_err("refused").to_string();
        assert!(error.contains("another gridbell keeps its stack in "), "{error}");
        drop(state);
        assert!(!file.exists());
        StateFile::claim(&file, &locks).expect("free again");
    }
}
