//! The versions of a dispatch side by side: what each asks for and what it changed, when it was published, its cause, and
//! its acknowledgement.

use maud::{Markup, html};
use pipeline::{
    record::SubjectRecord,
    timeline::{Asked, Event, TimelineEvent},
};

use crate::{
    show::{Clockface, request},
    web::{
        parts::{full, full_or, head, line, name, off, second},
        signals,
    },
};

/// Longest JSON shown, in characters; the download contains everything.
const MAX_JSON: usize = 20_000;

/// A published version, as the timeline has it.
struct Version<'r> {
    event: &'r TimelineEvent,
    signal: &'r str,
    sequence: u64,
    grounds: Option<&'r dispatch::Rank>,
    remark: Option<&'r str>,
    asked: Option<Asked>,
}

/// The versions, latest first; the signals of the current one.
pub(super) fn section(record: &SubjectRecord, clock: &Clockface) -> Markup {
    let versions: Vec<Version<'_>> = record.history.iter().rev().filter_map(version).collect();
    let before = versions.iter().skip(1).map(|earlier| earlier.asked).chain([None]);
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
                caption.visually-hidden { "Published versions, the latest first; what a version changed is bold" }
                (head(&["Version", "Published", "Start", "End", "Request", "Sites", "Rests on", "Controller"]))
                tbody {
                    @for (Version { event, signal, sequence, grounds, remark, asked }, before) in versions.iter().zip(before) {
                        tr.current[*sequence == record.state.version] {
                            th scope="row" { (sequence) @if *sequence == record.state.version { " (current)" } }
                            td data-label="Published" {
                                (second(clock, event.at)) " (" (off(clock, event.at)) ")" br; code { (line(signal)) }
                                @if let Some(remark) = remark { br; (line(remark)) }
                            }
                            (cell("Start", *asked, before, |asked| html! { (full(clock, asked.start)) }))
                            (cell("End", *asked, before, |asked| full_or(clock, asked.end, "not stated")))
                            (cell("Request", *asked, before, |asked| html! { (request(&asked.request)) }))
                            (cell("Sites", *asked, before, |asked| html! { (asked.targets) }))
                            td data-label="Rests on" { (rests_on(*grounds, clock)) }
                            td data-label="Controller" {
                                @match answered(*sequence) {
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
        }
        (json(record))
    }
}

fn version(event: &TimelineEvent) -> Option<Version<'_>> {
    match &event.event {
        Event::Published { signal, sequence, grounds, remark, asked, .. } => Some(Version {
            event,
            signal,
            sequence: *sequence,
            grounds: grounds.as_ref(),
            remark: remark.as_deref(),
            asked: *asked,
        }),
        _ => None,
    }
}

/// One thing that a version asks for: bold where the version before asked for something else.
fn cell(label: &str, asked: Option<Asked>, before: Option<Asked>, show: impl Fn(Asked) -> Markup) -> Markup {
    let shown = asked.map(&show);
    let is_changed = before.map(&show).zip(shown.as_ref()).is_some_and(|(before, shown)| before.0 != shown.0);
    html! {
        td data-label=(label) {
            @match shown {
                Some(shown) if is_changed => { strong { (shown) } }
                Some(shown) => { (shown) }
                None => { "–" }
            }
        }
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
