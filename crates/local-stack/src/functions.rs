//! The functions: builds them with cargo in gridbell's own profile, and packs each as a `bootstrap`.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use stack_client::ALL_FUNCTIONS;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::{
    guard::{Guard, Guarded},
    workspace::Workspace,
};
use crate::progress::{Progress, Step};

/// Lines of cargo's output that are kept for an error message.
const SHOWN_LINES: usize = 60;

/// Builds these functions and returns their executables by name.
pub(super) async fn build(
    workspace: &Workspace,
    names: &[&'static str],
    guard: &Guard,
    progress: &dyn Progress,
) -> Result<BTreeMap<&'static str, PathBuf>> {
    let step = progress.step("functions");
    step.at("asks cargo");
    let mut cargo = guard.command(&workspace.cargo);
    // By binary, not by package: cargo then chooses features for the whole workspace, as for `cargo run` and `cargo
    // test`, and does not build again what is already built.
    cargo.arg("build").args(names.iter().flat_map(|name| ["--bin", name]));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    cargo
        .arg("--message-format=json-render-diagnostics")
        .current_dir(&workspace.root)
        .env("CARGO_TARGET_DIR", &workspace.target)
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "120")
        .env("CARGO_TERM_COLOR", "never")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    forget_outer_cargo(&mut cargo);
    let mut running = Guarded::spawn(&mut cargo).context("cargo cannot be run")?;
    let stdout = running.child.stdout.take().context("cargo's output is not there")?;
    let stderr = running.child.stderr.take().context("cargo's output is not there")?;
    let (found, last_lines) = tokio::join!(executables(stdout), follow(stderr, step.as_ref()));
    let status = running.wait().await?;
    if !status.success() {
        bail!("the functions do not build ({status}):\n{last_lines}");
    }
    let found = found?;
    if let Some(missing) = names.iter().find(|name| !found.contains_key(*name)) {
        bail!("cargo built no binary named {missing}");
    }
    step.done(&format!("{} built", names.join(", ")));
    Ok(found)
}

/// Removes the variables that `cargo run` and `cargo test` set for gridbell's own package. `ring`'s build script reads
/// them: with other values than in the outer cargo, it runs again, and all crates that depend on it are built again.
pub(super) fn forget_outer_cargo(cargo: &mut tokio::process::Command) {
    for (name, _) in std::env::vars_os() {
        if is_of_one_package(&name.to_string_lossy()) {
            cargo.env_remove(name);
        }
    }
}

fn is_of_one_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// Reads the paths of the executables from cargo's messages.
async fn executables(stdout: impl tokio::io::AsyncRead + Unpin) -> Result<BTreeMap<&'static str, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.context("cargo's output cannot be read")? {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let name = message.pointer("/target/name").and_then(Value::as_str).unwrap_or_default();
        let executable = message.get("executable").and_then(Value::as_str);
        if let (Some(function), Some(path)) = (ALL_FUNCTIONS.iter().find(|function| **function == name), executable) {
            found.insert(*function, PathBuf::from(path));
        }
    }
    Ok(found)
}

/// Shows cargo's progress and returns its last lines. Its progress bar ends in a carriage return, other lines in a line
/// feed.
async fn follow(mut stderr: impl tokio::io::AsyncRead + Unpin, step: &dyn Step) -> String {
    let mut last_lines: VecDeque<String> = VecDeque::new();
    let (mut line, mut chunk) = (Vec::new(), [0_u8; 4096]);
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        for byte in chunk.get(..read).unwrap_or_default() {
            if !matches!(byte, b'\r' | b'\n') {
                line.push(*byte);
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            if let Some((done, total, what)) = bar(&text) {
                step.count(done, total);
                step.at(what);
            } else if *byte == b'\n' && !text.trim().is_empty() {
                step.at(text.trim());
                last_lines.push_back(text);
                if last_lines.len() > SHOWN_LINES {
                    last_lines.pop_front();
                }
            }
        }
    }
    last_lines.iter().flat_map(|text| ["  | ", text, "\n"]).collect()
}

/// `    Building [====>   ] 45/312: serde, tokio` → 45, 312 and the rest.
fn bar(line: &str) -> Option<(u64, u64, &str)> {
    let (_, after) = line.trim().strip_prefix("Building [")?.split_once("] ")?;
    let (numbers, what) = after.split_once(": ").unwrap_or((after, ""));
    let (done, total) = numbers.split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?, what.trim()))
}

/// The folder with the packages of this gridbell's profile.
pub(super) fn packages_folder(workspace: &Workspace) -> PathBuf {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    workspace.own().join("packages").join(profile)
}

/// Packs every executable; returns the zips by function.
pub(super) async fn pack(
    executables: &BTreeMap<&'static str, PathBuf>,
    folder: &Path,
) -> Result<BTreeMap<&'static str, PathBuf>> {
    let mut packed = BTreeMap::new();
    for (name, executable) in executables {
        let (executable, zip) = (executable.clone(), folder.join(format!("{name}.zip")));
        let file = zip.clone();
        tokio::task::spawn_blocking(move || super::package::pack(&executable, &file))
            .await?
            .with_context(|| format!("{name} was not packed"))?;
        packed.insert(*name, zip);
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_bar_is_read() {
        assert_eq!(
            bar("    Building [====>    ] 45/312: serde, tokio(build)   "),
            Some((45, 312, "serde, tokio(build)"))
        );
        assert_eq!(bar("   Compiling serde v1.0.0"), None);
        assert_eq!(bar("    Building [] x/y: z"), None);
    }

    #[test]
    fn an_inner_cargo_does_not_see_the_outer_package() {
        assert!(is_of_one_package("CARGO_PKG_NAME") && is_of_one_package("CARGO_MANIFEST_DIR"));
        assert!(!is_of_one_package("CARGO_HOME") && !is_of_one_package("CARGO_TARGET_DIR"));
    }
}
