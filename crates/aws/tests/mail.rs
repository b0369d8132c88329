//! The exact mail request to SES. No emulator stores an attachment or a header, so a test server records them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use aws::{
    client::{self, Access},
    ses::Ses,
};
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use base64::{Engine, prelude::BASE64_STANDARD};
use pipeline::{
    mail::Mail,
    ports::{Mailer, PortError},
};
use serde_json::{Value, json};

/// The received mails, how many of the first requests are refused, and with which answer.
type Mailbox = Arc<Mutex<(Vec<Value>, usize, (u16, &'static str))>>;

async fn ses(refusals: usize, with: (u16, &'static str)) -> (Ses, Mailbox) {
    let seen: Mailbox = Arc::new(Mutex::new((Vec::new(), refusals, with)));
    let router = Router::new().route("/v2/email/outbound-emails", post(answer)).with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Ses::new(&client::shared(Access::new(Some(&endpoint), "us-east-1", "test", "test"))), seen)
}

async fn answer(
    State(seen): State<Mailbox>,
    Json(body): Json<Value>,
) -> (StatusCode, [(&'static str, &'static str); 1], Json<Value>) {
    let mut seen = seen.lock().unwrap();
    seen.0.push(body);
    if seen.0.len() <= seen.1 {
        let (status, error) = seen.2;
        return (StatusCode::from_u16(status).unwrap(), [("x-amzn-errortype", error)], Json(json!({"message": "no"})));
    }
    (StatusCode::OK, [("x-none", "")], Json(json!({"MessageId": "m-1"})))
}

fn mail() -> Mail {
    Mail {
        from: "gridbell@example.com".to_owned(),
        to: vec!["a@example.com".to_owned(), "b@example.com".to_owned()],
        subject: "[gridbell] CURTAIL 5 kW at My Site (dispatch-at-risk, voltus-prod/dkmq)".to_owned(),
        text: "Straße 1\n".to_owned(),
        html: "<p>Straße 1</p>".to_owned(),
        calendar: Some("BEGIN:VCALENDAR\r\nSUMMARY:Straße 1\r\nEND:VCALENDAR\r\n".to_owned()),
        thread: "<0123@example.com>".to_owned(),
    }
}

#[tokio::test]
async fn a_mail_is_text_html_window_and_thread() {
    let (ses, seen) = ses(0, (200, "")).await;
    ses.send(&mail()).await.unwrap();
    let body = seen.lock().unwrap().0.pop().unwrap();
    assert_eq!(body["FromEmailAddress"], "gridbell@example.com");
    assert_eq!(body["Destination"]["ToAddresses"], json!(["a@example.com", "b@example.com"]));
    let simple = &body["Content"]["Simple"];
    assert_eq!(simple["Subject"]["Data"], mail().subject);
    assert_eq!(simple["Body"]["Text"], json!({"Data": "Straße 1\n", "Charset": "UTF-8"}));
    assert_eq!(simple["Body"]["Html"]["Data"], "<p>Straße 1</p>");
    let attached = &simple["Attachments"][0];
    assert_eq!((&attached["FileName"], simple["Attachments"].as_array().unwrap().len()), (&json!("dispatch.ics"), 1));
    assert_eq!(attached["ContentType"], "text/calendar; method=PUBLISH; charset=UTF-8");
    let raw = BASE64_STANDARD.decode(attached["RawContent"].as_str().unwrap()).unwrap();
    assert_eq!(String::from_utf8(raw).unwrap(), mail().calendar.unwrap());
    assert_eq!(
        simple["Headers"],
        json!([
            {"Name": "Auto-Submitted", "Value": "auto-generated"},
            {"Name": "References", "Value": "<0123@example.com>"},
            {"Name": "In-Reply-To", "Value": "<0123@example.com>"},
        ])
    );
}

#[tokio::test]
async fn what_ses_refuses_for_good_goes_out_bare() {
    for error in ["BadRequestException", "MessageRejected"] {
        let (ses, seen) = ses(1, (400, error)).await;
        ses.send(&mail()).await.unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!(seen.0.len(), 2, "{error}");
        let bare = &seen.0[1]["Content"]["Simple"];
        assert!(bare["Attachments"].is_null() && bare["Headers"].is_null(), "{bare}");
        assert_eq!(bare["Body"]["Text"]["Data"], "Straße 1\n");
    }
}

#[tokio::test]
async fn a_mail_that_ses_never_takes_is_broken_and_one_that_it_may_take_later_is_not() {
    let (never, _) = ses(9, (400, "MessageRejected")).await;
    assert!(matches!(never.send(&mail()).await, Err(PortError::Broken { .. })));
    let (later, _) = ses(99, (429, "TooManyRequestsException")).await;
    assert!(matches!(later.send(&mail()).await, Err(PortError::Unavailable { .. })));
}
