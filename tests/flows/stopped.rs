//! A stopped function cannot report itself. On the stack that cases may damage.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    chaos::calm,
    harness::{Checked, RESOLVED, SOON, TestStack, cases, damaged_stack, eventually, from_now},
    voltus::{dispatch, publish, with},
};

cases!("stopped": a_stopped_hydrator_is_reported_in_time_and_resolved_when_it_is_back);

const SOURCE: &str = "voltus-prod";

/// Half a minute to the next heartbeat, 22 s for its answer, plus time for a busy machine.
const IN_TIME: Duration = Duration::from_mins(5);

/// Waits for one more mail about the silent hydrator than before.
async fn one_more(stack: &TestStack, within: Duration, before: usize) -> Result<String> {
    eventually(within, "mail about the queue of deliveries", || async {
        let mut mail = stack.mail.about(&["(hydration-failing, deliveries)"]).await?;
        ensure!(mail.len() <= before + 1, "{} mails instead of {}", mail.len(), before + 1);
        Ok(match mail.split_off(before.min(mail.len())).pop() {
            Some(mail) => Checked::Found(format!("{}\n{}", mail.subject, mail.text)),
            None => Checked::NotYet(format!("{before} mails")),
        })
    })
    .await
}

async fn a_stopped_hydrator_is_reported_in_time_and_resolved_when_it_is_back() -> Result<()> {
    let stack = damaged_stack().await?;
    let _turn = calm().await;
    let before = stack.mail.about(&["(hydration-failing, deliveries)"]).await?.len();
    stack.aws.read_queue_of(&stack.hydrator, false).await?;
    let reported = reported(&stack, before).await;
    // Whatever the result, other cases need a hydrator.
    stack.aws.read_queue_of(&stack.hydrator, true).await?;
    reported?;
    let resolved = one_more(&stack, SOON, before + 1).await?;
    ensure!(resolved.contains(RESOLVED) && resolved.contains("reads from the queue again"), "{resolved}");
    stack.signals.of(&format!("{SOURCE}/lay-there"), 1).await?;
    Ok(())
}

async fn reported(stack: &TestStack, before: usize) -> Result<()> {
    let late = with(dispatch("lay-there", 0), json!({"start_time": from_now(7_200), "end_time": from_now(9_000)}));
    publish(stack, SOURCE, "create", &late).await?;
    let mail = one_more(stack, IN_TIME, before).await?;
    ensure!(mail.contains("has read nothing from the queue") && mail.contains("provider's portal"), "{mail}");
    ensure!(!mail.contains(RESOLVED), "reported as resolved before it is: {mail}");
    Ok(())
}
