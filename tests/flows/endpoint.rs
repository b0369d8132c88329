//! Section 3 of the contract, row by row, through the API.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, SOON, answer, cases, config, from_now, shared_stack};

cases!("endpoint":
    a_content_type_decides_nothing,
    json_that_common_parsers_refuse_is_never_our_fault,
    a_wrong_token_and_an_unknown_source_look_alike,
    a_wrong_method_is_refused,
    two_mebibytes_are_taken_and_a_byte_more_is_not,
    a_token_may_come_in_a_header_and_the_paths_counts,
    a_slash_after_a_token_is_nothing_and_two_are_unknown,
);

/// A power event with that correlation id.
fn event(correlation_id: &str) -> Value {
    json!({
        "event": "start_ramp_down", "correlation_id": correlation_id, "start_time": from_now(600),
        "target_load": {"value": 1, "unit": "mw"},
    })
}

/// Checks that the answer is an error in the contract's shape, with this status.
fn refused(what: &str, answer: &Answer, status: u16) -> Result<()> {
    ensure!(answer.status == status, "{what}: {} {}, expected {status}", answer.status, answer.text);
    let error = &answer.json()["error"];
    let words = |field: &str| error[field].as_str().is_some_and(|text| !text.is_empty());
    ensure!(words("code") && words("message"), "{what}: {} is no error of the contract", answer.text);
    Ok(())
}

async fn a_content_type_decides_nothing() -> Result<()> {
    let stack = shared_stack().await?;
    let url = format!("{}/{}", stack.hook("nv"), config::token("nv"));
    let kinds =
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/json; charset=UTF-8")];
    for (index, kind) in kinds.into_iter().enumerate() {
        let id = format!("endpoint-kind-{index}");
        let mut request = stack.http.post(&url).body(event(&id).to_string());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = answer(request).await?;
        ensure!(answer.status == 200, "{kind:?}: {} {}", answer.status, answer.text);
        stack.signals.of(&format!("nv/-/{id}"), 1).await?;
    }
    Ok(())
}

async fn json_that_common_parsers_refuse_is_never_our_fault() -> Result<()> {
    let stack = shared_stack().await?;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_object = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let bodies: [(&str, Vec<u8>); 12] = [
        ("10,000 levels", deep.into_bytes()),
        ("10,000 objects", deep_object.into_bytes()),
        ("an unclosed abyss", "[".repeat(100_000).into_bytes()),
        ("1e400", br#"{"event":{"name":"x"},"resource":1e400}"#.to_vec()),
        ("-1e400", b"-1e400".to_vec()),
        ("a long number", "9".repeat(100_000).into_bytes()),
        ("a lone surrogate", br#"{"event":{"name":"\ud800"},"resource":""}"#.to_vec()),
        ("a reversed pair", br#""\udc00\ud800""#.to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
        ("invalid UTF-8", b"{\"event\":\"\xff\xfe\"}".to_vec()),
        ("a null byte", b"{\"event\":\"\0\"}".to_vec()),
    ];
    for (what, body) in bodies {
        for content_type in ["application/json", "application/octet-stream"] {
            let request = stack.http.post(format!("{}/{}", stack.hook("vkey"), config::token("vkey")));
            let answer = answer(request.header("content-type", content_type).timeout(SOON).body(body.clone())).await?;
            match answer.status {
                200 => ensure!(answer.json()["delivery"].is_string(), "{what}: taken and not kept: {}", answer.text),
                _ => refused(what, &answer, 400)?,
            }
        }
    }
    Ok(())
}

async fn a_wrong_token_and_an_unknown_source_look_alike() -> Result<()> {
    let stack = shared_stack().await?;
    let hook = stack.hook("nv");
    let paths = [
        ("a wrong token", format!("{hook}/{}", config::token("ov"))),
        ("an unknown source", format!("{}/{}", stack.hook("nobody"), config::token("nv"))),
        ("no token", hook.clone()),
        ("the token in another case", format!("{hook}/{}", config::token("nv").to_uppercase())),
        ("a longer token", format!("{hook}/{}x", config::token("nv"))),
        ("a shorter token", format!("{hook}/{}", &config::token("nv")[1..])),
        ("the token's hash", format!("{hook}/{}", "0".repeat(64))),
        ("a source in another case", format!("{}/{}", stack.hook("NV"), config::token("nv"))),
    ];
    let mut bodies = Vec::new();
    for (what, path) in paths {
        for body in ["{}", "no JSON"] {
            let answer = answer(stack.http.post(&path).header("content-type", "application/json").body(body)).await?;
            ensure!(answer.status == 404, "{what}: {} {}", answer.status, answer.text);
            let kind = answer.headers.get("content-type").cloned();
            bodies.push((what, answer.text, kind));
        }
    }
    for (what, text, kind) in &bodies {
        let (first, usual, usual_kind) = &bodies[0];
        ensure!(text == usual && kind == usual_kind, "{what} answers {text:?}, {first} answers {usual:?}");
    }
    Ok(())
}

async fn a_wrong_method_is_refused() -> Result<()> {
    let stack = shared_stack().await?;
    let url = format!("{}/{}", stack.hook("nv"), config::token("nv"));
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        refused(method.as_str(), &answer(stack.http.request(method.clone(), &url)).await?, 405)?;
        let with_header = stack.http.request(method.clone(), stack.hook("nv")).header("x-api-key", config::token("nv"));
        refused(method.as_str(), &answer(with_header.body(event("endpoint-method").to_string())).await?, 405)?;
    }
    Ok(())
}

async fn two_mebibytes_are_taken_and_a_byte_more_is_not() -> Result<()> {
    const LIMIT: usize = 2_097_152;
    let stack = shared_stack().await?;
    let padded = |length: usize| {
        let mut body = event("endpoint-large").to_string();
        body.push_str(&" ".repeat(length - body.len()));
        body
    };
    refused("a byte too much", &stack.post("nv", padded(LIMIT + 1)).await?, 413)?;
    refused("far too much", &stack.post("nv", padded(3 * LIMIT)).await?, 413)?;
    let taken = stack.post("nv", padded(LIMIT)).await?;
    ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
    stack.signals.of("nv/-/endpoint-large", 1).await?;

    // Escaped in a message, this is four times as long.
    let mut quotes = event("endpoint-quotes");
    quotes["strategy"] = json!("\"".repeat(900_000));
    let taken = stack.post("nv", quotes.to_string()).await?;
    ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
    Ok(())
}

async fn a_token_may_come_in_a_header_and_the_paths_counts() -> Result<()> {
    let stack = shared_stack().await?;
    let (old, new) = (config::token(config::ROTATING), config::new_token(config::ROTATING));
    let hook = stack.hook(config::ROTATING);
    let send = async |path: &str, header: Option<&str>, id: &str| -> Result<u16> {
        let mut request = stack.http.post(path).header("content-type", "application/json");
        if let Some(header) = header {
            request = request.header("X-Api-Key", header);
        }
        Ok(answer(request.body(event(id).to_string())).await?.status)
    };
    let path = |token: &str| format!("{hook}/{token}");
    ensure!(send(&hook, Some(&old), "endpoint-header-1").await? == 200, "the token in the header");
    ensure!(send(&hook, Some(&new), "endpoint-header-2").await? == 200, "the second token in the header");
    ensure!(send(&path(&new), None, "endpoint-header-3").await? == 200, "the second token in the path");
    ensure!(
        send(&path(&old), Some("wrong"), "endpoint-header-4").await? == 200,
        "the path's token counts, and is right"
    );
    ensure!(
        send(&path("wrong"), Some(&old), "endpoint-header-5").await? == 404,
        "the path's token counts, and is wrong"
    );
    ensure!(send(&hook, Some("wrong"), "endpoint-header-6").await? == 404, "a wrong token in the header");
    for id in 1..=4 {
        stack.signals.of(&format!("nv/-/endpoint-header-{id}"), 1).await?;
    }
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
