//! `alert list`.

use anyhow::Result;
use pipeline::incident::{Incident, IncidentStatus};

use crate::{
    console::Which,
    show::{self, Clockface, Output, Paint, instant_or_age, word},
    verbs::listing::Listing,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell alert list --open
  gridbell alert list --since 7d --source leap-prod
  gridbell alert list --stack gridbell --open --json | jq -r '.incidents[].incident'";

/// How `alert list` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Those alone that are not resolved
    #[arg(long)]
    open: bool,
    /// Of this source alone
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// With news after this instant (2026-03-01T14:00:00Z) or within this time (90m, 24h, 7d)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl List {
    pub(super) async fn run(self) -> Result<()> {
        let clock = Clockface::now(self.output.utc);
        let since = self.since.as_deref().map(|since| instant_or_age(since, clock.now)).transpose();
        let since = since.map_err(crate::usage::error)?;
        let listing = Listing::open(self.output, &self.which, clock).await?;
        let console = &listing.console;
        let listed = console.incidents().all(self.open).await.map_err(|error| console.refusal(error))?;
        let mut incidents = listed.found;
        incidents.retain(|incident| {
            self.source.as_ref().is_none_or(|source| source == incident.source())
                && since.is_none_or(|since| incident.last_at >= since)
        });
        let incidents = ordered(incidents);
        listing.show(("incidents", &incidents), &listed.unreadable, self.source.as_deref(), text).await
    }
}

/// What goes on first, the latest news first.
pub(crate) fn ordered(mut incidents: Vec<Incident>) -> Vec<Incident> {
    incidents.sort_by_key(|incident| (incident.status == IncidentStatus::Resolved, -incident.last_at.as_second()));
    incidents
}

pub(super) fn text(incidents: &[Incident], clock: &Clockface, paint: Paint) -> String {
    if incidents.is_empty() {
        return "no incidents".to_owned();
    }
    let since = format!("since, {}", clock.zone());
    let rows = incidents.iter().map(|incident| {
        let status = word(&incident.status);
        let status = match status.as_str() {
            "open" => paint.bad(&status),
            "resolved" => paint.dim(&status),
            _ => paint.warn(&status),
        };
        vec![
            incident.incident.clone(),
            status,
            clock.minute(incident.opened_at),
            clock.off(incident.resolved_at.unwrap_or(incident.last_at)),
            mails(incident, clock),
            incident.detail.clone(),
        ]
    });
    show::table(&["incident", "status", since.as_str(), "last", "mails", "what"], &["what"], rows)
}

/// How many were sent, and when the one that waits is sent.
fn mails(incident: &Incident, clock: &Clockface) -> String {
    let sent = incident.mails.len();
    match &incident.waiting {
        None => sent.to_string(),
        Some(waiting) => format!("{sent}, next {}", clock.off(waiting.send_at)),
    }
}

#[cfg(test)]
mod tests {
    use dispatch::Subject;

    use super::*;
    use crate::verbs::fixtures::{NOW, at, incident};

    #[test]
    fn the_list_says_which_mails_were_sent_and_when_the_next_is() {
        let waiting = incident(&Subject::dispatch("voltus-prod", "silent"));
        let resolved = Incident {
            status: IncidentStatus::Resolved,
            resolved_at: Some(at("2026-03-01T11:58:00Z")),
            waiting: None,
            detail: "the controller answered accepted to version 1".to_owned(),
            ..incident(&Subject::dispatch("voltus-prod", "late"))
        };
        let clock = Clockface::fixed(at(NOW));
        insta::assert_snapshot!(text(&[waiting, resolved], &clock, Paint::none()));
    }
}
