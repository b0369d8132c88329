//! `webhook test`.

use std::time::Duration;

use anyhow::Result;
use clap::Parser as _;

use super::{AboutHook, leap, nvgrid, registrar, span};
use crate::console::Which;

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell webhook test voltus-sandbox --scenario cancelled
  gridbell webhook test voltus-prod --stack gridbell          asks first: a self-test goes to all sites, marked test
  gridbell webhook test leap-prod --level group --stack gridbell";

/// Arguments of `webhook test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    #[command(flatten)]
    pub(super) hook: AboutHook,
    /// Voltus' sandbox: scenario; `gridbell trigger --list` names them
    #[arg(long, value_name = "NAME", default_value = "basic")]
    pub(super) scenario: String,
    /// Leap: level of the notification
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "meter")]
    pub(super) level: leap::Level,
    /// Voltus' production: schedule the self-test without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// How long to wait for the signal
    #[arg(long, value_name = "SPAN", default_value = "2m", value_parser = span)]
    pub(super) wait: Duration,
    #[command(flatten)]
    pub(super) asking: nvgrid::Asking,
}

/// A parsed command line.
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    test: Test,
}

impl Test {
    /// The test of a source with all defaults.
    ///
    /// # Errors
    /// The source's name is not a valid argument.
    pub(super) fn of(which: &Which, source: &str, agreed: bool) -> Result<Self> {
        let Line { mut test } = Line::try_parse_from(["webhook test", "--", source])?;
        (test.hook.about.which, test.yes) = (which.clone(), agreed);
        Ok(test)
    }

    pub(super) async fn run(self) -> Result<()> {
        let opened = self.hook.about.open().await?;
        self.asking.is_for(opened.provider)?;
        registrar::of(&opened).test(&self, &opened).await
    }
}
