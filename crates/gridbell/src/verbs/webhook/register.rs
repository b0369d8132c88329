//! `webhook register`.

use std::time::Duration;

use anyhow::Result;

use super::{AboutHook, leap, nvgrid, probe, registrar, span};
use stack_client::http_client;

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell webhook register voltus-prod --stack gridbell --token env:VOLTUS_HOOK_TOKEN
  gridbell webhook register leap-prod --level group --stack gridbell --token ssm:/ops/leap-token
  gridbell webhook register voltus-demo --url https://abc.tunnel.example     the local stack, behind a tunnel
  gridbell webhook register nvgrid-site --event start_ramp_down --event end_ramp_down --stack gridbell --token env:NVGRID_HOOK_TOKEN \
      --proto dps/nvgrid.proto --proto dps/auth.proto --ca dps-ca.pem

NvGrid's field numbers are not public: they come from the .proto files of the DPS install, from a descriptor set, or from the
server's own reflection. The site's operator must have put the hook's address on the DPS whitelist.

Rotating a token without a gap: give the source both hashes in gridbell.toml and deploy; register with the new token
(with Voltus, unregister the old one then, by its id); leave the old hash out and deploy again.";

/// Arguments of `webhook register`.
#[derive(Debug, clap::Args)]
pub(crate) struct Register {
    #[command(flatten)]
    hook: AboutHook,
    /// Leap: level of the notifications; may be repeated [default: meter]
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(super) level: Vec<leap::Level>,
    /// Leap: replace an existing webhook without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// `NvGrid`: power event to receive; may be repeated [default: all]
    #[arg(long, value_name = "EVENT", value_parser = nvgrid::event)]
    pub(super) event: Vec<String>,
    /// Openvolt: how long to wait for the first delivery; 0s: do not wait
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = span)]
    pub(super) wait: Duration,
    #[command(flatten)]
    pub(super) asking: nvgrid::Asking,
}

impl Register {
    pub(super) async fn run(self) -> Result<()> {
        let opened = self.hook.about.open().await?;
        self.asking.is_for(opened.provider)?;
        let endpoint = opened.endpoint(&self.hook.place).await?;
        let asked = self.asking.asked(&opened)?;
        probe::probe(&http_client()?, opened.provider, &endpoint, asked.as_ref()).await?;
        registrar::of(&opened).register(&self, &opened, &endpoint).await
    }
}
