//! `cargo xtask upgrade`: the build of an earlier commit and that of this checkout replace each other while webhooks
//! arrive and jobs wait. Messages and records of both lie in the same queues and tables.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use local_stack::{
    Build, Stack, Workspace,
    progress::{self, Progress, Silent},
};
use provider_server::times;
use stack_client::Console;
use tokio::time::Instant;

use super::{
    gather,
    harm::Which,
    run::{self, Options},
    verdict,
};

pub(crate) const EXAMPLES: &str = "\
The earlier commit is the one in crates/xtask/upgrade-from.txt: the first whose stored formats every later release must read.
Webhooks of every provider arrive throughout, and the providers answer slowly or wrongly, so that retries wait.

Examples:
  cargo xtask upgrade
  cargo xtask upgrade --from v0.1.0 --webhooks 2000 --seed 7
  cargo xtask upgrade --json | jq .losses";

/// The file with the usual earlier commit.
const FROM: &str = include_str!("../../upgrade-from.txt");

/// The arguments of `upgrade`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpgradeArgs {
    /// Commit or tag that is deployed first [default: the one in upgrade-from.txt]
    #[arg(long, value_name = "COMMIT")]
    from: Option<String>,
    /// Number of webhooks, including repetitions
    #[arg(long, default_value_t = 1_200, value_parser = clap::value_parser!(u32).range(100..=20_000))]
    webhooks: u32,
    /// Seed of every choice [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// The two builds.
pub(super) struct Upgrade {
    pub(super) before: Build,
    after: Build,
    /// The earlier commit.
    from: String,
    began: Instant,
    log: Arc<dyn Progress>,
}

impl std::fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgrade").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Upgrade {
    /// Deploys one of the builds, and notes what is in flight.
    pub(super) async fn deploy(&self, which: Which, stack: &Stack) -> Result<()> {
        let (build, name) = match which {
            Which::Before => (&self.before, self.from.as_str()),
            Which::After => (&self.after, "this checkout"),
        };
        let console = Console::open_local(stack.state_file()).await?;
        let in_flight = gather::left(&console).await?;
        let in_flight = if in_flight.is_empty() { "nothing".to_owned() } else { in_flight.join(", ") };
        let began = Instant::now();
        stack.deploy(build, &Silent).await.with_context(|| format!("{name} cannot be deployed"))?;
        self.log.note(&format!(
            "{:>4} s: deployed {name} within {:.1} s; in flight before: {in_flight}",
            self.began.elapsed().as_secs(),
            began.elapsed().as_secs_f64(),
        ));
        Ok(())
    }
}

/// Builds both commits, lets them replace each other, and prints the result.
pub(crate) async fn run(args: UpgradeArgs) -> Result<()> {
    let progress = progress::on_stderr();
    let seed = args.seed.unwrap_or_else(|| times::now().as_second().unsigned_abs());
    let from = match &args.from {
        Some(from) => from.clone(),
        None => commit_in(FROM)?.to_owned(),
    };
    progress.note(&format!("from {from}, seed {seed}"));
    let workspace = Workspace::find()?;
    let folder = workspace.own().join("upgrade");
    let before = {
        let checkout = Checkout::add(&workspace.root, &from, &folder.join("checkout"))?;
        Build::make(&checkout.folder, &folder.join("before"), progress.as_ref()).await
    };
    let before = before.with_context(|| format!("{from} does not build"))?;
    let after = Build::make(&workspace.root, &folder.join("after"), progress.as_ref()).await?;
    let upgrade = Upgrade { before, after, from, began: Instant::now(), log: Arc::clone(&progress) };
    let options = Options { seed, webhooks: usize::try_from(args.webhooks)? };
    let ran = tokio::select! {
        ran = run::run(options, Some(&upgrade), progress.as_ref()) => ran?,
        _ = tokio::signal::ctrl_c() => bail!("stopped before it was over"),
    };
    verdict(&ran, args.json)
}

/// The commit in the file, whose other lines begin with `#`.
fn commit_in(text: &str) -> Result<&str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(commit), None) => Ok(commit),
        _ => bail!("crates/xtask/upgrade-from.txt must have one line with a commit"),
    }
}

/// A second work tree of the repository. Dropping it removes it.
struct Checkout {
    root: PathBuf,
    folder: PathBuf,
}

impl Checkout {
    fn add(root: &Path, commit: &str, folder: &Path) -> Result<Self> {
        let checkout = Self { root: root.to_owned(), folder: folder.to_owned() };
        // A run that was killed may have left one.
        drop(checkout.git(&["worktree", "remove", "--force"], &[]));
        checkout.git(&["worktree", "add", "--force", "--detach"], &[commit])?;
        Ok(checkout)
    }

    fn git(&self, before: &[&str], after: &[&str]) -> Result<()> {
        let output = Command::new("git")
            .current_dir(&self.root)
            .args(before)
            .arg(&self.folder)
            .args(after)
            .output()
            .context("git cannot be run")?;
        if !output.status.success() {
            bail!("git {} failed: {}", before.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // The next run removes what is left.
        drop(self.git(&["worktree", "remove", "--force"], &[]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_one_commit() {
        let commit = commit_in(FROM).expect("one");
        assert!(commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)));
        assert!(commit_in("# nothing\n").is_err() && commit_in("a\nb\n").is_err());
    }
}
