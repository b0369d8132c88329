//! The providers' simulators, running: each over HTTP on loopback, in real time, inside this process.

mod admin;
mod client;
mod grpc;
mod post;
mod server;
pub mod times;

#[cfg(test)]
pub(crate) mod tests;

use std::{collections::BTreeSet, net::Ipv4Addr};

use anyhow::Result;
use jiff::Timestamp;
use provider_sims::{Fault, Hook, Keys, LogEntry, Misbehaviour, Publication, SIMULATED, Seen, Simulated};
use serde_json::{Value, json};

pub use self::client::{ClientError, Following, RemoteSimulator};
use self::server::Server;
use crate::fixtures;
use config::Reference;
use local_stack::{ProviderUrls, UpOptions};

/// The key that simulators take unless told otherwise; the real sandbox of Voltus has a public one as well.
pub const KEY: &str = "key-of-the-simulators";

/// The variables that it, and a login with it, are looked up under, in the options alone.
const KEY_VARIABLE: &str = "GRIDBELL_SIMULATOR_KEY";
const LOGIN_VARIABLE: &str = "GRIDBELL_SIMULATOR_LOGIN";

/// The login that a simulator takes over gRPC, with a key for its password; any name will do.
pub(crate) fn login(key: &str) -> String {
    format!("operator:{key}")
}

/// What every simulator is started with.
#[derive(Clone)]
pub struct Settings {
    /// Whose keys are taken.
    pub keys: Keys,
    /// How many times as fast their clocks run.
    pub speed: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keys: Keys::Only(BTreeSet::from([KEY.to_owned()])), speed: 1 }
    }
}

/// Some of them, running. Dropping it ends them.
#[derive(Debug)]
pub struct Simulators {
    running: Vec<(&'static Simulated, Server)>,
}

impl Simulators {
    /// Starts each of these on a free port.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(simulated: &[&'static Simulated], settings: &Settings) -> Result<Self> {
        let mut running = Vec::new();
        for whom in simulated.iter().copied() {
            running.push((whom, Server::start(whom, 0, settings).await?));
        }
        Ok(Self { running })
    }

    /// Starts one on that port.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start_on(whom: &'static Simulated, port: u16, settings: &Settings) -> Result<Self> {
        let server = Server::start(whom, port, settings).await?;
        Ok(Self { running: vec![(whom, server)] })
    }

    /// All of them at real speed, holding the seed documents' data.
    ///
    /// # Errors
    /// No port is free.
    pub async fn with_the_seeds() -> Result<Self> {
        let simulators = Self::start(SIMULATED, &Settings::default()).await?;
        simulators.hold_the_seeds()?;
        Ok(simulators)
    }

    /// Lets the stack ask these for every source, whatever its configuration says.
    pub fn answer_for(&self, options: &mut UpOptions) {
        for source in options.config.sources.values_mut() {
            if let Some((whom, server)) = self.running.iter().find(|(whom, _)| whom.name == source.provider.name()) {
                let variable = if whom.proto.is_some() { LOGIN_VARIABLE } else { KEY_VARIABLE };
                source.api_url = Some(server.url.clone());
                source.api_key = Some(Reference::Env(variable.to_owned()));
                // They list more than is ever announced, and what starts in ten minutes does so in every list.
                source.poll_s = 0;
            }
        }
        options.variables.insert(KEY_VARIABLE.to_owned(), KEY.to_owned());
        options.variables.insert(LOGIN_VARIABLE.to_owned(), login(KEY));
    }

    /// The bases that sources' `api_url` is to name.
    pub fn urls(&self) -> ProviderUrls {
        self.running.iter().map(|(whom, server)| (whom.name, server.url.clone())).collect()
    }

    /// The names of the providers that are simulated.
    pub fn providers(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.running.iter().map(|(whom, _)| whom.name)
    }

    /// Holds a resource from now on, in place of the one with its id: Voltus' dispatch, Leap's notification with its time slots,
    /// one reading of Openvolt's.
    pub fn hold(&self, provider: &str, content: &Value) {
        self.with(provider, |simulator| simulator.hold(content));
    }

    /// Answers for `about` get this status: `times` of them, or, with none, every one from now on.
    pub fn fail(&self, provider: &str, about: &str, status: u16, times: Option<u32>) {
        let fault = Fault { what: Misbehaviour::Status(status), about: Some(about.to_owned()), times };
        self.with(provider, |simulator| simulator.misbehave(fault));
    }

    /// Misbehaves from now on.
    pub fn misbehave(&self, provider: &str, faults: &[Fault]) {
        self.with(provider, |simulator| faults.iter().for_each(|fault| simulator.misbehave(fault.clone())));
    }

    /// Behaves again.
    pub fn mend(&self, provider: &str) {
        self.with(provider, provider_sims::Simulator::mend);
    }

    /// All behave again.
    pub fn mend_all(&self) {
        for (_, server) in &self.running {
            server.with(provider_sims::Simulator::mend);
        }
    }

    /// Takes any number of requests.
    pub fn lift_limits(&self) {
        for (_, server) in &self.running {
            server.with(provider_sims::Simulator::lift_limit);
        }
    }

    /// Publishes something once its time has come.
    pub fn announce(&self, provider: &str, publication: Publication) {
        self.with(provider, |simulator| simulator.announce(publication));
    }

    /// Whether everything was published, and every webhook delivered or given up.
    pub fn are_idle(&self) -> bool {
        self.running.iter().all(|(_, server)| server.with(|simulator| simulator.is_idle()))
    }

    /// What happened after the entry of that number.
    pub fn log(&self, provider: &str, after: u64) -> Vec<LogEntry> {
        self.with(provider, |simulator| simulator.log(after)).unwrap_or_default()
    }

    /// Registers a hook as the provider's dashboard or operator does.
    pub fn register(&self, provider: &str, hook: &Hook) {
        self.with(provider, |simulator| simulator.register(hook.clone()));
    }

    /// The requests so far, the oldest first.
    pub fn seen(&self, provider: &str) -> Vec<Seen> {
        self.with(provider, |simulator| simulator.seen().cloned().collect()).unwrap_or_default()
    }

    /// How many requests asked for `about`.
    pub fn requests(&self, provider: &str, about: &str) -> usize {
        self.seen(provider).iter().filter(|seen| seen.about.iter().any(|one| one == about)).count()
    }

    fn with<T>(&self, provider: &str, act: impl FnOnce(&mut provider_sims::Simulator) -> T) -> Option<T> {
        let (_, server) = self.running.iter().find(|(whom, _)| whom.name == provider)?;
        Some(server.with(act))
    }

    /// The dispatches of the seed documents: Voltus' `dkmq` as it was, and `asdf`, which is always in the near future and a little
    /// later with each look; Leap's events as they were.
    fn hold_the_seeds(&self) -> Result<()> {
        let listed = fixtures::json("voltus/answer_list.json")?;
        for dispatch in listed["dispatches"].as_array().into_iter().flatten() {
            self.hold("voltus", dispatch);
        }
        let site = |name: &str, id: &str, location: &str, commitment: u32| json!({"name": name, "id": id, "customer_location_id": location, "commitment": commitment});
        self.hold(
            "voltus",
            &json!({
                "id": "asdf", "authorized": true, "test": false, "start_time": "now+10m", "end_time": "now+70m",
                "program": {"name": "A Program", "timezone": "PST", "market": "CAISO", "program_type": "capacity"},
                "sites": [site("Site 1", "asdf", "1", 12), site("Site 2", "lkjh", "2", 40)],
            }),
        );
        for notification in ["leap/notification_meter.json", "leap/notification_group.json"] {
            self.hold("leap", &fixtures::json(notification)?);
        }
        Ok(())
    }
}

/// What tells this run's identifiers from those of every other.
fn run_number(now: Timestamp) -> u64 {
    let nanoseconds = now.as_nanosecond().unsigned_abs() ^ u128::from(std::process::id()) << 64;
    u64::try_from(nanoseconds % u128::from(u64::MAX)).unwrap_or_default()
}

/// Where simulators listen.
const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
