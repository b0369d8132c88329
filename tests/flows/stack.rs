//! The stack's own description.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::harness::{answer, cases, config, same, shared_stack};

cases!("stack": stack_json_is_the_contracts, only_the_owner_may_read_stack_json, a_path_that_is_no_hook_is_not_found);

async fn stack_json_is_the_contracts() -> Result<()> {
    let stack = shared_stack().await?;
    let state: Value = serde_json::from_str(&std::fs::read_to_string(&stack.state_file)?)?;
    let text = |pointer: &str| state.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer}"));
    let base = text("/webhook_base")?;
    ensure!(base.starts_with("http://127.0.0.1:"), "the base is {base}");
    ensure!(text("/endpoint_url")?.starts_with("http://127.0.0.1:"), "the endpoint is {state}");
    ensure!(text("/region")? == "us-east-1", "the region is {state}");
    for pointer in
        ["/queues/deliveries", "/queues/retries", "/queues/alerts", "/queues/reviews", "/queues/signals", "/mail"]
    {
        ensure!(text(pointer)?.starts_with("http://"), "{pointer} is no address: {state}");
    }
    for table in ["dispatches", "deliveries", "alerts"] {
        text(&format!("/tables/{table}"))?;
    }
    // The configuration has only hashes of the tokens, so the URLs end with the names.
    ensure!(text("/acks")? == format!("{base}/acks"), "the acks are {state}");
    let expected = json!({"provider": "voltus", "url": format!("{base}/hooks/voltus-prod"), "headers": {}});
    same("a source", &state["sources"]["voltus-prod"], &expected)
}

async fn only_the_owner_may_read_stack_json() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let stack = shared_stack().await?;
    let mode = stack.state_file.metadata()?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "its mode is {mode:o}");
    let text = std::fs::read_to_string(&stack.state_file)?;
    ensure!(!text.contains(&config::api_key("voltus-prod")), "an API key stands in it");
    Ok(())
}

async fn a_path_that_is_no_hook_is_not_found() -> Result<()> {
    let stack = shared_stack().await?;
    let base = &stack.description.webhook_base;
    for path in ["", "/", "/hooks", "/hooks/a/b/c", "/acks", "/elsewhere"] {
        let answer = answer(stack.http.post(format!("{base}{path}")).body("{}")).await?;
        ensure!(answer.status == 404, "{path:?} answers {} {}", answer.status, answer.text);
    }
    let wrong = answer(stack.http.post(format!("{base}/acks/wrong")).body("{}")).await?;
    ensure!(wrong.status == 404, "a wrong token for acks answers {} {}", wrong.status, wrong.text);
    Ok(())
}
