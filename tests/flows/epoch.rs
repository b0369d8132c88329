//! A table is restored to an earlier point, and the operator begins a new epoch. On a stack of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{TestStack, answer, cases, config, from_now, holds, restored_stack},
    voltus::{dispatch, publish, with},
};

cases!("epoch": after_a_restore_consumers_follow_a_newer_epoch);

const SOURCE: &str = "voltus-prod";
const SUBJECT: &str = "voltus-prod/restored";

async fn acknowledge(stack: &TestStack, said: Value) -> Result<(u16, Value)> {
    let url = format!("{}/{}", stack.description.acks, config::ACK_TOKEN);
    let answer = answer(stack.http.post(url).body(said.to_string())).await?;
    Ok((answer.status, answer.json()))
}

async fn after_a_restore_consumers_follow_a_newer_epoch() -> Result<()> {
    let stack = restored_stack().await?;
    let table = stack.description.tables.get("dispatches").context("no table")?;
    let first = with(dispatch("restored", 0), json!({"start_time": from_now(3_600), "end_time": from_now(7_200)}));
    publish(&stack, SOURCE, "create", &first).await?;
    let published = stack.signals.of(SUBJECT, 1).await?;
    let before = published[0].event["epoch"].clone();
    let backup = stack.aws.items(table).await?;
    let later = with(first, json!({"modification_number": 1, "end_time": from_now(9_000)}));
    publish(&stack, SOURCE, "update", &later).await?;
    stack.signals.of(SUBJECT, 2).await?;
    let says = json!({"dispatch": SUBJECT, "epoch": before, "version": 2, "state": "accepted"});
    let (status, _) = acknowledge(&stack, says.clone()).await?;
    ensure!(status == 200, "the acknowledgement got {status}");

    stack.aws.restore(table, "subject", &backup).await?;
    ensure!(stack.gridbell(&["epoch", "get"]).await?["epoch"] == before, "the restored table has its old epoch");
    let begun = stack.gridbell(&["epoch", "begin", "--yes"]).await?;
    ensure!(begun["before"] == before && begun["published_again"] == 1 && begun["unsent"] == 0, "{begun}");
    // The command itself has sent it: the sweep would send only a hundred a minute.
    let signals = stack.signals.within(Duration::from_secs(5), SUBJECT, 3).await?;
    let again = &signals[2].event;
    ensure!(again["epoch"] == begun["epoch"], "{} is not of the epoch {begun}", again["id"]);
    holds("what is published once more", again, &json!({"sequence": "1", "type": "gridbell.dispatch.scheduled.v1"}))?;
    // An acknowledgement from before the restore confirms nothing, whatever version it names.
    for version in [1, 2] {
        let mut says = says.clone();
        says["version"] = json!(version);
        let (status, body) = acknowledge(&stack, says).await?;
        ensure!(status == 409 && body["epoch"] == begun["epoch"], "{status} {body}");
    }
    // The lost update is read again and published in the new epoch.
    publish(&stack, SOURCE, "update", &later).await?;
    let signals = stack.signals.of(SUBJECT, 4).await?;
    let version = json!({"epoch": begun["epoch"], "sequence": "2", "type": "gridbell.dispatch.updated.v1"});
    holds("the update", &signals[3].event, &version)?;
    let says = json!({"dispatch": SUBJECT, "epoch": begun["epoch"], "version": 2, "state": "accepted"});
    let (status, body) = acknowledge(&stack, says).await?;
    ensure!(status == 200, "{status} {body}");
    Ok(())
}
