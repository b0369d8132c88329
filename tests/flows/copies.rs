//! Every webhook five times at once, for every provider.

use anyhow::Result;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::{
    harness::{TestStack, cases, shared_stack},
    leap, openvolt,
    stub::Reply,
    voltus,
};

cases!("copies": of_voltus, of_leap, of_nvgrid, of_openvolt);

async fn five(stack: &TestStack, source: &str, body: &Value) -> Result<()> {
    try_join_all((0..5).map(|_| stack.accepted(source, body))).await.map(drop)
}

async fn of_voltus() -> Result<()> {
    let stack = shared_stack().await?;
    for (index, number) in [0, 1, 2].into_iter().enumerate() {
        let start = json!({"start_time": format!("2099-12-01T16:0{number}:00Z")});
        let dispatch = voltus::with(voltus::dispatch("five-voltus", number), start);
        stack.stub.answer("five-voltus", Reply::listed(&dispatch));
        five(&stack, "voltus-prod", &voltus::webhook("update", "five-voltus")).await?;
        stack.signals.of("voltus-prod/five-voltus", index + 1).await?;
    }
    Ok(())
}

async fn of_leap() -> Result<()> {
    let stack = shared_stack().await?;
    five(&stack, "leap", &leap::notification(&[leap::slot("five-leap-1"), leap::slot("five-leap-2")])).await?;
    stack.signals.of("leap/five-leap-1", 1).await?;
    stack.signals.of("leap/five-leap-2", 1).await?;
    let mut newer = leap::slot("five-leap-1");
    newer["energy_kw"] = json!(3);
    stack.stub.answer("five-leap-1", leap::found(std::slice::from_ref(&newer)));
    five(&stack, "leap", &leap::notification(&[newer, leap::slot("five-leap-2")])).await?;
    stack.signals.of("leap/five-leap-1", 2).await?;
    Ok(())
}

async fn of_nvgrid() -> Result<()> {
    let stack = shared_stack().await?;
    for (index, event) in ["start_ramp_down", "end_ramp_down"].into_iter().enumerate() {
        let body = json!({
            "event": event, "correlation_id": "five", "start_time": "2025-10-24T17:00:00Z",
            "target_load": {"value": 6.5, "unit": "mw"}, "compliant": true,
        });
        five(&stack, "nv", &body).await?;
        stack.signals.of("nv/-/five", index + 1).await?;
    }
    Ok(())
}

async fn of_openvolt() -> Result<()> {
    let stack = shared_stack().await?;
    stack.stub.answer("five-meter", Reply::with(openvolt::readings));
    let period = openvolt::period("five-meter", "2024-05-01T00:00:00Z", "2024-07-01T00:00:00Z");
    five(&stack, "ov", &openvolt::webhook("delivery-five", &json!([period]))).await?;
    stack.signals.of("ov/five-meter", 2).await?;
    Ok(())
}
