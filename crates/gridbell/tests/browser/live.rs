//! Updates of a page that stays open.

use super::{data, open};

#[test]
fn news_is_shown_without_a_reload_and_read_out() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto("/now");
    tab.wait("the live connection", "document.getElementById('live').textContent === 'Live.'");
    tab.eval("window.same = true; document.querySelector('#dispatches + table a').focus()");
    let focused = tab.eval("document.activeElement.getAttribute('href')");
    assert!(tab.text("main").contains("voltus-prod/p80m"));
    console.stack.data().records.retain(|record| !record.subject.as_str().ends_with("p80m"));
    tab.wait("the news", "!document.querySelector('main').textContent.includes('voltus-prod/p80m')");
    assert_eq!(tab.eval("window.same"), true, "the page was not loaded again");
    assert_eq!(tab.eval("document.activeElement.getAttribute('href')"), focused, "the focus stays");
    assert!(
        tab.text("#news").contains("2 upcoming") || tab.text("#news").contains("upcoming"),
        "{}",
        tab.text("#news")
    );
    tab.was_good();
}

#[test]
fn news_waits_while_a_form_is_filled_in() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto("/dispatch?key=voltus-prod/dkmq");
    tab.wait("the live connection", "document.getElementById('live').textContent === 'Live.'");
    tab.eval("document.querySelector('input[name=detail]').focus()");
    tab.press("x");
    console.stack.data().incidents.clear();
    tab.wait("word of the news", "document.getElementById('live').textContent.startsWith('There is news')");
    assert_eq!(tab.eval("document.querySelector('input[name=detail]').value"), "x");
    tab.eval("document.querySelector('input[name=detail]').value = ''; document.activeElement.blur()");
    tab.wait("the news", "document.getElementById('live').textContent === 'Live.'");
    assert!(!tab.text("#timeline + table").contains("opened"), "{}", tab.text("main"));
    tab.was_good();
}

#[test]
fn countdowns_go_on_by_the_stacks_clock() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto("/incident?name=dispatch-at-risk/voltus-prod/dkmq");
    let shown = "[...document.querySelectorAll('[data-off]')].map((one) => one.textContent).join()";
    let before = tab.eval(shown);
    assert!(
        before.as_str().expect("text").contains("in 5 s") || before.as_str().expect("text").contains("in 4 s"),
        "{before}"
    );
    tab.wait("the mail's instant to pass", &format!("{shown}.includes('now')"));
    tab.was_good();
}
