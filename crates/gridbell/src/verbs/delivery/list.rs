//! `delivery list`.

use anyhow::Result;
use serde_json::json;

use super::view::{Chosen, Kind, View};
use crate::{
    console::{Console, Which},
    show::{self, Clockface, Output, Paint},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell delivery list
  gridbell delivery list --source leap-prod --kind quarantined --since 7d
  gridbell delivery list --stack gridbell --json | jq -r '.deliveries[].id'";

/// How `delivery list` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl List {
    pub(super) async fn run(self) -> Result<()> {
        let clock = Clockface::now(self.output.utc);
        // What is wrong with the command line is said before anything is asked.
        self.chosen.of(Vec::new(), clock.now)?;
        let console = Console::open(&self.which).await?;
        let kept = console.deliveries().all(self.chosen.source.as_deref()).await;
        let kept = kept.map_err(|error| console.refusal(error))?;
        for unreadable in &kept.unreadable {
            show::aside(&format!("cannot be read: {unreadable}"));
        }
        let views: Vec<View> = self.chosen.of(kept.found, clock.now)?.iter().map(View::from).collect();
        if self.output.json {
            return show::json(&json!({"deliveries": views, "unreadable": kept.unreadable}));
        }
        show::print(&text(&views, &clock, Paint::stdout()))
    }
}

pub(super) fn text(views: &[View], clock: &Clockface, paint: Paint) -> String {
    if views.is_empty() {
        return "nothing fails, and nothing was put aside".to_owned();
    }
    let taken = format!("taken, {}", clock.zone());
    let rows = views.iter().map(|view| {
        let state = match (view.kind, view.attempt, view.next_at) {
            (Kind::Failing, Some(attempt), Some(next_at)) => {
                paint.warn(&format!("failing, attempt {} {}", attempt + 1, clock.off(next_at)))
            }
            _ if view.replayed_as.is_some() => paint.dim("quarantined, replayed since"),
            _ => paint.bad("quarantined"),
        };
        let about = view.about.as_ref().map(|about| format!("{about}: ")).unwrap_or_default();
        vec![
            view.id.clone(),
            view.source.clone(),
            clock.minute(view.received_at),
            state,
            format!("{about}{}", view.reason),
        ]
    });
    show::table(&["delivery", "source", taken.as_str(), "state", "reason"], &["reason"], rows)
}
