//! A dispatch that no controller acknowledges: people are notified in time, and again when it is resolved. On a stack where a
//! controller must acknowledge.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    chaos::calm,
    harness::{
        Answer, Looked, RESOLVED, SOON, TestStack, answer, cases, config, eventually, from_now, hurt_sim, instant,
        listed, world,
    },
    voltus::{dispatch, tell, with},
};

cases!("deadlines":
    a_silent_controller_is_reported,
    a_sandbox_that_is_not_acknowledged_is_reported_once_as_a_test,
    a_controller_that_acknowledges_in_time_is_not_reported,
    a_controller_that_cannot_act_is_reported_at_once,
    an_acknowledgement_answers_the_current_version,
    the_door_of_acknowledgements,
    being_read_counts_where_no_controller_must_acknowledge,
);

const SOURCE: &str = "voltus-prod";

/// Mailed at the latest: the immediate deadline of 10 s, and what a busy machine adds; in any case before the start.
const IN_TIME: Duration = Duration::from_mins(5);

/// A controller that acknowledges within this was in time, by any clock.
pub(crate) const WELL_IN_TIME: Duration = Duration::from_secs(8);

/// Starts too soon for the usual deadline, so that the immediate one counts.
fn in_ten_minutes(id: &str, modification: u64) -> Value {
    with(dispatch(id, modification), json!({"start_time": from_now(600), "end_time": from_now(4_200)}))
}

/// Publishes a dispatch while no case kills hydrators.
async fn published(id: &str) -> Result<Arc<TestStack>> {
    let world = hurt_sim().await?;
    let _turn = calm().await;
    tell(&world, SOURCE, "create", &in_ten_minutes(id, 0)).await?;
    world.signals.of(&format!("{SOURCE}/{id}"), 1).await?;
    Ok(world)
}

/// Acknowledges as a controller does: once more where the answer was "not now". Another case may have suspended AWS.
async fn acknowledge(world: &TestStack, token: &str, body: impl ToString) -> Result<Answer> {
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

async fn a_silent_controller_is_reported() -> Result<()> {
    let began = instant();
    let world = published("unheard").await?;
    let mail = world.mail.one_naming(IN_TIME, &["dispatch-at-risk"], "voltus-prod/unheard").await?;
    ensure!(began.elapsed() >= Duration::from_secs(9), "mailed after {:?}, before it was due", began.elapsed());
    for word in ["My Site", "5 kW", "UTC", "REAL", "voltus-prod/unheard"] {
        ensure!(mail.text.contains(word), "the mail does not say {word}: {}", mail.text);
    }
    let taken = acknowledge(&world, config::ACK_TOKEN, ack("unheard", 1, "accepted")).await?;
    ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
    world.mail.one_naming(IN_TIME, &["dispatch-at-risk", RESOLVED], "voltus-prod/unheard").await?;
    world.at_the_end(|world| async move {
        let mail = world.mail.naming(&["dispatch-at-risk"], "voltus-prod/unheard").await?;
        ensure!(mail.len() == 1, "more than one mail before it was resolved:{}", listed(&mail));
        world.mail.one_naming(SOON, &["dispatch-at-risk", RESOLVED], "voltus-prod/unheard").await.map(drop)
    });
    Ok(())
}

/// Whether the controller is silent or cannot act: marked, mailed once, and no more.
async fn a_sandbox_that_is_not_acknowledged_is_reported_once_as_a_test() -> Result<()> {
    let world = hurt_sim().await?;
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
            let mail = world.mail.naming(&["[TEST]", "dispatch-at-risk"], subject).await?;
            Ok(if mail.is_empty() { Looked::NotYet("none".to_owned()) } else { Looked::There(()) })
        })
        .await?;
    }
    world.at_the_end(move |world| async move {
        let mail = world.mail.about(&["dispatch-at-risk", "vbox"]).await?;
        ensure!(mail.iter().all(|mail| mail.subject.contains("[TEST]")), "unmarked:{}", listed(&mail));
        // On a busy machine the controller fails after its deadline, which is an incident of its own.
        for (subject, most) in [(silent, 1), (unable, 2)] {
            let mail = world.mail.naming(&["dispatch-at-risk"], subject).await?;
            ensure!((1..=most).contains(&mail.len()), "mailed again about a test:{}", listed(&mail));
        }
        Ok(())
    });
    Ok(())
}

async fn a_controller_that_acknowledges_in_time_is_not_reported() -> Result<()> {
    for attempt in 0..10 {
        let (began, id) = (instant(), format!("heard-{attempt}"));
        let world = published(&id).await?;
        let mut in_time = false;
        for state in ["accepted", "accepted", "completed"] {
            let taken = acknowledge(&world, config::ACK_TOKEN, ack(&id, 1, state)).await?;
            in_time |= began.elapsed() < WELL_IN_TIME;
            ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
        }
        // A busy machine may be too slow for a deadline of ten seconds; then people are notified, and rightly.
        if in_time {
            world.at_the_end(move |world| async move {
                let mail = world.mail.naming(&[], &format!("{SOURCE}/{id}")).await?;
                ensure!(mail.is_empty(), "mail about what was acknowledged:{}", listed(&mail));
                Ok(())
            });
            return Ok(());
        }
    }
    bail!("nothing was acknowledged within {WELL_IN_TIME:?}, ten times in a row")
}

async fn a_controller_that_cannot_act_is_reported_at_once() -> Result<()> {
    let world = published("unable").await?;
    let mut failed = ack("unable", 1, "failed");
    failed["detail"] = json!("the breaker is stuck");
    let taken = acknowledge(&world, config::ACK_TOKEN, failed).await?;
    ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
    eventually(SOON, "mail with what the controller said", || async {
        // On a busy machine it says so too late, and that it is not acknowledged was mailed before.
        let mail = world.mail.naming(&["dispatch-at-risk"], "voltus-prod/unable").await?;
        let said = mail.iter().any(|mail| mail.text.contains("the breaker is stuck"));
        Ok(if said { Looked::There(()) } else { Looked::NotYet(listed(&mail)) })
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

async fn being_read_counts_where_no_controller_must_acknowledge() -> Result<()> {
    let world = world().await?;
    tell(&world, SOURCE, "create", &in_ten_minutes("read", 0)).await?;
    world.signals.of("voltus-prod/read", 1).await?;
    world.at_the_end(|world| async move {
        let mail = world.mail.about(&["dispatch-at-risk"]).await?;
        ensure!(mail.is_empty(), "mail about what was read:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}
