//! `webhook register`.

use std::time::Duration;

use anyhow::Result;

use super::{AboutHook, api, consent, follow, leap, nvgrid, openvolt, probe, span, try_it, voltus};
use crate::{
    endpoint::{HookAddress, Opened},
    show,
    simulate::times,
};
use config::Provider;
use local_stack::http_client;

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

/// How `webhook register` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Register {
    #[command(flatten)]
    hook: AboutHook,
    /// Leap: which notifications; may stand twice [default: meter]
    #[arg(long, value_enum, value_name = "LEVEL")]
    level: Vec<leap::Level>,
    /// Leap: replace what is set without asking
    #[arg(long)]
    yes: bool,
    /// `NvGrid`: a power event to be told of; may stand several times [default: all]
    #[arg(long, value_name = "EVENT", value_parser = nvgrid::event)]
    event: Vec<String>,
    /// Openvolt: how long to wait for the first delivery; 0s: not at all
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = span)]
    wait: Duration,
    #[command(flatten)]
    asking: nvgrid::Asking,
}

impl Register {
    pub(super) async fn run(self) -> Result<()> {
        let opened = self.hook.about.open().await?;
        self.asking.is_for(opened.provider)?;
        let endpoint = opened.endpoint(&self.hook.place).await?;
        let asked = self.asking.asked(&opened)?;
        probe::probe(&http_client()?, opened.provider, &endpoint, asked.as_ref()).await?;
        match opened.provider {
            Provider::Voltus => voltus(&opened, &endpoint).await,
            Provider::Leap => self.leap(&opened, &endpoint).await,
            Provider::Openvolt => self.openvolt(&opened, &endpoint).await,
            Provider::Nvgrid => nvgrid::register(&self.asking, &opened, &endpoint, &self.event).await,
        }
    }

    async fn leap(&self, opened: &Opened, endpoint: &HookAddress) -> Result<()> {
        let api = api(opened).await?;
        let levels = if self.level.is_empty() { &[leap::Level::Meter] } else { self.level.as_slice() };
        for level in levels {
            let name = level.name();
            let replace = |set: &leap::Set| {
                consent(self.yes, &format!("Leap's {name} webhook goes to {} and would be replaced", set.shown()))
            };
            let says = match leap::register(&api, *level, endpoint, replace).await? {
                leap::Registered::Already => "was set already",
                leap::Registered::Anew => "is set",
                leap::Registered::Rotated => "is set with another token than before",
            };
            show::line(&format!("Leap's {name} webhook {says}: {}, the token in the header x-api-key", endpoint.url))?;
        }
        if opened.rotates() {
            show::line(
                "Two tokens open this source. Leave the old one's hash out of gridbell.toml once no notification brings it any more.",
            )?;
        }
        // Without a flag the test is of a meter notification.
        try_it(opened, if levels.contains(&leap::Level::Meter) { "" } else { " --level group" })
    }

    async fn openvolt(&self, opened: &Opened, endpoint: &HookAddress) -> Result<()> {
        let since = times::now();
        show::screen(&openvolt::to_enter(&opened.name, endpoint))?;
        if self.wait.is_zero() {
            return Ok(());
        }
        follow::to_delivery(opened, since, self.wait).await
    }
}

async fn voltus(opened: &Opened, endpoint: &HookAddress) -> Result<()> {
    let api = api(opened).await?;
    let says = match voltus::register(&api, endpoint).await? {
        voltus::Registered::Anew(id) => format!("Registered as {id}: {endpoint}"),
        voltus::Registered::Already(id) => format!("Registered already as {id}, nothing is changed: {endpoint}"),
    };
    show::line(&says)?;
    if opened.rotates() {
        show::line(
            "Two tokens open this source. Once this one works, unregister the old webhook by its id, and leave its hash out of gridbell.toml.",
        )?;
    }
    try_it(opened, "")
}
