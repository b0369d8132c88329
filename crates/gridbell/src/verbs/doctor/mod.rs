//! `doctor`: shows on one screen what would block a dispatch, and how to fix it.

mod amazon;
mod channels;
mod endpoint;
mod flow;
mod functions;
mod lambda;
mod mail;
mod nvgrid;
mod outputs;
mod provider;
mod registered;
mod stack;

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use anyhow::{Result, bail};
use aws::configuration::{Stored, Version};
use futures_util::{StreamExt, stream::FuturesOrdered};
use pipeline::config::Config;
use serde::Serialize;
use serde_json::json;

use crate::{
    console::{Console, StackInfo, Which},
    show::{self, Clockface, Output, Paint},
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  gridbell doctor                                     the local stack
  gridbell doctor --stack gridbell --profile duty     one in AWS
  gridbell doctor --stack gridbell --mail             and whether its mail arrives
  gridbell doctor --config other.toml                 compared with that file
  gridbell doctor --json | jq '.checks[] | select(.verdict == \"bad\")'";

/// Timeout of one check.
const CHECK: Duration = Duration::from_secs(12);

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Configuration file to compare with the running one [default: gridbell.toml where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
    /// Also send a test mail to the general contacts
    #[arg(long)]
    mail: bool,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All is well.
    Good,
    /// Worth attention, but it blocks no dispatch.
    Notice,
    /// The check could not be made.
    Unknown,
    /// It blocks dispatches or alerts.
    Bad,
}

/// One line on the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// What was checked, such as `secret`.
    pub check: &'static str,
    /// The source or queue, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The result.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl CheckResult {
    fn new(check: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { check, about: None, verdict, found: found.into(), mend: None }
    }

    pub(super) fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Verdict::Good, found)
    }

    pub(super) fn notice(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Verdict::Notice, found)
    }

    pub(super) fn unknown(check: &'static str, why: impl Into<String>) -> Self {
        Self::new(check, Verdict::Unknown, why)
    }

    pub(super) fn bad(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Verdict::Bad, found)
    }

    pub(super) fn about(mut self, about: &str) -> Self {
        self.about = Some(about.to_owned());
        self
    }

    pub(super) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

/// A running check.
pub(super) type Check<'a> = Pin<Box<dyn Future<Output = Vec<CheckResult>> + 'a>>;

/// What the checks may use.
pub(super) struct Examined<'a> {
    pub(super) console: &'a Console,
    /// The applied configuration; empty if none is applied.
    pub(super) config: &'a Config,
    /// The applied configuration as stored.
    pub(super) version: Option<&'a Version>,
    /// The file to compare with.
    pub(super) file: Option<&'a Path>,
    /// The stack as `CloudFormation` describes it.
    pub(super) stack: &'a StackInfo,
    pub(super) clock: &'a Clockface,
}

/// Runs the checks and prints the results.
pub(crate) async fn run(doctor: Doctor) -> Result<()> {
    let clock = Clockface::now(doctor.output.utc);
    let console = doctor.which.open().await?;
    let results = checked(&console, doctor.config.as_deref(), doctor.mail, &clock).await?;
    let bad = results.iter().filter(|result| result.verdict == Verdict::Bad).count();
    if doctor.output.json {
        show::json(&json!({"stack": console.name, "healthy": bad == 0, "checks": results}))?;
    } else {
        show::screen(&text(&results, Paint::stdout()))?;
    }
    if bad > 0 {
        bail!("{bad} of {} checks failed", results.len());
    }
    Ok(())
}

/// Runs every check on an opened stack. `config`: the file to compare with, if not `gridbell.toml`.
///
/// # Errors
/// In one line: the stack or its configuration cannot be read.
pub(crate) async fn checked(
    console: &Console,
    config: Option<&Path>,
    sends_mail: bool,
    clock: &Clockface,
) -> Result<Vec<CheckResult>> {
    let stack = console.cloudformation().describe(&console.name).await.map_err(|error| console.refusal(error))?;
    let version = match console.configurations().current().await.map_err(|error| console.refusal(error))? {
        Some(Stored::Applied(version)) => Some(version),
        _ => None,
    };
    let parsed = Config::parse(version.as_ref().map_or(r#"{"sources":{}}"#, |version| &version.json))?;
    let usual = PathBuf::from("gridbell.toml");
    let file = config.or_else(|| usual.is_file().then_some(usual.as_path()));
    let examined = Examined { console, config: &parsed, version: version.as_ref(), file, stack: &stack, clock };
    Ok(examine(&examined, sends_mail).await)
}

/// Runs all checks in parallel, each with a timeout.
async fn examine(examined: &Examined<'_>, sends_mail: bool) -> Vec<CheckResult> {
    let checks: Vec<(&'static str, Check<'_>)> = [
        stack::checks(examined),
        functions::checks(examined),
        provider::checks(examined),
        endpoint::checks(examined),
        registered::checks(examined),
        outputs::checks(examined),
        amazon::checks(examined),
        channels::checks(examined),
        lambda::checks(examined),
        if sends_mail { mail::checks(examined) } else { Vec::new() },
        flow::checks(examined),
    ]
    .into_iter()
    .flatten()
    .collect();
    let timed = checks.into_iter().map(|(name, check)| async move {
        let late = || vec![CheckResult::unknown(name, format!("no answer within {} s", CHECK.as_secs()))];
        tokio::time::timeout(CHECK, check).await.unwrap_or_else(|_| late())
    });
    let mut timed: FuturesOrdered<_> = timed.collect();
    let mut results = Vec::new();
    while let Some(found) = timed.next().await {
        results.extend(found);
    }
    results
}

pub(super) fn text(results: &[CheckResult], paint: Paint) -> String {
    let rows = results.iter().map(|result| {
        let check = result.check;
        let check = match result.verdict {
            Verdict::Good => paint.good(&format!("✓ {check}")),
            Verdict::Notice => paint.warn(&format!("! {check}")),
            Verdict::Unknown => paint.dim(&format!("? {check}")),
            Verdict::Bad => paint.bad(&format!("✗ {check}")),
        };
        let mend = result.mend.as_ref().map(|mend| format!("→ {mend}"));
        let about = result.about.clone().unwrap_or_default();
        vec![check, about, show::stacked([result.found.as_str()].into_iter().chain(mend.as_deref()))]
    });
    let table = show::table(&["  check", "", "found"], &["found"], rows);
    let count = |verdict| results.iter().filter(|result| result.verdict == verdict).count();
    let sum = match (count(Verdict::Bad), count(Verdict::Unknown)) {
        (0, 0) => paint.good("a dispatch gets through"),
        (0, unknown) => paint.warn(&format!("no check failed; {unknown} could not tell")),
        (1, _) => paint.bad("1 check failed: dispatches or alerts blocked"),
        (bad, _) => paint.bad(&format!("{bad} checks failed: dispatches or alerts blocked")),
    };
    format!("{table}\n\n{sum}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen() {
        let results = [
            CheckResult::good("configuration", "2 sources, the queue being read is awaited"),
            CheckResult::good("secret", "ssm:/gridbell/a can be read").about("a"),
            CheckResult::unknown("provider key", "no answer within 12 s").about("a"),
            CheckResult::notice("clock", "this machine is 20 s behind").mend("timedatectl set-ntp true"),
            CheckResult::bad("mail", "SES is in its sandbox").mend("ask for production access"),
        ];
        insta::assert_snapshot!(text(&results, Paint::none()));
        assert!(text(&results[..3], Paint::none()).ends_with("no check failed; 1 could not tell"));
        assert!(text(&results[..2], Paint::none()).ends_with("a dispatch gets through"));
    }
}
