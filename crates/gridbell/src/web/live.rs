//! Live updates: while a page is open, the server renders it again every few seconds and sends it if it has changed.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use sha2::{Digest, Sha256};

use super::{app::App, fields::Fields, page, pages};

/// How often a page of the local stack is rendered.
const LOCAL: Duration = Duration::from_secs(3);

/// How often a page of a stack in AWS is rendered: each rendering reads its tables.
const DEPLOYED: Duration = Duration::from_secs(20);

/// The attribute of an instant's distance from now.
const OFF: &str = "data-off=";

/// An open page.
struct Watched {
    app: Arc<App>,
    path: String,
    fields: Fields,
    known: String,
}

/// The page's contents from now on, whenever they change.
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    uri: Uri,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let fields = Fields::parse(uri.query().unwrap_or_default().as_bytes());
    // A browser that reconnects names the last content that it received.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let known = last.unwrap_or(fields.text("known")).to_owned();
    let path = fields.text("path").to_owned();
    let fields = Fields::parse(fields.text("query").trim_start_matches('?').as_bytes()).without("said");
    let watched = Watched { app, path, fields, known };
    Sse::new(stream::unfold(watched, async |watched| Some(next(watched).await))).keep_alive(KeepAlive::default())
}

async fn next(mut watched: Watched) -> (Result<Event, Infallible>, Watched) {
    let every = if watched.app.access.is_deployed() { DEPLOYED } else { LOCAL };
    loop {
        tokio::time::sleep(every).await;
        let page = pages::page(&watched.app, &watched.path, &watched.fields).await;
        let content = page::clean(page.content().into_string());
        let digest = digest(&content);
        if digest != watched.known {
            let event = Event::default().id(&digest).event("page").data(content);
            watched.known = digest;
            return (Ok(event), watched);
        }
    }
}

/// A digest of the content. It ignores how far off the instants are, because the script updates that itself.
pub(super) fn digest(content: &str) -> String {
    let mut hash = Sha256::new();
    for (number, part) in content.split(OFF).enumerate() {
        let rest = if number == 0 { part } else { part.split_once('<').map_or(part, |(_, rest)| rest) };
        hash.update(rest);
    }
    let first = hash.finalize().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{first:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passing_of_time_alone_is_no_news() {
        let before = r#"<p>a</p><span data-off="17">in 5 min</span> b"#;
        assert_eq!(digest(before), digest(r#"<p>a</p><span data-off="17">in 4 min</span> b"#));
        assert_ne!(digest(before), digest(r#"<p>a</p><span data-off="17">in 5 min</span> c"#));
    }
}
