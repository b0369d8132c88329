//! The JSON Schema of AsyncAPI 3.0 documents, from the specification's npm package. It is not part of gridbell.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

const PACKAGE: &str = "@asyncapi/specs@6.11.1";

pub(crate) fn schema() -> Result<Value, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE.replace(['@', '/'], "-"));
    let file = folder.join("node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json");
    if !file.is_file() {
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let npm = Command::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&folder)
            .arg(PACKAGE)
            .output()
            .map_err(|error| format!("npm: {error}"))?;
        if !npm.status.success() {
            return Err(String::from_utf8_lossy(&npm.stderr).lines().next().unwrap_or("npm failed").to_owned());
        }
    }
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
