//! `providers`: simulates the providers' APIs on loopback until Ctrl-C.

use std::{collections::BTreeSet, fmt::Write as _};

use anyhow::{Result, bail};
use provider_sims::{Fault, Hook, Keys, Misbehaviour, NVGRID, SIMULATED, Simulated, simulated};
use serde_json::json;

use super::up::Ending;
use crate::show::{self, Paint};
use provider_server::{KEY, Settings, Simulators, login};

/// Arguments of `providers`.
///
/// Set a source's `api_url` to a printed address and its `api_key` to the printed key (`NvGrid`: any name, a colon, the
/// key); then register webhooks, post scenarios, or run `gridbell trigger`. `NvGrid` is served over gRPC with server
/// reflection; its field numbers are gridbell's own, because the real ones are not public.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gridbell providers --provider voltus --port 8100 --speed 60\n  gridbell providers --provider nvgrid --port 8200 --whitelist https://abc.tunnel.example"
)]
pub(crate) struct Providers {
    /// Provider to simulate; may be repeated [default: all]
    #[arg(long, value_name = "PROVIDER", value_parser = simulated_provider)]
    pub(crate) provider: Vec<&'static Simulated>,
    /// How many times as fast the clock runs: for redelivery, scenarios and the instants in them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) speed: u32,
    /// Port to listen on; for a single provider only [default: a free port each]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Accepted API key
    #[arg(long, value_name = "KEY", default_value = KEY)]
    pub(crate) key: String,
    /// Misbehave from the start: a name, or NAME*TIMES; `--help` lists the names
    #[arg(long, value_name = "WHAT", value_parser = fault, long_help = faults())]
    pub(crate) misbehave: Vec<Fault>,
    /// Send webhooks to this address, as if registered by the provider's dashboard (Openvolt) or operator (`NvGrid`)
    #[arg(long, value_name = "URL")]
    pub(crate) hook: Option<url::Url>,
    /// `NvGrid`: an address that webhooks may be registered for, exact or as a prefix that ends with a slash; may be
    /// repeated [default: loopback addresses, which are always allowed]
    #[arg(long, value_name = "URL")]
    pub(crate) whitelist: Vec<url::Url>,
    /// Print the addresses and keys as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The simulator of a provider.
fn simulated_provider(name: &str) -> Result<&'static Simulated, String> {
    let known = || SIMULATED.iter().map(|known| known.name).collect::<Vec<&str>>().join(", ");
    simulated(name).ok_or_else(|| format!("known: {}", known()))
}

/// Parses a fault.
pub(super) fn fault(text: &str) -> Result<Fault, String> {
    text.parse()
}

/// The possible faults, for `--help`.
pub(super) fn faults() -> String {
    let names = Misbehaviour::named().map(|(name, says)| format!("  {name:22} {says}"));
    ["A name, or NAME*TIMES:".to_owned()].into_iter().chain(names).collect::<Vec<_>>().join("\n")
}

/// Serves until the process is asked to end.
pub(crate) async fn run(args: Providers) -> Result<()> {
    let mut ending = Ending::listen()?;
    let settings = Settings { keys: Keys::Only(BTreeSet::from([args.key.clone()])), speed: args.speed };
    let providers = if args.provider.is_empty() { SIMULATED.to_vec() } else { args.provider.clone() };
    let simulators = match (args.port, providers.as_slice()) {
        (None, providers) => Simulators::start(providers, &settings).await?,
        (Some(port), [one]) => Simulators::start_on(one, port, &settings).await?,
        (Some(_), _) => bail!("--port is for one provider; name it with --provider"),
    };
    for provider in &providers {
        simulators.misbehave(provider.name, &args.misbehave);
        if let Some(url) = &args.hook {
            simulators.register(provider.name, &Hook { url: url.to_string(), headers: Vec::new() });
        }
    }
    if !args.whitelist.is_empty() {
        simulators.hold(NVGRID.name, &json!({"whitelist": args.whitelist}));
    }
    show(&args, &providers, &simulators)?;
    show::while_read()?;
    ending.asked().await;
    Ok(())
}

fn show(args: &Providers, providers: &[&'static Simulated], simulators: &Simulators) -> Result<()> {
    let urls = simulators.urls();
    if args.json {
        let url = |whom: &&Simulated| {
            Some((whom.name.to_owned(), json!(urls.get(whom.name)?.as_str().trim_end_matches('/'))))
        };
        let urls: serde_json::Map<_, _> = providers.iter().filter_map(url).collect();
        return show::json_line(&json!({"urls": urls, "key": args.key, "speed": args.speed}));
    }
    let paint = Paint::stdout();
    let mut text = format!("\n{} Ctrl-C ends it. API key: {}\n\n", paint.bold("Simulated:"), args.key);
    // Writing to memory does not fail.
    for whom in providers {
        let Some(url) = urls.get(whom.name) else { continue };
        let scenarios: Vec<&str> = whom.exercises.iter().map(|exercise| exercise.name).collect();
        let (name, url) = (paint.bold(whom.name), url.as_str().trim_end_matches('/'));
        let _ = writeln!(text, "  {name}  api_url = \"{url}\"\n    scenarios: {}", scenarios.join(", "));
        if whom.proto.is_some() {
            let _ = writeln!(text, "    gRPC with server reflection; api_key is a login: {}", login(&args.key));
        }
    }
    if args.speed > 1 {
        let _ = writeln!(text, "\n  {} seconds pass in one", args.speed);
    }
    show::screen(&text)
}
