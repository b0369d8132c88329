//! `Outputs`: where signals are delivered, whether each output takes them, what waits, what is kept for a replay.

use std::sync::Arc;

use anyhow::Result;
use maud::{Markup, html};

use super::{
    not_there,
    tests_of::{self, Testable},
};
use crate::{
    show::{self, Clockface},
    verbs::output::wants,
    web::{
        access::{OutputStatus, OutputView, SignalCount, SignalPreview},
        app::{App, TestOf, lock},
        fields::{Fields, address},
        page::{Page, Section},
        parts::{badge, csrf, dispatch_link, field, full, full_or, head, line, link, minute, name, off},
    },
};

/// Kept signals shown on one page.
const MOST_SHOWN: usize = 200;

pub(super) async fn list(app: &Arc<App>) -> Result<Page> {
    let clock = app.clock();
    let outputs = app.access.outputs().await?;
    let ill = outputs.iter().filter(|output| kind(output.status) == "bad").count();
    let summary = format!("{} outputs, {ill} with problems", outputs.len());
    let main = html! {
        @if outputs.is_empty() {
            p { "There are no outputs: a controller reads the queue signals itself." }
        } @else {
            p { (summary) "." }
            table.list {
                caption.visually-hidden { "Outputs" }
                (head(&["Output", "State", "Waiting", "Kept", "Last taken", "Target", "Gets"]))
                tbody { @for output in &outputs { (row(output, &clock)) } }
            }
        }
    };
    Ok(Page::new(Section::Outputs, "Outputs", summary, main))
}

fn kind(status: OutputStatus) -> &'static str {
    match status {
        OutputStatus::Delivering => "good",
        OutputStatus::Idle => "past",
        OutputStatus::Refusing | OutputStatus::Failing => "bad",
    }
}

fn waiting(waiting: SignalCount) -> String {
    if waiting.signals == 0 { "none".to_owned() } else { waiting.words() }
}

fn gets(output: &OutputView) -> String {
    line(&wants(output.sources.as_ref(), output.types.as_ref(), output.tests))
}

fn row(output: &OutputView, clock: &Clockface) -> Markup {
    html! {
        tr.risky[kind(output.status) == "bad"] {
            th scope="row" { (link("/output", "name", &output.output, &name(&output.output))) }
            td data-label="State" {
                (badge(kind(output.status), output.status.words()))
                @if let Some(reason) = &output.reason { " " (line(reason)) }
            }
            td data-label="Waiting" { (waiting(output.waiting)) }
            td data-label="Kept" { (waiting(output.kept)) }
            td data-label="Last taken" { @match output.delivered_at { Some(at) => { (off(clock, at)) } None => { "never" } } }
            td data-label="Target" { (output.kind) " " (line(&output.target)) @if !output.required { " " (badge("past", "not required")) } }
            td data-label="Gets" { (gets(output)) }
        }
    }
}

pub(super) async fn one(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let (clock, wanted) = (app.clock(), fields.text("name"));
    let outputs = app.access.outputs().await?;
    let Some(output) = outputs.iter().find(|output| output.output == wanted) else {
        return Ok(not_there(&format!("There is no output {} in this stack.", show::name(wanted))));
    };
    let run = lock(&app.tests).get(&TestOf::Output(wanted.to_owned())).cloned();
    let tested = Testable {
        action: "/output/test",
        field: "output",
        name: wanted,
        what: "The courier sends the output one event that is marked as a test, as it sends signals.",
        button: "Test this output",
    };
    let main = html! {
        p.lead { (badge(kind(output.status), output.status.words())) @if let Some(reason) = &output.reason { " " (line(reason)) } }
        dl.fields {
            (field("Kind", output.kind))
            (field("Target", line(&output.target)))
            (field("Gets", gets(output)))
            (field("Required", if output.required { "yes: a dispatch counts as delivered when this output has taken it" } else { "no" }))
            @if let Some(since) = output.failing_since { (field("Failing since", full(&clock, since))) }
            @if let Some(next) = output.next_at { (field("Next try", full(&clock, next))) }
            (field("Last taken", full_or(&clock, output.delivered_at, "never")))
            (field("Waiting", html! { (waiting(output.waiting)) (oldest(output.waiting, &clock)) }))
            (field("Kept for a replay", html! { (waiting(output.kept)) (oldest(output.kept, &clock)) }))
            @if let Some(test) = &output.test {
                (field("Latest test", html! {
                    (full(&clock, test.at)) ": "
                    @match &test.failed { Some(why) => { (line(why)) } None => { "taken in " (test.took_ms) " ms" } }
                }))
            }
            (field("Incidents", html! { a href=(address("/incidents", &[("q", wanted), ("open", "1")])) { "open incidents" } }))
        }
        @if output.kept.signals > 0 {
            p { a.button href=(address("/output/replay", &[("name", wanted)])) { "Preview a replay" } }
        }
        (tests_of::section(app, &tested, run.as_ref(), &clock))
    };
    Ok(Page::new(Section::Outputs, wanted, output.status.words(), main))
}

fn oldest(waiting: SignalCount, clock: &Clockface) -> Markup {
    html! { @if let Some(since) = waiting.since { ", the oldest since " (full(clock, since)) } }
}

/// The page before a replay: what it would do. Nothing is done until the button is pressed.
pub(super) async fn replay(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let (clock, output) = (app.clock(), fields.text("name"));
    if !app.access.config().await?.outputs.contains_key(output) {
        return Ok(not_there(&format!("There is no output {} in this stack.", show::name(output))));
    }
    let kept = app.access.kept_signals(output).await?;
    let possible = kept.iter().filter(|signal| signal.possible).count();
    let summary = format!("{possible} of {} signals would be delivered", kept.len());
    let hidden = kept.len().saturating_sub(MOST_SHOWN);
    let main = html! {
        p { "The courier keeps these signals because the output did not take them for 24 hours, or cannot take them. After a replay they wait again, in order before newer signals of their subjects." }
        p { (summary) "." }
        @if !kept.is_empty() {
            table.list {
                caption.visually-hidden { "What would come of the replay" }
                (head(&["Signal", "Subject", "Type", "Since", "What would come of it"]))
                tbody { @for signal in kept.iter().take(MOST_SHOWN) { (kept_row(signal, &clock)) } }
            }
            @if hidden > 0 { p { "And " (hidden) " more." } }
        }
        form.act method="post" action="/output/replay" {
            (csrf(app))
            input type="hidden" name="output" value=(output);
            @if possible > 0 { button.primary type="submit" { "Replay " (possible) } }
            a href=(address("/output", &[("name", output)])) { "Leave it" }
        }
    };
    Ok(Page::new(Section::Outputs, format!("Replay {}", show::name(output)), summary, main))
}

fn kept_row(signal: &SignalPreview, clock: &Clockface) -> Markup {
    html! {
        tr {
            th scope="row" { (line(&signal.id)) }
            td data-label="Subject" { (dispatch_link(&signal.subject)) }
            td data-label="Type" { (name(&signal.kind)) @if signal.test { " " (badge("test", "test")) } }
            td data-label="Since" { (minute(clock, signal.since)) }
            td data-label="What would come of it" { @if !signal.possible { (badge("bad", "not possible")) " " } (signal.outcome) }
        }
    }
}
