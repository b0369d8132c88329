//! The providers' side with the binary: exercises triggered at a local stack produce exactly the signals in the
//! providers' descriptions, and webhooks are registered, tested and removed.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

mod bench;
mod exercises;
mod misbehaviour;

use std::process::Stdio;

use provider_sims::{Fault, Misbehaviour};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::bench::Bench;

/// One test alone already uses a small machine fully.
static ONE_AFTER_THE_OTHER: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

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
    let mark = bench.mark("voltus-demo");
    let tested = bench.does(&["webhook", "test", "voltus-demo", "--yes"]).await;
    assert!(tested.contains("Published for voltus-demo/") && tested.contains("dispatch.scheduled.v1 #1"), "{tested}");
    assert_eq!(bench.signals(&mark, 1).await[0]["data"]["dispatch"]["test_reason"], "self");
    bench.does(&["webhook", "unregister", "voltus-demo"]).await;
    assert_eq!(bench.refuses(&["webhook", "unregister", "voltus-demo"]).await.0, Some(1));
    assert_eq!(bench.refuses(&["webhook", "test", "voltus-demo", "--yes"]).await.0, Some(1));

    for level in ["meter", "group"] {
        bench.does(&["webhook", "register", "leap-demo", "--level", level]).await;
        let mark = bench.mark("leap-demo");
        let tested = bench.does(&["webhook", "test", "leap-demo", "--level", level]).await;
        assert!(tested.contains("http_status: 200") && tested.contains("Published for leap-demo/"), "{tested}");
        assert_eq!(bench.signals(&mark, 1).await[0]["data"]["dispatch"]["test_reason"], "integration");
        bench.does(&["webhook", "unregister", "leap-demo", "--level", level]).await;
    }
    let entered = bench.does(&["webhook", "register", "openvolt-demo", "--wait", "0s"]).await;
    assert!(entered.contains("Subscription type   Webhook") && entered.contains("/hooks/openvolt-demo/"), "{entered}");
    // A person enters the webhook, and the first delivery shows that it was entered correctly.
    let mut register = bench.command(&["webhook", "register", "openvolt-demo", "--wait", "2m"]);
    let mut register = register.stdout(Stdio::piped()).spawn().expect("gridbell starts");
    let mut said = BufReader::new(register.stdout.take().expect("piped")).lines();
    while !said
        .next_line()
        .await
        .expect("read")
        .expect("it waits")
        .contains("anyone who has it can post to this source")
    {}
    bench.does(&["trigger", "openvolt-demo", "daily"]).await;
    let last = said.next_line().await.expect("read").expect("said");
    assert!(last.ends_with("went through: the hook works."), "{last}");
    assert!(register.wait().await.expect("ended").success());
}

/// `NvGrid`, over gRPC: the site is a simulator, described by reflection or by its file.
async fn life_cycle_over_grpc(bench: &Bench) {
    let proto = tempfile::Builder::new().suffix(".proto").tempfile().expect("a file");
    std::fs::write(proto.path(), provider_sims::NVGRID_PROTO).expect("written");
    let proto = proto.path().to_str().expect("a path");
    let registered =
        bench.does(&["webhook", "register", "nvgrid-demo", "--event", "start_ramp_down", "--proto", proto]).await;
    assert!(registered.starts_with("Registered for start_ramp_down: http") && registered.contains("/[token]"));
    bench.does(&["webhook", "register", "nvgrid-demo"]).await;
    let mark = bench.mark("nvgrid-demo");
    bench.does(&["trigger", "nvgrid-demo", "for-ever", "--speed", "3600"]).await;
    assert_eq!(bench.signals(&mark, 2).await.len(), 2);
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
        bench.simulators.misbehave("nvgrid", &[Fault { what: fault, about, times: Some(1) }]);
        let (status, said) = bench.refuses(&["webhook", "register", "nvgrid-demo"]).await;
        let one_line = said.trim_end().lines().count() == 1;
        assert!(status == Some(1) && said.contains(expected) && one_line, "{fault}: {said}");
    }
    let tested = bench.gridbell(&["webhook", "test", "nvgrid-demo", "--wait", "1s"]).await;
    let said = String::from_utf8_lossy(&tested.stderr);
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        matches!(lines[..], [waits, over] if waits.contains("up to 1 s") && over.contains("came within 1 s")),
        "{said}"
    );
    assert_eq!(tested.status.code(), Some(1));
    bench.does(&["webhook", "unregister", "nvgrid-demo"]).await;
    let (status, said) = bench.refuses(&["webhook", "unregister", "nvgrid-demo"]).await;
    assert!(status == Some(1) && said.contains("webhook not found"), "{said}");
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
    let _turn = ONE_AFTER_THE_OTHER.lock().await;
    let bench = Bench::up(1).await;
    exercises::all(&bench).await;
    life_cycle(&bench).await;
    life_cycle_over_grpc(&bench).await;
    bench.stack.shutdown().await.expect("down");
}

#[tokio::test(flavor = "multi_thread")]
async fn exercises_and_registration_while_the_providers_misbehave() {
    let _turn = ONE_AFTER_THE_OTHER.lock().await;
    let bench = Bench::up(misbehaviour::COPIES).await;
    misbehaviour::all(&bench).await;
    bench.stack.shutdown().await.expect("down");
}
