//! Providers that fail: gridbell retries with backoff, reports once, and never gives up silently.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{
        Checked, RESOLVED, SOON, TestStack, cases, config, eventually, from_now, holds, instant, listed, shared_stack,
    },
    stub::{Foreign, Reply, Seen},
    voltus::{dispatch, publish, webhook, with},
};

cases!("failing":
    three_failures_and_then_well,
    one_that_never_answers_well_is_reported_once_and_then_resolved,
    a_provider_that_is_down_until_after_the_start_is_reported_before_it,
    a_refused_key_is_reported_and_resolved_when_it_works,
    a_new_key_is_taken_without_a_restart,
    what_is_not_readable_yet_is_read_later,
    an_answer_that_takes_too_long_is_left,
    a_redirect_is_not_followed,
    an_answer_that_is_too_large_is_left,
    an_answer_that_is_none_is_left,
    an_answer_about_another_dispatch_publishes_nothing,
    a_provider_that_asks_for_time_gets_it,
    many_webhooks_about_one_failing_dispatch_join,
);

const SOURCE: &str = "voltus-prod";

/// The longest time until a slow retry reaches a recovered provider: a minute, plus time for a busy machine.
const SLOWLY: Duration = Duration::from_mins(5);

/// The shortest time between two requests to a failing provider.
const APART: Duration = Duration::from_millis(50);

/// The most requests about one dispatch in a minute.
const HANDFUL: usize = 7;

/// Announces a dispatch with these answers; the last one repeats.
async fn announce(stack: &TestStack, source: &str, id: &str, replies: Vec<Reply>) -> Result<()> {
    stack.stub.answers(id, replies);
    stack.accepted(source, &webhook("create", id)).await.map(drop)
}

/// The good answer.
fn well(id: &str) -> Reply {
    Reply::listed(&dispatch(id, 0))
}

/// Announces a dispatch with bad answers first, and waits for its one signal.
async fn comes_through(id: &str, bad: Vec<Reply>) -> Result<Vec<Seen>> {
    comes_through_of(SOURCE, id, bad).await
}

async fn comes_through_of(source: &str, id: &str, bad: Vec<Reply>) -> Result<Vec<Seen>> {
    let stack = shared_stack().await?;
    let times = bad.len() + 1;
    announce(&stack, source, id, bad.into_iter().chain([well(id)]).collect()).await?;
    stack.signals.within(SLOWLY, &format!("{source}/{id}"), 1).await?;
    let asked = stack.stub.asked(id);
    // There are more requests if a busy machine was too slow with one.
    ensure!(asked.len() >= times, "{id} was asked for {} times, expected {times}", asked.len());
    patient(&asked)?;
    Ok(asked)
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

async fn three_failures_and_then_well() -> Result<()> {
    let failures = [500, 502, 503].map(|status| Reply::Fail(status, None));
    comes_through("thrice", failures.to_vec()).await?;
    let stack = shared_stack().await?;
    stack.at_the_end(|stack| async move {
        let mail = stack.mail.naming(&[], "voltus-prod/thrice").await?;
        ensure!(mail.is_empty(), "mail about what mends itself soon:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}

async fn one_that_never_answers_well_is_reported_once_and_then_resolved() -> Result<()> {
    let stack = shared_stack().await?;
    let began = instant();
    announce(&stack, SOURCE, "never", vec![Reply::Fail(500, None)]).await?;
    let mail = stack.mail.one_naming(SLOWLY, &["hydration-failing"], "voltus-prod/never").await?;
    for word in ["hydration-failing", "voltus-prod/never", "500", "voltus-prod"] {
        ensure!(mail.text.contains(word), "the mail does not say {word}: {}", mail.text);
    }
    ensure!(mail.html.contains("voltus-prod/never"), "{}", mail.html);
    // After a minute and a half, the slow retries continue without further mails.
    eventually(Duration::from_mins(3), "one more attempt after the mail", || async {
        let asked = stack.stub.asked("never");
        let late = asked.last().is_some_and(|last| last.at.duration_since(began) > Duration::from_secs(40));
        Ok(if late && asked.len() >= 6 {
            Checked::Found(())
        } else {
            Checked::NotYet(format!("{} requests", asked.len()))
        })
    })
    .await?;
    patient(&stack.stub.asked("never"))?;
    stack.mail.one_naming(SOON, &["hydration-failing"], "voltus-prod/never").await?;

    // The provider recovers and sends an update, so that this case need not wait for the slow retry.
    publish(&stack, SOURCE, "update", &dispatch("never", 1)).await?;
    stack.signals.within(SLOWLY, "voltus-prod/never", 1).await?;
    resolved(&stack, "hydration-failing", "voltus-prod/never").await?;
    mailed_once_and_resolved("hydration-failing", "voltus-prod/never").await
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

async fn a_refused_key_is_reported_and_resolved_when_it_works() -> Result<()> {
    let stack = shared_stack().await?;
    let ids = ["refused-1", "refused-2", "refused-3"];
    for (id, status) in ids.into_iter().zip([401, 403, 401]) {
        stack.stub.answer(id, Reply::Fail(status, None));
        stack.accepted("vkey", &webhook("create", id)).await?;
    }
    let mail = stack.mail.one(SOON, &["credentials", "vkey"]).await?;
    ensure!(mail.text.contains("401") || mail.text.contains("403"), "{}", mail.text);
    for id in ids {
        stack.stub.answer(id, well(id));
    }
    for id in ids {
        stack.signals.within(SLOWLY, &format!("vkey/{id}"), 1).await?;
    }
    resolved(&stack, "credentials", "vkey").await?;
    mailed_once_and_resolved("credentials", "vkey").await
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

async fn what_is_not_readable_yet_is_read_later() -> Result<()> {
    let empty = Reply::Json(json!({"dispatches": [], "page": 0, "perPage": 0}));
    comes_through("fresh", vec![Reply::Fail(404, None), empty]).await.map(drop)
}

async fn an_answer_that_takes_too_long_is_left() -> Result<()> {
    let slow = Reply::Slow(Duration::from_secs(40), Box::new(well("slow")));
    let asked = comes_through("slow", vec![slow]).await?;
    let apart = asked[1].at.duration_since(asked[0].at);
    // Five seconds, the delay, and time for a busy machine: less than the answer takes.
    ensure!(apart < Duration::from_secs(38), "the slow answer was waited for: {apart:?}");
    Ok(())
}

async fn a_redirect_is_not_followed() -> Result<()> {
    let stack = shared_stack().await?;
    let foreign = Foreign::start().await?;
    let elsewhere = format!("http://{}/2022-04-15/dispatches/redirected", foreign.host);
    let own = format!("{}/2022-04-15/dispatches/redirected-here", stack.stub.base);
    stack.stub.answer("redirected-here", Reply::listed(&dispatch("redirected", 9)));
    let redirects =
        [Reply::Redirect(302, elsewhere.clone()), Reply::Redirect(308, elsewhere), Reply::Redirect(307, own)];
    comes_through("redirected", redirects.to_vec()).await?;
    ensure!(foreign.came() == 0, "a redirect led to a foreign server {} times", foreign.came());
    ensure!(stack.stub.asked("redirected-here").is_empty(), "a redirect was followed");
    Ok(())
}

async fn an_answer_that_is_too_large_is_left() -> Result<()> {
    let mut huge = dispatch("huge", 0);
    huge["metadata"] = json!({"filling": "x".repeat(5 * 1_024 * 1_024)});
    comes_through("huge", vec![Reply::listed(&huge)]).await.map(drop)
}

async fn an_answer_that_is_none_is_left() -> Result<()> {
    let html = Reply::Raw("text/html", b"<html>maintenance</html>".to_vec());
    let broken = Reply::Raw("application/json", br#"{"dispatches": [{"id": "garbage", "#.to_vec());
    let binary = Reply::Raw("application/json", vec![0xff, 0xfe, 0x00]);
    comes_through("garbage-1", vec![html, broken]).await?;
    comes_through("garbage-2", vec![binary, Reply::Json(json!({"dispatches": "none"}))]).await?;
    comes_through(
        "garbage-3",
        vec![Reply::Json(Value::Null), Reply::Json(json!({"dispatches": [{"id": "garbage-3"}]}))],
    )
    .await
    .map(drop)
}

async fn an_answer_about_another_dispatch_publishes_nothing() -> Result<()> {
    let stack = shared_stack().await?;
    announce(&stack, SOURCE, "asked", vec![Reply::listed(&dispatch("answered", 0))]).await?;
    let mail = stack.mail.one_naming(SLOWLY, &["hydration-failing"], "voltus-prod/asked").await?;
    ensure!(mail.text.contains("answered"), "the mail does not say what came instead: {}", mail.text);
    patient(&stack.stub.asked("asked"))?;
    // After all cases, the stack checks that neither was published.
    Ok(())
}

async fn a_provider_that_asks_for_time_gets_it() -> Result<()> {
    let asked =
        comes_through_of("vbusy", "throttled", vec![Reply::Fail(429, Some(12)), Reply::Fail(503, Some(4))]).await?;
    for (pair, seconds) in asked.windows(2).zip([12, 4]) {
        let apart = pair[1].at.duration_since(pair[0].at);
        ensure!(apart >= Duration::from_secs(seconds), "asked again after {apart:?} instead of {seconds} s");
    }
    Ok(())
}

async fn many_webhooks_about_one_failing_dispatch_join() -> Result<()> {
    let stack = shared_stack().await?;
    stack.stub.answer("stormy", Reply::Fail(500, None));
    let body = webhook("update", "stormy");
    let posts = (0..12).map(|_| stack.accepted(SOURCE, &body));
    futures_util::future::try_join_all(posts).await?;
    let mail = stack.mail.one_naming(SLOWLY, &["hydration-failing"], "voltus-prod/stormy").await?;
    ensure!(mail.text.contains("500"), "{}", mail.text);
    // Each webhook may lead to one request before the failure is known; every later retry is shared by all of them.
    let at: Vec<Instant> = stack.stub.asked("stormy").iter().map(|seen| seen.at).collect();
    ensure!(at.len() <= 12 + HANDFUL, "12 webhooks led to {} requests: {:?}", at.len(), offsets(&at));
    stack.stub.answer("stormy", well("stormy"));
    let signals = stack.signals.within(SLOWLY, "voltus-prod/stormy", 1).await?;
    holds("the signal", signals[0].dispatch(), &json!({"version": 1}))
}
