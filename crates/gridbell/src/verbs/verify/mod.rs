//! `verify`: tests a running stack from its public address to a signal and a mail, with dispatches that are tests.

mod alarms;
mod clean;
mod crash;
mod dispatch;
mod report;
mod steps;
mod test;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use crate::{
    console::Which,
    progress,
    show::{self, Paint},
};
use report::{Outcome, Report};
use test::Verification;

pub(crate) const EXAMPLES: &str = "\
It posts dispatches of the built-in source gridbell-verify through the public address and follows them: signal,
acknowledgement, redrive, a chain of messages, mail, cancellation, alarms. All of them are tests, and are deleted at the end,
also after Ctrl-C. Your controller sees them with \"test\": true. Nobody but --mail gets a mail.

Examples:
  gridbell verify                                     the local stack
  gridbell verify --crash                             and a hydrator that is killed over a delivery (two minutes more)
  gridbell verify --stack gridbell --mail me@example.com
  gridbell verify --stack gridbell --json | jq '.steps[] | select(.outcome == \"failed\")'";

/// The steps end by themselves long before; this is a bound for all of them.
const LONGEST: Duration = Duration::from_mins(9);

/// Limit of the clean-up.
const CLEANING: Duration = Duration::from_secs(90);

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// Address that gets the test mail; without it no mail is tested
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    mail: Option<String>,
    /// Local stack: also kill the hydrator over a delivery
    #[arg(long, conflicts_with = "stack")]
    crash: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

/// One plain mail address.
fn address(text: &str) -> Result<String, String> {
    let is_plain =
        text.is_ascii() && text.len() <= 254 && !text.bytes().any(|byte| byte <= b' ' || b",;<>\"".contains(&byte));
    match text.split_once('@') {
        Some((local, domain)) if is_plain && !local.is_empty() && !domain.is_empty() && !domain.contains('@') => {
            Ok(text.to_owned())
        }
        _ => Err("write one plain address, such as me@example.com".to_owned()),
    }
}

/// Tests the stack, cleans up, and prints the steps.
pub(crate) async fn run(args: Verify) -> Result<()> {
    let mut stop = Stop::listen()?;
    let console = args.which.open().await?;
    let config = console.config().await?;
    let (began, report) = (Instant::now(), Report::new(progress::for_people()));
    let test = Verification::new(&console, &config, &report, args.mail);
    let interrupted = tokio::select! {
        () = bounded(&test, &report, args.crash) => false,
        () = stop.asked() => true,
    };
    if interrupted {
        report.note("interrupted: cleaning up; Ctrl-C again leaves everything as it is");
    }
    tokio::select! {
        () = clean::up(&test, CLEANING) => {}
        () = stop.asked() => bail!("interrupted twice: test dispatches may be left; they end by themselves, and the permit expires"),
    }
    let steps = report.steps();
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let failed = steps.iter().filter(|step| step.outcome == Outcome::Failed).count();
    let passed = failed == 0 && !interrupted;
    if args.json {
        show::json(&serde_json::json!({"stack": console.name, "passed": passed, "took_ms": took_ms, "steps": steps}))?;
    } else {
        show::screen(&report::text(&steps, took_ms, Paint::stdout()))?;
    }
    match (interrupted, failed) {
        (true, _) => bail!("interrupted"),
        (false, 0) => Ok(()),
        (false, 1) => bail!("1 of {} steps failed", steps.len()),
        (false, failed) => bail!("{failed} of {} steps failed", steps.len()),
    }
}

async fn bounded(test: &Verification<'_>, report: &Report, crash: bool) {
    if tokio::time::timeout(LONGEST, Box::pin(test.run(crash))).await.is_err() {
        report.failed("all", format!("not done after {} min", LONGEST.as_secs() / 60), None);
    }
}

/// Ctrl-C, or the end of the session.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("no signal can be listened for");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mail_goes_to_one_plain_address() {
        assert_eq!(address("me@example.com").as_deref(), Ok("me@example.com"));
        for wrong in ["me", "@example.com", "me@", "a@b@c", "a@b, c@d", "a@b\r\nBcc: c@d", "A <a@b>"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
