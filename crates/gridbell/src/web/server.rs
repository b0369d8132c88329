//! The routes, and the checks of every request.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};

use super::{
    acts,
    app::App,
    fields::Fields,
    guard::{self, Refusal},
    live,
    page::{self, Page},
    pages,
};

/// The console's router.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/now") }))
        .route("/live", get(live::stream))
        .route("/delivery/raw", get(raw_body))
        .route("/dispatch/signal", get(signals))
        .route("/dispatch/ack", post(acts::acknowledge))
        .route("/incident/ack", post(acts::acknowledge_incident))
        .route("/incident/snooze", post(acts::snooze_incident))
        .route("/replay", get(shown).post(acts::replay))
        .route("/source/test", post(acts::test))
        .route("/output/test", post(acts::test_output))
        .route("/output/replay", get(shown).post(acts::replay_output))
        .route("/doctor", get(shown).post(acts::check))
        .fallback(get(shown))
        .layer(from_fn_with_state(Arc::clone(&app), admitted))
        .route("/console.css", get(async || asset("text/css; charset=utf-8", include_str!("assets/console.css"))))
        .route("/console.js", get(async || asset("text/javascript; charset=utf-8", include_str!("assets/console.js"))))
        .route("/icon.svg", get(async || asset("image/svg+xml", include_str!("assets/icon.svg"))))
        .layer(from_fn_with_state(Arc::clone(&app), to_this_machine))
        .with_state(app)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Refuses requests to another host name, and adds the headers of every answer.
async fn to_this_machine(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut answer =
        if app.guard.is_own_host(request.headers()) { next.run(request).await } else { refused(Refusal::Host) };
    guard::headers(answer.headers_mut());
    answer
}

/// Admits requests with the token, or with the cookie of an earlier one.
async fn admitted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let fields = Fields::parse(request.uri().query().unwrap_or_default().as_bytes());
    if request.method() == Method::GET && app.guard.has_token(&fields) {
        let Ok(cookie) = HeaderValue::from_str(&app.guard.cookie()) else { return refused(Refusal::Token) };
        let path = request.uri().path();
        let to = fields.without("token").address(if path == "/" { "/now" } else { path });
        return ([(header::SET_COOKIE, cookie)], Html(page::entered(&to))).into_response();
    }
    if app.guard.has_session(request.headers()) { next.run(request).await } else { refused(Refusal::Token) }
}

/// A page with the reason of a refusal.
pub(super) fn refused(why: Refusal) -> Response {
    (why.status(), Html(page::refused(why.words()))).into_response()
}

/// A page, with the result of the action before it.
async fn shown(State(app): State<Arc<App>>, uri: Uri) -> Response {
    let fields = Fields::parse(uri.query().unwrap_or_default().as_bytes());
    let said = fields.get("said").and_then(|number| app.take_said(number.parse().ok()?));
    let page = pages::page(&app, uri.path(), &fields.without("said")).await;
    whole(&app, &page, said.as_ref())
}

fn whole(app: &App, page: &Page, said: Option<&super::app::Said>) -> Response {
    (page.status, Html(page::whole(page, app, &app.clock(), said))).into_response()
}

/// The provider's body, byte for byte, as a download, so that no browser renders it.
async fn raw_body(State(app): State<Arc<App>>, uri: Uri) -> Response {
    let fields = Fields::parse(uri.query().unwrap_or_default().as_bytes());
    match app.access.delivery(fields.text("id")).await {
        Ok(contents) => match contents.body {
            Some(body) => file("body.txt", body),
            None => whole(&app, &Page::failed(StatusCode::NOT_FOUND, "No body is stored of this delivery."), None),
        },
        Err(error) => whole(&app, &Page::failed(StatusCode::NOT_FOUND, &format!("{error:#}")), None),
    }
}

/// The signals of the current version, byte for byte: one event on each line.
async fn signals(State(app): State<Arc<App>>, uri: Uri) -> Response {
    let fields = Fields::parse(uri.query().unwrap_or_default().as_bytes());
    match app.access.record(fields.text("key")).await {
        Ok(Some(record)) => file("signals.jsonl", super::signals::of(&record).join("\n")),
        Ok(None) => whole(&app, &Page::failed(StatusCode::NOT_FOUND, "There is no such dispatch."), None),
        Err(error) => whole(&app, &Page::failed(StatusCode::BAD_GATEWAY, &format!("{error:#}")), None),
    }
}

fn file(name: &'static str, text: String) -> Response {
    let kind = (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned());
    let disposition = (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
    ([kind, disposition], Body::from(text)).into_response()
}
