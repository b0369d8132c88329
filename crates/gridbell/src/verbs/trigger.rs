//! `trigger`: lets a simulator play its provider's scenario against a source, and prints each webhook's answer.

use anyhow::{Result, bail};
use provider_sims::{Exercise, Fault, Hook, LogEntry, SIMULATED, Simulated, What, simulated};
use providers::Provider;
use serde::Serialize;
use url::Url;

use super::providers::{fault, faults};
use crate::{
    console::Which,
    endpoint::{Opened, Where, is_loopback},
    show::{self, Paint},
    usage,
};
use provider_server::{ClientError, RemoteSimulator, Settings, Simulators, times};
use stack_client::http_client;

pub(crate) const EXAMPLES: &str = "\
Examples:
  gridbell trigger --list
  gridbell trigger voltus-demo cancelled
  gridbell trigger leap-demo update --speed 600 --misbehave duplicate
  gridbell trigger leap-prod basic --stack gridbell --token env:LEAP_TOKEN";

/// Arguments of `trigger`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Trigger {
    /// Source that gets the webhooks
    #[arg(required_unless_present = "list")]
    source: Option<String>,
    /// Scenario to play; --list names them
    #[arg(required_unless_present = "list")]
    scenario: Option<String>,
    /// List every provider's scenarios
    #[arg(long)]
    list: bool,
    /// How many times as fast to play: at 60, a minute takes a second
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    speed: u32,
    /// Misbehave during the scenario, once or NAME*TIMES; `--help` lists the names
    #[arg(long, value_name = "WHAT", value_parser = fault, long_help = faults())]
    misbehave: Vec<Fault>,
    /// Simulator that the source uses [default: its `api_url`]
    #[arg(long, value_name = "URL")]
    simulator: Option<Url>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    which: Which,
}

/// Plays the scenario, or lists the scenarios.
pub(crate) async fn run(args: Trigger) -> Result<()> {
    let (Some(source), Some(scenario), false) = (&args.source, &args.scenario, args.list) else {
        return list(args.json);
    };
    let opened = Opened::open(&args.which, source).await?;
    let whom = simulator_of(opened.provider)?;
    let exercise = exercise(whom, scenario)?;
    let endpoint = opened.endpoint(&args.place).await?;
    let (simulator, _own) = simulator(&args, &opened, (whom, exercise)).await?;
    let hook = Hook { url: endpoint.address().to_string(), headers: Vec::new() };
    // By default once: a fault that outlives this scenario would disturb the next one.
    let misbehave = args.misbehave.iter().cloned().map(|fault| Fault { times: fault.times.or(Some(1)), ..fault });
    let mut following = simulator.play(exercise.name, Some(hook), args.speed, misbehave.collect()).await?;
    let began = times::now();
    let mut given_up = 0;
    loop {
        let entry = following.next().await?;
        let over = entry.what == What::Over;
        given_up += usize::from(matches!(entry.what, What::GaveUp { .. }));
        if args.json {
            show::json_line(&entry)?;
        } else if !over {
            show::line(&line(&entry, began))?;
        }
        if over {
            break;
        }
        show::while_read()?;
    }
    if given_up > 0 {
        bail!("{given_up} webhooks were given up, as {} would", opened.provider);
    }
    if !args.json {
        show::line(&format!(
            "All delivered. What came of it: gridbell dispatch list, or the queue signals ({source}/…)."
        ))?;
    }
    Ok(())
}

fn simulator_of(provider: &dyn Provider) -> Result<&'static Simulated> {
    simulated(provider.name()).ok_or_else(|| usage::error(format!("{provider} has no simulator")))
}

fn exercise(whom: &'static Simulated, name: &str) -> Result<&'static Exercise> {
    let all = whom.exercises;
    all.iter().find(|exercise| exercise.name == name).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|exercise| exercise.name).collect();
        usage::error(format!("{} has no scenario {name}; it has {}", whom.name, names.join(", ")))
    })
}

/// The simulator that the source uses; a new one if the webhooks contain everything and the source fetches nothing.
async fn simulator(
    args: &Trigger,
    opened: &Opened,
    (whom, exercise): (&'static Simulated, &Exercise),
) -> Result<(RemoteSimulator, Option<Simulators>)> {
    let (provider, name) = (opened.provider, &opened.name);
    let asked = match &args.simulator {
        Some(url) => Some(url.clone()),
        None => opened.api_url()?.filter(is_loopback),
    };
    let http = http_client()?;
    if let Some(url) = &asked {
        match RemoteSimulator::find(&http, url).await {
            Ok(found) if found.provider() == provider.name() => return Ok((found, None)),
            Ok(found) => bail!("{url} simulates {}, and {name} is one of {provider}", found.provider()),
            Err(error @ (ClientError::Gone { .. } | ClientError::Real { .. })) if args.simulator.is_some() => {
                return Err(error.into());
            }
            Err(_) => {}
        }
    }
    if exercise.asks {
        let asks = opened.api_url()?.map_or_else(|| "nobody".to_owned(), |url| url.to_string());
        bail!(
            "{} can only be understood by asking {provider}, and {name} asks {asks}, which is no simulator: run `gridbell providers --provider {provider}`, \
             give {name} its address and key in gridbell.toml, and start the stack anew; without a gridbell.toml `gridbell up` does all that",
            exercise.name
        );
    }
    let own = Simulators::start(&[whom], &Settings::default()).await?;
    let url = own.urls()[whom.name].clone();
    Ok((RemoteSimulator::find(&http, &url).await?, Some(own)))
}

fn line(entry: &LogEntry, began: jiff::Timestamp) -> String {
    let paint = Paint::stdout();
    let after = entry.at.duration_since(began).as_secs_f64().max(0.0);
    let at = paint.dim(&format!("{after:7.1} s"));
    match &entry.what {
        What::Published { says } => format!("{at}  {}", paint.bold(says)),
        What::Webhook { status, problem, attempt, took_ms, again, .. } => {
            let answer = match (status, problem) {
                (Some(status), _) => format!("{status} after {took_ms} ms"),
                (None, problem) => problem.clone().unwrap_or_default(),
            };
            let answer = if again.is_none() && status.is_some() { paint.good(&answer) } else { paint.warn(&answer) };
            let again = again.map_or_else(String::new, |again| {
                format!(", again in {:.1} s", again.duration_since(entry.at).as_secs_f64())
            });
            let nth = if *attempt > 1 { format!(" (try {attempt})") } else { String::new() };
            format!("{at}    webhook{nth}: {answer}{again}")
        }
        What::GaveUp { then, .. } => format!("{at}    {}", paint.bad(&format!("given up; the provider {then}"))),
        What::Over => String::new(),
    }
}

#[derive(Serialize)]
struct Listed {
    provider: &'static str,
    scenario: &'static str,
    says: &'static str,
}

fn list(json: bool) -> Result<()> {
    let all = SIMULATED.iter().flat_map(|whom| {
        whom.exercises.iter().map(|exercise| Listed {
            provider: whom.name,
            scenario: exercise.name,
            says: exercise.title,
        })
    });
    if json {
        return show::json(&all.collect::<Vec<_>>());
    }
    let rows = all.map(|one| vec![one.provider.to_string(), one.scenario.to_owned(), one.says.to_owned()]);
    show::screen(&show::table(&["provider", "scenario", "what happens"], &["what happens"], rows))
}
