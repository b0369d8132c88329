//! `webhook test`.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser as _;
use dispatch::Subject;

use super::{AboutHook, Api, api, consent, follow, leap, nvgrid, span, voltus};
use crate::{console::Which, endpoint::Opened, show, simulate::times};
use config::Provider;

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell webhook test voltus-sandbox --scenario cancelled
  gridbell webhook test voltus-prod --stack gridbell          asks first: a self-test goes to all sites, marked test
  gridbell webhook test leap-prod --level group --stack gridbell";

/// How much of a line of Leap's report is shown, in characters.
const MAX_REPORTED: usize = 2_000;

/// How often Voltus is asked which dispatches there are: its limit is some hundred a minute.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How `webhook test` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    #[command(flatten)]
    hook: AboutHook,
    /// Voltus' sandbox: which scenario; `gridbell trigger --list` names them
    #[arg(long, value_name = "NAME", default_value = "basic")]
    scenario: String,
    /// Leap: which notification
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "meter")]
    level: leap::Level,
    /// Voltus' production: schedule the self-test without asking
    #[arg(long)]
    yes: bool,
    /// How long to wait for the signal
    #[arg(long, value_name = "SPAN", default_value = "2m", value_parser = span)]
    wait: Duration,
    #[command(flatten)]
    asking: nvgrid::Asking,
}

/// A command line of it.
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    test: Test,
}

impl Test {
    /// The test of a source, all else as it is by default.
    ///
    /// # Errors
    /// The source's name is no argument.
    pub(super) fn of(which: &Which, source: &str, agreed: bool) -> Result<Self> {
        let Line { mut test } = Line::try_parse_from(["webhook test", "--", source])?;
        (test.hook.about.which, test.yes) = (which.clone(), agreed);
        Ok(test)
    }

    pub(super) async fn run(self) -> Result<()> {
        let opened = self.hook.about.open().await?;
        self.asking.is_for(opened.provider)?;
        match opened.provider {
            Provider::Voltus => self.voltus(&opened).await,
            Provider::Leap => self.leap(&opened).await,
            Provider::Openvolt => {
                show::line(
                    "Openvolt sends no tests. Data of a meter that it has (9999999999995 to 9999999999999 are its test meters) brings a delivery.",
                )?;
                follow::to_delivery(&opened, times::now(), self.wait).await
            }
            Provider::Nvgrid => nvgrid::test(&self.asking, &self.hook, &opened, self.wait).await,
        }
    }

    async fn voltus(&self, opened: &Opened) -> Result<()> {
        let api = api(opened).await?;
        if voltus::list(&api).await?.is_empty() {
            bail!(
                "no webhook is registered with Voltus, so nothing would come: gridbell webhook register {}",
                opened.name
            );
        }
        let before = voltus::dispatches(&api).await?;
        let named = if opened.is_sandbox() {
            voltus::post_scenario(&api, &self.scenario, times::now()).await?;
            show::line(&format!("Voltus' sandbox plays the scenario {}.", self.scenario))?;
            None
        } else {
            let what = "Voltus would schedule a real self-test in production: a dispatch of ten minutes in a quarter of an hour, at all sites, marked test";
            consent(self.yes, what)?;
            voltus::self_test(&api, times::now()).await?
        };
        let id = match named {
            Some(id) => id,
            None => self.appears(&api, &before).await?,
        };
        show::line(&format!("The dispatch is {id}."))?;
        follow::to_signal(opened, &Subject::dispatch(&opened.name, &id), self.wait).await
    }

    /// The first dispatch that was not there before.
    async fn appears(&self, api: &Api, before: &[String]) -> Result<String> {
        let looking = async {
            loop {
                if let Some(new) = voltus::dispatches(api).await?.into_iter().find(|id| !before.contains(id)) {
                    return Ok(new);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let found = tokio::time::timeout(self.wait, looking).await;
        found.unwrap_or_else(|_| {
            bail!("Voltus took the test, and lists no new dispatch within {} s", self.wait.as_secs())
        })
    }

    async fn leap(&self, opened: &Opened) -> Result<()> {
        let api = api(opened).await?;
        if leap::get(&api, self.level).await?.is_none() {
            bail!(
                "Leap has no {} webhook set, so nothing would come: gridbell webhook register {}",
                self.level.name(),
                opened.name
            );
        }
        let event = uuid();
        let report = leap::test(&api, self.level, &event, times::now()).await?;
        show::line("Leap sent a test notification and reports of our answer:")?;
        for line in &report.lines {
            show::line(&format!("  {}", dispatch::text::clip(line, MAX_REPORTED)))?;
        }
        if !report.status.is_some_and(|status| (200..300).contains(&status)) {
            bail!(
                "our hook did not take it: the report above says how it answered; look at `gridbell webhook list {}`",
                opened.name
            );
        }
        follow::to_signal(opened, &Subject::dispatch(&opened.name, &event), self.wait).await
    }
}

/// A random UUID of version 4, for an event that is like no other.
fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    // Where the system has no randomness nothing secure can run, and nothing here could mend it.
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("the system gives no randomness: {error}");
    }
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xffff,
        bits >> 64 & 0xffff,
        bits >> 48 & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}
