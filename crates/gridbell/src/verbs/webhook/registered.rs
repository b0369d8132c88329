//! What a provider has registered, and how each stands to a source: for `doctor`.

use anyhow::Result;

use super::{api, leap, voltus};
use crate::endpoint::{Opened, Standing};
use config::Provider;

/// A webhook as its provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    /// The webhook's id, or its level.
    pub(crate) what: String,
    /// Scheme, host and port: the rest may be a token.
    pub(crate) host: String,
    pub(crate) standing: Standing,
    /// Events that it is not registered for, and should be.
    pub(crate) lacks: Vec<&'static str>,
}

/// What the source's provider has registered; nothing of those that cannot be asked.
///
/// # Errors
/// In one line: the key cannot be read, or the provider does not answer as it should.
pub(crate) async fn registered(opened: &Opened) -> Result<Vec<Registered>> {
    let mut registered = Vec::new();
    match opened.provider {
        Provider::Voltus => {
            for webhook in voltus::list(&api(opened).await?).await? {
                let lacks =
                    voltus::EVENTS.into_iter().filter(|event| !webhook.events.iter().any(|known| known == event));
                let (host, standing) = opened.standing(&webhook.url, None);
                registered.push(Registered { what: webhook.id, host, standing, lacks: lacks.collect() });
            }
        }
        Provider::Leap => {
            let api = api(opened).await?;
            for level in leap::Level::BOTH {
                let Some(set) = leap::get(&api, level).await? else { continue };
                let (host, standing) = opened.standing(&set.url, set.token());
                let what = format!("the {} webhook", level.name());
                registered.push(Registered { what, host, standing, lacks: Vec::new() });
            }
        }
        Provider::Openvolt | Provider::Nvgrid => {}
    }
    Ok(registered)
}
