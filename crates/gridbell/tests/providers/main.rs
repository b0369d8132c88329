//! The providers' side, as a person works it: exercises triggered at a local stack give exactly the signals that the provider's
//! description asks for, and webhooks are registered, tested and taken away with the binary.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

mod bench;
mod exercises;
mod misbehaviour;

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::bench::Bench;

/// Each test alone is as much as a small machine does in time.
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
    // A person enters it, and the first delivery shows that it was entered well.
    let mut register = bench.command(&["webhook", "register", "openvolt-demo", "--wait", "2m"]);
    let mut register = register.stdout(Stdio::piped()).spawn().expect("gridbell starts");
    let mut said = BufReader::new(register.stdout.take().expect("piped")).lines();
    while !said.next_line().await.expect("read").expect("it waits").contains("whoever has it can post to this source") {
    }
    bench.does(&["trigger", "openvolt-demo", "daily"]).await;
    let last = said.next_line().await.expect("read").expect("said");
    assert!(last.ends_with("went through: the hook works."), "{last}");
    assert!(register.wait().await.expect("ended").success());
    let (status, said) = bench.refuses(&["webhook", "register", "nvgrid-demo"]).await;
    assert!(status == Some(1) && said.contains("by gRPC alone") && said.trim_end().lines().count() == 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exercises_and_registration_against_a_local_stack() {
    let _turn = ONE_AFTER_THE_OTHER.lock().await;
    let bench = Bench::up(1).await;
    exercises::all(&bench).await;
    life_cycle(&bench).await;
    bench.stack.shutdown().await.expect("down");
}

#[tokio::test(flavor = "multi_thread")]
async fn exercises_and_registration_while_the_providers_misbehave() {
    let _turn = ONE_AFTER_THE_OTHER.lock().await;
    let bench = Bench::up(misbehaviour::COPIES).await;
    misbehaviour::all(&bench).await;
    bench.stack.shutdown().await.expect("down");
}
