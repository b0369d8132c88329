//! `dispatch get`.

use anyhow::{Result, bail};
use dispatch::Program;
use pipeline::zone::Zone;

use super::view::{DispatchView, Phase, by_hand};
use crate::{
    argument::Key,
    console::Which,
    show::{self, Clockface, Output, Paint, word},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell dispatch get voltus-prod/dkmq
  gridbell dispatch get voltus-prod/dkmq --stack gridbell --json | jq .targets";

/// The most sites listed by name; the others are only counted.
const LISTED_SITES: usize = 50;

/// Arguments of `dispatch get`.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// Key of the dispatch, as in lists and mails
    #[arg(value_name = "KEY", value_parser = Key::shown_by("gridbell dispatch list --all"))]
    key: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl Get {
    pub(super) async fn run(self) -> Result<()> {
        let console = self.which.open().await?;
        let record = super::record(&console, &self.key).await?;
        let clock = Clockface::now(self.output.utc);
        let Some(view) = DispatchView::whole(&record, clock.now) else {
            bail!("{0} is no dispatch; `gridbell dispatch timeline {0}` shows its timeline", self.key);
        };
        let incidents = console.incidents().all(true).await.map_err(|error| console.refusal(error))?.found;
        let view = view.with_person(&incidents);
        if self.output.json {
            return show::json(&view);
        }
        show::screen(&text(&view, &clock, Paint::stdout()))
    }
}

pub(super) fn text(view: &DispatchView, clock: &Clockface, paint: Paint) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| text.push_str(&show::field(name, 13, &value));
    row("phase", phase(view));
    row("asks", format!("{}{}", show::request(&view.request), if view.voluntary { ", voluntary" } else { "" }));
    row("starts", format!("{}  ({})", clock.full(view.start), clock.off(view.start)));
    row(
        "ends",
        match view.end {
            Some(end) => format!("{}  ({})", clock.full(end), clock.off(end)),
            None => "open: until told otherwise".to_owned(),
        },
    );
    row(
        "real",
        match view.test_reason {
            Some(reason) => format!("no, a test ({})", word(&reason)),
            None => "yes".to_owned(),
        },
    );
    row("version", format!("{}, changed {}", view.version, clock.full(view.changed_at)));
    row("controller", controller(view, clock));
    if let Some(person) = &view.acknowledged_by_person {
        row("person", format!("{} acknowledged the incident at {}", show::name(&person.by), clock.full(person.at)));
    }
    row(
        "signals",
        match view.unsent {
            0 => "all sent".to_owned(),
            pending => format!("{pending} still to be sent"),
        },
    );
    if let Some(priority) = view.priority {
        row("priority", priority.to_string());
    }
    for program in view.programs.iter().flatten() {
        let parts = [&program.name, &program.market, &program.kind, &program.timezone];
        row("program", parts.into_iter().flatten().map(|part| show::name(part)).collect::<Vec<_>>().join(", "));
        if let Some(there) = there(program, view) {
            row("", there);
        }
    }
    let risk = view.risk_words().map(|risk| format!("\n{}", paint.bad(&format!("AT RISK: {risk}"))));
    let title = paint.bold(&format!("{} ({} of {})", view.key, view.provider, view.source));
    format!("{title}{}\n{text}\n{}", risk.unwrap_or_default(), sites(view))
}

/// The dispatch's times in the program's zone, if gridbell knows that zone.
fn there(program: &Program, view: &DispatchView) -> Option<String> {
    let zone = Zone::of(program.timezone.as_deref()?, program.market.as_deref()).filter(|zone| !zone.is_utc())?;
    let at = |at: jiff::Timestamp| zone.show(at, "%Y-%m-%d %H:%M:%S");
    let end = view.end.map(|end| format!(" to {}", at(end))).unwrap_or_default();
    Some(format!("{}{end} ({})", at(view.start), zone.name))
}

fn phase(view: &DispatchView) -> String {
    match view.phase {
        Phase::Over => "over: its end has passed".to_owned(),
        Phase::Cancelled => "cancelled by the provider".to_owned(),
        Phase::Ended => "ended by the provider".to_owned(),
        phase => word(&phase),
    }
}

fn controller(view: &DispatchView, clock: &Clockface) -> String {
    let due = |due: jiff::Timestamp| format!("{} ({})", clock.second(due), clock.off(due));
    match (&view.acknowledgement, view.due) {
        (Some(ack), _) => {
            let detail = ack.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            format!("{}{} version {} at {}{detail}", word(&ack.state), by_hand(ack), ack.version, clock.full(ack.at))
        }
        (None, Some(at)) if at <= clock.now => format!("silent; it had to acknowledge by {}", due(at)),
        (None, Some(at)) => format!("must acknowledge by {}", due(at)),
        (None, None) => "nothing is awaited of it".to_owned(),
    }
}

fn sites(view: &DispatchView) -> String {
    let targets = view.targets.as_deref().unwrap_or_default();
    let rows = targets.iter().take(LISTED_SITES).map(|target| {
        vec![
            target.id.clone(),
            target.name.as_deref().map(show::name).unwrap_or_default(),
            target.external_id.clone().unwrap_or_default(),
            target.request.as_ref().map_or_else(|| "its part of the whole".to_owned(), show::request),
        ]
    });
    let table = show::table(&["site", "name", "your id", "asks"], &["name"], rows);
    match targets.len().saturating_sub(LISTED_SITES) {
        0 => table,
        more => format!("{table}\n… and {more} more; --json has them all"),
    }
}
