//! The binaries, built as for deployment, and their sizes.

use std::{
    io::{Cursor, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use local_stack::Workspace;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// The compared binaries, in the order of the table.
pub(crate) const NAMES: [&str; 7] = ["hello", "raw", "receiver", "hydrator", "retrier", "alerter", "courier"];

/// gridbell's own binaries.
pub(crate) const FUNCTIONS: [&str; 5] = ["receiver", "hydrator", "retrier", "alerter", "courier"];

/// One binary.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    /// Its name.
    pub(crate) name: &'static str,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its size, in bytes.
    pub(crate) bytes: u64,
}

/// Builds every binary in that profile. cargo prints its progress on standard error.
pub(crate) fn build(profile: &str) -> Result<Vec<Artifact>> {
    let workspace = Workspace::find()?;
    let packages = FUNCTIONS.iter().flat_map(|name| ["--package", name]);
    cargo(&workspace, profile, &packages.collect::<Vec<_>>())?;
    // Without the driver's dependencies, whose features would change the reference binaries.
    let references = ["--package", "bench", "--no-default-features", "--example", "hello", "--example", "raw"];
    cargo(&workspace, profile, &references)?;
    find(&workspace.target.join(if profile == "dev" { "debug" } else { profile }))
}

/// Builds gridbell's own binaries as the local stack does: with the features of the whole workspace, so that nothing is
/// built twice.
#[cfg(test)]
pub(crate) fn functions() -> Result<Vec<Artifact>> {
    let workspace = Workspace::find()?;
    cargo(&workspace, "dev", &FUNCTIONS.map(|name| ["--bin", name]).concat())?;
    FUNCTIONS.into_iter().map(|name| Artifact::read(name, workspace.target.join("debug").join(name))).collect()
}

/// Finds binaries that were built before, in one folder. The references may be in `examples` below it, where cargo puts
/// them.
pub(crate) fn find(folder: &Path) -> Result<Vec<Artifact>> {
    let place = |name: &'static str| {
        let place = folder.join(name);
        if place.is_file() { place } else { folder.join("examples").join(name) }
    };
    NAMES.into_iter().map(|name| Artifact::read(name, place(name))).collect()
}

fn cargo(workspace: &Workspace, profile: &str, arguments: &[&str]) -> Result<()> {
    let build = [&["build", "--locked", "--profile", profile], arguments].concat();
    let mut command = Command::new(&workspace.cargo);
    command.args(&build).current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    for (name, _) in std::env::vars_os() {
        // Variables that `cargo run` sets for this package. Build scripts read them, so cargo would rebuild everything.
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|of| name.to_string_lossy().starts_with(of)) {
            command.env_remove(name);
        }
    }
    let status = command.status().context("cargo cannot be run")?;
    ensure!(status.success(), "cargo {} failed", build.join(" "));
    Ok(())
}

impl Artifact {
    fn read(name: &'static str, path: PathBuf) -> Result<Self> {
        let file = std::fs::metadata(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(Self { name, path, bytes: file.len() })
    }

    /// The size of a zip with it as `bootstrap`, in bytes.
    pub(crate) fn zip_bytes(&self) -> Result<u64> {
        Ok(zipped(&std::fs::read(&self.path)?)?.len() as u64)
    }
}

/// The package as cargo-lambda makes it: one deflated file.
fn zipped(binary: &[u8]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    zip.write_all(binary)?;
    Ok(zip.finish()?.into_inner())
}
