//! The steps of `verify`: what each found, how long it took, and how it is shown.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    progress::Progress,
    show::{self, Paint},
};

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It works.
    Passed,
    /// It does not work, or did not within its time.
    Failed,
    /// It was not tried; the reason is in what was found.
    Skipped,
}

/// One step on the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct StepResult {
    /// Its name, such as `signal`.
    pub(super) step: &'static str,
    /// The result.
    pub(super) outcome: Outcome,
    /// How long it took; none if it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) took_ms: Option<u64>,
    /// What was found.
    pub(super) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

/// What a step found.
#[derive(Debug)]
pub(super) enum Found {
    /// It works.
    Good(String),
    /// It could not be tried, for this reason.
    Skipped(String),
}

/// Why a step failed.
#[derive(Debug)]
pub(super) struct Failed {
    found: String,
    mend: Option<String>,
}

impl Failed {
    pub(super) fn new(found: impl Into<String>) -> Self {
        Self { found: found.into(), mend: None }
    }

    pub(super) fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::new(format!("{error:#}"))
    }
}

/// A step to make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Its name.
    pub(super) name: &'static str,
    /// After this long it has failed.
    pub(super) within: Duration,
    /// What to do if it does not end in time.
    pub(super) late: &'static str,
}

/// The steps so far, shared by those that run at the same time.
pub(super) struct Report {
    progress: Arc<dyn Progress>,
    steps: Mutex<Vec<StepResult>>,
}

impl Report {
    pub(super) fn new(progress: Arc<dyn Progress>) -> Self {
        Self { progress, steps: Mutex::default() }
    }

    /// Makes a step and shows its progress. Returns whether it passed.
    pub(super) async fn step(&self, step: Step, work: impl Future<Output = Result<Found, Failed>>) -> bool {
        let Step { name, within, late } = step;
        let (shown, began) = (self.progress.step(name), Instant::now());
        let done = tokio::time::timeout(within, work).await.unwrap_or_else(|_| {
            Err(Failed::new(format!("nothing came of it within {} s", within.as_secs())).mend(late))
        });
        let took_ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        match done {
            Ok(Found::Good(found)) => {
                shown.done(&found);
                self.add(StepResult { step: name, outcome: Outcome::Passed, took_ms, found, mend: None });
                true
            }
            Ok(Found::Skipped(found)) => {
                drop(shown);
                self.skipped(name, found);
                false
            }
            Err(Failed { found, mend }) => {
                drop(shown);
                self.progress.note(&format!("✗ {name}: {found}"));
                self.add(StepResult { step: name, outcome: Outcome::Failed, took_ms, found, mend });
                false
            }
        }
    }

    /// A step that is not tried.
    pub(super) fn skipped(&self, step: &'static str, why: impl Into<String>) {
        let found = why.into();
        self.add(StepResult { step, outcome: Outcome::Skipped, took_ms: None, found, mend: None });
    }

    /// A step that failed before it began.
    pub(super) fn failed(&self, step: &'static str, found: String, mend: Option<String>) {
        self.add(StepResult { step, outcome: Outcome::Failed, took_ms: None, found, mend });
    }

    pub(super) fn note(&self, line: &str) {
        self.progress.note(line);
    }

    /// All steps, in the order in which they ended.
    pub(super) fn steps(&self) -> Vec<StepResult> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, step: StepResult) {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }
}

/// The steps as a table.
pub(super) fn text(steps: &[StepResult], took_ms: u64, paint: Paint) -> String {
    let rows = steps.iter().map(|step| {
        let name = step.step;
        let name = match step.outcome {
            Outcome::Passed => paint.good(&format!("✓ {name}")),
            Outcome::Failed => paint.bad(&format!("✗ {name}")),
            Outcome::Skipped => paint.dim(&format!("– {name}")),
        };
        let mend = step.mend.as_ref().map(|mend| format!("→ {mend}"));
        let found = show::stacked([step.found.as_str()].into_iter().chain(mend.as_deref()));
        vec![name, step.took_ms.map(seconds).unwrap_or_default(), found]
    });
    let table = show::table(&["  step", "took", "found"], &["found"], rows);
    let failed = steps.iter().filter(|step| step.outcome == Outcome::Failed).count();
    let sum = match failed {
        0 => paint.good(&format!("the stack works; tested in {}", seconds(took_ms))),
        failed => paint.bad(&format!("{failed} of {} steps failed in {}", steps.len(), seconds(took_ms))),
    };
    format!("{table}\n\n{sum}")
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use local_stack::progress::Silent;

    fn step(within: Duration) -> Step {
        Step { name: "signal", within, late: "look at the hydrator" }
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_does_not_end_has_failed_in_bounded_time() {
        let report = Report::new(Arc::new(Silent));
        assert!(!report.step(step(Duration::from_secs(60)), std::future::pending()).await);
        assert!(report.step(step(Duration::from_secs(60)), async { Ok(Found::Good("sent".to_owned())) }).await);
        assert!(!report.step(step(Duration::ZERO), async { Ok(Found::Skipped("no mail".to_owned())) }).await);
        let steps = report.steps();
        assert_eq!(
            steps.iter().map(|step| step.outcome).collect::<Vec<_>>(),
            [Outcome::Failed, Outcome::Passed, Outcome::Skipped]
        );
        assert_eq!((steps[0].took_ms, steps[0].mend.as_deref()), (Some(60_000), Some("look at the hydrator")));
    }

    #[test]
    fn the_screen() {
        let one = |step, outcome, took_ms, found: &str, mend: Option<&str>| StepResult {
            step,
            outcome,
            took_ms,
            found: found.to_owned(),
            mend: mend.map(str::to_owned),
        };
        let steps = [
            one("webhook", Outcome::Passed, Some(84), "accepted", None),
            one("acknowledgement", Outcome::Skipped, None, "no controller answered within 10 s", None),
            one("mail", Outcome::Failed, Some(90_000), "nothing came of it within 90 s", Some("see doctor --mail")),
        ];
        insta::assert_snapshot!(text(&steps, 93_456, Paint::none()));
        assert!(text(&steps[..2], 1_250, Paint::none()).ends_with("the stack works; tested in 1.2 s"));
    }
}
