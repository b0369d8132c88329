//! Stand-ins for the providers' own APIs, on loopback and inside this process: what a stack asks while no real provider is there.
//!
//! They hold the seed documents' data, answer as documented, and can be told to fail. They send no webhooks.

mod leap;
mod openvolt;
mod script;
mod server;
pub mod times;
mod voltus;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use anyhow::Result;
use serde_json::json;

use self::server::Server;
pub use self::{
    leap::Leap,
    openvolt::Openvolt,
    script::{Keys, Script, Seen},
    voltus::Voltus,
};
use crate::{
    config::{Provider, Reference},
    fixtures,
    local::{ProviderUrls, UpOptions},
};

/// The key that [`StandIns::answer_for`] gives to a stack.
const KEY: &str = "key-of-the-stand-ins";

/// The variable that it is looked up under, in the options alone.
const KEY_VARIABLE: &str = "GRIDBELL_STAND_IN_KEY";

/// All of them, running. Dropping it ends them.
#[derive(Debug)]
pub struct StandIns {
    /// Voltus' dispatches.
    pub voltus: Arc<Voltus>,
    /// Leap's time slots.
    pub leap: Arc<Leap>,
    /// Openvolt's readings.
    pub openvolt: Arc<Openvolt>,
    running: Vec<(Provider, Script, Server)>,
}

impl StandIns {
    /// Starts them for [`StandIns::answer_for`].
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> Result<Self> {
        Self::start_with(&Keys::Only(BTreeSet::from([KEY.to_owned()]))).await
    }

    /// Starts one per provider that is ever asked, each on a free port, holding the seeds' data.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start_with(keys: &Keys) -> Result<Self> {
        let (voltus, leap, openvolt) =
            (Arc::new(Voltus::default()), Arc::new(Leap::default()), Arc::new(Openvolt::default()));
        hold_the_seeds(&voltus, &leap)?;
        let mut running = Vec::new();
        let apis: [(Provider, Arc<dyn server::Api>, &'static str); 3] = [
            (Provider::Voltus, voltus.clone(), ""),
            (Provider::Leap, leap.clone(), "/v2"),
            (Provider::Openvolt, openvolt.clone(), ""),
        ];
        for (provider, api, base) in apis {
            let script = Script::new(keys.clone());
            let server = server::serve(api, script.clone(), base).await?;
            running.push((provider, script, server));
        }
        Ok(Self { voltus, leap, openvolt, running })
    }

    /// Lets the stack ask these stand-ins for every source, whatever its configuration says.
    pub fn answer_for(&self, options: &mut UpOptions) {
        for source in options.config.sources.values_mut() {
            if let Some((.., server)) = self.running.iter().find(|(provider, ..)| *provider == source.provider) {
                source.api_url = Some(server.url.clone());
                source.api_key = Some(Reference::Env(KEY_VARIABLE.to_owned()));
            }
        }
        options.variables.insert(KEY_VARIABLE.to_owned(), KEY.to_owned());
    }

    /// The bases that sources' `api_url` is to name.
    pub fn urls(&self) -> ProviderUrls {
        self.running.iter().map(|(provider, _, server)| (*provider, server.url.clone())).collect()
    }

    /// What a provider's stand-in does and has seen; none for one that is never asked.
    pub fn script(&self, provider: Provider) -> Option<&Script> {
        self.running.iter().find(|(running, ..)| *running == provider).map(|(_, script, _)| script)
    }
}

/// The dispatches of the seed documents: Voltus' `dkmq` as it was, and `asdf`, which is always in the near future and a little
/// later with each look; Leap's events as they were.
fn hold_the_seeds(voltus: &Voltus, leap: &Leap) -> Result<()> {
    let listed = fixtures::json("voltus/answer_list.json")?;
    listed["dispatches"].as_array().into_iter().flatten().for_each(|dispatch| voltus.put(dispatch.clone()));
    let site = |name: &str, id: &str, location: &str, commitment: u32| json!({"name": name, "id": id, "customer_location_id": location, "commitment": commitment});
    voltus.put(json!({
        "id": "asdf", "authorized": true, "test": false, "start_time": "now+10m", "end_time": "now+70m",
        "program": {"name": "A Program", "timezone": "PST", "market": "CAISO", "program_type": "capacity"},
        "sites": [site("Site 1", "asdf", "1", 12), site("Site 2", "lkjh", "2", 40)],
    }));
    for notification in ["leap/notification_meter.json", "leap/notification_group.json"] {
        leap.put(&fixtures::json(notification)?);
    }
    Ok(())
}
