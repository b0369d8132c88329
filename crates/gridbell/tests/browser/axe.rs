//! axe-core, an accessibility checker. It comes from its npm package and is not part of gridbell.

use std::{path::Path, process::Command, sync::LazyLock};

use sha2::{Digest, Sha256};

const VERSION: &str = "4.14.1";
/// SHA-256 of `axe.min.js`.
const SHA256: &str = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c";

static SCRIPT: LazyLock<Option<String>> = LazyLock::new(|| {
    let script = fetched();
    if let Err(why) = &script {
        eprintln!("\n!!! axe-core {VERSION} is not to be had ({why}): the pages were NOT checked for accessibility\n");
    }
    script.ok()
});

/// Its source; none, with a warning, if it cannot be installed.
pub(crate) fn script() -> Option<&'static str> {
    SCRIPT.as_deref()
}

fn fetched() -> Result<String, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("axe-core-{VERSION}"));
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if !file.is_file() {
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let npm = Command::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&folder)
            .arg(format!("axe-core@{VERSION}"))
            .output()
            .map_err(|error| format!("npm: {error}"))?;
        if !npm.status.success() {
            return Err(String::from_utf8_lossy(&npm.stderr).lines().next().unwrap_or("npm failed").to_owned());
        }
    }
    let script = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let digest = format!("{:x}", Sha256::digest(&script));
    // Refuse any other script than the chosen one.
    assert_eq!(digest, SHA256, "{} is not the axe-core that is expected", file.display());
    Ok(script)
}
