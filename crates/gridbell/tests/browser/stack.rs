//! `gridbell console` on a running local stack: a dispatch from its webhook to its end, in a browser.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use aws::host::Host;
use jiff::{SignedDuration, Timestamp};
use local_stack::{ProviderUrls, Stack, UpOptions, progress};
use pipeline::ports::Clock;
use provider_sims::bodies::{Window, leap as bodies};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{
    chromium::{self, Browser},
    tab::Tab,
};

/// `gridbell console` as a person runs it.
struct Console {
    process: Child,
    url: String,
}

impl Console {
    fn start(state: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_gridbell"))
            .args(["console", "--json", "--utc", "--state"])
            .arg(state)
            .env("USER", "ada")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("gridbell starts");
        let mut said = String::new();
        let mut out = BufReader::new(process.stdout.take().expect("piped"));
        while serde_json::from_str::<Value>(&said).is_err() {
            assert!(out.read_line(&mut said).expect("readable") > 0, "gridbell ended: {said}");
        }
        let said: Value = serde_json::from_str(&said).expect("JSON");
        Self { process, url: said["url"].as_str().expect("an address").to_owned() }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

const EVENT: &str = "11cfced0-16f4-4fb7-b72e-0000000000c0";

/// The dispatch whose mail is followed.
const MAILED: &str = "11cfced0-16f4-4fb7-b72e-0000000000c1";

fn leap(event: &str, start: Timestamp) -> String {
    let slot = bodies::slot(event, 12.5, &Window::new(start, start + SignedDuration::from_hours(1)));
    let mut meter = bodies::meter("dd21c76c-7126-4ef7-b0a6-f190fad300b2", &[slot]);
    meter["partner_reference"] = json!("site-1");
    bodies::notification(&[meter]).to_string()
}

fn nvgrid() -> String {
    json!({"event": "start_ramp_down", "feed_tag": "main", "correlation_id": "c-7", "start_time": "2026-03-01T12:00:00Z",
        "end_time": null, "strategy": "even", "target_load": {"value": 6.5, "unit": "mw"}, "compliant": null})
    .to_string()
}

fn post(runtime: &Runtime, stack: &Stack, source: &str, body: String) {
    let url = stack.description().sources[source].url.clone();
    let sent = runtime.block_on(async move {
        let http = stack_client::http_client().expect("a client");
        http.post(url).header("content-type", "application/json").body(body).send().await
    });
    assert_eq!(sent.expect("answered").status(), 200);
}

#[test]
fn a_dispatch_from_its_webhook_to_its_incident() {
    let Some(browser) = chromium::browser() else { return };
    let runtime = Runtime::new().expect("threads");
    let options = UpOptions::built_in(&ProviderUrls::new()).expect("the built-in configuration");
    let stack = runtime.block_on(Stack::up(options, progress::on_stderr().as_ref())).expect("up");
    let console = Console::start(stack.state_file());
    let tab = Tab::open(browser, &console.url);
    tab.wait("the live connection", "document.getElementById('live').textContent === 'Live.'");

    // The dispatch appears on the open page without a reload.
    let far = "2099-06-05T00:00:00Z".parse().expect("an instant");
    post(&runtime, &stack, "leap-demo", leap(EVENT, far));
    post(&runtime, &stack, "nvgrid-demo", nvgrid());
    post(&runtime, &stack, "openvolt-demo", r#"{"what":"is this"}"#.to_owned());
    tab.wait("the dispatch", &format!("document.querySelector('main').textContent.includes('{EVENT}')"));
    tab.wait("the power feed", "document.querySelector('main').textContent.includes('nvgrid-demo/main')");
    tab.goto("/sites?source=leap-demo");
    tab.click("tbody a");
    assert!(tab.text("main").contains("site-1") && tab.text("main").contains("reduce 12.5 kW"), "{}", tab.text("main"));
    tab.click("tbody a");
    assert!(tab.text("#signal-json pre").contains("gridbell.dispatch.scheduled.v1"), "{}", tab.text("main"));

    // A person answers that the controller cannot act; this opens an incident, which the person acknowledges.
    tab.eval("document.querySelector('input[value=failed]').checked = true; document.querySelector('input[name=detail]').value = 'chiller 2 is down'");
    tab.click("form[action='/dispatch/ack'] button");
    assert!(tab.text(".said.good").contains("version 1: failed"), "{}", tab.text("main"));
    tab.wait("the incident in the timeline", "document.querySelector('a[href*=\"incident?name=\"]') !== null");
    tab.click("a[href*='incident?name=']");
    tab.click("form[action='/incident/ack'] button");
    assert!(tab.text(".said.good").contains("acknowledged by ada"), "{}", tab.text("main"));

    // Replay the quarantined delivery.
    tab.goto("/deliveries?source=openvolt-demo&kind=quarantined");
    tab.wait("the quarantined delivery", "document.querySelector('tbody a') !== null");
    tab.click("tbody a");
    assert!(tab.text("pre").contains("is this"), "{}", tab.text("main"));
    tab.click("a.button");
    tab.click("form[method=post] button");
    assert!(tab.text(".said.good").contains("went in again as"), "{}", tab.text("main"));

    tab.goto("/sources");
    assert!(tab.text("tbody").contains("leap-demo") && tab.text("tbody").contains(" ms"), "{}", tab.text("main"));
    tab.goto("/source?name=leap-demo");
    tab.click("form[action='/source/test'] button");
    tab.wait("the end of the test, with which no provider helps", "document.querySelector('.alarm') !== null");
    tab.goto("/doctor");
    tab.wait("the checks", "document.querySelector('table') !== null");
    assert!(
        tab.text("tbody").contains("heartbeat") && tab.text("tbody").contains("configuration"),
        "{}",
        tab.text("main")
    );
    tab.was_good();
    the_link_of_a_mail_opens_its_incident(browser, &runtime, &stack);
    drop(console);
    runtime.block_on(stack.shutdown()).expect("down");
}

/// A controller cannot act; the person on duty follows the link in the mail, through the API to the alerter.
fn the_link_of_a_mail_opens_its_incident(browser: &'static Browser, runtime: &Runtime, stack: &Stack) {
    post(runtime, stack, "leap-demo", leap(MAILED, Host.now() + SignedDuration::from_mins(10)));
    let key = format!("leap-demo/{MAILED}");
    let answered = || {
        let answer = Command::new(env!("CARGO_BIN_EXE_gridbell"))
            .args(["dispatch", "ack", &key, "failed", "--detail", "chiller 2 is down", "--state"])
            .arg(stack.state_file())
            .stdin(Stdio::null())
            .output();
        answer.expect("gridbell runs").status.success().then_some(())
    };
    wait_for("the dispatch", answered);
    let link = || {
        let mails = runtime.block_on(stack.mail()).expect("the mails");
        let texts = mails.iter().filter_map(|mail| mail["text"].as_str()).filter(|text| text.contains(MAILED));
        let words = texts.flat_map(str::split_whitespace);
        words.filter(|word| word.contains("/alerts/")).map(str::to_owned).next()
    };
    let tab = Tab::at(browser, &wait_for("a mail with a link", link));
    tab.size(360, 740);
    tab.is_for_everybody("the page behind the API");
    assert!(
        tab.text("body").contains(MAILED) && tab.text("body").contains("chiller 2 is down"),
        "{}",
        tab.text("body")
    );
    let policy =
        tab.eval("fetch(location.href).then((it) => it.headers.get('content-security-policy'), () => 'refused')");
    assert_eq!(policy, "refused", "the page may not even ask its own address");
    tab.click("button[value=acknowledge]");
    assert!(tab.text(".note").contains("Acknowledged."), "{}", tab.text("body"));
    tab.click("button[value=curtailed]");
    assert!(tab.text(".note").contains("counts as accepted, by hand"), "{}", tab.text("body"));
    assert_eq!(tab.eval("document.querySelectorAll('button').length"), 0, "{}", tab.text("body"));
}

/// Repeats `ask` for a minute, until it returns something.
fn wait_for<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    for _ in 0..120 {
        if let Some(found) = ask() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    panic!("after a minute there is no {what}");
}
