//! The paths of the checkout, of cargo's target folder, and of gridbell's own folder in it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// The checkout that this gridbell was built from.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The folder with `Cargo.toml` and `infra/`.
    pub root: PathBuf,
    /// Cargo's target folder, from `CARGO_TARGET_DIR` or cargo's configuration.
    pub target: PathBuf,
    /// The cargo to build with.
    pub cargo: PathBuf,
}

impl Workspace {
    /// Finds the checkout: where gridbell was compiled, else upwards from the working folder.
    ///
    /// # Errors There is no checkout, or cargo does not answer.
    pub fn find() -> Result<Self> {
        let compiled = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let here = std::env::current_dir().context("the working folder cannot be read")?;
        let root = std::iter::once(compiled.as_path())
            .chain(here.ancestors())
            .find(|folder| folder.join("infra/template.yaml").is_file() && folder.join("crates/receiver").is_dir())
            .context("no checkout of gridbell here; run it inside the repository, it builds the functions from there")?
            .canonicalize()
            .context("the checkout's folder cannot be read")?;
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let target = target_folder(&cargo, &root)?;
        Ok(Self { root, target, cargo })
    }

    /// `target/gridbell`: tools, packages, logs, `stack.json`.
    pub fn own(&self) -> PathBuf {
        self.target.join("gridbell")
    }

    /// The template, the same as in the cloud.
    pub fn template(&self) -> PathBuf {
        self.root.join("infra/template.yaml")
    }
}

fn target_folder(cargo: &Path, root: &Path) -> Result<PathBuf> {
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .with_context(|| format!("{} cannot be run; the functions are built with cargo", cargo.display()))?;
    if !output.status.success() {
        bail!("cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let folder = metadata
        .get("target_directory")
        .and_then(serde_json::Value::as_str)
        .context("cargo metadata names no target folder")?;
    Ok(PathBuf::from(folder))
}
