//! `output list`.

use anyhow::Result;
use serde_json::json;

use super::{OutputStatus, OutputView, views, wants};
use crate::{
    console::Which,
    show::{self, Clockface, Output, Paint},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell output list                          the local stack
  gridbell output list --stack gridbell --json | jq -r '.outputs[] | select(.status == \"failing\") | .output'";

/// Arguments of `output list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl List {
    pub(super) async fn run(self) -> Result<()> {
        let console = self.which.open().await?;
        let outputs = views(&console, &console.config().await?).await?;
        if self.output.json {
            return show::json(&json!({"outputs": outputs}));
        }
        show::screen(&text(&outputs, &Clockface::now(self.output.utc), Paint::stdout()))
    }
}

fn text(outputs: &[OutputView], clock: &Clockface, paint: Paint) -> String {
    if outputs.is_empty() {
        return "no outputs: a controller reads the queue signals itself".to_owned();
    }
    let header = ["output", "kind", "state", "waiting", "kept", "last taken", "target", "gets"];
    let rows = outputs.iter().map(|output| {
        let optional = if output.required { "" } else { " (not required)" };
        vec![
            output.output.clone(),
            format!("{}{optional}", output.kind),
            state(output, clock, paint),
            output.waiting.words(),
            output.kept.words(),
            output.delivered_at.map_or_else(|| "never".to_owned(), |at| clock.off(at)),
            output.target.clone(),
            wants(output.sources.as_ref(), output.types.as_ref(), output.tests),
        ]
    });
    let table = show::table(&header, &["state", "target", "gets"], rows);
    let kept = outputs.iter().find(|output| output.kept.signals > 0);
    let hint = kept.map(|output| format!("\n\n`gridbell output replay {}` delivers what is kept", output.output));
    format!("{table}{}", hint.unwrap_or_default())
}

fn state(output: &OutputView, clock: &Clockface, paint: Paint) -> String {
    let words = output.status.words();
    let reason = output.reason.as_deref().map(show::name).unwrap_or_default();
    match output.status {
        OutputStatus::Delivering => paint.good(words),
        OutputStatus::Idle => paint.dim(words),
        OutputStatus::Refusing => paint.bad(&format!("{words}: {reason}")),
        OutputStatus::Failing => {
            let since = output.failing_since.map(|since| format!(" since {}", clock.second(since))).unwrap_or_default();
            let next = output.next_at.map(|next| format!("; next try {}", clock.off(next))).unwrap_or_default();
            paint.bad(&format!("{words}{since}: {reason}{next}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::view::tests::{at, failing, lane, output},
        *,
    };

    #[test]
    fn one_row_for_each_output() {
        let waiting = [lane("voltus-prod/a", 1, 0), lane("voltus-prod/b", 1, 2)];
        let all = pipeline::config::Output { types: None, tests: true, required: false, ..output() };
        let outputs = [
            OutputView::of("gateway", &output(), Some(&failing()), &waiting),
            OutputView::of("historian", &all, None, &[]),
        ];
        let clock = Clockface::fixed(at("12:00:00"));
        insta::assert_snapshot!(text(&outputs, &clock, Paint::none()));
        assert!(text(&[], &clock, Paint::none()).starts_with("no outputs"));
    }
}
