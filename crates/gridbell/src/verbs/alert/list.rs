//! `alert list`.

use anyhow::Result;
use pipeline::incident::{Incident, IncidentKind, IncidentStatus};

use super::view::IncidentView;
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

/// Arguments of `alert list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Show only open incidents that no person has acknowledged, most urgent first
    #[arg(long)]
    open: bool,
    /// Show only this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Show only incidents that changed after this instant (2026-03-01T14:00:00Z) or within this time (90m, 24h, 7d)
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
            (!self.open || incident.status == IncidentStatus::Open)
                && self.source.as_ref().is_none_or(|source| source == incident.source())
                && since.is_none_or(|since| incident.last_at >= since)
        });
        let views: Vec<IncidentView> = ordered(incidents).iter().map(IncidentView::of).collect();
        listing.show(("incidents", &views), &listed.unreadable, self.source.as_deref(), text).await
    }
}

/// Open incidents first, then acknowledged ones, most urgent first; then resolved ones, latest first.
pub(crate) fn ordered(mut incidents: Vec<Incident>) -> Vec<Incident> {
    let rank = |incident: &Incident| match incident.status {
        IncidentStatus::Open => (0, urgency(incident), incident.opened_at.as_second()),
        IncidentStatus::Acknowledged => (1, urgency(incident), incident.opened_at.as_second()),
        IncidentStatus::Resolved => (2, 0, -incident.last_at.as_second()),
    };
    incidents.sort_by_cached_key(rank);
    incidents
}

/// Rank by how soon sites may miss a dispatch; the most urgent has the lowest.
fn urgency(incident: &Incident) -> usize {
    const ORDER: [IncidentKind; 11] = [
        IncidentKind::DispatchAtRisk,
        IncidentKind::NotCompliant,
        IncidentKind::OutputFailing,
        IncidentKind::HydrationFailing,
        IncidentKind::Credentials,
        IncidentKind::SourceDown,
        IncidentKind::ChannelFailing,
        IncidentKind::Quarantined,
        IncidentKind::UnknownEvent,
        IncidentKind::DeadLetter,
        IncidentKind::MissedDelivery,
    ];
    ORDER.iter().position(|kind| *kind == incident.kind()).unwrap_or(ORDER.len())
}

pub(super) fn text(incidents: &[IncidentView], clock: &Clockface, paint: Paint) -> String {
    if incidents.is_empty() {
        return "no incidents".to_owned();
    }
    let since = format!("since, {}", clock.zone());
    let rows = incidents.iter().map(|incident| {
        let status = word(&incident.status);
        let snoozed = incident.snoozed.as_ref().filter(|snoozed| snoozed.until > clock.now);
        let status = match (status.as_str(), snoozed) {
            ("open", Some(snoozed)) => paint.warn(&format!("open, snoozed until {}", clock.minute(snoozed.until))),
            ("open", None) => paint.bad(&status),
            ("resolved", _) => paint.dim(&status),
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

/// The number of mails sent, when the pending one is sent, and how many other channels were reached.
fn mails(incident: &IncidentView, clock: &Clockface) -> String {
    let sent = incident.mails.len();
    let mails = match incident.next_mail_at {
        None => sent.to_string(),
        Some(at) => format!("{sent}, next {}", clock.off(at)),
    };
    let rung = incident.channels.iter().filter(|channel| !channel.sent.is_empty()).count();
    let failing = incident.channels.iter().filter(|channel| channel.error.is_some()).count();
    match (rung, failing) {
        (0, 0) => mails,
        (rung, 0) => format!("{mails}; rang {rung}"),
        (rung, failing) => format!("{mails}; rang {rung}, {failing} fail"),
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
        let views = [waiting, resolved].map(|incident| IncidentView::of(&incident));
        insta::assert_snapshot!(text(&views, &clock, Paint::none()));
    }

    #[test]
    fn the_most_urgent_stands_first() {
        let of = |id: &str, status, opened_at: &str| Incident {
            status,
            opened_at: at(opened_at),
            last_at: at(opened_at),
            ..incident(&Subject::dispatch("voltus-prod", id))
        };
        let [first, second] = ["2026-03-01T11:00:00Z", "2026-03-01T11:30:00Z"];
        let later_key = pipeline::conditions::Condition::KeyRefused { source: "voltus-prod".to_owned() };
        let key =
            Incident { incident: later_key.incident(), condition: later_key, ..of("k", IncidentStatus::Open, first) };
        let incidents = vec![
            of("resolved", IncidentStatus::Resolved, second),
            of("acknowledged", IncidentStatus::Acknowledged, first),
            key,
            of("late", IncidentStatus::Open, second),
            of("early", IncidentStatus::Open, first),
        ];
        let order: Vec<String> = ordered(incidents).into_iter().map(|incident| incident.incident).collect();
        let expected = ["early", "late"].map(|id| format!("dispatch-at-risk/voltus-prod/{id}"));
        assert_eq!(order[..2], expected);
        assert_eq!(order[2], "credentials/voltus-prod");
        assert!(order[3].ends_with("acknowledged") && order[4].ends_with("resolved"), "{order:?}");
    }
}
