//! `alert snooze`.

use anyhow::{Result, bail};
use aws::{host::Host, ports::AwsPorts};
use jiff::{SignedDuration, Timestamp};
use pipeline::alerts::{AcknowledgeIncident, IncidentAckOutcome};
use serde_json::json;

use super::ack::{others, user};
use crate::{
    argument::Key,
    console::{Console, Which},
    show::{self, Clockface, Paint},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell alert snooze dispatch-at-risk/voltus-prod/dkmq 30m
  gridbell alert snooze credentials/leap-prod 2h --as 'Ada on duty' --stack gridbell";

/// Shortest and longest snooze.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// Arguments of `alert snooze`.
#[derive(Debug, clap::Args)]
pub(crate) struct Snooze {
    /// Incident, as `alert list` shows it
    #[arg(value_name = "INCIDENT", value_parser = Key::shown_by("gridbell alert list"))]
    incident: String,
    /// How long to snooze: 1m to 24h
    #[arg(value_name = "SPAN", value_parser = snooze_span)]
    span: SignedDuration,
    /// Name of the snoozing person [default: the user of this machine]
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

/// Reads how long to snooze.
pub(crate) fn snooze_span(text: &str) -> Result<SignedDuration, String> {
    let span: Option<SignedDuration> = text.parse().ok();
    span.filter(|span| (SHORTEST..=LONGEST).contains(span)).ok_or_else(|| "write 30m or 2h: from 1m to 24h".to_owned())
}

impl Snooze {
    pub(super) async fn run(self) -> Result<()> {
        let Self { incident, span, by, json, which } = self;
        let console = which.open().await?;
        let by = by.unwrap_or_else(user);
        let clock = Clockface::now(false);
        let until = clock.now + span;
        let done = snooze(&console, &incident, Snoozing { until, by: &by }, &clock).await?;
        if json {
            return show::json(&json!({"incident": incident, "snoozed_until": until, "by": by}));
        }
        show::line(&Paint::stdout().good(&done))
    }
}

/// Until when an incident waits, and who decided that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snoozing<'a> {
    pub(crate) until: Timestamp,
    pub(crate) by: &'a str,
}

/// Stops reminders and escalation of an incident until then; returns a confirmation.
///
/// # Errors
/// In one line: the incident is unknown, resolved or acknowledged, or AWS refused.
pub(crate) async fn snooze(
    console: &Console,
    incident: &str,
    Snoozing { until, by }: Snoozing<'_>,
    clock: &Clockface,
) -> Result<String> {
    let table = console.incidents();
    let acknowledge = AcknowledgeIncident::<AwsPorts> { incidents: &table, host: &Host };
    match acknowledge.snooze(incident, until, by).await.map_err(|error| console.refusal(error))? {
        IncidentAckOutcome::Noted => {
            Ok(format!("{incident}: no reminder and no escalation until {}", clock.full(until)))
        }
        IncidentAckOutcome::Already(before) => {
            bail!("{} acknowledged {incident} at {}: no reminder follows anyway", before.by, clock.full(before.at))
        }
        IncidentAckOutcome::Resolved => bail!("{incident} is resolved: there is nothing to wait for"),
        IncidentAckOutcome::Unknown => {
            bail!("there is no incident {}: {}", show::name(incident), others(console, incident).await)
        }
    }
}
