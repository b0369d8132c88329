//! Sends a simulator's webhooks when they are due.

use std::{sync::Arc, time::Duration};

use provider_sims::{Post, WebhookOutcome};
use reqwest::Client;
use tokio::{task::JoinSet, time::Instant};

use super::{server::Served, times};

/// How much of an answer is stored.
const KEPT_BYTES: usize = 4_096;

/// Longest sleep if nothing is scheduled; a change ends it.
const IDLE: Duration = Duration::from_hours(1);

/// Runs until it is dropped, with all its pending webhooks.
pub(crate) async fn run(served: Arc<Served>, http: Client) {
    let mut sending = JoinSet::new();
    loop {
        let (posts, next) = served.look(|simulator| (simulator.due(times::now()), simulator.next()));
        for post in posts {
            sending.spawn(send(Arc::clone(&served), http.clone(), post));
        }
        while sending.try_join_next().is_some() {}
        let pause = next.map_or(IDLE, |next| next.duration_since(times::now()).try_into().unwrap_or_default());
        tokio::select! {
            () = served.changed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn send(served: Arc<Served>, http: Client, post: Post) {
    let began = Instant::now();
    let mut outcome = deliver(&http, &post).await;
    outcome.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    served.answered(post.id, &outcome);
}

async fn deliver(http: &Client, post: &Post) -> WebhookOutcome {
    // The address contains a token, so the error must not show it.
    let failed = |error: reqwest::Error| {
        let text = if error.is_timeout() { "no answer in time".to_owned() } else { in_words(error.without_url()) };
        WebhookOutcome { problem: Some(text), ..WebhookOutcome::default() }
    };
    let mut request = http.post(&post.url).timeout(Duration::from_millis(post.patience_ms));
    for (name, value) in &post.headers {
        request = request.header(name, value);
    }
    let response = match request.body(post.body.clone()).send().await {
        Ok(response) => response,
        Err(error) => return failed(error),
    };
    let status = Some(response.status().as_u16());
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    match response.text().await {
        Ok(mut body) => {
            body.truncate(body.floor_char_boundary(KEPT_BYTES));
            WebhookOutcome { status, headers, body, ..WebhookOutcome::default() }
        }
        Err(error) => failed(error),
    }
}

/// An error and its cause.
pub(crate) fn in_words(error: reqwest::Error) -> String {
    format!("{:#}", anyhow::Error::from(error))
}
