//! The forms' actions. Each redirects to a page that shows the result.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use pipeline::{ingest::acknowledge::Acknowledgement, record::AckState};
use serde_json::Value;

use super::{
    access::Lines,
    app::{App, DoctorRun, Said, TestOf, TestRun, lock},
    fields::{Fields, address},
    guard::Refusal,
    server::refused,
};
use crate::verbs::alert;

/// The fields of this console's own form, or why the request is refused.
fn form(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Fields, Refusal> {
    let form = Fields::parse(body);
    if app.guard.is_own_form(headers, &form) { Ok(form) } else { Err(Refusal::Form) }
}

/// Redirects to a page that shows the result.
fn lead(app: &App, to: &str, result: anyhow::Result<Vec<String>>) -> Response {
    let said = match result {
        Ok(lines) => Said { done: true, lines },
        Err(error) => Said { done: false, lines: vec![format!("{error:#}")] },
    };
    let number = app.say(said).to_string();
    let (path, query) = to.split_once('?').unwrap_or((to, ""));
    Redirect::to(&Fields::parse(query.as_bytes()).with("said", &number).address(path)).into_response()
}

/// `dispatch ack`.
pub(super) async fn acknowledge(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = match form(&app, &headers, &body) {
        Ok(form) => form,
        Err(why) => return refused(why),
    };
    let key = form.text("key");
    let noted = async {
        let state: AckState = serde_json::from_value(Value::from(form.text("state")))
            .map_err(|_| anyhow::anyhow!("Choose an answer: accepted, completed or failed."))?;
        let version =
            form.text("version").parse().map_err(|_| anyhow::anyhow!("The form names no version: reload the page."))?;
        let detail = form.get("detail").map(str::to_owned);
        let said = Acknowledgement { dispatch: key.to_owned(), epoch: None, version, state, detail, by: None };
        anyhow::Ok(vec![format!("✓ {}", app.access.acknowledge(&said).await?)])
    };
    let noted = noted.await;
    lead(&app, &address("/dispatch", &[("key", key)]), noted)
}

/// `alert ack`.
pub(super) async fn acknowledge_incident(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = match form(&app, &headers, &body) {
        Ok(form) => form,
        Err(why) => return refused(why),
    };
    let incident = form.text("incident");
    let by = form.get("by").unwrap_or("the web console");
    let noted = app.access.acknowledge_incident(incident, by).await.map(|done| vec![format!("✓ {done}")]);
    lead(&app, &address("/incident", &[("name", incident)]), noted)
}

/// `alert snooze`.
pub(super) async fn snooze_incident(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = match form(&app, &headers, &body) {
        Ok(form) => form,
        Err(why) => return refused(why),
    };
    let incident = form.text("incident");
    let snoozed = async {
        let span = alert::snooze_span(form.text("span"))
            .map_err(|why| anyhow::anyhow!("Choose how long to snooze: {why}."))?;
        let by = form.get("by").unwrap_or("the web console");
        let done = app.access.snooze_incident(incident, app.access.now() + span, by).await?;
        anyhow::Ok(vec![format!("✓ {done}")])
    };
    let snoozed = snoozed.await;
    lead(&app, &address("/incident", &[("name", incident)]), snoozed)
}

/// `delivery replay --yes`, after the preview page.
pub(super) async fn replay(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = match form(&app, &headers, &body) {
        Ok(form) => form,
        Err(why) => return refused(why),
    };
    let replayed = async {
        let replayed = app.access.replay(&form.all("id")).await?;
        anyhow::ensure!(!replayed.is_empty(), "Nothing was replayed: none of these deliveries can be.");
        anyhow::Ok(replayed.iter().map(|one| format!("✓ {one}")).collect())
    };
    let replayed = replayed.await;
    lead(&app, "/deliveries", replayed)
}

/// `webhook test`: starts it; the source's page shows its progress.
pub(super) async fn test(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = match form(&app, &headers, &body) {
        Ok(form) => form,
        Err(why) => return refused(why),
    };
    let source = form.text("source").to_owned();
    begin_test(&app, TestOf::Source(source), &form)
}

/// `output test`: starts it; the output's page shows its progress.
pub(super) async fn test_output(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = match form(&app, &headers, &body) {
        Ok(form) => form,
        Err(why) => return refused(why),
    };
    let output = form.text("output").to_owned();
    begin_test(&app, TestOf::Output(output), &form)
}

fn begin_test(app: &Arc<App>, of: TestOf, form: &Fields) -> Response {
    let (path, name) = match &of {
        TestOf::Source(name) => ("/source", name),
        TestOf::Output(name) => ("/output", name),
    };
    let to = address(path, &[("name", name)]);
    {
        let mut tests = lock(&app.tests);
        if tests.get(&of).is_some_and(|run| run.ended.is_none()) {
            drop(tests);
            return lead(app, &to, Err(anyhow::anyhow!("A test of {name} is under way.")));
        }
        tests.insert(of.clone(), TestRun::began(app.access.now()));
    }
    let agreed = form.get("agreed").is_some();
    tokio::spawn(run_test(Arc::clone(app), of, agreed));
    Redirect::to(&to).into_response()
}

async fn run_test(app: Arc<App>, of: TestOf, agreed: bool) {
    let (at, tested) = (Arc::clone(&app), of.clone());
    let lines: Lines = Arc::new(move |line| {
        if let Some(run) = lock(&at.tests).get_mut(&tested) {
            run.line(line);
        }
    });
    let ended = match &of {
        TestOf::Source(source) => app.access.test(source, agreed, lines).await,
        TestOf::Output(output) => app.access.test_output(output, agreed, lines).await,
    };
    if let Some(run) = lock(&app.tests).get_mut(&of) {
        run.ended = Some(ended.map_err(|error| format!("{error:#}")));
    }
}

/// `output replay --yes`, after the preview page.
pub(super) async fn replay_output(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = match form(&app, &headers, &body) {
        Ok(form) => form,
        Err(why) => return refused(why),
    };
    let output = form.text("output");
    let replayed = async {
        let replayed = app.access.replay_output(output).await?;
        anyhow::ensure!(!replayed.is_empty(), "Nothing was replayed: nothing is kept of this output any more.");
        anyhow::Ok(replayed.iter().map(|one| format!("✓ {one}")).collect())
    };
    let replayed = replayed.await;
    lead(&app, &address("/output", &[("name", output)]), replayed)
}

/// `doctor`: starts the checks again.
pub(super) async fn check(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(why) = form(&app, &headers, &body) {
        return refused(why);
    }
    begin_checks(&app, true);
    Redirect::to("/doctor").into_response()
}

/// Starts the checks, unless they are running, or have already run and `again` is false.
pub(super) fn begin_checks(app: &Arc<App>, again: bool) {
    let mut doctor = lock(&app.doctor);
    if doctor.as_ref().is_some_and(|run| run.ended.is_none() || !again) {
        return;
    }
    *doctor = Some(DoctorRun { began_at: app.access.now(), ended: None });
    drop(doctor);
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let ended = app.access.doctor().await.map_err(|error| format!("{error:#}"));
        if let Some(run) = lock(&app.doctor).as_mut() {
            run.ended = Some(ended);
        }
    });
}
