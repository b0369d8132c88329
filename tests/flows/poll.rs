//! A dispatch without a webhook: polling finds and publishes it, and reports it unless the webhook was only late.

use std::time::Duration;

use anyhow::{Result, ensure};
use provider_sims::bodies::voltus::answer;
use serde_json::{Value, json};

use crate::{
    harness::{SOON, TestStack, cases, config::POLLED, from_now, listed, shared_stack},
    stub::{LIST, Reply},
    voltus::{dispatch, publish, with},
};

cases!("poll":
    what_no_webhook_brought_is_published_and_reported,
);

/// The schedule runs every minute; the rest is for a busy machine.
const A_POLL: Duration = Duration::from_mins(5);

/// The grace period for late webhooks, plus the time of a mail.
const GRACE: Duration = Duration::from_mins(6);

fn in_two_hours(id: &str) -> Value {
    with(dispatch(id, 0), json!({"start_time": from_now(7_200), "end_time": from_now(10_800)}))
}

async fn what_no_webhook_brought_is_published_and_reported() -> Result<()> {
    let stack = shared_stack().await?;
    // The dispatches in the first list are older than the stack.
    stack.stub.asked_times(LIST, 1, A_POLL).await?;
    let dispatches = ["unannounced", "late"].map(in_two_hours);
    stack.stub.answer(LIST, Reply::Json(answer(&dispatches)));
    for id in ["unannounced", "late"] {
        let signals = stack.signals.within(A_POLL, &format!("{POLLED}/{id}"), 1).await?;
        ensure!(signals[0].event["type"] == "gridbell.dispatch.scheduled.v1", "{}", signals[0].event);
    }
    publish(&stack, POLLED, "create", &dispatches[1]).await?;
    let mail = stack.mail.one(GRACE, &["missed-delivery", "unannounced"]).await?;
    for word in ["My Site", "5 kW", "UTC", "REAL", "gridbell.dispatch.scheduled.v1 #1"] {
        ensure!(mail.text.contains(word), "the mail does not say {word}: {}", mail.text);
    }
    left_alone(&stack);
    let again = stack.signals.within(SOON, &format!("{POLLED}/unannounced"), 1).await?;
    ensure!(again.len() == 1, "polled once more, published once more");
    Ok(())
}

/// Neither a late webhook nor a list that was read causes a mail.
fn left_alone(stack: &TestStack) {
    stack.at_the_end(|stack| async move {
        let mut mail = stack.mail.naming(&[], "vpoll/late").await?;
        mail.extend(stack.mail.about(&["source-down"]).await?);
        ensure!(mail.is_empty(), "mail about what is well:{}", listed(&mail));
        let asked = stack.stub.asked(LIST);
        let hurried = asked.windows(2).filter(|pair| pair[1].at.duration_since(pair[0].at) < Duration::from_secs(30));
        ensure!(hurried.count() == 0, "a source was polled twice within a minute");
        Ok(())
    });
}
