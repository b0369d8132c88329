//! The timeline of a subject: past and future events.

use maud::{Markup, html};

use crate::{
    show::Clockface,
    verbs::dispatch::{Event, Known, Step},
    web::parts::{head, line, link, off, second},
};

/// All steps, oldest first; future ones last.
pub(super) fn section(steps: &[Step], clock: &Clockface) -> Markup {
    html! {
        section aria-labelledby="timeline" {
            h2 #timeline { "Timeline" }
            @if steps.is_empty() { p { "Nothing is known of it." } } @else {
                table.list {
                    caption.visually-hidden { "Every step in order; those that lie ahead come last" }
                    (head(&["When", "Step", "What", "Delivery"]))
                    tbody { @for step in steps { (row(step, clock)) } }
                }
            }
        }
    }
}

fn row(step: &Step, clock: &Clockface) -> Markup {
    let ahead = step.at > clock.now;
    html! {
        tr.ahead[ahead] {
            th scope="row" { (second(clock, step.at)) @if ahead { " " (off(clock, step.at)) } }
            td data-label="Step" { span class={ "badge " (kind(&step.event)) } { (step.event.name()) } }
            td data-label="What" { (line(&step.event.to_string())) (incident(&step.event)) }
            td data-label="Delivery" { @match &step.delivery { Some(id) => { code { (line(id)) } } None => { "–" } } }
        }
    }
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Recorded(_) => "good",
        Event::Known(event) => match event {
            Known::Failed { .. } | Known::Quarantined { .. } | Known::Opened { .. } => "bad",
            Known::Unsent { .. }
            | Known::Due { .. }
            | Known::Waiting { .. }
            | Known::Mailed { .. }
            | Known::Rung { .. }
            | Known::Rings { .. }
            | Known::SnoozedBy { .. } => "warn",
            Known::Acknowledged { .. } | Known::AcknowledgedBy { .. } | Known::Resolved { .. } => "good",
            Known::Received {} | Known::Retry { .. } | Known::Starts { .. } | Known::Ends {} => "past",
        },
    }
}

/// A link to the opened incident, or to the quarantined delivery.
fn incident(event: &Event) -> Markup {
    match event {
        Event::Known(Known::Opened { incident, .. }) => html! { " " (link("/incident", "name", incident, "Incident")) },
        Event::Known(Known::Quarantined { id, .. }) => html! { " " (link("/delivery", "id", id, "Body")) },
        _ => html! {},
    }
}
