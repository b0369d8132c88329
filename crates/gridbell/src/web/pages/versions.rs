//! The stored versions of a dispatch side by side: when each was published, its cause, and its acknowledgement.

use maud::{Markup, html};
use pipeline::{record::SubjectRecord, timeline::Event};

use crate::{
    show::Clockface,
    web::{
        parts::{head, line, name, off, second},
        signals,
    },
};

/// Longest JSON shown, in characters; the download contains everything.
const MAX_JSON: usize = 20_000;

/// The versions, latest first; the signals of the current one.
pub(super) fn section(record: &SubjectRecord, clock: &Clockface) -> Markup {
    let versions: Vec<_> = record
        .history
        .iter()
        .rev()
        .filter_map(|event| match &event.event {
            Event::Published { signal, sequence, grounds, remark, .. } => {
                Some((event, signal, *sequence, grounds, remark))
            }
            _ => None,
        })
        .collect();
    let answered = |version: u64| {
        record.history.iter().rev().find_map(|event| match &event.event {
            Event::Acknowledged { version: of, state, by } if *of == version => Some((event.at, state.word(), by)),
            _ => None,
        })
    };
    html! {
        section aria-labelledby="versions" {
            h2 #versions { "Versions" }
            table.list {
                caption.visually-hidden { "Published versions, the latest first" }
                (head(&["Version", "Published", "As", "Rests on", "Remark", "Controller"]))
                tbody {
                    @for (event, signal, sequence, grounds, remark) in versions {
                        tr.current[sequence == record.state.version] {
                            th scope="row" { (sequence) @if sequence == record.state.version { " (current)" } }
                            td data-label="Published" { (second(clock, event.at)) " (" (off(clock, event.at)) ")" }
                            td data-label="As" { code { (line(signal)) } }
                            td data-label="Rests on" { (rests_on(grounds.as_ref(), clock)) }
                            td data-label="Remark" { (line(remark.as_deref().unwrap_or("–"))) }
                            td data-label="Controller" {
                                @match answered(sequence) {
                                    Some((at, word, by)) => {
                                        (word) @if let Some(by) = by { " by hand, " (name(by)) } " " (second(clock, at))
                                    }
                                    None => { "–" }
                                }
                            }
                        }
                    }
                }
            }
            p.hint { "Only the current version is stored as a whole." }
        }
        (json(record))
    }
}

fn rests_on(grounds: Option<&dispatch::Rank>, clock: &Clockface) -> Markup {
    html! {
        @match grounds {
            Some(dispatch::Rank::Pushed(at)) => { "the webhook of " (second(clock, *at)) }
            Some(dispatch::Rank::Fetched(at)) => { "what was fetched at " (second(clock, *at)) }
            Some(dispatch::Rank::Numbered(number, at)) => { "modification " (number) ", fetched at " (second(clock, *at)) }
            None => { "–" }
        }
    }
}

/// The signals as sent to the queue.
fn json(record: &SubjectRecord) -> Markup {
    let signals = signals::of(record);
    if signals.is_empty() {
        return html! {};
    }
    let mut shown: Vec<String> = signals.iter().map(|signal| pretty(signal)).collect();
    let total: usize = shown.iter().map(String::len).sum();
    let cut = total > MAX_JSON || shown.len() > 1;
    shown.truncate(1);
    let shown = shown.first().map(|text| dispatch::text::clip(text, MAX_JSON)).unwrap_or_default();
    let file = crate::web::fields::address("/dispatch/signal", &[("key", record.subject.as_str())]);
    html! {
        section aria-labelledby="signal" {
            h2 #signal { "Signal" }
            details #signal-json {
                summary { "The current version as JSON" @if signals.len() > 1 { " (the first of " (signals.len()) " parts)" } }
                pre tabindex="0" role="region" aria-labelledby="signal" { (shown) }
            }
            p { a href=(file) { "Save as a file" } @if cut { ": the above is not all of it" } }
        }
    }
}

fn pretty(signal: &str) -> String {
    let value: Result<serde_json::Value, _> = serde_json::from_str(signal);
    let text = value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| signal.to_owned());
    dispatch::text::json(&text).into_owned()
}
