//! `doctor`: what would stop a dispatch from getting through, on one screen, with the mend beside it.

mod amazon;
mod door;
mod flow;
mod functions;
mod lambda;
mod mail;
mod nvgrid;
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

/// For one check.
const CHECK: Duration = Duration::from_secs(12);

/// How `doctor` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// The configuration to compare what runs with [default: gridbell.toml where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
    /// Send a test mail to the general contacts as well
    #[arg(long)]
    mail: bool,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// All is well.
    Good,
    /// Worth a look; it blocks no dispatch.
    Notice,
    /// It could not be found out.
    Unknown,
    /// It blocks dispatches or alerts.
    Bad,
}

/// One line on the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was checked, such as `secret`.
    pub(super) check: &'static str,
    /// The source or queue, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) about: Option<String>,
    pub(super) verdict: Verdict,
    /// What was found.
    pub(super) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Finding {
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

/// A check under way.
pub(super) type Check<'a> = Pin<Box<dyn Future<Output = Vec<Finding>> + 'a>>;

/// What every check may look at.
pub(super) struct Patient<'a> {
    pub(super) console: &'a Console,
    /// What is applied; empty where nothing is.
    pub(super) config: &'a Config,
    /// What is applied, as it is stored.
    pub(super) version: Option<&'a Version>,
    /// The file that it should be.
    pub(super) file: Option<&'a Path>,
    /// The stack as `CloudFormation` has it.
    pub(super) stack: &'a StackInfo,
    pub(super) clock: &'a Clockface,
}

/// Examines the stack.
pub(crate) async fn run(doctor: Doctor) -> Result<()> {
    let clock = Clockface::now(doctor.output.utc);
    let console = Console::open(&doctor.which).await?;
    let stack = console.cloudformation().describe(&console.name).await.map_err(|error| console.refusal(error))?;
    let version = match console.configurations().current().await.map_err(|error| console.refusal(error))? {
        Some(Stored::Applied(version)) => Some(version),
        _ => None,
    };
    let config = Config::parse(version.as_ref().map_or(r#"{"sources":{}}"#, |version| &version.json))?;
    let usual = PathBuf::from("gridbell.toml");
    let file = doctor.config.as_deref().or_else(|| usual.is_file().then_some(usual.as_path()));
    let patient =
        Patient { console: &console, config: &config, version: version.as_ref(), file, stack: &stack, clock: &clock };
    let findings = examine(&patient, doctor.mail).await;
    let bad = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
    if doctor.output.json {
        show::json(&json!({"stack": console.name, "healthy": bad == 0, "checks": findings}))?;
    } else {
        show::screen(&text(&findings, Paint::stdout()))?;
    }
    if bad > 0 {
        bail!("{bad} of {} checks failed", findings.len());
    }
    Ok(())
}

/// All checks at once, each within its time.
async fn examine(patient: &Patient<'_>, sends_mail: bool) -> Vec<Finding> {
    let checks: Vec<(&'static str, Check<'_>)> = [
        stack::checks(patient),
        functions::checks(patient),
        provider::checks(patient),
        door::checks(patient),
        registered::checks(patient),
        amazon::checks(patient),
        lambda::checks(patient),
        if sends_mail { mail::checks(patient) } else { Vec::new() },
        flow::checks(patient),
    ]
    .into_iter()
    .flatten()
    .collect();
    let timed = checks.into_iter().map(|(name, check)| async move {
        let late = || vec![Finding::unknown(name, format!("no answer within {} s", CHECK.as_secs()))];
        tokio::time::timeout(CHECK, check).await.unwrap_or_else(|_| late())
    });
    let mut timed: FuturesOrdered<_> = timed.collect();
    let mut findings = Vec::new();
    while let Some(found) = timed.next().await {
        findings.extend(found);
    }
    findings
}

pub(super) fn text(findings: &[Finding], paint: Paint) -> String {
    let rows = findings.iter().map(|finding| {
        let check = finding.check;
        let check = match finding.verdict {
            Verdict::Good => paint.good(&format!("✓ {check}")),
            Verdict::Notice => paint.warn(&format!("! {check}")),
            Verdict::Unknown => paint.dim(&format!("? {check}")),
            Verdict::Bad => paint.bad(&format!("✗ {check}")),
        };
        let mend = finding.mend.as_ref().map(|mend| format!("→ {mend}"));
        let about = finding.about.clone().unwrap_or_default();
        vec![check, about, show::stacked([finding.found.as_str()].into_iter().chain(mend.as_deref()))]
    });
    let table = show::table(&["  check", "", "found"], &["found"], rows);
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
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
        let findings = [
            Finding::good("configuration", "2 sources, the queue being read is awaited"),
            Finding::good("secret", "ssm:/gridbell/a can be read").about("a"),
            Finding::unknown("provider key", "no answer within 12 s").about("a"),
            Finding::notice("clock", "this machine is 20 s behind").mend("timedatectl set-ntp true"),
            Finding::bad("mail", "SES is in its sandbox").mend("ask for production access"),
        ];
        insta::assert_snapshot!(text(&findings, Paint::none()));
        assert!(text(&findings[..3], Paint::none()).ends_with("no check failed; 1 could not tell"));
        assert!(text(&findings[..2], Paint::none()).ends_with("a dispatch gets through"));
    }
}
