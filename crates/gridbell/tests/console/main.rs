//! The operator's verbs as a person runs them, on one local stack: their output, their effects and their errors.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::{
    process::{Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

use local_stack::progress;
use local_stack::{ProviderUrls, Stack, UpOptions};
use provider_sims::bodies::{Window, leap as bodies};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

mod refusals;
mod terminal;

/// All tests of this file share it; it ends with the process. No provider answers its requests.
static STACK: LazyLock<(Runtime, Stack)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("threads");
    let options = UpOptions::built_in(&ProviderUrls::new()).expect("the built-in configuration");
    let stack = runtime.block_on(Stack::up(options, progress::on_stderr().as_ref())).expect("up");
    (runtime, stack)
});

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    /// Fails unless the command was refused with that status, on one line with those words.
    fn refuses(&self, code: i32, words: &str) {
        let lines: Vec<&str> = self.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(self.code == code && lines.len() == 1 && self.err.contains(words), "{} {}", self.code, self.err);
        assert!(self.err.lines().count() == 1, "{}", self.err);
    }
}

/// Runs `gridbell …` without a stack.
fn plain(arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_gridbell"))
        .args(arguments)
        .env_remove("AWS_PROFILE")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .expect("gridbell starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code().expect("ended"), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs `gridbell …` on the stack.
fn gridbell(arguments: &[&str]) -> Said {
    let state = STACK.1.state_file().to_str().expect("a path");
    plain(&[arguments, &["--state", state]].concat())
}

fn post(source: &str, body: &str) {
    let url = STACK.1.description().sources[source].url.clone();
    let body = body.to_owned();
    let sent = STACK.0.block_on(async move {
        let http = stack_client::http_client().expect("a client");
        http.post(url).header("content-type", "application/json").body(body).send().await
    });
    assert_eq!(sent.expect("answered").status(), 200);
}

/// Repeats `ask` until it returns something.
fn wait_for<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    for _ in 0..1_800 {
        if let Some(found) = ask() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("after three minutes there is no {what}")
}

/// A real Leap dispatch for one meter, far in the future; its webhook contains everything.
fn dispatch(id: &str) -> String {
    let slot = bodies::slot(id, 12.5, &Window::new("2099-06-05T00:00:00Z", "2099-06-05T01:00:00Z"));
    let mut meter = bodies::meter("dd21c76c-7126-4ef7-b0a6-f190fad300b2", &[slot]);
    meter["partner_reference"] = json!("site-1");
    post("leap-demo", &bodies::notification(&[meter]).to_string());
    let key = format!("leap-demo/{id}");
    wait_for("dispatch", || {
        let listed = gridbell(&["dispatch", "list", "--json"]).json();
        let sent = |dispatch: &Value| dispatch["key"] == key.as_str() && dispatch["unsent"] == 0;
        listed["dispatches"].as_array()?.iter().any(sent).then_some(key.clone())
    })
}

#[test]
fn a_dispatch_is_listed_and_shown_with_its_timeline() {
    let key = dispatch("11cfced0-16f4-4fb7-b72e-000000000001");
    let listed = gridbell(&["dispatch", "list", "--source", "leap-demo", "--phase", "upcoming", "--utc"]);
    assert!(listed.out.contains(&key) && listed.out.contains("reduce 12.5 kW") && !listed.out.contains('\u{1b}'));
    let sites = gridbell(&["site", "list", "--source", "leap-demo", "--json"]).json();
    let site = sites["sites"][0]["site"].as_str().expect("a site").to_owned();
    assert!(
        sites["sites"][0]["curtailed"] == false && site == "leap-demo/dd21c76c-7126-4ef7-b0a6-f190fad300b2",
        "{sites}"
    );
    let got = gridbell(&["site", "get", &site, "--utc"]);
    assert!(
        got.out.contains("free until 2099-06-05 00:00:00 UTC") && got.out.contains("reduce 12.5 kW"),
        "{}",
        got.out
    );
    let none = gridbell(&["dispatch", "list", "--until", "2000-01-01T00:00:00Z", "--json"]).json();
    assert_eq!(none["dispatches"], json!([]));

    let got = gridbell(&["dispatch", "get", &key, "--json"]).json();
    let shape = json!([
        got["status"],
        got["phase"],
        got["version"],
        got["test"],
        got["request"],
        got["targets"][0]["external_id"]
    ]);
    assert_eq!(shape, json!(["scheduled", "upcoming", 1, false, {"kind": "reduce", "watts": 12_500}, "site-1"]));
    assert!(gridbell(&["dispatch", "get", &key, "--utc"]).out.contains("starts       2099-06-05 00:00:00 UTC"));

    let timeline = gridbell(&["dispatch", "timeline", &key, "--json"]).json();
    let events =
        timeline["steps"].as_array().expect("steps").iter().map(|step| step["event"].as_object().expect("one"));
    // On a busy machine the first start of a function may take too long, which opens an incident.
    let of_incidents = ["opened", "waiting", "mailed", "resolved"];
    let names = events.flat_map(|event| event.keys()).filter(|name| !of_incidents.contains(&name.as_str()));
    assert_eq!(names.collect::<Vec<_>>(), ["received", "published", "due", "starts", "ends"]);
    gridbell(&["dispatch", "get", "leap-demo/nobody"]).refuses(1, "there is no dispatch leap-demo/nobody");
    gridbell(&["dispatch", "timeline", "leap-demo/nobody"]).refuses(1, "nothing is known of leap-demo/nobody");
    gridbell(&["dispatch", "list", "--source", "nobody"])
        .refuses(2, "there is no source nobody in this stack; it has leap-demo");
    gridbell(&["dispatch", "list", "--since", "yesterday"]).refuses(2, "is neither an instant");
    gridbell(&["dispatch", "list", "--phase", "never"]).refuses(2, "never");
}

#[test]
fn an_answer_is_noted_for_the_current_version_alone() {
    let key = dispatch("11cfced0-16f4-4fb7-b72e-000000000002");
    gridbell(&["dispatch", "ack", &key, "accepted", "--version", "7"]).refuses(1, "not the current one, which is 1");
    gridbell(&["dispatch", "ack", &key, "perhaps"]).refuses(2, "perhaps");
    gridbell(&["dispatch", "ack", "leap-demo/nobody", "accepted"]).refuses(1, "there is no dispatch");
    let said = gridbell(&["dispatch", "ack", &key, "accepted", "--detail", "on it", "--json"]);
    assert_eq!((said.code, &said.json()["version"]), (0, &json!(1)));
    let got = gridbell(&["dispatch", "get", &key, "--json"]).json();
    assert_eq!((&got["acknowledged"], &got["acknowledgement"]["detail"]), (&json!(true), &json!("on it")));
    assert!(gridbell(&["dispatch", "timeline", &key]).out.contains("version 1 acknowledged: accepted: on it"));

    assert_eq!(gridbell(&["dispatch", "ack", &key, "failed"]).code, 0);
    let risky = gridbell(&["dispatch", "list", "--at-risk", "--json"]).json();
    assert!(risky["dispatches"].as_array().expect("a list").iter().any(|dispatch| dispatch["key"] == key.as_str()));
    let incident = wait_for("incident", || {
        let listed = gridbell(&["alert", "list", "--open", "--json"]).json();
        let is_about = |incident: &&Value| {
            incident["dispatch"] == key.as_str()
                && incident["incident"].as_str().is_some_and(|name| name.ends_with("/failed"))
        };
        listed["incidents"].as_array()?.iter().find(is_about).cloned()
    });
    let name = incident["incident"].as_str().expect("a name");
    assert_eq!(name, format!("dispatch-at-risk/{key}/failed"));
    let timeline = gridbell(&["dispatch", "timeline", &key, "--json"]).json();
    let opened = |step: &Value| step["event"]["opened"]["incident"] == name;
    assert!(timeline["steps"].as_array().expect("steps").iter().any(opened), "{timeline}");
    gridbell(&["alert", "ack", &key]).refuses(1, &format!("open are {name}"));
    assert!(gridbell(&["alert", "ack", name, "--as", "Ada"]).out.contains(&format!("{name}: acknowledged by Ada")));
    let again = gridbell(&["alert", "ack", name, "--by", "Bob", "--json"]).json();
    assert!(again["said"].as_str().is_some_and(|said| said.contains("Ada acknowledged it before")), "{again}");
    let listed = gridbell(&["alert", "list", "--json"]).json();
    let status = |one: &Value| (one["incident"] == name).then(|| one["status"].clone());
    assert_eq!(listed["incidents"].as_array().expect("a list").iter().find_map(status), Some(json!("acknowledged")));
}

#[test]
fn what_is_quarantined_is_shown_and_goes_in_again_as_another() {
    let body = r#"{"what":"is this"}"#;
    post("openvolt-demo", body);
    let ids = || -> Vec<String> {
        let listed =
            gridbell(&["delivery", "list", "--source", "openvolt-demo", "--kind", "quarantined", "--json"]).json();
        let waiting =
            listed["deliveries"].as_array().expect("a list").iter().filter(|one| one["replayed_as"].is_null());
        waiting.filter_map(|one| one["id"].as_str().map(str::to_owned)).collect()
    };
    let id = wait_for("quarantined delivery", || ids().pop());
    assert_eq!(gridbell(&["delivery", "get", &id, "--raw"]).out, body);
    assert_eq!(gridbell(&["delivery", "get", &id, "--json"]).json()["body"], body);

    // Without a terminal nothing can be asked, so nothing is done without --yes.
    gridbell(&["delivery", "replay", "--all"]).refuses(1, "nothing was replayed; --yes does it");
    let shown = gridbell(&["delivery", "replay", &id, "--dry-run"]);
    assert!(shown.code == 0 && shown.out.contains(&id) && shown.out.contains("nothing was replayed"), "{}", shown.out);
    let replayed = gridbell(&["delivery", "replay", &id, "--yes", "--json"]).json();
    let new = replayed["replayed"][0]["delivery"].as_str().expect("an id").to_owned();
    assert_ne!(new, id);
    assert_eq!(wait_for("second time", || ids().pop().filter(|found| *found != id)), new);
    assert_eq!(gridbell(&["delivery", "get", &id, "--json"]).json()["replayed_as"], new.as_str());

    gridbell(&["delivery", "replay"]).refuses(2, "say which");
    gridbell(&["delivery", "replay", "nobody", "--yes"]).refuses(1, "is quarantined under nobody");
    gridbell(&["delivery", "replay", &id, "--source", "x"]).refuses(2, "cannot be used with");
    gridbell(&["delivery", "get", "nobody"]).refuses(1, "is quarantined under nobody");
}

#[test]
fn the_doctor_finds_the_stack_well_and_shows_no_secret() {
    let said = gridbell(&["doctor", "--json"]);
    let checks = said.json()["checks"].as_array().expect("checks").clone();
    let verdict = |check: &str| checks.iter().find(|one| one["check"] == check).map(|one| one["verdict"].clone());
    for check in ["configuration", "secret", "webhook address", "mail", "queue", "clock", "concurrency"] {
        assert_eq!(verdict(check), Some(json!("good")), "{check}");
    }
    let bad = checks.iter().any(|one| one["verdict"] == "bad");
    assert_eq!(said.code, i32::from(bad), "{}", said.out);
    for (name, token) in STACK.1.tokens() {
        assert!(!said.out.contains(token.as_str()) && !said.out.contains(&local_stack::placeholder_key(name)));
    }
    let screen = gridbell(&["doctor"]);
    assert!(screen.out.contains("✓ configuration") && !screen.out.contains('\u{1b}'), "{}", screen.out);
}

#[test]
fn a_test_mail_of_the_doctor_is_really_sent() {
    let sent = || {
        let url = STACK.1.description().mail.clone();
        let mails = STACK.0.block_on(async move {
            let http = stack_client::http_client().expect("a client");
            http.get(url).send().await.expect("answered").json::<Value>().await.expect("JSON")
        });
        let is_test = |mail: &&Value| mail["subject"].as_str().is_some_and(|subject| subject.contains("Test mail"));
        mails.as_array().expect("mails").iter().filter(is_test).cloned().collect::<Vec<Value>>()
    };
    assert!(sent().is_empty());
    let checks = gridbell(&["doctor", "--mail", "--json"]).json()["checks"].as_array().expect("checks").clone();
    let check = checks.iter().find(|one| one["check"] == "test mail").expect("a test mail");
    assert_eq!(check["verdict"], "good", "{check}");
    let sent = sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0]["from"], json!("gridbell@example.com"));
}

#[test]
fn a_configuration_is_shipped_once_it_is_confirmed() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("gridbell.toml");
    let source = |provider: &str| format!("[sources.{provider}-demo]\nprovider = '{provider}'\n");
    let asked = |provider: &str| {
        format!("{}api_url = 'http://127.0.0.1:9'\napi_key = 'ssm:/gridbell/{provider}-demo'\n", source(provider))
    };
    let text =
        [asked("voltus"), asked("leap"), asked("openvolt"), source("nvgrid")].concat() + "[deadlines]\nlead = '20m'\n";
    std::fs::write(&file, &text).expect("written");
    let file = file.to_str().expect("a path");
    let dry = gridbell(&["config", "apply", "--config", file, "--dry-run"]);
    assert!(dry.code == 0 && dry.out.contains("~ deadlines.lead_s: 600 → 1200"), "{}{}", dry.out, dry.err);
    gridbell(&["config", "apply", "--config", file]).refuses(2, "say --yes to go on");
    let done = gridbell(&["config", "apply", "--config", file, "--yes", "--json"]).json();
    assert_eq!((&done["applied"], &done["new_hooks"]), (&json!(true), &json!({})));
    assert!(gridbell(&["config", "apply", "--config", file]).out.contains("this is what runs already"));
    std::fs::write(file, text.replace("ssm:/gridbell/leap-demo", "ssm:/elsewhere/leap")).expect("written");
    gridbell(&["config", "apply", "--config", file, "--yes"]).refuses(1, "may read below /gridbell/ alone");
}

#[test]
fn a_stack_that_is_not_there_is_one_line() {
    plain(&["dispatch", "list", "--state", "/nowhere/stack.json"]).refuses(1, "no stack is up here");
    plain(&["doctor", "--state", "x", "--stack", "y"]).refuses(2, "cannot be used with");
    plain(&["doctor", "--profile", "y"]).refuses(2, "--stack");
    let folder = tempfile::tempdir().expect("folder");
    let state = folder.path().join("stack.json");
    std::fs::write(&state, "{}").expect("written");
    let state = state.to_str().expect("a path");
    plain(&["delivery", "list", "--state", state]).refuses(1, "describes no stack");
    let mut gone = serde_json::to_value(STACK.1.description()).expect("JSON");
    gone["endpoint_url"] = json!("http://127.0.0.1:9");
    std::fs::write(state, gone.to_string()).expect("written");
    plain(&["delivery", "list", "--state", state]).refuses(1, "it has ended");
    assert!(plain(&["completions", "bash"]).out.contains("_gridbell"));
}

/// The verbs find a deployed stack by its name, through AWS's ordinary settings.
#[test]
fn a_stack_is_found_by_name_through_the_ordinary_settings() {
    let folder = tempfile::tempdir().expect("folder");
    let (config, credentials) = (folder.path().join("config"), folder.path().join("credentials"));
    let endpoint = &STACK.1.description().endpoint_url;
    std::fs::write(&config, format!("[profile duty]\nregion = us-east-1\nendpoint_url = {endpoint}\n"))
        .expect("written");
    std::fs::write(&credentials, "[duty]\naws_access_key_id = test\naws_secret_access_key = test\n").expect("written");
    let ask = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_gridbell"))
            .args(arguments)
            .env("AWS_CONFIG_FILE", &config)
            .env("AWS_SHARED_CREDENTIALS_FILE", &credentials)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_ACCESS_KEY_ID")
            .stdin(Stdio::null())
            .output()
            .expect("gridbell starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Said { code: output.status.code().expect("ended"), out: text(output.stdout), err: text(output.stderr) }
    };
    let listed = ask(&["delivery", "list", "--stack", "gridbell", "--profile", "duty", "--json"]);
    assert!(listed.code == 0 && listed.json()["deliveries"].is_array(), "{}", listed.err);
    ask(&["delivery", "list", "--stack", "other", "--profile", "duty"])
        .refuses(1, "there is no stack other in us-east-1");
    ask(&["delivery", "list", "--stack", "gridbell"]).refuses(1, "region");
}

/// An emulator's stack is found by its name, and its webhook address is the emulator's, not that of its outputs.
#[test]
fn a_stack_on_an_emulator_is_found_by_its_endpoint() {
    let description = STACK.1.description();
    let endpoint = &description.endpoint_url;
    let ask = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_gridbell"))
            .args(arguments)
            .args(["--stack", &stack_name(), "--region", "us-east-1", "--endpoint-url", endpoint])
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::null())
            .output()
            .expect("gridbell starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Said { code: output.status.code().expect("ended"), out: text(output.stdout), err: text(output.stderr) }
    };
    let listed = ask(&["dispatch", "list", "--json"]);
    assert!(listed.code == 0 && listed.json()["dispatches"].is_array(), "{}", listed.err);
    // Doctor fails for other reasons here, but reaches the receiver.
    let checks = ask(&["doctor", "--json"]).json();
    let endpoint =
        checks["checks"].as_array().expect("checks").iter().find(|check| check["check"] == "webhook address");
    let endpoint = endpoint.expect("a check of the address");
    assert_eq!(endpoint["verdict"], "good", "{endpoint}");
    assert!(endpoint["found"].as_str().expect("words").starts_with(&description.webhook_base), "{endpoint}");
    plain(&["dispatch", "list", "--endpoint-url", "http://127.0.0.1:9"]).refuses(2, "--stack");
}

fn stack_name() -> String {
    let table = STACK.1.description().tables["dispatches"].clone();
    table.split_once("-DispatchesTable").expect("a table of a stack").0.to_owned()
}
