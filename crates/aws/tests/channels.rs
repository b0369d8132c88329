//! SNS, PagerDuty and webhooks against a server that keeps what comes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use aws::{
    channels::Channels,
    client::{self, Access},
};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use pipeline::{
    alerts::channels::{ChannelMessage, Report, Severity, State as Incident},
    config::{Channel, Reference},
    incident::IncidentKind,
    ports::{ChannelError, Ringer},
    standard_webhooks::SigningSecrets,
};
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[derive(Clone)]
struct Post {
    path: String,
    headers: HeaderMap,
    body: String,
}

#[derive(Clone, Default)]
struct Server {
    base: String,
    seen: Arc<Mutex<Vec<Post>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { base: format!("http://{}", listener.local_addr().unwrap()), ..Self::default() };
        let router = Router::new().fallback(any(answer)).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn channels(&self) -> Channels {
        Channels::new(&client::shared(Access::new(Some(&self.base), "us-east-1", "test", "test")), None)
    }

    /// The posts to that path.
    fn seen(&self, path: &str) -> Vec<Post> {
        self.seen.lock().unwrap().iter().filter(|post| post.path == path).cloned().collect()
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = String::from_utf8(axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    if target.ends_with("GetParameter") {
        let name: Value = serde_json::from_str(&body).unwrap();
        let value = if name["Name"] == "/hook" { SECRET } else { "R0UT1NG" };
        return json!({ "Parameter": { "Value": value } }).to_string().into_response();
    }
    server.seen.lock().unwrap().push(Post { path: path.clone(), headers: parts.headers, body: body.clone() });
    match path.trim_start_matches('/') {
        "" if body.contains("missing") => {
            (StatusCode::NOT_FOUND, "<Error><Code>NotFound</Code><Message>Topic does not exist</Message></Error>")
                .into_response()
        }
        "slow" => {
            tokio::time::sleep(std::time::Duration::from_secs(30)).await;
            StatusCode::ACCEPTED.into_response()
        }
        "redirect" => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/taken")]).into_response(),
        status if status.starts_with("status-") => {
            let status = StatusCode::from_bytes(&status.as_bytes()["status-".len()..]).unwrap();
            (status, "Invalid Routing Key \u{1b}[31m").into_response()
        }
        _ => StatusCode::ACCEPTED.into_response(),
    }
}

fn message() -> ChannelMessage {
    let report = Report {
        incident: "dispatch-at-risk/voltus-prod/dkmq".to_owned(),
        occurrence: "2023-12-01T16:40:03Z".parse().unwrap(),
        stages: vec!["first".to_owned()],
        state: Incident::Firing,
        kind: IncidentKind::DispatchAtRisk,
        source: "voltus-prod".to_owned(),
        test: Some(false),
        severity: Severity::Critical,
        text: "CURTAIL 5 kW at Mühle & Söhne + 1 by 12:18 PST".to_owned(),
        detail: "no controller has confirmed it".to_owned(),
        dispatch: None,
        acknowledged_by: None,
        link: Some("https://gridbell.example/alerts/abc".to_owned()),
        deduplication: "gridbell-1".to_owned(),
    };
    ChannelMessage {
        id: "alert-1".to_owned(),
        text: report.text.clone(),
        time: "2023-12-01T16:41:00Z".parse().unwrap(),
        test: false,
        severity: Severity::Critical,
        alerts: vec![report],
    }
}

fn webhook(url: String) -> Channel {
    Channel::Webhook { url, secret: Reference::parse("ssm:/hook").unwrap() }
}

fn pagerduty(url: String) -> Channel {
    Channel::PagerDuty { key: Reference::parse("ssm:/pd").unwrap(), url }
}

fn topic(name: &str) -> Channel {
    Channel::Sns { topic: format!("arn:aws:sns:eu-west-1:123456789012:{name}") }
}

#[tokio::test]
async fn a_webhook_is_signed_and_its_id_stays_the_same() {
    let server = Server::start().await;
    let (channels, channel) = (server.channels(), webhook(format!("{}/taken?x=1", server.base)));
    for _ in 0..2 {
        channels.ring(&channel, &message()).await.unwrap();
    }
    let posts = server.seen("/taken");
    assert_eq!(posts.len(), 2);
    for Post { headers, body, .. } in &posts {
        let text = |name: &str| headers[name].to_str().unwrap();
        let timestamp_s: i64 = text("webhook-timestamp").parse().unwrap();
        let signed = SigningSecrets::parse(SECRET).unwrap().sign("alert-1", timestamp_s, body.as_bytes());
        assert_eq!((text("webhook-id"), text("webhook-signature")), ("alert-1", signed.as_str()));
        assert_eq!(text("content-type"), "application/json");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["alerts"][0]["incident"], "dispatch-at-risk/voltus-prod/dkmq");
    }
}

#[tokio::test]
async fn pagerduty_gets_an_event_with_its_routing_key() {
    let server = Server::start().await;
    server.channels().ring(&pagerduty(format!("{}/v2/enqueue", server.base)), &message()).await.unwrap();
    let posts = server.seen("/v2/enqueue");
    let event: Value = serde_json::from_str(&posts[0].body).unwrap();
    assert_eq!((&event["routing_key"], &event["event_action"]), (&json!("R0UT1NG"), &json!("trigger")));
    assert_eq!(event["payload"]["custom_details"]["incident"], "dispatch-at-risk/voltus-prod/dkmq");
    assert_eq!(event["links"][0]["href"], "https://gridbell.example/alerts/abc");
}

#[tokio::test]
async fn sns_gets_one_signed_form_in_the_topics_region() {
    let server = Server::start().await;
    let channels = server.channels();
    channels.ring(&topic("duty"), &message()).await.unwrap();
    let post = &server.seen("/")[0];
    assert!(post.headers["authorization"].to_str().unwrap().contains("/eu-west-1/sns/aws4_request"));
    let form: std::collections::BTreeMap<String, String> =
        form_urlencoded::parse(post.body.as_bytes()).into_owned().collect();
    assert_eq!((form["Action"].as_str(), form["MessageStructure"].as_str()), ("Publish", "json"));
    assert_eq!(form["TopicArn"], "arn:aws:sns:eu-west-1:123456789012:duty");
    assert_eq!(form["Subject"], "gridbell: CURTAIL 5 kW at M?hle & S?hne + 1 by 12:18 PST");
    let forms: Value = serde_json::from_str(&form["Message"]).unwrap();
    assert_eq!(forms["sms"], message().text);
    assert_eq!(form["MessageAttributes.entry.1.Name"], "kind");
    assert_eq!(form["MessageAttributes.entry.1.Value.StringValue"], "dispatch-at-risk");
    let refused = channels.ring(&topic("missing"), &message()).await.unwrap_err();
    assert_eq!(refused, ChannelError::Refused("SNS answered 404: NotFound: Topic does not exist".to_owned()));
}

#[tokio::test]
async fn an_answer_decides_whether_people_may_have_heard() {
    let server = Server::start().await;
    let channels = server.channels();
    let ring = async |path: &str| channels.ring(&pagerduty(format!("{}/{path}", server.base)), &message()).await;
    for path in ["status-200", "status-202", "status-204"] {
        assert_eq!(ring(path).await, Ok(()), "{path}");
    }
    for path in ["status-400", "status-401", "status-404", "status-429", "redirect"] {
        let error = ring(path).await.unwrap_err();
        assert!(matches!(error, ChannelError::Refused(_)), "{path}: {error:?}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
    assert!(server.seen("/taken").is_empty(), "no redirect is followed");
    for path in ["status-500", "status-503", "slow"] {
        let error = ring(path).await.unwrap_err();
        assert!(matches!(error, ChannelError::Unanswered(_)), "{path}: {error:?}");
    }
    for url in ["http://127.0.0.1:1/x", "https://169.254.169.254/latest", "https://10.1.2.3/", "http://example.com/"] {
        let error = channels.ring(&webhook(url.to_owned()), &message()).await.unwrap_err();
        assert!(matches!(error, ChannelError::Refused(_)), "{url}: {error:?}");
    }
}
