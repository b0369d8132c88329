//! `webhook list`.

use anyhow::Result;
use serde_json::{Value, json};

use super::{AboutHook, api, leap, nvgrid, voltus};
use crate::{endpoint::HookAddress, show};
use config::Provider;

/// How `webhook list` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    hook: AboutHook,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: nvgrid::Asking,
}

impl List {
    pub(super) async fn run(self) -> Result<()> {
        let opened = self.hook.about.open().await?;
        self.asking.is_for(opened.provider)?;
        // Without its token a hook can be listed all the same; only which one is ours is not known then.
        let endpoint = opened.endpoint(&self.hook.place).await.ok();
        let rows = match opened.provider {
            Provider::Voltus => of_voltus(&voltus::list(&api(&opened).await?).await?, endpoint.as_ref()),
            Provider::Leap => {
                let api = api(&opened).await?;
                let mut rows = Vec::new();
                for level in leap::Level::BOTH {
                    rows.extend(leap::get(&api, level).await?.map(|set| of_leap(level, &set, endpoint.as_ref())));
                }
                rows
            }
            Provider::Openvolt => anyhow::bail!(
                "Openvolt lists its subscriptions in the developer dashboard alone, under Event Subscriptions"
            ),
            Provider::Nvgrid => return nvgrid::list(&self.asking, &opened, self.json).await,
        };
        if self.json {
            return show::json(&rows);
        }
        if rows.is_empty() {
            return show::line(&format!("{} has no webhook registered", opened.provider));
        }
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let ours = |row: &Value| match row["ours"].as_bool() {
            Some(true) => "this source",
            Some(false) => "another",
            None => "?",
        };
        let rows =
            rows.iter().map(|row| vec![text(row, "id"), ours(row).to_owned(), text(row, "goes_to"), text(row, "for")]);
        show::screen(&show::table(&["id", "whose", "goes to", "for"], &["goes to", "for"], rows))
    }
}

fn of_voltus(listed: &[voltus::Webhook], endpoint: Option<&HookAddress>) -> Vec<Value> {
    let row = |webhook: &voltus::Webhook| {
        let ours = endpoint.map(|endpoint| voltus::is_ours(webhook, endpoint));
        let goes_to = match endpoint {
            Some(endpoint) if ours == Some(true) => endpoint.to_string(),
            _ => without_end(&webhook.url),
        };
        json!({"id": webhook.id, "ours": ours, "goes_to": goes_to, "for": webhook.events.join(", ")})
    };
    listed.iter().map(row).collect()
}

fn of_leap(level: leap::Level, set: &leap::Set, endpoint: Option<&HookAddress>) -> Value {
    let goes_to = match endpoint {
        Some(endpoint) if set.goes_to(endpoint) => endpoint.url.to_string(),
        _ => set.shown(),
    };
    json!({"id": level.name(), "ours": endpoint.map(|endpoint| set.goes_to(endpoint)), "goes_to": goes_to, "for": format!("{} dispatches", level.name())})
}

/// An address without its last segment, which may be a token.
fn without_end(url: &str) -> String {
    url.rsplit_once('/').map_or_else(|| url.to_owned(), |(before, _)| format!("{before}/…"))
}
