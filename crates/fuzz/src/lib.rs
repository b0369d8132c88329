//! The simulation for the fuzz targets.

use jiff::SignedDuration;
use pipeline::config::{Config, TokenHash};
use providers::{PROVIDERS, Provider};
use serde_json::{Map, Value, json};
use simulation::{Simulation, Webhook};

/// The token of every source.
pub const TOKEN: &str = "a-token-that-nobody-guesses";

/// The token for acknowledgements.
pub const ACK_TOKEN: &str = "a-token-for-controllers";

/// A source of each provider in production, and one in a sandbox.
pub fn sources() -> impl Iterator<Item = (String, &'static dyn Provider)> {
    let leap = PROVIDERS.iter().copied().filter(|provider| KEY.starts_with(&format!("{provider}-sandbox/")));
    let sandbox = leap.map(|provider| (format!("{provider}-sandbox"), provider));
    PROVIDERS.iter().map(|provider| (format!("{provider}-prod"), *provider)).chain(sandbox)
}

/// The dispatch that can be acknowledged.
pub const KEY: &str = "leap-sandbox/e-1";

/// Longer than any job is retried.
pub const LONG: SignedDuration = SignedDuration::from_hours(72);

/// A new simulation.
pub fn sim() -> Simulation {
    Simulation::new(1, Config::parse(&config().to_string()).expect("a configuration"))
}

/// The configuration of the simulation.
pub fn config() -> Value {
    // Not polled: no list is known here, and days of polls would leave few executions to what is sent.
    let source = |(name, provider): (String, &'static dyn Provider)| {
        let environment = if name.ends_with("-sandbox") { "sandbox" } else { "production" };
        let source = json!({
            "provider": provider, "environment": environment, "api_key": "env:KEY",
            "tokens": [TokenHash::of(TOKEN)], "poll_s": 0,
        });
        (name, source)
    };
    let sources: Map<String, Value> = sources().map(source).collect();
    json!({
        "sources": sources,
        "deadlines": { "lead_s": 600, "immediate_s": 60, "acknowledge": true },
        "contacts": { "email": ["grid-duty@example.com"], "from": "gridbell@example.com" },
        "acks": { "tokens": [TokenHash::of(ACK_TOKEN)] },
    })
}

/// A simulation in which [`KEY`] waits for its acknowledgement.
pub fn sim_with_a_dispatch() -> Simulation {
    let sim = sim();
    sim.post(Webhook { source: "leap-sandbox", token: TOKEN, body: &dispatch() });
    sim.settle(SignedDuration::from_secs(30));
    sim
}

fn dispatch() -> String {
    json!({
        "meter_dispatches": [{ "meter_id": "m-1", "timeslots": [{
            "meter_event_id": "e-1", "start_time": "2023-12-01T17:50:00Z", "end_time": "2023-12-01T18:50:00Z",
            "cancelled": false, "energy_kw": 10, "priority": 1, "is_voluntary": false,
        }] }],
    })
    .to_string()
}
