//! The configuration of a running stack, from none to a later version: the effect on functions, `config` and `doctor`.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::{
    io::{Cursor, Write},
    path::Path,
    process::{Command, Stdio},
};

use aws::{
    client::{self, Access},
    configuration::{ConfigTable, Stored},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use local_stack::progress;
use local_stack::{ProviderUrls, REGION, Stack, UpOptions};
use serde_json::{Value, json};
use stack_client::{FUNCTIONS, Functions, http_client, logical_id};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

/// Runs `gridbell …` on the stack described in that file.
fn gridbell(state: &Path, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_gridbell"))
        .args(arguments)
        .arg("--state")
        .arg(state)
        .stdin(Stdio::null())
        .output()
        .expect("gridbell starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code().expect("ended"), out: text(output.stdout), err: text(output.stderr) }
}

/// `doctor`'s result for each function, in the order in which a delivery passes them.
fn functions(doctor: &Value) -> Vec<(String, String)> {
    let checks = doctor["checks"].as_array().expect("checks").iter().filter(|check| check["check"] == "function");
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = checks
        .map(|check| (text(check, "about"), format!("{}: {}", text(check, "verdict"), text(check, "found"))))
        .collect();
    found.sort();
    found
}

fn everywhere(found: &str) -> Vec<(String, String)> {
    let mut all = FUNCTIONS.map(|function| (function.to_owned(), found.to_owned()));
    all.sort();
    all.into()
}

/// Publishes a version of a function, through which every caller invokes it then.
async fn publish(lambda: &Functions, name: &str) {
    let version = lambda.publish(name, "a test").await.expect("published");
    let alias = lambda.alias(name).await.expect("an answer").expect("an alias");
    assert_ne!(alias.version, version, "a new version");
    lambda.point(name, &alias, &version).await.expect("moved");
    // A deployment that read the alias before that does not move it any more.
    lambda.point(name, &alias, &alias.version).await.expect_err("refused");
}

/// Removes the configuration and restarts every function, as in a newly created stack.
async fn withdraw(stack: &Stack) {
    let description = stack.description();
    let aws = client::shared(Access::new(Some(&description.endpoint_url), REGION, "test", "test"));
    let table = ConfigTable::new(&aws, &description.tables["config"]);
    let current = table.current().await.expect("an answer").as_ref().map(Stored::number);
    table.withdraw(current.expect("up has applied one")).await.expect("withdrawn");
    let lambda = Functions::new(http_client().expect("a client"), &aws);
    for function in FUNCTIONS {
        let name = &stack.outputs()[&format!("{}Name", logical_id(function))];
        lambda.restart(name, "a test").await.expect("restarted");
        publish(&lambda, name).await;
    }
}

async fn ping(stack: &Stack) -> (u16, Option<String>) {
    let request = http_client()
        .expect("a client")
        .post(&stack.description().sources["voltus-demo"].url)
        .header("content-type", "application/json")
        .body(r#"{"event":{"name":""},"resource":""}"#);
    let response = request.send().await.expect("an answer");
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
    (response.status().as_u16(), retry_after)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_without_a_configuration_loses_nothing_and_runs_with_the_next() {
    let options = UpOptions::built_in(&ProviderUrls::new()).expect("the built-in configuration");
    let stack = Stack::up(options, progress::on_stderr().as_ref()).await.expect("up");
    let state = stack.state_file().to_owned();
    assert_eq!(ping(&stack).await, (200, None));
    let doctor = gridbell(&state, &["doctor", "--json"]).json();
    assert_eq!(functions(&doctor), everywhere("good: release 0.1.0 runs with version 1 of the configuration"));

    withdraw(&stack).await;
    assert_eq!(ping(&stack).await, (503, Some("30".to_owned())), "the provider sends it again");
    let doctor = gridbell(&state, &["doctor", "--json"]);
    let found = doctor.json();
    assert_eq!(functions(&found), everywhere("bad: no configuration is applied: run `gridbell config apply`"));
    let said = found["checks"].as_array().expect("checks").iter().find(|check| check["check"] == "configuration");
    assert_eq!(said.map(|check| &check["found"]), Some(&json!("no configuration is applied")));
    assert_eq!(doctor.code, 1);
    let listed = gridbell(&state, &["dispatch", "list", "--source", "voltus-demo"]);
    assert!(
        listed.err.contains("no configuration is applied to gridbell: run `gridbell config apply`"),
        "{}",
        listed.err
    );

    // A faulty file is refused before any change; so is a sender that the functions may not use.
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("gridbell.toml");
    let file_text = file.to_str().expect("a path");
    let apply = |text: &str| {
        std::fs::write(&file, text).expect("written");
        gridbell(&state, &["config", "apply", "--config", file_text, "--yes", "--json"])
    };
    let good = "[sources.nvgrid-demo]\nprovider = 'nvgrid'\n[contacts]\nemail = ['duty@example.com']\nfrom = 'gridbell@example.com'\n";
    let refused = |text: &str, words: &str| {
        let said = apply(text);
        assert!(said.code != 0 && said.err.contains(words), "{} {}", said.code, said.err);
    };
    refused(&good.replace("nvgrid'", "nogrid'"), "unknown provider");
    refused(&good.replace("gridbell@example.com", "other@example.com"), "may send as gridbell@example.com alone");
    assert_eq!(ping(&stack).await.0, 503);

    let done = apply(good);
    let applied = done.json();
    assert_eq!((&applied["applied"], done.code), (&json!(true), 0), "{}", done.err);
    assert!(applied["new_hooks"]["nvgrid-demo"].is_string(), "a token was made: {applied}");
    let doctor = gridbell(&state, &["doctor", "--json", "--config", file_text]).json();
    assert_eq!(functions(&doctor), everywhere("good: release 0.1.0 runs with version 2 of the configuration"));
    assert_eq!(ping(&stack).await.0, 404, "voltus-demo is gone");

    // The same file again changes nothing; an earlier version returns under a new number.
    let again = apply(good).json();
    assert_eq!((&again["applied"], &again["changes"]), (&json!(false), &json!([])));
    let back = gridbell(&state, &["config", "apply", "--version", "1", "--yes", "--json"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert_eq!(ping(&stack).await, (200, None));
    let versions = gridbell(&state, &["config", "history", "--json"]).json();
    let numbers: Vec<_> = versions["versions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["number"].clone(), one["current"].clone()))
        .collect();
    assert_eq!(numbers, [(json!(3), json!(true)), (json!(2), json!(false)), (json!(1), json!(false))]);
    a_package_for_another_processor_is_named(&stack, &state, file_text).await;
    stack.shutdown().await.expect("down");
}

/// What `sam build` deploys from an ARM machine to an `x86_64` function, or the other way round.
async fn a_package_for_another_processor_is_named(stack: &Stack, state: &Path, file: &str) {
    let (other, machine) = if cfg!(target_arch = "aarch64") { ("x86_64", 62) } else { ("arm64", 183) };
    let header = [0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, machine, 0];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o755);
    zip.start_file("bootstrap", options).expect("begun");
    zip.write_all(&[&header[..], &[0; 200]].concat()).expect("written");
    let zip = zip.finish().expect("whole").into_inner();
    let (base, name) = (&stack.description().endpoint_url, &stack.outputs()["AlerterFunctionName"]);
    let credential = format!("test/20260101/{REGION}/lambda/aws4_request");
    let uploaded = http_client()
        .expect("a client")
        .put(format!("{base}/2015-03-31/functions/{name}/code"))
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"))
        .body(json!({"ZipFile": BASE64_STANDARD.encode(zip)}).to_string())
        .send();
    assert_eq!(uploaded.await.expect("an answer").status(), 200);
    let doctor = gridbell(state, &["doctor", "--json"]).json();
    let alerter: Vec<_> = functions(&doctor).into_iter().filter(|(function, _)| function == "alerter").collect();
    assert!(alerter.iter().any(|(_, found)| found.contains("not the code that was deployed last")), "{alerter:?}");
    let aws = client::shared(Access::new(Some(base), REGION, "test", "test"));
    publish(&Functions::new(http_client().expect("a client"), &aws), name).await;

    let expected = format!("it cannot start: its package was built for {other}, and the function is ");
    let doctor = gridbell(state, &["doctor", "--json"]).json();
    let alerter = functions(&doctor).into_iter().find(|(function, _)| function == "alerter").expect("checked").1;
    assert!(alerter.starts_with(&format!("bad: {expected}")), "{alerter}");
    let before = gridbell(state, &["config", "history", "--json"]).out;
    let refused = gridbell(state, &["config", "apply", "--config", file, "--yes"]);
    assert!(refused.code == 1 && refused.err.contains(&format!("the alerter: {expected}")), "{}", refused.err);
    assert!(refused.err.contains("Nothing was changed"), "{}", refused.err);
    assert_eq!(gridbell(state, &["config", "history", "--json"]).out, before);
}
