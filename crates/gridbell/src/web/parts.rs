//! Parts of pages: cleaned text, instants, links, tables, filters.

use dispatch::text;
use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    app::App,
    fields::{Fields, address},
    guard,
};
use crate::show::Clockface;

/// Longest name shown, in characters.
const MAX_NAME: usize = 200;

/// Longest key or sentence shown, in characters.
const MAX_LINE: usize = 4_200;

/// Longest address that browsers and the console accept without doubt, in bytes.
const MAX_ADDRESS: usize = 16_000;

/// A foreign name, on one line.
pub(super) fn name(given: &str) -> String {
    text::brief(given, MAX_NAME)
}

/// A key or a sentence, on one line.
pub(super) fn line(given: &str) -> String {
    text::brief(given, MAX_LINE)
}

/// How far off an instant is. The script keeps it up to date.
pub(super) fn off(clock: &Clockface, at: Timestamp) -> Markup {
    html! { span data-off=(at.as_millisecond()) { (clock.off(at)) } }
}

/// An instant to the minute; with the day if it is not today.
pub(super) fn minute(clock: &Clockface, at: Timestamp) -> Markup {
    html! { time datetime=(at) title=(clock.full(at)) { (clock.minute(at)) } }
}

/// The same by the clock of a site in that zone, if it differs from this one.
pub(super) fn there(clock: &Clockface, zone: Option<&str>, at: Timestamp) -> Markup {
    let there = zone.and_then(|zone| clock.elsewhere(zone));
    html! { @if let Some(there) = there { " " small.there { (there.minute_and_zone(at)) " at the site" } } }
}

/// The same to the second.
pub(super) fn second(clock: &Clockface, at: Timestamp) -> Markup {
    html! { time datetime=(at) title=(clock.full(at)) { (clock.second(at)) } }
}

/// An instant with its day and zone, and how far off it is.
pub(super) fn full(clock: &Clockface, at: Timestamp) -> Markup {
    html! { time datetime=(at) { (clock.full(at)) } " (" (off(clock, at)) ")" }
}

/// The same, or the text `none` if there is no instant.
pub(super) fn full_or(clock: &Clockface, at: Option<Timestamp>, none: &str) -> Markup {
    at.map_or_else(|| html! { (none) }, |at| full(clock, at))
}

/// A link to the page of that key; only text if the address is too long for a browser.
pub(super) fn link(path: &str, field: &str, key: &str, shown: &str) -> Markup {
    let to = address(path, &[(field, key)]);
    html! {
        @if to.len() <= MAX_ADDRESS { a href=(to) { (shown) } } @else { (shown) }
    }
}

/// A link to a dispatch or another subject.
pub(super) fn dispatch_link(key: &str) -> Markup {
    link("/dispatch", "key", key, &line(key))
}

/// A state: a word, with its colour as a second hint.
pub(super) fn badge(kind: &str, word: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (word) } }
}

/// A table head.
pub(super) fn head(columns: &[&str]) -> Markup {
    html! { thead { tr { @for column in columns { th scope="col" { (column) } } } } }
}

/// One row of a list of fields.
pub(super) fn field(term: &str, value: impl maud::Render) -> Markup {
    html! { div { dt { (term) } dd { (value) } } }
}

/// The form that filters a list. The address contains its fields.
pub(super) fn filters(path: &str, controls: &Markup) -> Markup {
    html! {
        form.filters method="get" action=(path) role="search" aria-label="Filter" {
            (controls)
            button type="submit" { "Filter" }
            a href=(path) { "Clear" }
        }
    }
}

/// A choice in a form; each option is a value and its label.
pub(super) fn select(field: &str, label: &str, options: &[(String, String)], chosen: &str) -> Markup {
    html! {
        label { span { (label) }
            select name=(field) {
                @for (value, words) in options { option value=(value) selected[value == chosen] { (words) } }
            }
        }
    }
}

/// The choice of a source.
pub(super) fn source_select(sources: &[String], fields: &Fields) -> Markup {
    let all = (String::new(), "all".to_owned());
    let each = sources.iter().map(|source| (source.clone(), name(source)));
    let options: Vec<(String, String)> = [all].into_iter().chain(each).collect();
    select("source", "Source", &options, fields.text("source"))
}

/// A search field.
pub(super) fn search(fields: &Fields, hint: &str) -> Markup {
    html! { label { span { "Contains" } input type="search" name="q" value=(line(fields.text("q"))) placeholder=(hint); } }
}

/// A checkbox that filters a list.
pub(super) fn only(fields: &Fields, field: &str, label: &str) -> Markup {
    html! { label.only { input type="checkbox" name=(field) value="1" checked[fields.get(field).is_some()]; span { (label) } } }
}

/// Whether any of those texts contains the searched words.
pub(super) fn holds<'t>(fields: &Fields, texts: impl IntoIterator<Item = &'t str>) -> bool {
    let Some(wanted) = fields.get("q").map(str::to_lowercase) else { return true };
    texts.into_iter().any(|text| text.to_lowercase().contains(&wanted))
}

/// One page of a list, and the links to the others.
pub(super) struct Paged<'l, T> {
    pub(super) shown: &'l [T],
    pub(super) links: Markup,
}

/// The page of a list that the fields select; `field` is the name of its page number.
pub(super) fn paged<'l, T>(all: &'l [T], size: usize, path: &str, fields: &Fields, field: &str) -> Paged<'l, T> {
    let pages = all.len().div_ceil(size).max(1);
    let page = fields.number(field).clamp(1, pages);
    let from = (page - 1) * size;
    let until = (from + size).min(all.len());
    let to = |page: usize| fields.with(field, &page.to_string()).address(path);
    let links = html! {
        @if pages > 1 {
            nav.paging aria-label="Pages of this list" {
                @if page > 1 { a href=(to(page - 1)) rel="prev" { "← Previous" } }
                span { (from + 1) "–" (until) " of " (all.len()) }
                @if page < pages { a href=(to(page + 1)) rel="next" { "Next →" } }
            }
        }
    };
    Paged { shown: &all[from..until], links }
}

/// The hidden field that proves that the form is the console's own.
pub(super) fn csrf(app: &App) -> Markup {
    html! { input type="hidden" name=(guard::CSRF) value=(app.guard.csrf); }
}

/// A message about table items that could not be read.
pub(super) fn unreadable(reasons: &[String]) -> Markup {
    html! {
        @if !reasons.is_empty() {
            section.notice aria-labelledby="unreadable" {
                h2 #unreadable { "Cannot be read" }
                ul { @for reason in reasons { li { (line(reason)) } } }
            }
        }
    }
}

/// Why a part of a page is missing.
pub(super) fn missing(what: &str, error: &anyhow::Error) -> Markup {
    html! { p.notice { (what) " cannot be shown: " (line(&format!("{error:#}"))) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_escaped_and_clean() {
        let evil = "<b>\u{1b}[2J\"'&\u{202e}x";
        assert_eq!(
            html! { p title=(name(evil)) { (name(evil)) } }.into_string(),
            "<p title=\"&lt;b&gt;\u{fffd}&quot;'&amp;x\">&lt;b&gt;\u{fffd}&quot;'&amp;x</p>"
        );
        let linked = dispatch_link("a/\"><script>").into_string();
        assert_eq!(linked, "<a href=\"/dispatch?key=a%2F%22%3E%3Cscript%3E\">a/&quot;&gt;&lt;script&gt;</a>");
        assert!(!link("/site", "key", &"k".repeat(20_000), "k").into_string().contains("href"));
    }

    #[test]
    fn a_list_is_shown_in_pages_that_keep_the_filters() {
        let all: Vec<usize> = (0..250).collect();
        let fields = Fields::parse(b"source=a&page=2");
        let second = paged(&all, 100, "/now", &fields, "page");
        assert_eq!((second.shown.first(), second.shown.len()), (Some(&100), 100));
        let links = second.links.into_string();
        assert!(links.contains("/now?source=a&amp;page=3") && links.contains("101–200 of 250"), "{links}");
        let beyond = paged(&all, 100, "/now", &Fields::parse(b"page=99"), "page");
        assert_eq!((beyond.shown.first(), beyond.shown.len()), (Some(&200), 50));
        assert!(paged(&all[..0], 100, "/now", &fields, "page").shown.is_empty());
    }
}
