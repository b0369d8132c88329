//! A function that does not run cannot say so. On the stack that may be hurt.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    chaos::calm,
    harness::{Looked, RESOLVED, SOON, TestStack, cases, eventually, from_now, hurt_sim},
    voltus::{dispatch, tell, with},
};

cases!("stopped": a_stopped_hydrator_is_reported_in_time_and_resolved_when_it_is_back);

const SOURCE: &str = "voltus-prod";

/// Half a minute to the next heartbeat, 22 s for its answer, and what a busy machine adds.
const IN_TIME: Duration = Duration::from_mins(5);

/// Waits for one more mail about the silence of the hydrator than there were.
async fn one_more(world: &TestStack, within: Duration, before: usize) -> Result<String> {
    eventually(within, "mail about the queue of deliveries", || async {
        let mut mail = world.mail.about(&["(hydration-failing, deliveries)"]).await?;
        ensure!(mail.len() <= before + 1, "{} mails instead of {}", mail.len(), before + 1);
        Ok(match mail.split_off(before.min(mail.len())).pop() {
            Some(mail) => Looked::There(format!("{}\n{}", mail.subject, mail.text)),
            None => Looked::NotYet(format!("{before} mails")),
        })
    })
    .await
}

async fn a_stopped_hydrator_is_reported_in_time_and_resolved_when_it_is_back() -> Result<()> {
    let world = hurt_sim().await?;
    let _turn = calm().await;
    let before = world.mail.about(&["(hydration-failing, deliveries)"]).await?.len();
    world.aws.read_queue_of(&world.hydrator, false).await?;
    let reported = reported(&world, before).await;
    // Whatever came of it, the others need a hydrator.
    world.aws.read_queue_of(&world.hydrator, true).await?;
    reported?;
    let resolved = one_more(&world, SOON, before + 1).await?;
    ensure!(resolved.contains(RESOLVED) && resolved.contains("reads from the queue again"), "{resolved}");
    world.signals.of(&format!("{SOURCE}/lay-there"), 1).await?;
    Ok(())
}

async fn reported(world: &TestStack, before: usize) -> Result<()> {
    let late = with(dispatch("lay-there", 0), json!({"start_time": from_now(7_200), "end_time": from_now(9_000)}));
    tell(world, SOURCE, "create", &late).await?;
    let mail = one_more(world, IN_TIME, before).await?;
    ensure!(mail.contains("has read nothing from the queue") && mail.contains("provider's portal"), "{mail}");
    ensure!(!mail.contains(RESOLVED), "reported as resolved before it is: {mail}");
    Ok(())
}
