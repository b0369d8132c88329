//! The simulated providers (`provider-sims`), each served over HTTP or gRPC on loopback, in real time, inside this process.

mod admin;
mod client;
pub mod fixtures;
mod grpc;
mod post;
mod server;
pub mod times;

use std::{collections::BTreeSet, net::Ipv4Addr};

use anyhow::Result;
use jiff::Timestamp;
use provider_sims::{Fault, Hook, Keys, LogEntry, Misbehaviour, Publication, SIMULATED, Seen, Simulated};
use serde_json::{Value, json};

pub use self::client::{ClientError, Following, RemoteSimulator};
use self::server::Server;
use config::Reference;
use local_stack::{ProviderUrls, UpOptions};

/// The simulators' default API key; Voltus' real sandbox has a public key as well.
pub const KEY: &str = "key-of-the-simulators";

/// The variables of the key, and of a login with it; they exist only in the local stack's options.
const KEY_VARIABLE: &str = "GRIDBELL_SIMULATOR_KEY";
const LOGIN_VARIABLE: &str = "GRIDBELL_SIMULATOR_LOGIN";

/// The gRPC login of a simulator: any user name, with the key as password.
pub fn login(key: &str) -> String {
    format!("operator:{key}")
}

/// The settings of every simulator.
#[derive(Clone)]
pub struct Settings {
    /// The accepted keys.
    pub keys: Keys,
    /// How many times as fast the clock runs.
    pub speed: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keys: Keys::Only(BTreeSet::from([KEY.to_owned()])), speed: 1 }
    }
}

/// Running simulators. Dropping this ends them.
#[derive(Debug)]
pub struct Simulators {
    running: Vec<(&'static Simulated, Server)>,
}

impl Simulators {
    /// Starts each on a free port.
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

    /// Starts one on the given port.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start_on(whom: &'static Simulated, port: u16, settings: &Settings) -> Result<Self> {
        let server = Server::start(whom, port, settings).await?;
        Ok(Self { running: vec![(whom, server)] })
    }

    /// Starts all at real speed, with the data of the seed documents.
    ///
    /// # Errors
    /// No port is free.
    pub async fn with_the_seeds() -> Result<Self> {
        let simulators = Self::start(SIMULATED, &Settings::default()).await?;
        simulators.hold_the_seeds()?;
        Ok(simulators)
    }

    /// Makes the stack use these simulators for every source, whatever its configuration says.
    pub fn answer_for(&self, options: &mut UpOptions) {
        for source in options.config.sources.values_mut() {
            if let Some((whom, server)) = self.running.iter().find(|(whom, _)| whom.name == source.provider.name()) {
                let variable = if whom.proto.is_some() { LOGIN_VARIABLE } else { KEY_VARIABLE };
                source.api_url = Some(server.url.as_str().trim_end_matches('/').to_owned());
                source.api_key = Some(Reference::Env(variable.to_owned()));
                // The lists contain dispatches that are never announced, and one that always starts in ten minutes.
                source.poll_s = 0;
            }
        }
        options.variables.insert(KEY_VARIABLE.to_owned(), KEY.to_owned());
        options.variables.insert(LOGIN_VARIABLE.to_owned(), login(KEY));
    }

    /// The values for the sources' `api_url`.
    pub fn urls(&self) -> ProviderUrls {
        self.running.iter().map(|(whom, server)| (whom.name, server.url.clone())).collect()
    }

    /// The names of the simulated providers.
    pub fn providers(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.running.iter().map(|(whom, _)| whom.name)
    }

    /// Stores a resource, replacing the one with its id: Voltus' dispatch, Leap's notification with its time slots, one
    /// reading of Openvolt's.
    pub fn hold(&self, provider: &str, content: &Value) {
        self.with(provider, |simulator| simulator.hold(content));
    }

    /// Answers requests for `about` with this status: `times` of them, or all if none.
    pub fn fail(&self, provider: &str, about: &str, status: u16, times: Option<u32>) {
        let fault = Fault { what: Misbehaviour::Status(status), about: Some(about.to_owned()), times };
        self.with(provider, |simulator| simulator.misbehave(fault));
    }

    /// Turns these faults on.
    pub fn misbehave(&self, provider: &str, faults: &[Fault]) {
        self.with(provider, |simulator| faults.iter().for_each(|fault| simulator.misbehave(fault.clone())));
    }

    /// Turns the faults off.
    pub fn mend(&self, provider: &str) {
        self.with(provider, provider_sims::Simulator::mend);
    }

    /// Turns all simulators' faults off.
    pub fn mend_all(&self) {
        for (_, server) in &self.running {
            server.with(provider_sims::Simulator::mend);
        }
    }

    /// Lifts the rate limits.
    pub fn lift_limits(&self) {
        for (_, server) in &self.running {
            server.with(provider_sims::Simulator::lift_limit);
        }
    }

    /// Publishes something at its due time.
    pub fn announce(&self, provider: &str, publication: Publication) {
        self.with(provider, |simulator| simulator.announce(publication));
    }

    /// Whether everything is published, and every webhook is delivered or given up.
    pub fn are_idle(&self) -> bool {
        self.running.iter().all(|(_, server)| server.with(|simulator| simulator.is_idle()))
    }

    /// The log entries after the given number.
    pub fn log(&self, provider: &str, after: u64) -> Vec<LogEntry> {
        self.with(provider, |simulator| simulator.log(after)).unwrap_or_default()
    }

    /// Registers a hook as the provider's dashboard or operator does.
    pub fn register(&self, provider: &str, hook: &Hook) {
        self.with(provider, |simulator| simulator.register(hook.clone()));
    }

    /// The requests so far, oldest first.
    pub fn seen(&self, provider: &str) -> Vec<Seen> {
        self.with(provider, |simulator| simulator.seen().cloned().collect()).unwrap_or_default()
    }

    /// The number of requests for `about`.
    pub fn requests(&self, provider: &str, about: &str) -> usize {
        self.seen(provider).iter().filter(|seen| seen.about.iter().any(|one| one == about)).count()
    }

    fn with<T>(&self, provider: &str, act: impl FnOnce(&mut provider_sims::Simulator) -> T) -> Option<T> {
        let (_, server) = self.running.iter().find(|(whom, _)| whom.name == provider)?;
        Some(server.with(act))
    }

    /// Stores the dispatches of the seed documents: Voltus' `dkmq` as documented, and `asdf`, which starts ten minutes
    /// after each request for it; Leap's events as documented.
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

/// A number that makes this run's identifiers unique.
fn run_number(now: Timestamp) -> u64 {
    let nanoseconds = now.as_nanosecond().unsigned_abs() ^ u128::from(std::process::id()) << 64;
    u64::try_from(nanoseconds % u128::from(u64::MAX)).unwrap_or_default()
}

/// The address that simulators listen on.
const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
