//! Killed functions, a suspended AWS, webhooks sent five times: every accepted delivery leads to exactly one sequence
//! of signals.
//!
//! These cases run on a stack of their own, one after the other, so that each knows what it has damaged.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use rustix::process::{Pid, Signal as Unix, kill_process};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    harness::{Checked, SOON, TestStack, answer, cases, damaged_stack, eventually, holds},
    processes,
    stub::{Gate, Reply},
    voltus::{dispatch, webhook},
};

cases!("chaos":
    a_hydrator_that_is_killed_in_mid_batch_loses_nothing,
    a_queue_that_stops_for_a_while_loses_nothing,
    five_copies_at_once_are_one_sequence,
    a_queue_that_is_gone_is_the_providers_to_know,
);

const SOURCE: &str = "voltus-prod";

/// Messages of a killed function come back after the queue's visibility time-out of 120 s.
const REDELIVERED: Duration = Duration::from_mins(4);

/// Only one case at a time damages the stack.
static TURN: Mutex<()> = Mutex::const_new(());

/// Waits until no case damages the stack, and prevents it until dropped. The killing cases go first, because their
/// messages take two minutes to come back.
pub(crate) async fn calm() -> MutexGuard<'static, ()> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    TURN.lock().await
}

/// The dispatch in that version: each has a different number of kilowatts.
fn version(id: &str, version: u64) -> Value {
    let mut dispatch = dispatch(id, version);
    dispatch["sites"][0]["commitment"] = json!(10 + version);
    dispatch
}

/// Checks that the subject's signals are one sequence from the first version to the last.
async fn ends_with(stack: &TestStack, within: Duration, id: &str, signals: usize, last: u64) -> Result<()> {
    let signals = stack.signals.within(within, &format!("{SOURCE}/{id}"), signals).await?;
    ensure!(signals[0].kind() == "dispatch.scheduled", "{id} begins with {}", signals[0].kind());
    let published = signals.last().context("no signal")?.dispatch();
    holds(id, published, &json!({"request": {"kind": "reduce", "watts": 1_000 * (10 + last)}}))
}

async fn a_hydrator_that_is_killed_in_mid_batch_loses_nothing() -> Result<()> {
    let stack = damaged_stack().await?;
    let ids: Vec<String> = (0..12).map(|index| format!("killed-{index}")).collect();
    {
        let _turn = TURN.lock().await;
        let gate = Gate::closed();
        stack.stub.answer_each(&ids, |id| Reply::Gated(gate.clone(), Box::new(Reply::listed(&version(id, 0)))));
        try_join_all(ids.iter().map(|id| stack.accepted_json(SOURCE, webhook("create", id)))).await?;
        eventually(SOON, "fetches under way", || async {
            let asked = ids.iter().filter(|id| !stack.stub.asked(id).is_empty()).count();
            Ok(if asked >= 6 { Checked::Found(()) } else { Checked::NotYet(format!("{asked} fetches")) })
        })
        .await?;
        let killed = processes::of_function(stack.process_group, &stack.hydrator)?;
        ensure!(!killed.is_empty(), "no process of the hydrator was found");
        for pid in killed {
            kill_process(pid, Unix::KILL).context("a hydrator cannot be killed")?;
        }
        stack.stub.answer_each(&ids, |id| Reply::listed(&version(id, 0)));
        gate.open();
    }
    for id in &ids {
        ends_with(&stack, REDELIVERED, id, 1, 0).await?;
    }
    Ok(())
}

/// Suspends a process; dropping it resumes the process.
struct Suspended(Pid);

impl Suspended {
    fn hold(pid: Pid) -> Result<Self> {
        kill_process(pid, Unix::STOP).context("the emulator cannot be suspended")?;
        Ok(Self(pid))
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        // It fails if the emulator has ended; then nothing is suspended.
        let _ = kill_process(self.0, Unix::CONT);
    }
}

/// Sends a webhook as a provider does: until it is answered in time.
async fn until_accepted(stack: &TestStack, body: &Value) -> Result<()> {
    let patience = Duration::from_millis(1_500);
    eventually(SOON, "an accepted webhook", || async {
        Ok(match answer(stack.webhook(SOURCE).timeout(patience).body(body.to_string())).await {
            Ok(answer) if answer.status == 200 => Checked::Found(()),
            Ok(answer) => Checked::NotYet(format!("{} {}", answer.status, answer.text)),
            Err(error) => Checked::NotYet(format!("{error:#}")),
        })
    })
    .await
}

async fn a_queue_that_stops_for_a_while_loses_nothing() -> Result<()> {
    let stack = damaged_stack().await?;
    let _turn = calm().await;
    let ids: Vec<String> = (0..20).map(|index| format!("stopped-{index}")).collect();
    stack.stub.answer_each(&ids, |id| Reply::listed(&version(id, 0)));
    let emulator = processes::emulator(stack.process_group)?;
    let posts = ids.iter().enumerate().map(|(index, id)| {
        let stack = stack.clone();
        async move {
            // Some arrive before it stops, most while it is suspended.
            tokio::time::sleep(Duration::from_millis(60 * index as u64)).await;
            until_accepted(&stack, &webhook("create", id)).await
        }
    });
    let stop = async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        for _ in 0..2 {
            let suspended = Suspended::hold(emulator)?;
            tokio::time::sleep(Duration::from_secs(4)).await;
            drop(suspended);
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        Ok(())
    };
    tokio::try_join!(try_join_all(posts), stop)?;
    for id in &ids {
        // A function that was running in the suspended AWS may have timed out.
        ends_with(&stack, REDELIVERED, id, 1, 0).await?;
    }
    Ok(())
}

async fn five_copies_at_once_are_one_sequence() -> Result<()> {
    let stack = damaged_stack().await?;
    let _turn = calm().await;
    let ids: Vec<String> = (0..12).map(|index| format!("copied-{index}")).collect();
    for round in 0..4_u64 {
        stack.stub.answer_each(&ids, |id| Reply::listed(&version(id, round)));
        let event = if round == 0 { "create" } else { "update" };
        let copies = ids.iter().flat_map(|id| std::iter::repeat_n(webhook(event, id), 5));
        let stack: &Arc<TestStack> = &stack;
        let answers = join_all(copies.map(|body| stack.accepted_json(SOURCE, body))).await;
        answers.into_iter().collect::<Result<Vec<_>>>()?;
        let published = usize::try_from(round)? + 1;
        for id in &ids {
            ends_with(stack, SOON, id, published, round).await?;
        }
    }
    Ok(())
}

/// Checked last, because nothing works on this stack afterwards.
async fn a_queue_that_is_gone_is_the_providers_to_know() -> Result<()> {
    let stack = damaged_stack().await?;
    stack.at_the_very_end(|stack| async move {
        let queue = stack.description.queues.get("deliveries").context("no deliveries")?;
        stack.aws.delete_queue(queue).await?;
        let answer = stack.post(SOURCE, webhook("create", "lost").to_string()).await?;
        ensure!(answer.status == 503, "{} {}", answer.status, answer.text);
        let seconds = answer.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
        ensure!(seconds.is_some_and(|seconds| seconds > 0), "the answer has no Retry-After: {:?}", answer.headers);
        let error = answer.json();
        ensure!(error["error"]["code"].is_string() && error["error"]["message"].is_string(), "{error}");
        let ping = stack.post(SOURCE, r#"{"event":{"name":""},"resource":""}"#).await?;
        ensure!(ping.status == 200, "a ping needs no queue: {} {}", ping.status, ping.text);
        Ok(())
    });
    Ok(())
}
