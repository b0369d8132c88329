//! `delivery list`.

use anyhow::Result;

use super::view::{Chosen, DeliveryKind, DeliveryView};
use crate::{
    console::Which,
    show::{self, Clockface, Output, Paint},
    verbs::listing::Listing,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell delivery list
  gridbell delivery list --kind dead-letter                  what a function died over, at the end of a queue
  gridbell delivery list --source leap-prod --kind quarantined --since 7d
  gridbell delivery list --stack gridbell --json | jq -r '.deliveries[].id'";

/// Arguments of `delivery list`.
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
        // Report a wrong command line before any request.
        self.chosen.of(Vec::new(), clock.now)?;
        let listing = Listing::open(self.output, &self.which, clock).await?;
        let Listing { console, clock, .. } = &listing;
        let (views, unreadable) = self.chosen.find(console, clock.now).await?;
        listing.show(("deliveries", &views), &unreadable, self.chosen.source.as_deref(), text).await
    }
}

pub(super) fn text(views: &[DeliveryView], clock: &Clockface, paint: Paint) -> String {
    if views.is_empty() {
        return "nothing fails, nothing is quarantined, and there are no dead letters".to_owned();
    }
    let taken = format!("taken, {}", clock.zone());
    let rows = views.iter().map(|view| {
        let state = match (view.kind, view.attempt, view.next_at) {
            (DeliveryKind::Failing, Some(attempt), Some(next_at)) => {
                paint.warn(&format!("failing, attempt {} {}", attempt + 1, clock.off(next_at)))
            }
            (DeliveryKind::DeadLetter, ..) => paint.bad("dead letter"),
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
