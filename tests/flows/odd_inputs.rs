//! Odd inputs from public bug reports: an odd field, end, identifier or delivery affects itself only, and no dispatch
//! is lost.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{
    harness::{TestStack, cases, config, shared_stack},
    leap, nvgrid,
    stub::Reply,
    voltus::{dispatch, publish, webhook, with},
};

cases!("odd inputs":
    half_a_surrogate_pair_in_a_push_costs_a_character,
    nesting_without_end_costs_a_detail,
    identifiers_of_512_bytes,
);

/// The source of this module's odd inputs; no other case sends such inputs on it.
const SOURCE: &str = "vbox";

/// The dispatch as text, with a field, given by its JSON pointer, that no JSON value can represent.
fn text_with(id: &str, pointer: &str, value: &str) -> Result<String> {
    let mut body = dispatch(id, 0);
    *body.pointer_mut(pointer).with_context(|| format!("no {pointer}"))? = json!("<here>");
    Ok(body.to_string().replace("\"<here>\"", value))
}

async fn publish_raw(stack: &TestStack, id: &str, text: String) -> Result<()> {
    stack.stub.answer(id, Reply::Raw("application/json", text.into_bytes()));
    stack.accepted(SOURCE, &webhook("create", id)).await.map(drop)
}

async fn half_a_surrogate_pair_in_a_push_costs_a_character() -> Result<()> {
    let stack = shared_stack().await?;
    let pair = text_with("half-pair", "/sites/0/name", "\"Pump \\ud83d\"")?;
    publish_raw(&stack, "half-pair", pair).await?;
    let signals = stack.signals.of("vbox/half-pair", 1).await?;
    let name = &signals[0].dispatch()["targets"][0]["name"];
    ensure!(name == "Pump \u{fffd}", "the name is {name}");

    let push = leap::notification(&[leap::slot("half-pair")]).to_string().replace("\"DRAM\"", "\"DRAM\\udc00\"");
    let answer = stack.post("leap", push).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
    let signals = stack.signals.of("leap/half-pair", 1).await?;
    let program = &signals[0].dispatch()["programs"][0]["name"];
    ensure!(program == "DRAM\u{fffd}", "the program is {program}");
    Ok(())
}

async fn nesting_without_end_costs_a_detail() -> Result<()> {
    let stack = shared_stack().await?;
    for levels in [500, 10_000] {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        let (id, event) = (format!("deep-{levels}"), format!("deep-{levels}"));
        let mut text = dispatch(&id, 0).to_string();
        text.truncate(text.len() - 1);
        publish_raw(&stack, &id, format!("{text},\"metadata\":{open}{close}}}")).await?;
        let slot = leap::slot(&event).to_string();
        let slot = format!("{},\"nested\":{open}{close}}}", slot.trim_end_matches('}'));
        let push = leap::notification(&[json!("<slot>")]).to_string().replace("\"<slot>\"", &slot);
        let answer = stack.post("leap", push).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
        for subject in [format!("{SOURCE}/{id}"), format!("leap/{event}")] {
            let signals = stack.signals.of(&subject, 1).await?;
            ensure!(signals[0].kind() == "dispatch.scheduled", "{}", signals[0].event);
        }
    }
    Ok(())
}

async fn identifiers_of_512_bytes() -> Result<()> {
    let stack = shared_stack().await?;
    let id = "i".repeat(512);
    publish(&stack, SOURCE, "create", &dispatch(&id, 0)).await?;
    let (feed, correlation) = ("電".repeat(170), "ü".repeat(256));
    let fields = json!({"feed_tag": feed, "correlation_id": correlation});
    stack.accepted("nv", &with(nvgrid::about("long"), fields)).await?;
    let encoded = |text: &str| text.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"));
    let key = format!("{SOURCE}/{id}");
    stack.signals.of(&format!("nv/{}/{}", encoded(&feed), encoded(&correlation)), 1).await?;
    stack.signals.of(&key, 1).await?;

    let ack = json!({"dispatch": key, "version": 1, "state": "accepted"});
    let url = format!("{}/{}", stack.description.acks, config::ACK_TOKEN);
    let answer = stack.http.post(url).json(&ack).timeout(Duration::from_mins(1)).send().await?;
    ensure!(answer.status().as_u16() == 200, "{}: {}", answer.status(), answer.text().await?);
    Ok(())
}
