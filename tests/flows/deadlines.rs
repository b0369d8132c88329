//! Dispatches that no controller acknowledges: people are notified in time, and again when it is resolved. On a stack
//! where a controller must acknowledge.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    chaos::calm,
    harness::{
        Answer, Checked, RESOLVED, SOON, TestStack, answer, cases, config, damaged_stack, eventually, from_now,
        instant, listed, shared_stack,
    },
    voltus::{dispatch, publish, with},
};

cases!("deadlines": a_silent_controller_is_reported, the_endpoint_of_acknowledgements);

const SOURCE: &str = "voltus-prod";

/// The latest time of the mail: the immediate deadline of 10 s, plus time for a busy machine; in any case before the
/// start.
const IN_TIME: Duration = Duration::from_mins(5);

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
