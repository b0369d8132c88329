//! Dispatches that no controller acknowledges: people are notified in time, and again when it is resolved. On a stack
//! where a controller must acknowledge.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    chaos::calm,
    harness::{
        Answer, Checked, RESOLVED, SOON, TestStack, answer, cases, config, damaged_stack, eventually, from_now,
        instant, listed, shared_stack,
    },
    voltus::{dispatch, publish, with},
};

cases!("deadlines":
    a_silent_controller_is_reported,
    a_sandbox_that_is_not_acknowledged_is_reported_once_as_a_test,
    a_controller_that_acknowledges_in_time_is_not_reported,
    a_controller_that_cannot_act_is_reported_at_once,
    an_acknowledgement_answers_the_current_version,
    the_endpoint_of_acknowledgements,
    being_read_counts_where_no_controller_must_acknowledge,
);

const SOURCE: &str = "voltus-prod";

/// The latest time of the mail: the immediate deadline of 10 s, plus time for a busy machine; in any case before the
/// start.
const IN_TIME: Duration = Duration::from_mins(5);

/// A controller that acknowledges within this time is in time by any clock.
pub(crate) const WELL_IN_TIME: Duration = Duration::from_secs(8);

/// Starts in less than the lead time, so the immediate deadline applies.
fn in_ten_minutes(id: &str, modification: u64) -> Value {
    with(dispatch(id, modification), json!({"start_time": from_now(600), "end_time": from_now(4_200)}))
}

/// Publishes a dispatch while no case kills hydrators.
async fn published(id: &str) -> Result<Arc<TestStack>> {
    let stack = damaged_stack().await?;
    let _turn = calm().await;
    publish(&stack, SOURCE, "create", &in_ten_minutes(id, 0)).await?;
    stack.signals.of(&format!("{SOURCE}/{id}"), 1).await?;
    Ok(stack)
}

/// Acknowledges as a controller does: it retries after 503, because another case may have suspended AWS.
async fn acknowledge(stack: &TestStack, token: &str, body: impl ToString) -> Result<Answer> {
    let (url, body) = (format!("{}/{token}", stack.description.acks), body.to_string());
    eventually(SOON, "an answer to an acknowledgement", || async {
        let request = stack.http.post(&url).header("content-type", "application/json").body(body.clone());
        let answer = answer(request).await?;
        Ok(if answer.status == 503 { Checked::NotYet(answer.text) } else { Checked::Found(answer) })
    })
    .await
}

fn ack(id: &str, version: u64, state: &str) -> Value {
    json!({"dispatch": format!("{SOURCE}/{id}"), "version": version, "state": state})
}

async fn a_silent_controller_is_reported() -> Result<()> {
    let began = instant();
    let stack = published("unheard").await?;
    let mail = stack.mail.one_naming(IN_TIME, &["dispatch-at-risk"], "voltus-prod/unheard").await?;
    ensure!(began.elapsed() >= Duration::from_secs(9), "mailed after {:?}, before it was due", began.elapsed());
    for word in ["My Site", "5 kW", "UTC", "REAL", "voltus-prod/unheard"] {
        ensure!(mail.text.contains(word), "the mail does not say {word}: {}", mail.text);
    }
    let taken = acknowledge(&stack, config::ACK_TOKEN, ack("unheard", 1, "accepted")).await?;
    ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
    stack.mail.one_naming(IN_TIME, &["dispatch-at-risk", RESOLVED], "voltus-prod/unheard").await?;
    stack.at_the_end(|stack| async move {
        let mail = stack.mail.naming(&["dispatch-at-risk"], "voltus-prod/unheard").await?;
        ensure!(mail.len() == 1, "more than one mail before it was resolved:{}", listed(&mail));
        stack.mail.one_naming(SOON, &["dispatch-at-risk", RESOLVED], "voltus-prod/unheard").await.map(drop)
    });
    Ok(())
}

/// The controller is silent, or cannot act: one mail, marked as a test.
async fn a_sandbox_that_is_not_acknowledged_is_reported_once_as_a_test() -> Result<()> {
    let stack = damaged_stack().await?;
    let [silent, unable] = ["vbox/test-silent", "vbox/test-unable"];
    {
        let _turn = calm().await;
        for subject in [silent, unable] {
            let dispatch = in_ten_minutes(subject.trim_start_matches("vbox/"), 0);
            publish(&stack, "vbox", "create", &dispatch).await?;
            let signals = stack.signals.of(subject, 1).await?;
            ensure!(signals[0].test == json!("true"), "{subject}: {}", signals[0].test);
        }
    }
    let failed = json!({"dispatch": unable, "version": 1, "state": "failed", "detail": "as the test wants it"});
    let taken = acknowledge(&stack, config::ACK_TOKEN, failed).await?;
    ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
    for subject in [silent, unable] {
        let what = format!("mail about {subject}");
        eventually(IN_TIME, &what, || async {
            let mail = stack.mail.naming(&["[TEST]", "dispatch-at-risk"], subject).await?;
            Ok(if mail.is_empty() { Checked::NotYet("none".to_owned()) } else { Checked::Found(()) })
        })
        .await?;
    }
    stack.at_the_end(move |stack| async move {
        let mail = stack.mail.about(&["dispatch-at-risk", "vbox"]).await?;
        ensure!(mail.iter().all(|mail| mail.subject.contains("[TEST]")), "unmarked:{}", listed(&mail));
        // On a busy machine the controller fails after its deadline, which is another incident.
        for (subject, most) in [(silent, 1), (unable, 2)] {
            let mail = stack.mail.naming(&["dispatch-at-risk"], subject).await?;
            ensure!((1..=most).contains(&mail.len()), "mailed again about a test:{}", listed(&mail));
        }
        Ok(())
    });
    Ok(())
}

async fn a_controller_that_acknowledges_in_time_is_not_reported() -> Result<()> {
    for attempt in 0..10 {
        let (began, id) = (instant(), format!("heard-{attempt}"));
        let stack = published(&id).await?;
        let mut in_time = false;
        for state in ["accepted", "accepted", "completed"] {
            let taken = acknowledge(&stack, config::ACK_TOKEN, ack(&id, 1, state)).await?;
            in_time |= began.elapsed() < WELL_IN_TIME;
            ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
        }
        // A busy machine may miss a deadline of ten seconds; then the mail is correct.
        if in_time {
            stack.at_the_end(move |stack| async move {
                let mail = stack.mail.naming(&[], &format!("{SOURCE}/{id}")).await?;
                ensure!(mail.is_empty(), "mail about what was acknowledged:{}", listed(&mail));
                Ok(())
            });
            return Ok(());
        }
    }
    bail!("nothing was acknowledged within {WELL_IN_TIME:?}, ten times in a row")
}

async fn a_controller_that_cannot_act_is_reported_at_once() -> Result<()> {
    let stack = published("unable").await?;
    let mut failed = ack("unable", 1, "failed");
    failed["detail"] = json!("the breaker is stuck");
    let taken = acknowledge(&stack, config::ACK_TOKEN, failed).await?;
    ensure!(taken.status == 200, "{} {}", taken.status, taken.text);
    eventually(SOON, "mail with what the controller said", || async {
        // On a busy machine it reports this too late, after the mail about the missing acknowledgement.
        let mail = stack.mail.naming(&["dispatch-at-risk"], "voltus-prod/unable").await?;
        let said = mail.iter().any(|mail| mail.text.contains("the breaker is stuck"));
        Ok(if said { Checked::Found(()) } else { Checked::NotYet(listed(&mail)) })
    })
    .await
}

async fn an_acknowledgement_answers_the_current_version() -> Result<()> {
    let stack = published("moved").await?;
    {
        let _turn = calm().await;
        publish(&stack, SOURCE, "update", &with(in_ten_minutes("moved", 1), json!({"start_time": from_now(900)})))
            .await?;
        stack.signals.of("voltus-prod/moved", 2).await?;
    }
    let old = acknowledge(&stack, config::ACK_TOKEN, ack("moved", 1, "accepted")).await?;
    ensure!(old.status == 409 && old.text.contains('2'), "{} {}", old.status, old.text);
    let current = acknowledge(&stack, config::ACK_TOKEN, ack("moved", 2, "accepted")).await?;
    ensure!(current.status == 200, "{} {}", current.status, current.text);
    let unknown = acknowledge(&stack, config::ACK_TOKEN, ack("nobody-knows", 1, "accepted")).await?;
    ensure!(unknown.status == 404, "{} {}", unknown.status, unknown.text);
    Ok(())
}

async fn the_endpoint_of_acknowledgements() -> Result<()> {
    let stack = shared_stack().await?;
    let good = ack("nobody-knows", 1, "accepted");
    let wrong = acknowledge(&stack, "wrong", &good).await?;
    ensure!(wrong.status == 404, "{} {}", wrong.status, wrong.text);
    for body in ["", "no JSON", "null", "{}", r#"{"dispatch":"a/b","version":1,"state":"maybe"}"#] {
        let refused = acknowledge(&stack, config::ACK_TOKEN, body).await?;
        ensure!(refused.status == 400, "{body:?}: {} {}", refused.status, refused.text);
        ensure!(refused.json()["error"]["code"].is_string(), "{}", refused.text);
    }
    let url = format!("{}/{}", stack.description.acks, config::ACK_TOKEN);
    let read = answer(stack.http.get(url)).await?;
    ensure!(read.status == 405, "{} {}", read.status, read.text);
    Ok(())
}

async fn being_read_counts_where_no_controller_must_acknowledge() -> Result<()> {
    let stack = shared_stack().await?;
    publish(&stack, SOURCE, "create", &in_ten_minutes("read", 0)).await?;
    stack.signals.of("voltus-prod/read", 1).await?;
    stack.at_the_end(|stack| async move {
        let mail = stack.mail.about(&["dispatch-at-risk"]).await?;
        ensure!(mail.is_empty(), "mail about what was read:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}
