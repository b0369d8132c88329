//! How to run each consumer. A missing interpreter or package is reported loudly, and its case passes.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use local_stack::Workspace;
use tokio::process::Command;

/// What the TypeScript consumer needs, from npm.
const PACKAGES: [&str; 3] = ["typescript@5.9.3", "@types/node@22.19.3", "@aws-sdk/client-sqs@3.1000.0"];

/// A consumer that can be run.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) command: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

fn examples(workspace: &Workspace) -> PathBuf {
    workspace.root.join("crates/signals/examples")
}

/// Next to this test, where `cargo test` of the workspace has built it.
pub(super) fn rust() -> Result<Program> {
    let own = std::env::current_exe()?;
    let command = own.ancestors().nth(2).context("the test lies nowhere")?.join("examples/controller");
    ensure!(command.is_file(), "{} is not there: `cargo test --no-run` builds it", command.display());
    Ok(Program { name: "rust", command, arguments: Vec::new() })
}

/// With the environment of the local stack's emulator, which has boto3.
pub(super) async fn python() -> Result<Option<Program>> {
    let workspace = Workspace::find()?;
    let tools = workspace.own().join("tools");
    let environments = fs::read_dir(&tools).with_context(|| tools.display().to_string())?.flatten();
    let complete = environments.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("emulator-") && path.join("complete").is_file()
    });
    let newest = complete.max_by_key(|path| path.join("complete").metadata().and_then(|stamp| stamp.modified()).ok());
    let command = newest.context("no environment of the emulator")?.join("bin/python");
    let ask = "import sys, boto3\nassert sys.version_info >= (3, 11), f'Python is {sys.version}'";
    if let Err(why) = run(Command::new(&command).args(["-c", ask])).await {
        return Ok(skipped("the Python consumer", &why));
    }
    Ok(Some(Program { name: "python", command, arguments: vec![examples(&workspace).join("controller.py").into()] }))
}

/// Checked and compiled by TypeScript, so that an older Node.js can run it.
pub(super) async fn typescript() -> Result<Option<Program>> {
    let workspace = Workspace::find()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("consumer-typescript");
    fs::create_dir_all(&folder)?;
    if let Err(why) = run(Command::new("node").arg("--version")).await {
        return Ok(skipped("the TypeScript consumer", &why));
    }
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).unwrap_or_default() != PACKAGES.join(" ") {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        if let Err(why) = run(npm.arg(&folder).args(PACKAGES)).await {
            return Ok(skipped("the TypeScript consumer", &why));
        }
        fs::write(&stamp, PACKAGES.join(" "))?;
    }
    for file in ["controller.mts", "gridbell_types.mts"] {
        fs::copy(examples(&workspace).join(file), folder.join(file))?;
    }
    let mut compiler = Command::new("node");
    compiler.arg(folder.join("node_modules/typescript/bin/tsc")).current_dir(&folder);
    compiler.args(["--strict", "--noUncheckedIndexedAccess", "--erasableSyntaxOnly", "--verbatimModuleSyntax"]);
    compiler.args([
        "--target",
        "es2023",
        "--module",
        "nodenext",
        "--rewriteRelativeImportExtensions",
        "--types",
        "node",
    ]);
    compiler.args(["--skipLibCheck", "controller.mts"]);
    if let Err(why) = run(&mut compiler).await {
        anyhow::bail!("controller.mts does not compile: {why}");
    }
    let arguments = vec![folder.join("controller.mjs").into()];
    Ok(Some(Program { name: "typescript", command: "node".into(), arguments }))
}

/// Runs a command; an error is what it printed.
async fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{}{}", out.trim(), err.trim()))
}

#[expect(clippy::print_stderr, reason = "a test that does not run must not go unnoticed")]
fn skipped(what: &str, why: &str) -> Option<Program> {
    eprintln!("\n!!! {what} was NOT tested: {why}\n");
    None
}
