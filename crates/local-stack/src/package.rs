//! A function's zip: one file `bootstrap`, with the same bytes for the same executable.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use stack_client::ALL_FUNCTIONS;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::files;

/// Packs `executable` into `zip`, unless the zip was already packed from this file.
pub(super) fn pack(executable: &Path, zip: &Path) -> Result<()> {
    let metadata = executable.metadata().with_context(|| format!("{} is not there", executable.display()))?;
    let identity =
        format!("{} {} {} {}", executable.display(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    let note = zip.with_extension("made-from");
    if zip.is_file() && std::fs::read_to_string(&note).ok().as_deref() == Some(identity.as_str()) {
        return Ok(());
    }
    let folder = zip.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let stripped = tempfile::NamedTempFile::new_in(folder)?;
    let source = if strip(executable, stripped.path()) { stripped.path() } else { executable };
    let mut bytes = Vec::new();
    File::open(source)?.read_to_end(&mut bytes)?;
    files::write(zip, &archive(&bytes)?)?;
    // Written last: the note exists only beside a complete zip.
    files::write(&note, identity.as_bytes())?;
    Ok(())
}

/// Packages for functions that are hosted elsewhere: CloudFormation cannot create a function without code.
pub(super) fn stand_ins(folder: &Path) -> Result<BTreeMap<&'static str, PathBuf>> {
    let zip = folder.join("hosted-elsewhere.zip");
    files::write(&zip, &archive(b"#!/bin/sh\nexit 1\n")?)?;
    Ok(ALL_FUNCTIONS.map(|name| (name, zip.clone())).into())
}

/// Removes symbols and debug information, half of a debug build. Without binutils the executable is used unchanged.
fn strip(from: &Path, to: &Path) -> bool {
    Command::new("strip")
        .arg("-o")
        .args([to, from])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Not compressed: the zip travels over loopback, and compressing in a debug build is the slowest step.
fn archive(bootstrap: &[u8]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::with_capacity(bootstrap.len() + 512)));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    zip.write_all(bootstrap)?;
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_executable_gives_the_same_bytes() {
        let first = archive(b"#!/bin/sh\n").expect("packed");
        assert_eq!(first, archive(b"#!/bin/sh\n").expect("packed"));
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(first)).expect("a zip");
        let file = zip.by_name("bootstrap").expect("bootstrap");
        assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
    }

    #[test]
    fn an_unchanged_executable_is_not_packed_again() {
        let folder = tempfile::tempdir().expect("folder");
        let (executable, zip) = (folder.path().join("x"), folder.path().join("x.zip"));
        std::fs::write(&executable, "one").expect("written");
        pack(&executable, &zip).expect("packed");
        let inode = zip.metadata().expect("there").ino();
        pack(&executable, &zip).expect("packed");
        assert_eq!(zip.metadata().expect("there").ino(), inode);
        std::fs::write(&executable, "another").expect("written");
        pack(&executable, &zip).expect("packed");
        assert_ne!(zip.metadata().expect("there").ino(), inode);
    }
}
