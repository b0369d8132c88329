//! The providers' side, as a person works it: exercises triggered at a local stack give exactly the signals that the provider's
//! description asks for, and webhooks are registered, tested and taken away with the binary.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use gridbell::{
    config::Provider,
    demo,
    local::{Stack, http_client},
    progress::Silent,
    simulate::Simulators,
};
use serde_json::{Value, json};
use simulators::{Fault, Misbehaviour};

/// How long a signal may take.
const COMES: Duration = Duration::from_mins(1);

/// How long nothing more may come before it counts as nothing.
const QUIET_S: u64 = 3;

struct Bench {
    stack: Stack,
    http: reqwest::Client,
}

impl Bench {
    async fn gridbell(&self, args: &[&str]) -> Output {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_gridbell"))
            .args(args)
            .arg("--state")
            .arg(self.stack.state_file())
            .stdin(Stdio::null())
            .output()
            .await
            .expect("gridbell starts")
    }

    /// What it printed; it must have done what was asked.
    async fn does(&self, args: &[&str]) -> String {
        let output = self.gridbell(args).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?}: {out}{err}");
        out.into_owned()
    }

    /// What it said in refusing, one line, and its exit status.
    async fn refuses(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.gridbell(args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }

    async fn sqs(&self, action: &str, mut body: Value) -> Value {
        let description = self.stack.description();
        body["QueueUrl"] = json!(description.queues["signals"]);
        let request = self.http.post(&description.endpoint_url).header("content-type", "application/x-amz-json-1.0");
        let request = request.header("x-amz-target", format!("AmazonSQS.{action}")).json(&body);
        request.send().await.expect("answered").json().await.unwrap_or_default()
    }

    async fn take(&self, wait_s: u64) -> Vec<Value> {
        let taken = self.sqs("ReceiveMessage", json!({"MaxNumberOfMessages": 10, "WaitTimeSeconds": wait_s})).await;
        let messages = taken["Messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            self.sqs("DeleteMessage", json!({"ReceiptHandle": message["ReceiptHandle"]})).await;
        }
        messages.iter().map(|one| serde_json::from_str(one["Body"].as_str().expect("a body")).expect("JSON")).collect()
    }

    /// So many signals, and none after them.
    async fn signals(&self, count: usize) -> Vec<Value> {
        let mut came = Vec::new();
        let taking = async {
            while came.len() < count {
                came.extend(self.take(1).await);
            }
        };
        let in_time = tokio::time::timeout(COMES, taking).await.is_ok();
        assert!(in_time, "{} of {count} signals came: {came:?}", came.len());
        came.extend(self.take(QUIET_S).await);
        came
    }
}

/// A signal in short: which subject by the order of their appearance, its number, what it is, and whether its end is known.
fn short(signals: &[Value]) -> Vec<String> {
    let mut subjects: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for signal in signals {
        let subject = signal["subject"].as_str().expect("a subject");
        let place = subjects.iter().position(|known| *known == subject).unwrap_or_else(|| {
            subjects.push(subject);
            subjects.len() - 1
        });
        let dispatch = &signal["data"]["dispatch"];
        let kind = signal["type"].as_str().expect("a type").trim_start_matches("gridbell.dispatch.");
        let end = if dispatch["end"].is_null() { "no end" } else { "an end" };
        lines.push(format!("{place} #{} {kind}, {end}", signal["sequence"].as_str().expect("a number")));
    }
    lines
}

async fn exercises(bench: &Bench) {
    for (name, expected) in [
        // Curtail at its start, ramp up at its end: both are known from the first signal, and the passing end is no news.
        ("basic", &["0 #1 scheduled.v1, an end"][..]),
        // Curtail now, with no end; release on the update.
        ("ancillary-services", &["0 #1 scheduled.v1, no end", "0 #2 ended.v1, an end"]),
        ("back-to-back", &["0 #1 scheduled.v1, an end", "1 #1 scheduled.v1, an end"]),
        ("minutes-apart", &["0 #1 scheduled.v1, an end", "1 #1 scheduled.v1, an end"]),
        // Withdrawn before its start.
        ("cancelled", &["0 #1 scheduled.v1, an end", "0 #2 cancelled.v1, an end"]),
    ] {
        bench.does(&["trigger", "voltus-demo", name, "--speed", "120", "--misbehave", "duplicate"]).await;
        let signals = bench.signals(expected.len()).await;
        assert_eq!(short(&signals), expected, "{name}");
        let of = |index: usize, name: &str| signals[index]["data"]["dispatch"][name].clone();
        match name {
            "back-to-back" => assert_eq!(of(0, "end"), of(1, "start"), "neither is dropped"),
            "ancillary-services" => assert_eq!(of(0, "start"), of(1, "start"), "it started then"),
            "cancelled" => assert!(of(1, "start").as_str() > signals[1]["time"].as_str(), "before it ever started"),
            _ => {}
        }
    }
}

async fn others(bench: &Bench) {
    // Leap's update and Openvolt's data are asked for; NvGrid's webhooks say it all.
    bench.does(&["trigger", "leap-demo", "cancel", "--speed", "600", "--misbehave", "lost-acknowledgement"]).await;
    assert_eq!(short(&bench.signals(2).await), ["0 #1 scheduled.v1, an end", "0 #2 cancelled.v1, an end"]);
    bench.does(&["trigger", "nvgrid-demo", "ramp-compliant", "--speed", "3600"]).await;
    assert_eq!(bench.signals(4).await.len(), 4);
    bench.does(&["trigger", "openvolt-demo", "daily", "--misbehave", "500"]).await;
    assert_eq!(bench.signals(1).await[0]["data"]["meter"]["intervals"].as_array().map(Vec::len), Some(49));
    let (status, said) = bench.refuses(&["trigger", "voltus-demo", "no-such"]).await;
    assert!(status == Some(2) && said.contains("voltus has no scenario no-such; it has basic, "), "{said}");
    let (status, said) = bench.refuses(&["trigger", "nobody", "basic"]).await;
    assert!(status == Some(2) && said.contains("there is no source nobody in this stack"), "{said}");
}

async fn life_cycle(bench: &Bench) {
    let registered = bench.does(&["webhook", "register", "voltus-demo"]).await;
    assert!(
        registered.starts_with("Registered as ") && registered.contains("/hooks/voltus-demo/[token]"),
        "{registered}"
    );
    assert!(bench.does(&["webhook", "register", "voltus-demo"]).await.starts_with("Registered already as "));
    let listed = bench.does(&["webhook", "list", "voltus-demo", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert!(listed.as_array().is_some_and(|listed| listed.len() == 1) && listed[0]["ours"] == true, "{listed}");
    let (status, said) = bench.refuses(&["webhook", "test", "voltus-demo"]).await;
    assert!(status == Some(2) && said.contains("say --yes"), "{said}");
    let tested = bench.does(&["webhook", "test", "voltus-demo", "--yes"]).await;
    assert!(tested.contains("Published for voltus-demo/") && tested.contains("dispatch.scheduled.v1 #1"), "{tested}");
    assert_eq!(bench.signals(1).await[0]["data"]["dispatch"]["test_reason"], "self");
    bench.does(&["webhook", "unregister", "voltus-demo"]).await;
    assert_eq!(bench.refuses(&["webhook", "unregister", "voltus-demo"]).await.0, Some(1));
    assert_eq!(bench.refuses(&["webhook", "test", "voltus-demo", "--yes"]).await.0, Some(1));

    for level in ["meter", "group"] {
        bench.does(&["webhook", "register", "leap-demo", "--level", level]).await;
        let tested = bench.does(&["webhook", "test", "leap-demo", "--level", level]).await;
        assert!(tested.contains("http_status: 200") && tested.contains("Published for leap-demo/"), "{tested}");
        assert_eq!(bench.signals(1).await[0]["data"]["dispatch"]["test_reason"], "integration");
        bench.does(&["webhook", "unregister", "leap-demo", "--level", level]).await;
    }
    let entered = bench.does(&["webhook", "register", "openvolt-demo", "--wait", "0s"]).await;
    assert!(entered.contains("Subscription type   Webhook") && entered.contains("/hooks/openvolt-demo/"), "{entered}");
}

/// `NvGrid`, by gRPC: the site is a simulator, and describes itself or is described by its file.
async fn life_cycle_over_grpc(bench: &Bench, simulators: &Simulators) {
    let proto = tempfile::Builder::new().suffix(".proto").tempfile().expect("a file");
    std::fs::write(proto.path(), simulators::NVGRID_PROTO).expect("written");
    let proto = proto.path().to_str().expect("a path");
    let registered =
        bench.does(&["webhook", "register", "nvgrid-demo", "--event", "start_ramp_down", "--proto", proto]).await;
    assert!(registered.starts_with("Registered for start_ramp_down: http") && registered.contains("/[token]"));
    bench.does(&["webhook", "register", "nvgrid-demo"]).await;
    bench.does(&["trigger", "nvgrid-demo", "for-ever", "--speed", "3600"]).await;
    assert_eq!(bench.signals(2).await[1]["type"], "gridbell.power.end_ramp_down.v1");
    let told = bench.does(&["webhook", "status", "nvgrid-demo"]).await;
    assert!(told.contains("main_power_feed") && told.contains("target_load  4.0 megawatt"), "{told}");
    let told = bench.does(&["webhook", "schedule", "nvgrid-demo", "--from", "2026-01-01T00:00:00Z", "--json"]).await;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert!(told["load_targets"].is_array(), "{told}");
    let (status, said) = bench.refuses(&["webhook", "list", "nvgrid-demo"]).await;
    assert!(status == Some(1) && said.contains("has no call that lists webhooks"), "{said}");
    for (fault, expected) in [
        (Misbehaviour::Status(503), "it may be registered or not: "),
        (Misbehaviour::Status(403), "nothing is registered: "),
        (Misbehaviour::NotWhitelisted, "nothing is registered: "),
    ] {
        let about = Some("RegisterWebhook".to_owned());
        simulators.misbehave(Provider::Nvgrid, &[Fault { what: fault, about, times: Some(1) }]);
        let (status, said) = bench.refuses(&["webhook", "register", "nvgrid-demo"]).await;
        let one_line = said.trim_end().lines().count() == 1;
        assert!(status == Some(1) && said.contains(expected) && one_line, "{fault}: {said}");
    }
    let (status, said) = bench.refuses(&["webhook", "test", "nvgrid-demo", "--wait", "1s"]).await;
    assert!(status == Some(1) && said.contains("no delivery came within 1 s"), "{said}");
    bench.does(&["webhook", "unregister", "nvgrid-demo"]).await;
    let (status, said) = bench.refuses(&["webhook", "unregister", "nvgrid-demo"]).await;
    assert!(status == Some(1) && said.contains("webhook not found") && said.trim_end().lines().count() == 1, "{said}");
    let outside = ["webhook", "register", "nvgrid-demo", "--login", "env:NOT_SET_ANYWHERE"];
    let (status, said) = bench.refuses(&outside).await;
    assert!(status == Some(1) && said.contains("nothing is registered") && said.contains("NOT_SET_ANYWHERE"), "{said}");
    for (wrong, expected) in [
        (&["webhook", "register", "nvgrid-demo", "--event", "ramp"][..], "start_ramp_up, end_ramp_up"),
        (&["webhook", "status", "voltus-demo"], "is told by NvGrid alone"),
        (&["webhook", "status", "nvgrid-demo", "--login", "operator:geheim"], "never the secret itself"),
        (&["webhook", "register", "nvgrid-demo", "--token", "geheim"], "never the secret itself"),
        (&["webhook", "list", "voltus-demo", "--proto", proto], "voltus is none"),
    ] {
        let (status, said) = bench.refuses(wrong).await;
        assert!(status == Some(2) && said.contains(expected) && !said.contains("geheim"), "{wrong:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exercises_and_registration_against_a_local_stack() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut options, simulators) = demo::prepare().await.expect("simulators");
    options.state = Some(folder.path().join("stack.json"));
    let stack = Stack::up(options, &Silent).await.expect("up");
    let bench = Bench { stack, http: http_client().expect("a client") };
    exercises(&bench).await;
    others(&bench).await;
    life_cycle(&bench).await;
    life_cycle_over_grpc(&bench, &simulators).await;
    bench.stack.shutdown().await.expect("down");
    drop(simulators);
}
