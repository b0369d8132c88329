//! Every verb over untrusted data: escape sequences, direction marks, names of 20 KB; into a pipe, at a terminal, and
//! into a closed pipe. A verb without test cases fails the tests.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::{
    process::{Command, Stdio},
    sync::{LazyLock, Mutex},
    time::Duration,
};

use local_stack::progress;
use local_stack::{ProviderUrls, Stack, UpOptions};
use serde_json::{Value, json};
use stack_client::Description;
use tokio::runtime::Runtime;

mod cases;
mod keys;
mod pipes;
mod provider;
mod verbs;

/// A malicious name: it clears the screen, sets a title, hides what follows, reverses it, and forges a line.
pub(crate) const EVIL: &str = "Mill\u{1b}[2J\u{1b}]0;pwn\u{7}\u{1b}[8m\u{9b}35m\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{7f}\u{0}\n  phase        FORGED\u{2028}END";

/// The same, 20 KB long.
pub(crate) fn long() -> String {
    format!("{EVIL}{}", "\u{1b}[31mlong\u{202e}".repeat(1_600))
}

/// The stack of all tests, its provider, and the keys of its data.
pub(crate) struct TestStack {
    runtime: Runtime,
    stack: Mutex<Stack>,
    description: Description,
    state: String,
    /// The provider's address.
    pub(crate) provider: String,
    /// A quarantined delivery.
    pub(crate) delivery: String,
    /// An incident.
    pub(crate) incident: String,
    /// A site with a malicious id.
    pub(crate) site: String,
}

/// A dispatch with malicious names.
pub(crate) const DISPATCH: &str = "voltus-demo/evil-1";

/// An output that answers with malicious words.
pub(crate) const OUTPUT: &str = "gateway";

static STACK: LazyLock<TestStack> = LazyLock::new(TestStack::up);

pub(crate) fn world() -> &'static TestStack {
    &STACK
}

pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The command `gridbell …` without standard input.
pub(crate) fn command(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridbell"));
    command
        .args(arguments)
        .env_remove("AWS_PROFILE")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("USER", "ada")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

pub(crate) fn gridbell(arguments: &[String]) -> Said {
    let output = command(arguments).output().expect("gridbell starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl TestStack {
    fn up() -> Self {
        let runtime = Runtime::new().expect("threads");
        let provider = runtime.block_on(provider::start());
        let mut options = UpOptions::built_in(&ProviderUrls::new()).expect("the built-in configuration");
        for source in options.config.sources.values_mut().filter(|source| source.api_url.is_some()) {
            source.api_url = Some(provider.parse().expect("an address"));
            source.poll_s = 0;
        }
        // What it answers does not count: people acknowledge in these tests.
        let output = json!({
            "target": {"http": {"url": format!("{provider}/output"), "secrets": ["ssm:/gridbell/gateway"], "allow_private": true}},
            "required": false,
        });
        options.config.outputs.insert(OUTPUT.to_owned(), serde_json::from_value(output).expect("an output"));
        let stack = runtime.block_on(Stack::up(options, progress::on_stderr().as_ref())).expect("up");
        let description = stack.description().clone();
        let state = stack.state_file().to_str().expect("a path").to_owned();
        let nothing = String::new;
        let mut world = Self {
            runtime,
            description,
            state,
            stack: Mutex::new(stack),
            provider,
            delivery: nothing(),
            incident: nothing(),
            site: nothing(),
        };
        world.feed();
        world
    }

    pub(crate) fn state(&self) -> String {
        self.state.clone()
    }

    pub(crate) fn acks(&self) -> String {
        self.description.acks.clone()
    }

    pub(crate) fn mails(&self) -> Vec<Value> {
        self.runtime.block_on(self.stack.lock().expect("no panic").mail()).expect("mails")
    }

    /// The functions' logs, as `up --logs` shows them.
    pub(crate) fn logs(&self) -> Vec<String> {
        let lines = self.runtime.block_on(self.stack.lock().expect("no panic").logs()).expect("logs");
        lines.iter().map(ToString::to_string).collect()
    }

    /// Posts a body; returns the answer's status.
    pub(crate) fn post(&self, url: &str, body: String) -> u16 {
        let url = url.to_owned();
        self.runtime.block_on(async move {
            let http = stack_client::http_client().expect("a client");
            let request = http.post(url).header("content-type", "application/json").body(body);
            request.send().await.expect("answered").status().as_u16()
        })
    }

    fn json(&self, verb: &str) -> Value {
        let arguments: Vec<String> = verb.split(' ').map(str::to_owned).collect();
        let said = gridbell(&[arguments, vec!["--json".to_owned(), "--state".to_owned(), self.state()]].concat());
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", said.out, said.err))
    }

    /// Creates every kind of data that a verb shows.
    fn feed(&mut self) {
        let slot = json!({"meter_event_id": format!("event {}", first(12)), "start_time": "2099-06-05T00:00:00Z",
            "end_time": "2099-06-05T01:00:00Z", "cancelled": false, "energy_kw": 12.5, "priority": 1, "programs": [EVIL, long()]});
        let meter =
            json!({"meter_id": format!("meter {}", first(30)), "partner_reference": long(), "timeslots": [slot]});
        let leap =
            json!({"integration_test_notification": false, "communication_test": false, "meter_dispatches": [meter]});
        let unknown = json!({"subscription_id": EVIL, "event_id": format!("new.{}", first(30)), "delivery_id": "d-1",
            "event_timestamp": "2026-03-01T12:00:00Z", "payload": {"name": long()}});
        let target = json!({"value": 6.5, "unit": "mw"});
        let power = json!({"event": "start_ramp_down", "feed_tag": first(30), "correlation_id": format!("c {}", first(30)),
            "start_time": "2026-03-01T12:00:00Z", "end_time": null, "strategy": EVIL, "target_load": target, "compliant": false});
        let voltus = json!({"event": {"name": "dispatch.create"}, "resource": "/2022-04-15/dispatches/evil-1"});
        // JSON may contain unescaped invisible characters that are not control characters.
        let nothing = format!("{{\"what\":\"\u{9b}2J\u{202e}\u{200b}{}\"}}", "\u{9b}8m".repeat(6_000));
        for (source, body) in [
            ("voltus-demo", voltus.to_string()),
            ("leap-demo", leap.to_string()),
            ("openvolt-demo", unknown.to_string()),
            ("nvgrid-demo", power.to_string()),
            ("openvolt-demo", nothing),
        ] {
            let url = self.description.sources[source].url.clone();
            assert_eq!(self.post(&url, body), 200, "{source}");
        }
        self.wait("dispatches", |world| {
            let listed = world.json("dispatch list --all");
            (listed["dispatches"].as_array()?.len() >= 2).then(|| listed.to_string())
        });
        self.site = self.wait("site", |world| {
            let listed = world.json("site list --source leap-demo");
            listed["sites"][0]["site"].as_str().map(str::to_owned)
        });
        self.delivery = self.wait("quarantined delivery", |world| {
            let listed = world.json("delivery list --source openvolt-demo --kind quarantined");
            listed["deliveries"].as_array()?.iter().find_map(|one| one["id"].as_str().map(str::to_owned))
        });
        let detail = ["dispatch", "ack", DISPATCH, "failed", "--detail", &without_nul(EVIL), "--state", &self.state()];
        assert_eq!(gridbell(&detail.map(str::to_owned)).code, Some(0));
        self.incident = self.wait("incident of the dispatch", |world| {
            let listed = world.json("alert list");
            let mut names = listed["incidents"].as_array()?.iter().filter_map(|one| one["incident"].as_str());
            names.find(|name| name.contains("evil-1")).map(str::to_owned)
        });
    }

    /// Repeats `ask` until it returns something.
    fn wait(&self, what: &str, ask: impl Fn(&Self) -> Option<String>) -> String {
        for _ in 0..1_800 {
            if let Some(found) = ask(self) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("after three minutes there is no {what}")
    }
}

/// The first `characters` of it.
fn first(characters: usize) -> String {
    EVIL.chars().take(characters).collect()
}

/// A command line cannot contain NUL.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}
