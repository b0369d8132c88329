//! A build of the functions that is kept apart, so that a test can deploy several to one stack.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use stack_client::ALL_FUNCTIONS;

use super::{elf, functions, guard::Guard, tools::Python, workspace::Workspace};
use crate::progress::Progress;

/// The template and the functions of one commit.
#[derive(Debug, Clone)]
pub struct Build {
    folder: PathBuf,
    executables: BTreeMap<&'static str, PathBuf>,
}

impl Build {
    /// Builds the functions of the checkout at `root`, and copies them and their template into `folder`.
    ///
    /// # Errors They do not build, or are for another processor than this machine's.
    pub async fn make(root: &Path, folder: &Path, progress: &dyn Progress) -> Result<Self> {
        let own = Workspace::find()?;
        let guard = Guard::new(&Python::find()?.program, &own.own())?;
        let workspace = Workspace { root: root.to_owned(), ..own };
        // An older commit may have fewer functions.
        let is_there = |name: &&'static str| root.join("crates").join(name).join("src/main.rs").is_file();
        let names: Vec<&'static str> = ALL_FUNCTIONS.into_iter().filter(is_there).collect();
        if names.is_empty() {
            bail!("{} is no checkout of gridbell: it has none of {}", root.display(), ALL_FUNCTIONS.join(", "));
        }
        let built = functions::build(&workspace, &names, &guard, progress).await?;
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let mut executables = BTreeMap::new();
        for (name, executable) in built {
            elf::check(&executable, elf::host())?;
            executables.insert(name, copied(&executable, &folder.join(name))?);
        }
        let copy = Self { folder: folder.to_owned(), executables };
        copied(&workspace.template(), &copy.template())?;
        Ok(copy)
    }

    /// A build that [`Build::make`] has left in `folder`; none if there is none.
    pub fn kept(folder: &Path) -> Option<Self> {
        let is_there = |name: &&'static str| folder.join(name).is_file();
        let executables: BTreeMap<_, _> =
            ALL_FUNCTIONS.into_iter().filter(is_there).map(|name| (name, folder.join(name))).collect();
        let build = Self { folder: folder.to_owned(), executables };
        (build.template().is_file() && !build.executables.is_empty()).then_some(build)
    }

    /// Its template.
    pub(super) fn template(&self) -> PathBuf {
        self.folder.join("template.yaml")
    }

    /// The zips of its functions.
    pub(super) async fn packages(&self) -> Result<BTreeMap<&'static str, PathBuf>> {
        functions::pack(&self.executables, &self.folder).await
    }
}

/// The next build replaces what cargo made.
fn copied(from: &Path, to: &Path) -> Result<PathBuf> {
    std::fs::copy(from, to).with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    Ok(to.to_owned())
}
