//! `webhook unregister`.

use anyhow::Result;

use super::{AboutHook, leap, nvgrid, registrar};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell webhook unregister voltus-sandbox --stack gridbell --token env:VOLTUS_HOOK_TOKEN
  gridbell webhook unregister voltus-prod --id wVcgZeEOXCc --stack gridbell
  gridbell webhook unregister leap-prod --level group --stack gridbell --token env:LEAP_TOKEN";

/// Arguments of `webhook unregister`.
#[derive(Debug, clap::Args)]
pub(crate) struct Unregister {
    #[command(flatten)]
    pub(super) hook: AboutHook,
    /// Voltus: id of the webhook [default: those that go to this source]
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<String>,
    /// Leap: level of the notifications; may be repeated [default: meter]
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(super) level: Vec<leap::Level>,
    /// Leap: remove the webhook without asking, even if it is not this source's
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
