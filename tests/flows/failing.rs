//! Providers that fail: gridbell retries with backoff, reports once, and never gives up silently.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    harness::{RESOLVED, SOON, TestStack, cases, config, from_now, instant, listed, shared_stack},
    stub::{Reply, Seen},
    voltus::{dispatch, publish, webhook, with},
};

cases!("failing":
    a_provider_that_is_down_until_after_the_start_is_reported_before_it,
    a_new_key_is_taken_without_a_restart,
    a_provider_that_asks_for_time_gets_it,
);

/// The longest time until a slow retry reaches a recovered provider: a minute, plus time for a busy machine.
const SLOWLY: Duration = Duration::from_mins(5);

/// The shortest time between two requests to a failing provider.
const APART: Duration = Duration::from_millis(50);

/// The most requests about one dispatch in a minute.
const HANDFUL: usize = 7;

/// The good answer.
fn well(id: &str) -> Reply {
    Reply::listed(&dispatch(id, 0))
}

/// Checks that requests never overlap, with at most `HANDFUL` in any minute.
fn patient(asked: &[Seen]) -> Result<()> {
    let at: Vec<Instant> = asked.iter().map(|seen| seen.at).collect();
    for pair in at.windows(2) {
        let apart = pair[1].duration_since(pair[0]);
        ensure!(apart >= APART, "two requests within {apart:?}: {:?}", offsets(&at));
    }
    for (index, first) in at.iter().enumerate() {
        let within = at[index..].iter().take_while(|at| at.duration_since(*first) < Duration::from_mins(1)).count();
        ensure!(within <= HANDFUL, "{within} requests in one minute: {:?}", offsets(&at));
    }
    Ok(())
}

/// Milliseconds after the first.
fn offsets(at: &[Instant]) -> Vec<u128> {
    at.iter().map(|instant| instant.duration_since(at[0]).as_millis()).collect()
}

/// The dispatch of a provider that is down.
pub(crate) const DOWN: &str = "down";

/// The provider is down from before the delivery until after the start. People are notified before the start, and the
/// signal follows once the provider is back. The same for a sandbox, marked as a test.
async fn a_provider_that_is_down_until_after_the_start_is_reported_before_it() -> Result<()> {
    let stack = shared_stack().await?;
    let start_in = Duration::from_mins(2);
    let began = instant();
    let late = with(dispatch(DOWN, 0), json!({"start_time": from_now(120), "end_time": from_now(7_200)}));
    // No other case fails on the first source, so its mails are not grouped with others; the second is a sandbox.
    let sources = [("vevil", "REAL", "false"), ("vbox", "TEST", "true")];
    stack.stub.answer(DOWN, Reply::Fail(503, None));
    for (source, ..) in sources {
        stack.accepted(source, &webhook("create", DOWN)).await?;
    }
    for (source, mark, _) in sources {
        let about = format!("{source}/down");
        let mail = stack.mail.one_naming(SLOWLY, &["hydration-failing"], &about).await?;
        ensure!(began.elapsed() < start_in, "mailed after {:?}, when it had started", began.elapsed());
        ensure!(mail.text.contains(mark) && mail.text.contains("503"), "{}", mail.text);
        ensure!(mail.subject.contains("[TEST]") == (mark == "TEST"), "{}", mail.subject);
    }
    tokio::time::sleep(start_in.saturating_sub(began.elapsed())).await;
    for (source, ..) in sources {
        publish(&stack, source, "update", &late).await?;
    }
    for (source, _, test) in sources {
        let subject = format!("{source}/down");
        let signals = stack.signals.within(SLOWLY, &subject, 1).await?;
        ensure!(signals[0].kind() == "dispatch.scheduled" && signals[0].test == json!(test), "{}", signals[0].event);
        resolved(&stack, "hydration-failing", &subject).await?;
        let of_source = subject.clone();
        mailed_once_and_resolved("hydration-failing", &of_source).await?;
        stack.at_the_end(move |stack| async move {
            let mail = stack.mail.naming(&[], &subject).await?;
            ensure!(mail.len() == 1, "mail about something else of it:{}", listed(&mail));
            Ok(())
        });
    }
    Ok(())
}

/// Waits for the mail about the resolved incident.
async fn resolved(stack: &TestStack, kind: &str, about: &str) -> Result<()> {
    stack.mail.one_naming(Duration::from_mins(3), &[kind, RESOLVED], about).await.map(drop)
}

/// At the end there is one mail about the incident, and one about its resolution.
async fn mailed_once_and_resolved(kind: &'static str, about: &str) -> Result<()> {
    let about = about.to_owned();
    shared_stack().await?.at_the_end(move |stack| async move {
        let mails = [stack.mail.naming(&[kind], &about).await?, stack.mail.naming(&[kind, RESOLVED], &about).await?];
        ensure!(mails.iter().all(|mail| mail.len() == 1), "not one mail and its end:{}", listed(&mails.concat()));
        Ok(())
    });
    Ok(())
}

async fn a_new_key_is_taken_without_a_restart() -> Result<()> {
    let stack = shared_stack().await?;
    let new_key = format!("new-{}", config::api_key("vbox"));
    stack.stub.answer("rotated", Reply::only_for(new_key.clone(), well("rotated")));
    stack.accepted("vbox", &webhook("create", "rotated")).await?;
    let mail = stack.mail.one(SOON, &["credentials", "vbox"]).await?;
    ensure!(!mail.text.contains("key-of-") && !mail.html.contains("key-of-"), "the mail holds the key");
    stack.aws.put_parameter("/gridbell/vbox", &new_key).await?;
    stack.signals.within(SLOWLY, "vbox/rotated", 1).await?;
    resolved(&stack, "credentials", "vbox").await?;
    mailed_once_and_resolved("credentials", "vbox").await
}

async fn a_provider_that_asks_for_time_gets_it() -> Result<()> {
    let stack = shared_stack().await?;
    stack.stub.answers("throttled", [Reply::Fail(429, Some(12)), Reply::Fail(503, Some(4)), well("throttled")]);
    stack.accepted("vbusy", &webhook("create", "throttled")).await?;
    stack.signals.within(SLOWLY, "vbusy/throttled", 1).await?;
    let asked = stack.stub.asked("throttled");
    // There are more requests if a busy machine was too slow with one.
    ensure!(asked.len() >= 3, "it was asked for {} times", asked.len());
    patient(&asked)?;
    for (pair, seconds) in asked.windows(2).zip([12, 4]) {
        let apart = pair[1].at.duration_since(pair[0].at);
        ensure!(apart >= Duration::from_secs(seconds), "asked again after {apart:?} instead of {seconds} s");
    }
    Ok(())
}
