//! Every page is accessible in both modes, at every width and with every name, and requests nothing from elsewhere.

use serde_json::json;

use super::{data, open, pictures, tab::Tab};

/// The paths of all pages.
pub(crate) fn paths() -> Vec<(&'static str, String)> {
    let quarantined = data::QUARANTINED;
    vec![
        ("now", "/now".to_owned()),
        ("now-filtered", "/now?source=voltus-prod&risk=1&hours=24&q=dk".to_owned()),
        ("dispatch", format!("/dispatch?key={}", data::DISPATCH)),
        ("sites", "/sites".to_owned()),
        ("site", "/site?key=leap-prod/meter-7".to_owned()),
        ("site-described", "/site?key=voltus-prod/d4z9".to_owned()),
        ("deliveries", "/deliveries".to_owned()),
        ("delivery", format!("/delivery?id={quarantined}")),
        ("replay", format!("/replay?id={quarantined}&id=dead%23m-1")),
        ("incidents", "/incidents".to_owned()),
        ("incident", format!("/incident?name={}", data::INCIDENT)),
        ("sources", "/sources".to_owned()),
        ("source", "/source?name=leap-prod".to_owned()),
        ("outputs", "/outputs".to_owned()),
        ("output", format!("/output?name={}", data::OUTPUT)),
        ("output-replay", format!("/output/replay?name={}", data::OUTPUT)),
        ("doctor", "/doctor".to_owned()),
    ]
}

#[test]
fn every_page_is_fit_for_everybody() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    for (name, path) in paths() {
        for (width, height) in [(360, 740), (1440, 900)] {
            for (dark, mode) in [(false, "light"), (true, "dark")] {
                tab.size(width, height);
                tab.dark(dark);
                tab.goto(&path);
                if name == "doctor" {
                    tab.wait("the checks", "document.querySelector('table') !== null");
                }
                let what = format!("{name} at {width} px, {mode}");
                tab.is_for_everybody(&what);
                if let Some(folder) = pictures() {
                    let whole = tab.eval("document.documentElement.scrollHeight").as_u64().expect("a number");
                    tab.size(width, u32::try_from(whole.clamp(600, 4_000)).expect("small"));
                    tab.screenshot(&folder.join(format!("{name}-{width}-{mode}.png")));
                }
            }
        }
    }
    tab.size(3840, 2160);
    tab.goto("/now");
    tab.is_for_everybody("now at 3840 px");
    tab.was_good();
}

/// Proves that the accessibility check can fail.
#[test]
#[should_panic(expected = "image-alt")]
fn a_fault_that_is_planted_is_found() {
    let Some(console) = open(data::ordinary()).filter(|_| super::axe::script().is_some()) else {
        panic!("image-alt cannot be tested: there is no browser, or no axe-core")
    };
    console.tab.eval("document.querySelector('main').append(new Image())");
    console.tab.is_for_everybody("a page with an image that says nothing");
}

#[test]
fn evil_names_are_text_on_every_page() {
    let Some(console) = open(data::evil()) else { return };
    let tab = &console.tab;
    let dispatches =
        tab.eval("[...document.querySelectorAll('a[href^=\"/dispatch?\"]')].map((a) => a.getAttribute('href'))");
    let links = dispatches.as_array().expect("links").iter().filter_map(|link| link.as_str().map(str::to_owned));
    let mut links: Vec<String> = links.collect();
    links.sort();
    links.dedup();
    assert!(links.iter().any(|link| link.contains("script")), "the evil dispatch has a page: {links:?}");
    let paths = paths().into_iter().map(|(_, path)| path).chain(links);
    for path in paths {
        for width in [360, 1440] {
            tab.size(width, 800);
            tab.goto(&path);
            if path == "/doctor" {
                tab.wait("the checks", "document.querySelector('table') !== null");
            }
            tab.is_for_everybody(&format!("{path} at {width} px, evil"));
            assert_eq!(tab.eval("typeof window.evil"), "undefined", "{path}");
            assert_eq!(tab.eval("document.querySelectorAll('main img, main b, main script').length"), 0, "{path}");
            // Any invisible character except line breaks.
            let hidden = tab.eval(r"[...document.documentElement.outerHTML].filter((c) => /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/.test(c)).length");
            assert_eq!(hidden, 0, "{path}");
            let longest = tab.eval("Math.max(...[...document.querySelectorAll('main th, main dd, main li, h1')].map((one) => one.textContent.length))");
            assert!(longest.as_f64().expect("a number") < 10_000.0, "{path}: {longest}");
        }
    }
    tab.was_good();
}

#[test]
fn every_page_works_without_scripts() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.scripts(false);
    for (name, path) in paths() {
        tab.goto(&path);
        tab.wait(name, "document.querySelector('h1').textContent.length > 0");
    }
    tab.goto("/now");
    assert!(tab.text("#dispatches + table").contains("in 5 min"), "{}", tab.text("main"));
    tab.was_good();
}

#[test]
fn now_says_what_is_at_risk_and_draws_overlaps() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    assert!(tab.text(".counts").contains("1 at risk"), "{}", tab.text(".counts"));
    assert!(tab.text(".risks").contains("reduce 55 kW"), "{}", tab.text(".risks"));
    let labels = tab.eval("[...document.querySelectorAll('svg.track')].map((one) => one.getAttribute('aria-label'))");
    assert!(labels.to_string().contains("up to 2 dispatches overlap"), "{labels}");
    assert_eq!(tab.eval("document.querySelectorAll('.timeline g.risk rect.governs').length > 0"), true);
    assert!(tab.text(".timeline").contains("P1 "), "priorities are shown: {}", tab.text(".timeline"));
    tab.goto("/site?key=leap-prod/meter-7");
    assert!(tab.text("main").contains("With") && tab.text("main").contains("leap-prod/77c0"), "{}", tab.text("main"));
    tab.goto("/dispatch?key=voltus-prod/dkmq");
    assert!(tab.text("#versions + table").contains("2 (current)"), "{}", tab.text("main"));
    assert!(tab.text("#signal-json pre").contains("\"sequence\": \"2\""), "{}", tab.text("#signal-json"));
    assert_eq!(tab.eval("document.querySelectorAll('tr.ahead').length > 0"), true, "steps lie ahead");
    tab.was_good();
}

#[test]
fn a_site_has_the_operators_name_and_clock() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    let check = |path: &str, words: &[&str]| {
        tab.goto(path);
        let shown = tab.text("main");
        assert!(words.iter().all(|word| shown.contains(word)), "{path} lacks one of {words:?}: {shown}");
    };
    check("/now", &["reduce 55 kW at Paper mill"]);
    check("/sites", &["Paper mill", "04:05 PST at the site"]);
    let site = "/site?key=voltus-prod/d4z9";
    check(
        site,
        &["America/Los_Angeles, now 04:00 PST", "+1 555 0100", "Stop line 2.", "https://wiki.example.com/mill"],
    );
    check(site, &["04:05 PST at the site", "07:00 PST at the site"]);
    check("/dispatch?key=voltus-prod/dkmq", &["Paper mill", "04:05 PST to open"]);
    // A site of which nothing is written has the reader's clock alone.
    check("/site?key=leap-prod/meter-7", &["Cold store"]);
    assert!(!tab.text("main").contains("at the site"), "{}", tab.text("main"));
    tab.was_good();
}

#[test]
fn a_thousand_dispatches_stay_fast() {
    let Some(console) = open(data::many()) else { return };
    let tab = &console.tab;
    for path in ["/now", "/sites", "/now?page=20", "/now?q=d0999"] {
        tab.goto(path);
        let timing = tab.eval("(() => { const it = performance.getEntriesByType('navigation')[0]; return {bytes: it.decodedBodySize, ms: it.loadEventEnd}; })()");
        let (bytes, ms) = (timing["bytes"].as_f64().expect("bytes"), timing["ms"].as_f64().expect("ms"));
        eprintln!("{path}: {bytes} bytes, loaded after {ms:.0} ms");
        assert!(bytes < 300_000.0 && ms < 10_000.0, "{path}: {timing}");
    }
    assert_eq!(tab.eval("document.querySelectorAll('#dispatches ~ table tbody tr').length"), 1);
    tab.goto("/now?page=20");
    assert!(tab.text("main").contains("951–1000 of 1000"), "{}", tab.text("main"));
    tab.was_good();
}

/// Prints the figures of the loaded page in BENCHMARKS.md.
pub(super) fn weigh(tab: &Tab, name: &str) {
    let measured = tab.eval("new Promise((done) => setTimeout(() => { const it = performance.getEntriesByType('navigation')[0]; const paint = performance.getEntriesByName('first-contentful-paint')[0]; const rest = performance.getEntriesByType('resource').filter((one) => !one.name.includes('/live')).reduce((sum, one) => sum + one.decodedBodySize, 0); done({html: it.decodedBodySize, rest, paint: paint?.startTime ?? 0}); }, 200))");
    let number = |field: &str| measured[field].as_f64().expect("a number");
    eprintln!(
        "{name:<14} {:>7} bytes of HTML, {:>6} of script, style and icon, first paint after {:>4.0} ms",
        number("html"),
        number("rest"),
        number("paint")
    );
    assert!(number("html") < 60_000.0, "{name}: {measured}");
    assert!(number("rest") < 40_000.0, "{name}: {measured}");
}

#[test]
fn what_a_page_weighs() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    for (name, path) in paths() {
        tab.goto(&path);
        weigh(tab, name);
    }
    assert_eq!(
        tab.eval("performance.getEntriesByType('resource').every((one) => one.name.startsWith(location.origin))"),
        json!(true)
    );
}
