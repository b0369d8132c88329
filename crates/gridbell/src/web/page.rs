//! A whole page: head, navigation, content.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    app::{App, Said},
    live,
    parts::{line, name},
};
use crate::show::Clockface;

/// The pages in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Now,
    Sites,
    Deliveries,
    Incidents,
    Sources,
    Outputs,
    Doctor,
    /// None of them.
    Elsewhere,
}

const SECTIONS: [(Section, &str, &str); 7] = [
    (Section::Now, "/now", "Now"),
    (Section::Sites, "/sites", "Sites"),
    (Section::Deliveries, "/deliveries", "Deliveries"),
    (Section::Incidents, "/incidents", "Incidents"),
    (Section::Sources, "/sources", "Sources"),
    (Section::Outputs, "/outputs", "Outputs"),
    (Section::Doctor, "/doctor", "Doctor"),
];

/// The content of a page.
pub(super) struct Page {
    pub(super) section: Section,
    pub(super) title: String,
    /// Below the heading.
    pub(super) main: Markup,
    /// What a screen reader announces when the page has changed.
    pub(super) summary: String,
    pub(super) status: StatusCode,
}

impl Page {
    /// A page with status 200.
    pub(super) fn new(section: Section, title: impl Into<String>, summary: impl Into<String>, main: Markup) -> Self {
        Self { section, title: title.into(), main, summary: summary.into(), status: StatusCode::OK }
    }

    /// A page that only shows an error.
    pub(super) fn failed(status: StatusCode, why: &str) -> Self {
        let main = html! { p.notice { (line(why)) } };
        Self { status, ..Self::new(Section::Elsewhere, "This did not work", "", main) }
    }

    /// What the script replaces in an update.
    pub(super) fn content(&self) -> Markup {
        html! { h1 { (name(&self.title)) } p #summary .visually-hidden { (line(&self.summary)) } (self.main) }
    }
}

/// The page's HTML. `said`: the result of the action before it.
pub(super) fn whole(page: &Page, app: &App, clock: &Clockface, said: Option<&Said>) -> String {
    let place = if app.access.is_deployed() { "in AWS" } else { "on this machine" };
    let stack = name(app.access.name());
    let content = clean(page.content().into_string());
    let digest = live::digest(&content);
    let body = html! {
        a.skip href="#main" { "Skip to content" }
        header.top {
            p.brand { strong { "gridbell" } " " span { "stack " (stack) ", " (place) } }
            nav aria-label="Pages" { ul {
                @for (section, path, words) in SECTIONS {
                    li { a href=(path) aria-current=[(section == page.section).then_some("page")] { (words) } }
                }
            } }
        }
        main #main tabindex="-1" {
            @if let Some(said) = said {
                div.said.bad[!said.done].good[said.done] role=(if said.done { "status" } else { "alert" }) {
                    @for words in &said.lines { p { (line(words)) } }
                }
            }
            div #content data-digest=(digest) { (PreEscaped(content)) }
        }
        footer {
            p { "Times in " (clock.zone()) ". " span #live { "Reload the page to see what is new." } }
            p #news role="status" aria-live="polite" .visually-hidden {}
        }
    };
    document(&format!("{} · gridbell {stack}", name(&page.title)), &body, clock.now.as_millisecond())
}

/// A page without data of the stack, for a browser without the token.
pub(super) fn refused(why: &str) -> String {
    let body = html! { main #main tabindex="-1" { h1 { "gridbell console" } p.notice { (why) } } };
    document("gridbell console", &body, 0)
}

/// Leads a browser to the console's own address, without the token. A redirect would count as part of the visit from
/// another site, and the browser would not send the cookie.
pub(super) fn entered(to: &str) -> String {
    let head = html! { meta http-equiv="refresh" content={ "0;url=" (to) }; };
    let body =
        html! { main #main tabindex="-1" { h1 { "gridbell console" } p { a href=(to) { "Open the console" } } } };
    with_head("gridbell console", &head, &body, 0)
}

fn document(title: &str, body: &Markup, now_ms: i64) -> String {
    with_head(title, &html! { script src="/console.js" defer {} }, body, now_ms)
}

fn with_head(title: &str, more: &Markup, body: &Markup, now_ms: i64) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/console.css";
                (more)
            }
            body data-now=(now_ms) { (body) }
        }
    };
    clean(page.into_string())
}

/// Replaces control characters, in case a foreign text was not cleaned before. It replaces one character by one, so the
/// markup stays the same.
pub(super) fn clean(html: String) -> String {
    let hidden = |c: char| c != '\n' && dispatch::text::is_hidden(c);
    if html.contains(hidden) { html.replace(hidden, "\u{fffd}") } else { html }
}
