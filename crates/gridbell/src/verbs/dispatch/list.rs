//! `dispatch list`.

use anyhow::Result;
use aws::dynamo::Wanted;
use jiff::{SignedDuration, Timestamp};

use super::view::{DispatchView, Phase};
use crate::{
    console::Which,
    show::{self, Clockface, Output, Paint, instant_or_age},
    verbs::listing::Listing,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell dispatch list                              what is on and coming, on the local stack
  gridbell dispatch list --stack gridbell --at-risk   what no controller has acknowledged, in AWS
  gridbell dispatch list --source voltus-prod --phase cancelled --since 7d
  gridbell dispatch list --all --json | jq '.dispatches[] | select(.test | not)'";

/// How long past dispatches stay in the list without `--since` or `--all`.
const SHOWN_AFTERWARDS: SignedDuration = SignedDuration::from_hours(24);

/// Arguments of `dispatch list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Show only this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Show only this phase; may be repeated
    #[arg(long, value_name = "PHASE", value_enum)]
    phase: Vec<Phase>,
    /// Show only dispatches at risk
    #[arg(long)]
    at_risk: bool,
    /// Of the past dispatches, show those that ended or changed after this instant (2026-03-01T14:00:00Z) or within
    /// this time (90m, 24h, 7d) [default: 24h]
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Show only dispatches that start before this instant
    #[arg(long, value_name = "INSTANT", value_parser = show::instant)]
    until: Option<Timestamp>,
    /// Show everything stored, however old
    #[arg(long, conflicts_with = "since")]
    all: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl List {
    pub(super) async fn run(self) -> Result<()> {
        let clock = Clockface::now(self.output.utc);
        let since = match (&self.since, self.all) {
            (_, true) => None,
            (Some(since), false) => Some(instant_or_age(since, clock.now).map_err(crate::usage::error)?),
            (None, false) => Some(clock.now - SHOWN_AFTERWARDS),
        };
        if let (Some(_), Some(since), Some(until)) = (&self.since, since, self.until)
            && until <= since
        {
            return Err(crate::usage::error(format!(
                "--until has to lie after --since: {until} does not lie after {since}"
            )));
        }
        let listing = Listing::open(self.output, &self.which, clock).await?;
        let Listing { console, clock, .. } = &listing;
        let wanted = Wanted { source: self.source.clone(), status: None, since };
        let listed = console.dispatches().all(&wanted).await.map_err(|error| console.refusal(error))?;
        let views = listed.found.iter().filter_map(|record| DispatchView::of(record, clock.now));
        let incidents = console.incidents().all(true).await.map_err(|error| console.refusal(error))?.found;
        let views = views.map(|view| view.with_person(&incidents));
        let views = ordered(views.filter(|view| self.takes(view)).collect());
        listing.show(("dispatches", &views), &listed.unreadable, self.source.as_deref(), text).await
    }

    fn takes(&self, view: &DispatchView) -> bool {
        (self.phase.is_empty() || self.phase.contains(&view.phase))
            && (!self.at_risk || view.at_risk.is_some())
            && self.until.is_none_or(|until| view.start < until)
    }
}

/// Running dispatches first, then upcoming ones, then past ones, latest first.
pub(crate) fn ordered(mut views: Vec<DispatchView>) -> Vec<DispatchView> {
    let rank = |view: &DispatchView| match view.phase {
        Phase::Running => (0, view.start.as_second()),
        Phase::Upcoming => (1, view.start.as_second()),
        Phase::Over | Phase::Ended | Phase::Cancelled => (2, -view.start.as_second()),
    };
    views.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.key.cmp(&b.key)));
    views
}

pub(in super::super) fn text(views: &[DispatchView], clock: &Clockface, paint: Paint) -> String {
    if views.is_empty() {
        return "no dispatches; --all also shows those that ended earlier".to_owned();
    }
    let starts = format!("starts, {}", clock.zone());
    let header = ["dispatch", starts.as_str(), "ends", "", "phase", "asks", "sites", "#", "controller", "risk"];
    let rows = views.iter().map(|view| {
        let phase = show::word(&view.phase);
        vec![
            view.key.clone(),
            clock.minute(view.start),
            view.end.map_or_else(|| "open".to_owned(), |end| clock.minute(end)),
            next(view, clock),
            match view.phase {
                Phase::Running => paint.bold(&phase),
                Phase::Upcoming => phase,
                Phase::Over | Phase::Ended | Phase::Cancelled => paint.dim(&phase),
            },
            show::request(&view.request) + if view.test { ", a test" } else { "" },
            view.sites.to_string(),
            view.version.to_string(),
            view.ack_words(),
            view.risk_words().map(|risk| paint.bad(&risk)).unwrap_or_default(),
        ]
    });
    let table = show::table(&header, &["risk"], rows);
    let risky = views.iter().filter(|view| view.at_risk.is_some()).count();
    match risky {
        0 => table,
        _ => format!("{table}\n\n{}", paint.bad(&format!("{risky} of {} at risk", views.len()))),
    }
}

/// The countdown to the next event, or how long ago the dispatch was over.
fn next(view: &DispatchView, clock: &Clockface) -> String {
    match (view.phase, view.end) {
        (Phase::Upcoming, _) => clock.off(view.start),
        (Phase::Running, Some(end)) => format!("ends {}", clock.off(end)),
        (Phase::Running, None) => format!("since {}", show::countdown(clock.now.duration_since(view.start).as_secs())),
        (Phase::Over | Phase::Ended, Some(end)) => clock.off(end),
        (Phase::Over | Phase::Ended, None) | (Phase::Cancelled, _) => clock.off(view.changed_at),
    }
}
