//! `alert ack`.

use anyhow::{Result, bail};
use aws::{host::Host, ports::AwsPorts};
use pipeline::alerts::{AcknowledgeIncident, IncidentAckOutcome};
use serde_json::json;

use crate::{
    argument::Key,
    console::{Console, Which},
    show::{self, Clockface, Paint},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell alert ack dispatch-at-risk/voltus-prod/dkmq
  gridbell alert ack credentials/leap-prod --as 'Ada on duty' --stack gridbell";

/// Arguments of `alert ack`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ack {
    /// Incident, as `alert list` shows it
    #[arg(value_name = "INCIDENT", value_parser = Key::shown_by("gridbell alert list"))]
    incident: String,
    /// Name of the acknowledging person [default: the user of this machine]
    #[arg(long = "as", visible_alias = "by", value_name = "NAME")]
    by: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

impl Ack {
    pub(super) async fn run(self) -> Result<()> {
        let Self { incident, by, json, which } = self;
        let console = which.open().await?;
        let by = by.unwrap_or_else(user);
        let done = acknowledge(&console, &incident, &by).await?;
        if json {
            return show::json(&json!({"incident": incident, "status": "acknowledged", "said": done}));
        }
        show::line(&Paint::stdout().good(&done))
    }
}

/// Acknowledges an incident in that person's name; returns a confirmation.
///
/// # Errors
/// In one line: the incident is unknown or resolved, or AWS refused.
pub(crate) async fn acknowledge(console: &Console, incident: &str, by: &str) -> Result<String> {
    let table = console.incidents();
    let acknowledge = AcknowledgeIncident::<AwsPorts> { incidents: &table, host: &Host };
    match acknowledge.acknowledge(incident, by).await.map_err(|error| console.refusal(error))? {
        IncidentAckOutcome::Noted => Ok(format!("{incident}: acknowledged by {by}")),
        IncidentAckOutcome::Already(before) => {
            let at = Clockface::now(false).full(before.at);
            Ok(format!("{incident}: {} acknowledged it before, at {at}", before.by))
        }
        IncidentAckOutcome::Resolved => bail!("{incident} is resolved: there is nothing to acknowledge"),
        IncidentAckOutcome::Unknown => {
            bail!("there is no incident {}: {}", show::name(incident), others(console, incident).await)
        }
    }
}

/// The user of this machine, if known.
pub(super) fn user() -> String {
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
    user.unwrap_or_else(|| "the command line".to_owned())
}

/// Suggests open incidents whose id contains these words, such as a dispatch's key.
pub(super) async fn others(console: &Console, words: &str) -> String {
    let open = console.incidents().all(true).await.map(|listed| listed.found).unwrap_or_default();
    let names = open.into_iter().map(|incident| incident.incident).filter(|name| name.contains(words));
    match names.collect::<Vec<_>>().as_slice() {
        [] => "`gridbell alert list` names those that there are".to_owned(),
        names => format!("open are {}", names.join(", ")),
    }
}
