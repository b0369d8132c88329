//! `webhook unregister`.

use anyhow::Result;

use super::{AboutHook, leap, nvgrid, registrar};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell webhook unregister voltus-sandbox --stack gridbell --token env:VOLTUS_HOOK_TOKEN
  gridbell webhook unregister voltus-prod --id wVcgZeEOXCc --stack gridbell
  gridbell webhook unregister leap-prod --level group --stack gridbell --token env:LEAP_TOKEN";

/// How `webhook unregister` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Unregister {
    #[command(flatten)]
    pub(super) hook: AboutHook,
    /// Voltus: the webhook's id [default: those that go to this source]
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<String>,
    /// Leap: which notifications; may stand twice [default: meter]
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(super) level: Vec<leap::Level>,
    /// Leap: take it away without asking, where it is not this source's
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) asking: nvgrid::Asking,
}

impl Unregister {
    pub(super) async fn run(self) -> Result<()> {
        let opened = self.hook.about.open().await?;
        self.asking.is_for(opened.provider)?;
        registrar::of(&opened).unregister(&self, &opened).await
    }
}
