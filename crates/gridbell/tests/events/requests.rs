//! Requests as the HTTP API passes them to the receiver (payload format 2.0), and a configuration that accepts them.

use std::collections::BTreeMap;

use config::TokenHash;
use providers::{Provider, Providers};
use serde_json::{Value, json};

use crate::bodies::{ALL, Body, CREATE, PING};

/// The token of every source in `events/gridbell.toml`. It protects only samples.
const TOKEN: &str = "token-of-the-events";

/// A configuration for these events: every source accepts this token.
pub(crate) fn configuration() -> String {
    let hash = TokenHash::of(TOKEN);
    let hash = hash.to_hex();
    let source = |provider: &dyn Provider| {
        let key = if provider.needs_api_key() {
            format!("api_key  = \"ssm:/gridbell/{provider}-demo\"\n")
        } else {
            String::new()
        };
        format!("\n[sources.{provider}-demo]\nprovider = \"{provider}\"\n{key}token    = \"sha256:{hash}\"\n")
    };
    let sources: String = Providers::default().iter().map(source).collect();
    format!(
        "# The sources of the payloads in this folder; their token is {TOKEN:?}.\n{sources}\n[acks]\ntoken = \"sha256:{hash}\"\n"
    )
}

/// The receiver's events by name.
pub(crate) fn receiver() -> BTreeMap<String, Value> {
    let mut events: BTreeMap<String, Value> = ALL
        .iter()
        .map(|body| (format!("{}-{}", body.provider, body.name), request("POST", body, Some(TOKEN), None)))
        .collect();
    events.insert("token-in-header".to_owned(), request("POST", CREATE, None, Some(TOKEN)));
    events.insert("wrong-token".to_owned(), request("POST", CREATE, Some("wrong"), None));
    events.insert("wrong-method".to_owned(), request("GET", PING, Some(TOKEN), None));
    let mut broken = request("POST", CREATE, Some(TOKEN), None);
    broken["body"] = json!("{\"event\": ");
    events.insert("broken-json".to_owned(), broken);
    events
}

/// A controller acknowledges the dispatch of `voltus/create.json`.
pub(crate) fn acknowledgement() -> Value {
    let mut event = request("POST", CREATE, None, None);
    let path = format!("/acks/{TOKEN}");
    event["routeKey"] = json!("ANY /acks/{proxy+}");
    event["rawPath"] = json!(path);
    event["pathParameters"] = json!({ "proxy": TOKEN });
    event["requestContext"]["http"]["path"] = json!(path);
    event["requestContext"]["routeKey"] = json!("ANY /acks/{proxy+}");
    event["body"] = json!(r#"{"dispatch": "voltus-demo/dkmq", "version": 1, "state": "accepted"}"#);
    event
}

fn request(method: &str, body: &Body, path_token: Option<&str>, header_token: Option<&str>) -> Value {
    let source = body.source();
    let path = path_token.map_or_else(|| format!("/hooks/{source}"), |token| format!("/hooks/{source}/{token}"));
    let route = "ANY /hooks/{proxy+}";
    let mut headers = json!({
        "content-type": "application/json",
        "host": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
        "user-agent": body.provider,
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    });
    let parameters = json!({ "proxy": path.trim_start_matches("/hooks/") });
    if let Some(token) = header_token {
        headers["x-api-key"] = json!(token);
    }
    json!({
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "pathParameters": parameters,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "a1b2c3d4e5",
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "a1b2c3d4e5",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": body.provider,
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "$default",
            "time": "01/Mar/2026:12:00:00 +0000",
            "timeEpoch": 1_772_366_400_000_i64,
        },
        "body": body.text(),
        "isBase64Encoded": false,
    })
}
