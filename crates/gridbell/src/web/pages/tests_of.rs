//! The part of a page that tests a source or an output.

use maud::{Markup, html};

use crate::{
    show::Clockface,
    web::{
        access::Tested,
        app::{App, TestRun},
        parts::{badge, csrf, line, off},
    },
};

/// Something that can be tested.
pub(super) struct Testable<'a> {
    /// Where the form is sent.
    pub(super) action: &'static str,
    /// The form's field with the name.
    pub(super) field: &'static str,
    /// Its name.
    pub(super) name: &'a str,
    /// What the test does.
    pub(super) what: &'static str,
    /// The button's text before the first test.
    pub(super) button: &'static str,
}

/// The test with its progress. What others would feel is asked first.
pub(super) fn section(app: &App, tested: &Testable<'_>, run: Option<&TestRun>, clock: &Clockface) -> Markup {
    let button = |words: &str, agreed: bool| {
        html! {
            form.act method="post" action=(tested.action) {
                (csrf(app))
                input type="hidden" name=(tested.field) value=(tested.name);
                @if agreed { input type="hidden" name="agreed" value="1"; }
                button.primary[agreed] type="submit" { (words) }
            }
        }
    };
    html! {
        section aria-labelledby="test" {
            h2 #test { "Test" }
            @match run {
                None => { p { (tested.what) } (button(tested.button, false)) }
                Some(TestRun { began_at, lines, ended }) => {
                    p { "Begun " (off(clock, *began_at)) "." }
                    ul.plain { @for said in lines { li { (line(said)) } } }
                    @match ended {
                        None => { p role="status" { "It is under way." } }
                        Some(Ok(Tested::Done)) => { p { (badge("good", "done")) } (button("Test again", false)) }
                        Some(Ok(Tested::Asks(what))) => { p.alarm { (line(what)) "." } (button("Do it", true)) }
                        Some(Err(why)) => { p.alarm { (line(why)) } (button("Test again", false)) }
                    }
                }
            }
        }
    }
}
