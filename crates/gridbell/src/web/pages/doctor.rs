//! `Doctor`: all checks, and how to fix those that failed.

use std::sync::Arc;

use maud::{Markup, html};

use crate::web::{
    access::{CheckResult, Verdict},
    acts,
    app::{App, DoctorRun, lock},
    page::{Page, Section},
    parts::{badge, csrf, head, line, missing, name, off},
};

pub(super) fn page(app: &Arc<App>) -> Page {
    acts::begin_checks(app, false);
    let clock = app.clock();
    let Some(DoctorRun { began_at, ended }) = lock(&app.doctor).clone() else {
        return Page::new(Section::Doctor, "Doctor", "", html! {});
    };
    let summary = match &ended {
        None => "Checking. This takes up to 12 seconds".to_owned(),
        Some(Err(_)) => "The checks could not be made".to_owned(),
        Some(Ok(results)) => sum(results),
    };
    let main = html! {
        p.lead role="status" { (summary) "." @if ended.is_some() { " Checked " (off(&clock, began_at)) "." } }
        @match &ended {
            None => {}
            Some(Err(why)) => { (missing("The checks", &anyhow::anyhow!(why.clone()))) }
            Some(Ok(results)) => { (table(results)) }
        }
        @if ended.is_some() {
            form.act method="post" action="/doctor" { (csrf(app)) button type="submit" { "Check again" } }
        }
    };
    Page::new(Section::Doctor, "Doctor", summary, main)
}

fn sum(results: &[CheckResult]) -> String {
    let count = |verdict| results.iter().filter(|result| result.verdict == verdict).count();
    match (count(Verdict::Bad), count(Verdict::Unknown)) {
        (0, 0) => "A dispatch gets through".to_owned(),
        (0, unknown) => format!("No check failed; {unknown} could not tell"),
        (1, _) => "1 check failed: dispatches or alerts are blocked".to_owned(),
        (bad, _) => format!("{bad} checks failed: dispatches or alerts are blocked"),
    }
}

fn table(results: &[CheckResult]) -> Markup {
    html! {
        table.list {
            caption.visually-hidden { "Checks" }
            (head(&["Check", "Verdict", "About", "Found", "What to do"]))
            tbody {
                @for result in results {
                    tr.risky[result.verdict == Verdict::Bad] {
                        th scope="row" { (result.check) }
                        td data-label="Verdict" { (verdict(result.verdict)) }
                        td data-label="About" { (name(result.about.as_deref().unwrap_or("–"))) }
                        td data-label="Found" { (line(&result.found)) }
                        td data-label="What to do" { (line(result.mend.as_deref().unwrap_or("–"))) }
                    }
                }
            }
        }
    }
}

fn verdict(verdict: Verdict) -> Markup {
    match verdict {
        Verdict::Good => badge("good", "good"),
        Verdict::Notice => badge("warn", "look"),
        Verdict::Unknown => badge("past", "unknown"),
        Verdict::Bad => badge("bad", "bad"),
    }
}
