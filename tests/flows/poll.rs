//! A provider lists what no webhook brought: it is published, and people are notified unless the webhook was only late.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{SOON, TestStack, cases, config::POLLED, from_now, listed, world},
    stub::{LIST, Reply},
    voltus::{dispatch, tell, with},
};

cases!("poll":
    what_no_webhook_brought_is_published_and_reported,
);

/// The schedule comes every minute; a busy machine adds to that.
const A_POLL: Duration = Duration::from_mins(5);

/// The grace for late webhooks, and the mail.
const GRACE: Duration = Duration::from_mins(6);

fn in_two_hours(id: &str) -> Value {
    with(dispatch(id, 0), json!({"start_time": from_now(7_200), "end_time": from_now(10_800)}))
}

async fn what_no_webhook_brought_is_published_and_reported() -> Result<()> {
    let world = world().await?;
    // What the first list holds was there before us.
    world.stub.asked_times(LIST, 1, A_POLL).await?;
    let dispatches = ["unannounced", "late"].map(in_two_hours);
    world.stub.answer(LIST, Reply::Json(json!({"dispatches": dispatches, "page": 0, "perPage": 0})));
    for id in ["unannounced", "late"] {
        let signals = world.signals.within(A_POLL, &format!("{POLLED}/{id}"), 1).await?;
        ensure!(signals[0].event["type"] == "gridbell.dispatch.scheduled.v1", "{}", signals[0].event);
    }
    tell(&world, POLLED, "create", &dispatches[1]).await?;
    let mail = world.mail.one(GRACE, &["missed-delivery", "unannounced"]).await?;
    for word in ["My Site", "5 kW", "UTC", "REAL", "gridbell.dispatch.scheduled.v1 #1"] {
        ensure!(mail.text.contains(word), "the mail does not say {word}: {}", mail.text);
    }
    left_alone(&world);
    let again = world.signals.within(SOON, &format!("{POLLED}/unannounced"), 1).await?;
    ensure!(again.len() == 1, "polled once more, published once more");
    Ok(())
}

/// No person is notified of a webhook that was only late, nor of the lists that were read.
fn left_alone(world: &TestStack) {
    world.at_the_end(|world| async move {
        let mut mail = world.mail.naming(&[], "vpoll/late").await?;
        mail.extend(world.mail.about(&["source-down"]).await?);
        ensure!(mail.is_empty(), "mail about what is well:{}", listed(&mail));
        let asked = world.stub.asked(LIST);
        let hurried = asked.windows(2).filter(|pair| pair[1].at.duration_since(pair[0].at) < Duration::from_secs(30));
        ensure!(hurried.count() == 0, "a source was polled twice within a minute");
        Ok(())
    });
}
