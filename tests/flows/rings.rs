//! The channels besides mail, on the running stack: an incident's message arrives in SNS, in PagerDuty and at a signed
//! webhook; an acknowledgement and the end follow.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use pipeline::standard_webhooks::SigningSecrets;
use serde_json::{Value, json};

use crate::{
    harness::{Checked, TestStack, answer, cases, config, eventually, now, shared_stack},
    stub::{Reply, Seen},
    voltus::{dispatch, webhook},
};

cases!("rings":
    an_incident_rings_is_acknowledged_and_ends_on_every_channel,
);

/// The source whose incidents ring.
const LOUD: &str = config::LOUD;

/// Five quick failures, plus time for a busy machine.
const SOON: Duration = Duration::from_mins(3);

/// What PagerDuty got: the actions, in order, each with its event.
fn events(stack: &TestStack) -> Vec<(String, Value)> {
    let asked = stack.stub.asked(config::PAGERDUTY);
    let of_ours = asked.into_iter().map(|seen| seen.body);
    of_ours.map(|event| (event["event_action"].as_str().unwrap_or_default().to_owned(), event)).collect()
}

async fn event(stack: &TestStack, action: &str) -> Result<Value> {
    eventually(SOON, &format!("the event {action:?} at PagerDuty"), || async {
        let events = events(stack);
        let found = events.iter().find(|(known, _)| known == action);
        Ok(match found {
            Some((_, event)) => Checked::Found(event.clone()),
            None => Checked::NotYet(format!("{:?}", events.iter().map(|(action, _)| action).collect::<Vec<_>>())),
        })
    })
    .await
}

/// What the webhook got in that state. Each is signed.
async fn posted(stack: &TestStack, state: &str) -> Result<Value> {
    eventually(SOON, &format!("a webhook {state:?}"), || async {
        let asked = stack.stub.asked(config::RINGS);
        for seen in &asked {
            is_signed(seen)?;
        }
        let found = asked.iter().find(|seen| seen.body["alerts"][0]["state"] == state);
        Ok(found.map_or_else(
            || Checked::NotYet(format!("{} posts", asked.len())),
            |seen| Checked::Found(seen.body.clone()),
        ))
    })
    .await
}

fn is_signed(seen: &Seen) -> Result<()> {
    let header = |name: &str| {
        let value = seen.headers.get(name).and_then(|value| value.to_str().ok());
        value.with_context(|| format!("no {name} in {:?}", seen.headers))
    };
    let secrets = SigningSecrets::parse(config::SIGNING_SECRET)?;
    let signed = secrets.sign(header("webhook-id")?, header("webhook-timestamp")?.parse()?, seen.raw.as_bytes());
    ensure!(header("webhook-signature")? == signed, "{:?}", seen.headers);
    Ok(())
}

/// The messages that the topic's queue got, until one is in that state.
async fn published(stack: &TestStack, queue: &str, state: &str) -> Result<Value> {
    eventually(SOON, &format!("a message {state:?} in SNS"), || async {
        let mut states = Vec::new();
        for message in stack.aws.take(queue).await? {
            let envelope: Value = serde_json::from_str(message["Body"].as_str().context("a body")?)?;
            if envelope["MessageAttributes"]["state"]["Value"] == state {
                return Ok(Checked::Found(envelope));
            }
            states.push(envelope["MessageAttributes"].clone());
        }
        Ok(Checked::NotYet(format!("{states:?}")))
    })
    .await
}

#[expect(clippy::print_stderr, reason = "the figures in BENCHMARKS.md")]
async fn an_incident_rings_is_acknowledged_and_ends_on_every_channel() -> Result<()> {
    let stack = shared_stack().await?;
    let queue = stack.aws.subscribed_queue(config::TOPIC).await?;
    for path in [config::PAGERDUTY, config::RINGS] {
        stack.stub.answer(path, Reply::Json(json!({"status": "success"})));
    }
    stack.stub.answer("loud", Reply::Fail(500, None));
    stack.accepted(LOUD, &webhook("create", "loud")).await?;
    let mail = stack.mail.one(SOON, &["hydration-failing", "vring/loud"]).await?;

    let triggered = event(&stack, "trigger").await?;
    ensure!(triggered["routing_key"] == config::ROUTING_KEY, "{triggered}");
    ensure!(triggered["payload"]["severity"] == "critical", "{triggered}");
    let summary = triggered["payload"]["summary"].as_str().context("a summary")?;
    ensure!(summary.chars().count() <= 140 && mail.subject.contains(summary), "{summary:?} and {:?}", mail.subject);

    let firing = posted(&stack, "firing").await?;
    let alert = &firing["alerts"][0];
    ensure!(alert["incident"] == "hydration-failing/vring/loud" && alert["stages"] == json!(["first"]), "{firing}");

    let envelope = published(&stack, &queue, "firing").await?;
    ensure!(envelope["MessageAttributes"]["kind"]["Value"] == "hydration-failing", "{envelope}");
    let body: Value = serde_json::from_str(envelope["Message"].as_str().context("a message")?)?;
    ensure!(body["text"] == summary && body["alerts"][0]["incident"] == alert["incident"], "{body}");

    let composed: Timestamp = firing["time"].as_str().context("a time")?.parse()?;
    let published_at: Timestamp = envelope["Timestamp"].as_str().context("a time")?.parse()?;
    let took_ms = |at: Timestamp| at.duration_since(composed).as_millis();
    let [at_pagerduty, at_webhook] = [config::PAGERDUTY, config::RINGS].map(|path| {
        let asked = stack.stub.asked(path);
        asked.first().map(|seen| took_ms(now() - SignedDuration::try_from(seen.at.elapsed()).unwrap_or_default()))
    });
    // The figures in BENCHMARKS.md.
    eprintln!(
        "composed → taken: SNS {} ms, PagerDuty {at_pagerduty:?} ms, webhook {at_webhook:?} ms",
        took_ms(published_at)
    );

    // A person acknowledges on the page that the webhook names.
    let link = alert["link"].as_str().context("a link")?;
    let page = answer(stack.http.post(link)).await?;
    ensure!(page.status == 200, "{} {}", page.status, page.text);
    let acknowledged = event(&stack, "acknowledge").await?;
    ensure!(acknowledged["dedup_key"] == triggered["dedup_key"], "{acknowledged}");

    stack.stub.answer("loud", Reply::Json(dispatch("loud", 1)));
    stack.accepted(LOUD, &webhook("update", "loud")).await?;
    let resolved = event(&stack, "resolve").await?;
    ensure!(resolved["dedup_key"] == triggered["dedup_key"], "{resolved}");
    posted(&stack, "resolved").await?;
    published(&stack, &queue, "resolved").await?;
    let actions: Vec<String> = events(&stack).into_iter().map(|(action, _)| action).collect();
    ensure!(actions == ["trigger", "acknowledge", "resolve"], "each once: {actions:?}");
    stack.signals.of(&format!("{LOUD}/loud"), 1).await?;
    stack.aws.delete_queue(&queue).await
}
