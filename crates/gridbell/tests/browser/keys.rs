//! The console with the keyboard only, and as a screen reader reads it.

use serde_json::json;

use super::{data, open};

#[test]
fn the_first_key_leads_past_the_links_to_the_content() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto("/now");
    tab.press("Tab");
    assert_eq!(tab.eval("document.activeElement.className"), "skip");
    assert_eq!(
        tab.eval("document.activeElement.getBoundingClientRect().left >= 0"),
        true,
        "it is seen once it has the focus"
    );
    tab.press("Enter");
    tab.wait("the focus in the content", "document.activeElement.id === 'main'");
    tab.press("Tab");
    assert_eq!(tab.eval("document.querySelector('main').contains(document.activeElement)"), true);
    let outline = tab.eval("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "the focus is seen");
    tab.was_good();
}

#[test]
fn filters_are_the_address() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto("/now");
    tab.eval("document.querySelector('input[name=q]').focus()");
    for key in ["d", "k", "m", "q"] {
        tab.press(key);
    }
    tab.press("Enter");
    tab.wait("the filter in the address", "location.search.includes('q=dkmq') && document.readyState === 'complete'");
    assert_eq!(tab.eval("document.querySelector('input[name=q]').value"), "dkmq");
    assert_eq!(tab.eval("document.querySelectorAll('#dispatches + table tbody tr').length"), 1);
    tab.goto("/now?phase=upcoming&source=leap-prod&real=1");
    assert_eq!(tab.eval("[document.querySelector('select[name=phase]').value, document.querySelector('select[name=source]').value, document.querySelector('input[name=real]').checked]"), json!(["upcoming", "leap-prod", true]));
    assert_eq!(
        tab.eval("[...document.querySelectorAll('#dispatches + table tbody th')].map((one) => one.textContent)"),
        json!(["leap-prod/77c0"])
    );
    tab.was_good();
}

#[test]
fn pages_have_landmarks_and_tables_have_heads() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    for (name, path) in super::pages::paths() {
        tab.goto(&path);
        let marks = tab.eval("['header', 'main', 'footer', 'nav[aria-label]', '[role=status][aria-live=polite]'].every((one) => document.querySelector(one))");
        assert_eq!(marks, true, "{name}");
        let bare = tab.eval("[...document.querySelectorAll('th')].filter((one) => !one.scope).length");
        assert_eq!(bare, 0, "{name}: each head says what it is the head of");
        let nameless = tab.eval("[...document.querySelectorAll('input:not([type=hidden]), select')].filter((one) => !one.labels?.length && !one.ariaLabel).length");
        assert_eq!(nameless, 0, "{name}: each field has a label");
        assert_eq!(tab.eval("document.title.includes('gridbell')"), true, "{name}");
    }
}
