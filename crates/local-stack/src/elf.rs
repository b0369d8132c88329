//! The processor that an executable was built for. Without a target, cargo builds for the machine that it runs on; for
//! another processor Lambda reports that only at the first event.

use std::{fs::File, io::Read, path::Path};

use anyhow::{Context, Result, bail};

/// The header up to and including `e_machine`.
const HEADER_BYTES: usize = 20;

/// `e_machine` of the two processors that Lambda supports.
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// The template's name for this machine's processor.
pub fn host() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

/// Refuses an executable that a function of that architecture cannot run.
///
/// # Errors It is for another processor, or not a Linux executable.
pub fn check(executable: &Path, architecture: &str) -> Result<()> {
    let file = File::open(executable).with_context(|| format!("{} cannot be read", executable.display()))?;
    check_bytes(executable, file, architecture)
}

/// Refuses a package, a zip with one file `bootstrap`, that a function of that architecture cannot run.
///
/// # Errors It is for another processor, or no package of a function.
pub fn check_package(package: &Path, architecture: &str) -> Result<()> {
    let what = || format!("{} is no package of a function", package.display());
    let file = File::open(package).with_context(|| format!("{} cannot be read", package.display()))?;
    let mut zip = zip::ZipArchive::new(file).with_context(what)?;
    let bootstrap = zip.by_name("bootstrap").with_context(what)?;
    check_bytes(package, bootstrap, architecture)
}

fn check_bytes(of: &Path, mut bytes: impl Read, architecture: &str) -> Result<()> {
    let mut header = [0; HEADER_BYTES];
    bytes.read_exact(&mut header).with_context(|| format!("{} cannot be read", of.display()))?;
    let built_for = machine(&header).with_context(|| format!("{} is no executable", of.display()))?;
    if built_for != architecture {
        bail!(
            "{} was built for {built_for}, and the function is {architecture}: build on a machine with {architecture}, or deploy with Architecture={built_for}",
            of.display()
        );
    }
    Ok(())
}

/// The template's name for the processor; none if it is not an ELF file for a processor of Lambda.
fn machine(header: &[u8; HEADER_BYTES]) -> Option<&'static str> {
    let [0x7f, b'E', b'L', b'F', _, order, .., low, high] = *header else { return None };
    let machine = if order == 2 { u16::from_be_bytes([low, high]) } else { u16::from_le_bytes([low, high]) };
    match machine {
        X86_64 => Some("x86_64"),
        AARCH64 => Some("arm64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first bytes of an executable as a linker writes them: 64 bit, little-endian, position-independent.
    fn header(machine: u16) -> [u8; HEADER_BYTES] {
        let [low, high] = machine.to_le_bytes();
        [0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, low, high]
    }

    #[test]
    fn a_package_built_on_arm_is_refused_for_x86_64() {
        let folder = tempfile::tempdir().expect("folder");
        let bootstrap = folder.path().join("bootstrap");
        std::fs::write(&bootstrap, [&header(AARCH64)[..], &[0; 100]].concat()).expect("written");
        check(&bootstrap, "arm64").expect("its own");
        let said = check(&bootstrap, "x86_64").expect_err("refused").to_string();
        assert!(said.contains("was built for arm64, and the function is x86_64"), "{said}");
        std::fs::write(&bootstrap, header(X86_64)).expect("written");
        check(&bootstrap, "x86_64").expect("its own");
        std::fs::write(&bootstrap, "#!/bin/sh\nexec something\n").expect("written");
        assert!(check(&bootstrap, "x86_64").expect_err("refused").to_string().contains("is no executable"));
        std::fs::write(&bootstrap, "short").expect("written");
        assert!(check(&bootstrap, "x86_64").expect_err("refused").to_string().contains("cannot be read"));
    }

    #[test]
    fn a_package_is_checked_by_what_is_in_it() {
        let folder = tempfile::tempdir().expect("folder");
        let package = folder.path().join("receiver.zip");
        let pack = |name: &str, bytes: &[u8]| {
            let mut zip = zip::ZipWriter::new(File::create(&package).expect("made"));
            zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("begun");
            std::io::Write::write_all(&mut zip, bytes).expect("written");
            zip.finish().expect("whole");
        };
        pack("bootstrap", &[&header(AARCH64)[..], &[0; 100]].concat());
        check_package(&package, "arm64").expect("its own");
        let said = check_package(&package, "x86_64").expect_err("refused").to_string();
        assert!(said.contains("receiver.zip was built for arm64, and the function is x86_64"), "{said}");
        pack("other", &header(AARCH64));
        assert!(
            check_package(&package, "arm64").expect_err("refused").to_string().contains("no package of a function")
        );
        std::fs::write(&package, "no zip").expect("written");
        assert!(
            check_package(&package, "arm64").expect_err("refused").to_string().contains("no package of a function")
        );
    }

    #[test]
    fn this_very_program_is_of_this_machine() {
        check(&std::env::current_exe().expect("a path"), host()).expect("its own");
    }
}
