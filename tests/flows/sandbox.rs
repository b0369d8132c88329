//! A source marked as a sandbox: everything from it is a test, whatever a body says.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{SOON, Signals, cases, holds, shared_stack},
    leap, openvolt,
    stub::Reply,
    voltus,
};

cases!("sandbox":
    voltus_says_false_and_is_a_test,
    leap_says_false_and_is_a_test,
    power_and_meter_signals_are_marked,
    mail_of_a_sandbox_says_so,
);

async fn is_marked(signals: &Signals, subject: &str) -> Result<Value> {
    let signals = signals.of(subject, 1).await?;
    ensure!(signals[0].test == json!("true"), "{subject}: the attribute test is {}", signals[0].test);
    Ok(signals[0].event["data"].clone())
}

async fn voltus_says_false_and_is_a_test() -> Result<()> {
    let stack = shared_stack().await?;
    let dispatch = voltus::with(voltus::dispatch("box-voltus", 0), json!({"test": false}));
    voltus::publish(&stack, "vbox", "create", &dispatch).await?;
    let data = is_marked(&stack.signals, "vbox/box-voltus").await?;
    holds("the dispatch", &data["dispatch"], &json!({"test": true, "test_reason": "sandbox"}))
}

async fn leap_says_false_and_is_a_test() -> Result<()> {
    let stack = shared_stack().await?;
    stack.accepted("lbox", &leap::notification(&[leap::slot("box-leap")])).await?;
    let data = is_marked(&stack.signals, "lbox/box-leap").await?;
    holds("the dispatch", &data["dispatch"], &json!({"test": true, "test_reason": "sandbox"}))
}

async fn power_and_meter_signals_are_marked() -> Result<()> {
    let stack = shared_stack().await?;
    let power = json!({
        "event": "start_ramp_up", "correlation_id": "box-power", "start_time": "2025-10-24T17:00:00Z",
        "target_load": {"value": 6.5, "unit": "mw"},
    });
    stack.accepted("nbox", &power).await?;
    is_marked(&stack.signals, "nbox/-/box-power").await?;
    let real = stack.accepted("nv", &power).await?;
    let signals = stack.signals.of("nv/-/box-power", 1).await?;
    ensure!(signals[0].test == json!("false"), "delivery {real} is marked as a test");

    stack.stub.answer("box-meter", Reply::with(openvolt::readings));
    let period = openvolt::period("box-meter", "2024-05-01T00:00:00Z", "2024-05-01T01:00:00Z");
    stack.accepted("obox", &openvolt::webhook("delivery-box", &json!([period]))).await?;
    is_marked(&stack.signals, "obox/box-meter").await?;
    Ok(())
}

async fn mail_of_a_sandbox_says_so() -> Result<()> {
    let stack = shared_stack().await?;
    stack.accepted("nbox", &json!({"event": "box_unknown", "correlation_id": "box"})).await?;
    let mail = stack.mail.one(SOON, &["unknown-event", "box_unknown"]).await?;
    ensure!(mail.subject.contains("TEST") && mail.text.contains("TEST"), "{} {}", mail.subject, mail.text);
    Ok(())
}
