//! Section 3 of the contract, row by row, through the API.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, SOON, answer, cases, config, from_now, listed, shared_stack};

cases!("endpoint":
    an_accepted_webhook_is_named,
    a_content_type_decides_nothing,
    a_ping_of_voltus_is_answered_and_forgotten,
    json_that_no_parser_knows_is_accepted_and_reported,
    json_that_common_parsers_refuse_is_never_our_fault,
    a_wrong_token_and_an_unknown_source_look_alike,
    what_is_not_plain_json_is_refused,
    a_wrong_method_is_refused,
    two_mebibytes_are_taken_and_a_byte_more_is_not,
    a_token_may_come_in_a_header_and_the_paths_counts,
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

async fn an_accepted_webhook_is_named() -> Result<()> {
    let stack = shared_stack().await?;
    let first = stack.accepted("nv", &event("endpoint-named-1")).await?;
    let second = stack.accepted("nv", &event("endpoint-named-2")).await?;
    ensure!(!first.is_empty() && first != second, "{first:?} and {second:?}");
    stack.signals.of("nv/-/endpoint-named-1", 1).await?;
    stack.signals.of("nv/-/endpoint-named-2", 1).await?;
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

async fn a_ping_of_voltus_is_answered_and_forgotten() -> Result<()> {
    let stack = shared_stack().await?;
    for ping in [r#"{"event":{"name":""},"resource":""}"#, "{\n \"resource\": \"\",\n \"event\": {\"name\": \"\"}\n}\n"]
    {
        let answer = stack.post("voltus-prod", ping).await?;
        ensure!(answer.status == 200, "{ping}: {} {}", answer.status, answer.text);
        ensure!(answer.json().get("delivery").is_none(), "a ping became a delivery: {}", answer.text);
    }
    stack.at_the_end(|stack| async move {
        let mail = stack.mail.naming(&["quarantined"], "voltus-prod").await?;
        ensure!(mail.is_empty(), "a ping was quarantined:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}

async fn json_that_no_parser_knows_is_accepted_and_reported() -> Result<()> {
    let stack = shared_stack().await?;
    for source in ["vkey", "lbox", "nbox", "obox"] {
        for body in ["null", "[]", "{}", "\"x\"", "0", "true", "[{}]", r#"{"event":null}"#] {
            let answer = stack.post(source, body).await?;
            ensure!(answer.status == 200, "{source} answered {body} with {} {}", answer.status, answer.text);
            ensure!(answer.json()["delivery"].is_string(), "{source} did not keep {body}: {}", answer.text);
        }
        let mail = stack.mail.one_naming(SOON, &["quarantined"], source).await?;
        ensure!(mail.text.contains(source) && mail.text.contains("quarantined"), "{}", mail.text);
    }
    stack.at_the_end(|stack| async move {
        for source in ["vkey", "lbox", "nbox", "obox"] {
            let mail = stack.mail.naming(&["quarantined"], source).await?;
            ensure!(mail.len() == 1, "{source}: bad bodies were not gathered into one mail:{}", listed(&mail));
        }
        Ok(())
    });
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

async fn what_is_not_plain_json_is_refused() -> Result<()> {
    let stack = shared_stack().await?;
    for body in ["", " ", "no JSON", "{", "{}{}", "{'a':1}", "{\"a\":1,}", "NaN", "event=x"] {
        refused(body, &stack.post("nv", body).await?, 400)?;
    }
    // gzip of `{}`
    let gzip: &[u8] = &[31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 171, 174, 5, 0, 67, 191, 166, 163, 2, 0, 0, 0];
    for encoding in ["gzip", "GZIP", "br", "deflate, gzip"] {
        let request = stack.webhook("nv").header("content-encoding", encoding).body(gzip);
        refused(encoding, &answer(request).await?, 400)?;
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
