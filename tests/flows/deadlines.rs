//! A dispatch that nobody acknowledges: a person is told in time, and told when it is over. On a stack where a controller must.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    chaos::calm,
    harness::{
        Answer, Looked, SOON, World, answer, cases, config, eventually, from_now, hurt_world, instant, listed, world,
    },
    voltus::{dispatch, tell, with},
};

cases!("deadlines":
    who_does_not_acknowledge_is_told_of,
    a_sandbox_that_is_not_acknowledged_is_told_once_as_a_test,
    who_acknowledges_in_time_is_left_alone,
    who_cannot_is_told_of_at_once,
    an_acknowledgement_answers_the_current_version,
    the_door_of_acknowledgements,
    being_read_counts_where_nobody_must_acknowledge,
);

const SOURCE: &str = "voltus-prod";

/// Told at the latest: the immediate deadline of 10 s, and what a busy machine adds; in any case before the start.
const IN_TIME: Duration = Duration::from_mins(5);

/// Who acknowledges within this was in time, by any clock.
pub(crate) const WELL_IN_TIME: Duration = Duration::from_secs(8);

/// Starts too soon for the usual deadline, so that the immediate one counts.
fn in_ten_minutes(id: &str, modification: u64) -> Value {
    with(dispatch(id, modification), json!({"start_time": from_now(600), "end_time": from_now(4_200)}))
}

/// Publishes a dispatch while nobody kills hydrators.
async fn published(id: &str) -> Result<Arc<World>> {
    let world = hurt_world().await?;
    let _turn = calm().await;
    tell(&world, SOURCE, "create", &in_ten_minutes(id, 0)).await?;
    world.signals.of(&format!("{SOURCE}/{id}"), 1).await?;
    Ok(world)
}

/// Acknowledges as a controller does: once more where the answer was "not now". Another case may have suspended AWS.
async fn acknowledge(world: &World, token: &str, body: impl ToString) -> Result<Answer> {
    let (url, body) = (format!("{}/{token}", world.description.acks), body.to_string());
    eventually(SOON, "an answer to an acknowledgement", || async {
        let request = world.http.post(&url).header("content-type", "application/json").body(body.clone());
        let answer = answer(request).await?;
        Ok(if answer.status == 503 { Looked::NotYet(answer.text) } else { Looked::There(answer) })
    })
    .await
}

fn ack(id: &str, version: u64, state: &str) -> Value {
    json!({"dispatch": format!("{SOURCE}/{id}"), "version": version, "state": state})
}

async fn who_does_not_acknowledge_is_told_of() -> Result<()> {
    let began = instant();
    let world = published("unheard").await?;
    let words = ["dispatch-at-risk", "voltus-prod/unheard"];
    let mail = world.mail.one(IN_TIME, &words).await?;
    ensure!(began.elapsed() >= Duration::from_secs(9), "told after {:?}, before it was due", began.elapsed());
    for word in ["My Site", "5 kW", "UTC", "REAL", "voltus-prod/unheard"] {
        ensure!(mail.text.contains(word), "the mail does not say {word}: {}", mail.text);
    }
    let taken = acknowledge(&world, config::ACK_TOKEN, ack("unheard", 1, "accepted")).await?;
    ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
    world.mail.one(IN_TIME, &["dispatch-at-risk", "voltus-prod/unheard", "over"]).await?;
    world.at_the_end(|world| async move {
        let told = world.mail.about(&["dispatch-at-risk", "voltus-prod/unheard"]).await?;
        ensure!(told.len() == 2, "one mail, and its end:{}", listed(&told));
        Ok(())
    });
    Ok(())
}

/// Whether the controller is silent or cannot: marked, told once, and then left at that.
async fn a_sandbox_that_is_not_acknowledged_is_told_once_as_a_test() -> Result<()> {
    let world = hurt_world().await?;
    let [silent, unable] = ["vbox/test-silent", "vbox/test-unable"];
    {
        let _turn = calm().await;
        for subject in [silent, unable] {
            let dispatch = in_ten_minutes(subject.trim_start_matches("vbox/"), 0);
            tell(&world, "vbox", "create", &dispatch).await?;
            let signals = world.signals.of(subject, 1).await?;
            ensure!(signals[0].test == json!("true"), "{subject}: {}", signals[0].test);
        }
    }
    let failed = json!({"dispatch": unable, "version": 1, "state": "failed", "detail": "as the test wants it"});
    let taken = acknowledge(&world, config::ACK_TOKEN, failed).await?;
    ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
    for subject in [silent, unable] {
        let what = format!("mail about {subject}");
        eventually(IN_TIME, &what, || async {
            let told = world.mail.about(&["[TEST] dispatch-at-risk", subject]).await?;
            Ok(if told.is_empty() { Looked::NotYet("none".to_owned()) } else { Looked::There(()) })
        })
        .await?;
    }
    world.at_the_end(|world| async move {
        let told = world.mail.about(&["dispatch-at-risk", "vbox/"]).await?;
        ensure!(told.iter().all(|mail| mail.subject.contains("[TEST]")), "unmarked:{}", listed(&told));
        let of = |subject: &str| told.iter().filter(|mail| mail.subject.contains(subject)).count();
        // Who fails has not acknowledged either: both are told, each once.
        ensure!(of("test-silent") == 1 && of("test-unable") <= 2, "told again of a test:{}", listed(&told));
        Ok(())
    });
    Ok(())
}

async fn who_acknowledges_in_time_is_left_alone() -> Result<()> {
    for attempt in 0..10 {
        let (began, id) = (instant(), format!("heard-{attempt}"));
        let world = published(&id).await?;
        let mut in_time = false;
        for state in ["accepted", "accepted", "completed"] {
            let taken = acknowledge(&world, config::ACK_TOKEN, ack(&id, 1, state)).await?;
            in_time |= began.elapsed() < WELL_IN_TIME;
            ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
        }
        // A busy machine may be too slow for a deadline of ten seconds; then a person is told, and rightly.
        if in_time {
            world.at_the_end(move |world| async move {
                let told = world.mail.about(&[&format!("{SOURCE}/{id}")]).await?;
                ensure!(told.is_empty(), "told of what was acknowledged:{}", listed(&told));
                Ok(())
            });
            return Ok(());
        }
    }
    bail!("nothing was acknowledged within {WELL_IN_TIME:?}, ten times in a row")
}

async fn who_cannot_is_told_of_at_once() -> Result<()> {
    let world = published("unable").await?;
    let mut failed = ack("unable", 1, "failed");
    failed["detail"] = json!("the breaker is stuck");
    let taken = acknowledge(&world, config::ACK_TOKEN, failed).await?;
    ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
    eventually(SOON, "mail with what the controller said", || async {
        // On a busy machine it says so too late, and that it is not acknowledged was told before.
        let told = world.mail.about(&["dispatch-at-risk", "voltus-prod/unable"]).await?;
        let said = told.iter().any(|mail| mail.text.contains("the breaker is stuck"));
        Ok(if said { Looked::There(()) } else { Looked::NotYet(listed(&told)) })
    })
    .await
}

async fn an_acknowledgement_answers_the_current_version() -> Result<()> {
    let world = published("moved").await?;
    {
        let _turn = calm().await;
        tell(&world, SOURCE, "update", &with(in_ten_minutes("moved", 1), json!({"start_time": from_now(900)}))).await?;
        world.signals.of("voltus-prod/moved", 2).await?;
    }
    let old = acknowledge(&world, config::ACK_TOKEN, ack("moved", 1, "accepted")).await?;
    ensure!(old.status == 409 && old.text.contains('2'), "{} {}", old.status, old.text);
    let current = acknowledge(&world, config::ACK_TOKEN, ack("moved", 2, "accepted")).await?;
    ensure!(current.status == 200, "{} {}", current.status, current.text);
    let unknown = acknowledge(&world, config::ACK_TOKEN, ack("nobody-knows", 1, "accepted")).await?;
    ensure!(unknown.status == 404, "{} {}", unknown.status, unknown.text);
    Ok(())
}

async fn the_door_of_acknowledgements() -> Result<()> {
    let world = world().await?;
    let good = ack("nobody-knows", 1, "accepted");
    let wrong = acknowledge(&world, "wrong", &good).await?;
    ensure!(wrong.status == 404, "{} {}", wrong.status, wrong.text);
    for body in ["", "no JSON", "null", "{}", r#"{"dispatch":"a/b","version":1,"state":"maybe"}"#] {
        let refused = acknowledge(&world, config::ACK_TOKEN, body).await?;
        ensure!(refused.status == 400, "{body:?}: {} {}", refused.status, refused.text);
        ensure!(refused.json()["error"]["code"].is_string(), "{}", refused.text);
    }
    let url = format!("{}/{}", world.description.acks, config::ACK_TOKEN);
    let read = answer(world.http.get(url)).await?;
    ensure!(read.status == 405, "{} {}", read.status, read.text);
    Ok(())
}

async fn being_read_counts_where_nobody_must_acknowledge() -> Result<()> {
    let world = world().await?;
    tell(&world, SOURCE, "create", &in_ten_minutes("read", 0)).await?;
    world.signals.of("voltus-prod/read", 1).await?;
    world.at_the_end(|world| async move {
        let told = world.mail.about(&["dispatch-at-risk"]).await?;
        ensure!(told.is_empty(), "told of what was read:{}", listed(&told));
        Ok(())
    });
    Ok(())
}
