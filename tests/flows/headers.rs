//! Headers, byte order marks, slashes and connections that must not matter: gridbell publishes everything that it can
//! read.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{TestStack, answer, cases, config, from_now, shared_stack},
    stub::Reply,
    voltus::{dispatch, webhook},
};

cases!("headers":
    plain_json_is_taken_whatever_its_coding_is_called,
    compressed_bodies_are_refused_whatever_they_are_called,
    a_byte_order_mark_before_a_webhook_is_skipped,
    a_slash_after_a_token_is_nothing_and_two_are_unknown,
    an_answer_is_read_whatever_its_status_and_headers_say,
    a_dropped_connection_costs_a_new_one_and_no_backoff,
);

const SOURCE: &str = "voltus-prod";

/// A power event with that correlation id.
fn event(correlation_id: &str) -> Value {
    json!({
        "event": "start_ramp_down", "correlation_id": correlation_id, "start_time": from_now(600),
        "target_load": {"value": 1, "unit": "mw"},
    })
}

async fn plain_json_is_taken_whatever_its_coding_is_called() -> Result<()> {
    let stack = shared_stack().await?;
    let codings = ["identity", "UTF-8", "utf8", "", "none", "binary", "identity, identity", "x-gzip", "br", "zstd"];
    for (index, coding) in codings.into_iter().enumerate() {
        let id = format!("headers-coding-{index}");
        let request = stack.webhook("nv").header("content-encoding", coding).body(event(&id).to_string());
        let answer = answer(request).await?;
        ensure!(answer.status == 200, "{coding:?}: {} {}", answer.status, answer.text);
        stack.signals.of(&format!("nv/-/{id}"), 1).await?;
    }
    // A thin webhook with the header that some providers set wrongly.
    stack.stub.answer("headers-thin", Reply::listed(&dispatch("headers-thin", 0)));
    let thin =
        stack.webhook(SOURCE).header("content-encoding", "UTF-8").body(webhook("create", "headers-thin").to_string());
    let answer = answer(thin).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
    stack.signals.of("voltus-prod/headers-thin", 1).await?;
    Ok(())
}

async fn compressed_bodies_are_refused_whatever_they_are_called() -> Result<()> {
    let stack = shared_stack().await?;
    // gzip of `{}`
    let gzip: &[u8] = &[31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 171, 174, 5, 0, 67, 191, 166, 163, 2, 0, 0, 0];
    for coding in [None, Some("gzip"), Some("UTF-8"), Some("")] {
        let mut request = stack.webhook("nv").body(gzip);
        if let Some(coding) = coding {
            request = request.header("content-encoding", coding);
        }
        let answer = answer(request).await?;
        ensure!(answer.status == 400, "{coding:?}: {} {}", answer.status, answer.text);
        ensure!(answer.json()["error"]["code"] == "encoded", "{coding:?}: {}", answer.text);
    }
    Ok(())
}

async fn a_byte_order_mark_before_a_webhook_is_skipped() -> Result<()> {
    let stack = shared_stack().await?;
    let marked = |body: &Value| format!("\u{feff}{body}").into_bytes();
    let answer = stack.post("nv", marked(&event("headers-mark"))).await?;
    ensure!(answer.status == 200 && answer.json()["delivery"].is_string(), "{} {}", answer.status, answer.text);
    stack.signals.of("nv/-/headers-mark", 1).await?;
    let ping = stack.post(SOURCE, marked(&json!({"event": {"name": ""}, "resource": ""}))).await?;
    ensure!(ping.status == 200 && ping.json().get("delivery").is_none(), "a ping: {} {}", ping.status, ping.text);
    Ok(())
}

async fn a_slash_after_a_token_is_nothing_and_two_are_unknown() -> Result<()> {
    let stack = shared_stack().await?;
    let (hook, token) = (stack.hook("nv"), config::token("nv"));
    let send = async |path: &str, header: Option<&str>, id: &str| -> Result<(u16, String)> {
        let mut request = stack.http.post(path).header("content-type", "application/json");
        if let Some(header) = header {
            request = request.header("x-api-key", header);
        }
        let answer = answer(request.body(event(id).to_string())).await?;
        Ok((answer.status, answer.text))
    };
    for (number, (path, header)) in
        [(format!("{hook}/{token}/"), None), (format!("{hook}/"), Some(token.as_str()))].into_iter().enumerate()
    {
        let id = format!("headers-slash-{number}");
        let (status, text) = send(&path, header, &id).await?;
        ensure!(status == 200, "{number}: {status} {text}");
        stack.signals.of(&format!("nv/-/{id}"), 1).await?;
    }
    let (unknown, usual) = send(&stack.hook("nobody"), Some(&token), "headers-slash-none").await?;
    ensure!(unknown == 404, "{unknown} {usual}");
    let end = "headers-slash-none";
    for (path, header) in [
        (format!("{hook}/{token}//"), None),
        (format!("{hook}//"), Some(token.as_str())),
        (format!("{hook}//{token}"), None),
        (format!("{hook}/{token}/more"), None),
        (format!("{hook}/wrong/"), Some(token.as_str())),
    ] {
        let (status, text) = send(&path, header, end).await?;
        ensure!(status == 404 && text == usual, "{path}: {status} {text}, not {usual}");
    }

    let acks = format!("{}/{}/", stack.description.acks, config::ACK_TOKEN);
    let body = r#"{"dispatch":"nv/nothing","version":1,"state":"accepted"}"#;
    let known = answer(stack.http.post(&acks).body(body)).await?;
    ensure!(known.json()["error"]["code"] == "unknown_dispatch", "{acks}: {} {}", known.status, known.text);
    let page = answer(stack.http.get(format!("{}/alerts/nothing/", stack.description.webhook_base))).await?;
    ensure!(page.status == 404 && page.text.contains("leads nowhere"), "{} {}", page.status, page.text);
    Ok(())
}

async fn an_answer_is_read_whatever_its_status_and_headers_say() -> Result<()> {
    let stack = shared_stack().await?;
    let listed = |id: &str| json!({"dispatches": [dispatch(id, 0)], "page": 0, "perPage": 0}).to_string().into_bytes();
    let marked = |id: &str| [b"\xef\xbb\xbf".as_slice(), listed(id).as_slice()].concat();
    let odd = |status, headers, bytes| Reply::Odd { status, headers, bytes };
    let latin1 = |id: &str| {
        let text = String::from_utf8_lossy(&listed(id)).replace("My Site", "Caf?");
        let mut bytes = text.into_bytes();
        let at = bytes.windows(4).position(|window| window == b"Caf?").unwrap_or_default();
        if let Some(byte) = bytes.get_mut(at + 3) {
            *byte = 0xe9;
        }
        bytes
    };
    let replies = [
        ("h201", odd(201, &[("content-type", "application/json")], listed("h201"))),
        ("h203", odd(203, &[("content-type", "text/html")], listed("h203"))),
        ("h206", odd(206, &[], listed("h206"))),
        ("hmark", odd(200, &[("content-type", "application/json")], marked("hmark"))),
        ("hutf8", odd(200, &[("content-encoding", "UTF-8")], listed("hutf8"))),
        ("hempty", odd(200, &[("content-encoding", "")], listed("hempty"))),
        ("htwice", odd(200, &[("content-encoding", "identity, identity")], listed("htwice"))),
        ("hgzip", odd(200, &[("content-encoding", "gzip")], listed("hgzip"))),
        ("hlatin", odd(200, &[("content-type", "application/json; charset=utf-8")], latin1("hlatin"))),
    ];
    for (id, reply) in replies {
        stack.stub.answer(id, reply);
        stack.accepted(SOURCE, &webhook("create", id)).await?;
        stack.signals.of(&format!("{SOURCE}/{id}"), 1).await.with_context(|| id.to_owned())?;
        ensure!(stack.stub.asked(id).len() == 1, "{id} was asked for more than once");
    }
    let latin = stack.signals.of("voltus-prod/hlatin", 1).await?;
    let name = &latin[0].event["data"]["dispatch"]["targets"][0]["name"];
    ensure!(*name == "Caf\u{fffd}", "what is not UTF-8 is replaced: {name}");
    Ok(())
}

/// Announces dispatches one after the other until the hydrator reuses a connection, which the provider then drops.
async fn a_dropped_connection_costs_a_new_one_and_no_backoff() -> Result<()> {
    let stack = shared_stack().await?;
    for number in 0..40 {
        let id = format!("hdrop{number}");
        if announced_to_a_server_that_drops(&stack, &id).await? {
            return Ok(());
        }
    }
    anyhow::bail!("in forty dispatches the hydrator never used a connection twice")
}

/// Whether a connection was dropped.
async fn announced_to_a_server_that_drops(stack: &TestStack, id: &str) -> Result<bool> {
    stack.stub.answer(id, Reply::DropsKept(Box::new(Reply::listed(&dispatch(id, 0)))));
    stack.accepted(SOURCE, &webhook("create", id)).await?;
    stack.signals.of(&format!("{SOURCE}/{id}"), 1).await?;
    let asked = stack.stub.asked(id);
    let reused: Vec<bool> = asked.iter().map(|seen| seen.nth > 1).collect();
    ensure!(reused == [false] || reused == [true, false], "{id} was asked for over reused connections: {reused:?}");
    if let [first, second] = asked.as_slice() {
        let apart = second.at.duration_since(first.at);
        ensure!(apart < Duration::from_secs(1), "{id}: the second request came after {apart:?}, so it was a retry");
    }
    Ok(asked.len() == 2)
}
