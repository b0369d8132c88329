//! `webhook unregister`.

use anyhow::{Result, bail};

use super::{AboutHook, api, consent, leap, nvgrid, voltus};
use crate::{endpoint::Opened, show};
use config::Provider;

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell webhook unregister voltus-sandbox --stack gridbell --token env:VOLTUS_HOOK_TOKEN
  gridbell webhook unregister voltus-prod --id wVcgZeEOXCc --stack gridbell
  gridbell webhook unregister leap-prod --level group --stack gridbell --token env:LEAP_TOKEN";

/// How `webhook unregister` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Unregister {
    #[command(flatten)]
    hook: AboutHook,
    /// Voltus: the webhook's id [default: those that go to this source]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Leap: which notifications; may stand twice [default: meter]
    #[arg(long, value_enum, value_name = "LEVEL")]
    level: Vec<leap::Level>,
    /// Leap: take it away without asking, where it is not this source's
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    asking: nvgrid::Asking,
}

impl Unregister {
    pub(super) async fn run(self) -> Result<()> {
        let opened = self.hook.about.open().await?;
        self.asking.is_for(opened.provider)?;
        match opened.provider {
            Provider::Voltus => self.voltus(&opened).await,
            Provider::Leap => self.leap(&opened).await,
            Provider::Openvolt => bail!(
                "Openvolt takes webhooks away by its dashboard alone: under Event Subscriptions, delete the one that goes to …/hooks/{}/…",
                opened.name
            ),
            Provider::Nvgrid => {
                nvgrid::unregister(&self.asking, &opened, &opened.endpoint(&self.hook.place).await?).await
            }
        }
    }

    async fn voltus(&self, opened: &Opened) -> Result<()> {
        let api = api(opened).await?;
        let ids = if let Some(id) = &self.id {
            vec![id.clone()]
        } else {
            let endpoint = opened.endpoint(&self.hook.place).await?;
            let ours = voltus::list(&api).await?.into_iter().filter(|webhook| voltus::is_ours(webhook, &endpoint));
            ours.map(|webhook| webhook.id).collect()
        };
        if ids.is_empty() {
            bail!(
                "Voltus has no webhook that goes to this source; `gridbell webhook list {}` shows those that there are, --id names one",
                opened.name
            );
        }
        for id in ids {
            voltus::delete(&api, &id).await?;
            show::line(&format!("Unregistered {id}. No webhook of Voltus' comes to it any more."))?;
        }
        Ok(())
    }

    async fn leap(&self, opened: &Opened) -> Result<()> {
        let api = api(opened).await?;
        let endpoint = opened.endpoint(&self.hook.place).await?;
        let levels = if self.level.is_empty() { &[leap::Level::Meter] } else { self.level.as_slice() };
        for level in levels {
            let name = level.name();
            let foreign = |set: &leap::Set| {
                consent(self.yes, &format!("Leap's {name} webhook goes to {}, which is not this source", set.shown()))
            };
            if !leap::unregister(&api, *level, &endpoint, foreign).await? {
                bail!("Leap has no {name} webhook set");
            }
            show::line(&format!("Leap's {name} webhook is taken away."))?;
        }
        Ok(())
    }
}
