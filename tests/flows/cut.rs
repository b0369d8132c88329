//! One part fails for a while: the hydrator, SES, the reader of the signals, a provider. People are notified in time,
//! once, and correctly; nothing is lost. These cases run on a stack of their own, one after the other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    harness::{Checked, RESOLVED, SOON, cases, config, cut_stack, eventually, from_now, listed},
    voltus::{dispatch, publish, with},
};

cases!("cut":
    a_stopped_hydrator_is_reported_and_what_waited_comes_through,
    unread_signals_are_reported_before_the_start,
    mail_that_was_refused_arrives_once_it_is_taken,
    nothing_is_sent_when_all_is_well,
);

const SOURCE: &str = "voltus-prod";

/// A source marked as a sandbox.
const SANDBOX: &str = "vbox";

/// The dispatches of these cases start in ten minutes. A stopped hydrator misses a heartbeat twice a minute, which is
/// reported 22 s later; unread signals are reported after 30 s. The rest is for a busy machine.
const BEFORE_THE_START: Duration = Duration::from_mins(5);

/// Only one case at a time stops a part.
static TURN: Mutex<()> = Mutex::const_new(());

/// The name of the dispatches that meet no fault, and words of every mail that this stack sends.
const WELL: &str = "all-is-well";
const EXPECTED: [&str; 4] = ["(hydration-failing, deliveries", "unread-", "refused-mail", "refused-test"];

/// Starts in ten minutes: less than the lead time, so the immediate deadline of 30 s applies.
fn soon(id: &str) -> Value {
    with(dispatch(id, 0), json!({"start_time": from_now(600), "end_time": from_now(4_200)}))
}

async fn a_stopped_hydrator_is_reported_and_what_waited_comes_through() -> Result<()> {
    let stack = cut_stack().await?;
    let _turn = TURN.lock().await;
    stack.aws.enable_mapping(&stack.hydrator, false).await?;
    publish(&stack, SOURCE, "create", &soon("unheard-of")).await?;
    publish(&stack, SANDBOX, "create", &soon("unheard-of-test")).await?;
    let words = ["hydration-failing", "deliveries"];
    let mail = stack.mail.one(BEFORE_THE_START, &words).await;
    stack.aws.enable_mapping(&stack.hydrator, true).await?;
    let mail = mail?;
    for word in ["hydrator", "portal"] {
        ensure!(mail.text.contains(word), "the mail does not say {word}: {}", mail.text);
    }
    let real = stack.signals.of("voltus-prod/unheard-of", 1).await?;
    ensure!(real[0].test == json!("false"), "{:?}", real[0].test);
    let test = stack.signals.of("vbox/unheard-of-test", 1).await?;
    ensure!(test[0].test == json!("true"), "{:?}", test[0].test);
    stack.mail.one(SOON, &["hydration-failing", "deliveries", RESOLVED]).await?;
    stack.at_the_end(move |stack| async move {
        let mail = stack.mail.about(&words).await?;
        ensure!(mail.len() == 2, "one mail, and that it is resolved:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}

async fn unread_signals_are_reported_before_the_start() -> Result<()> {
    let stack = cut_stack().await?;
    let _turn = TURN.lock().await;
    let unread = stack.signals.unread().await;
    publish(&stack, SOURCE, "create", &soon("unread-real")).await?;
    publish(&stack, SANDBOX, "create", &soon("unread-test")).await?;
    let real = stack.mail.one(BEFORE_THE_START, &["dispatch-at-risk", "voltus-prod/unread-real"]).await?;
    for word in ["is not read", "My Site", "5 kW", "UTC", "REAL"] {
        ensure!(real.text.contains(word), "the mail does not say {word}: {}", real.text);
    }
    ensure!(!real.subject.contains("TEST"), "{}", real.subject);
    let test = stack.mail.one(BEFORE_THE_START, &["dispatch-at-risk", "vbox/unread-test"]).await?;
    ensure!(test.subject.contains("[TEST]"), "{}", test.subject);
    drop(unread);
    for (subject, marked) in [("voltus-prod/unread-real", "false"), ("vbox/unread-test", "true")] {
        let signals = stack.signals.of(subject, 1).await?;
        ensure!(signals[0].test == json!(marked), "{subject}: {}", signals[0].test);
        if marked == "false" {
            stack.mail.one(SOON, &["dispatch-at-risk", subject, RESOLVED]).await?;
        }
        stack.at_the_end(move |stack| async move {
            let mail = stack.mail.about(&["dispatch-at-risk", subject]).await?;
            ensure!(mail.len() <= 2, "one mail, and that it is resolved:{}", listed(&mail));
            Ok(())
        });
    }
    Ok(())
}

async fn mail_that_was_refused_arrives_once_it_is_taken() -> Result<()> {
    let stack = cut_stack().await?;
    let _turn = TURN.lock().await;
    stack.aws.verify_sender(config::SENDER, false).await?;
    stack.accepted("nv", &json!({"event": "refused-mail", "correlation_id": "refused"})).await?;
    stack.accepted("nbox", &json!({"event": "refused-test", "correlation_id": "refused"})).await?;
    // The pattern of the metric filter in infra/template.yaml, on the alerter's real log lines.
    let refused = eventually(SOON, "two refusals of each in the alerter's log", || async {
        let lines = stack.aws.logged("/gridbell/alerter", "{ $.level = \"ERROR\" }").await?;
        let of = |group: &str| lines.iter().filter(|line| line.contains(group)).count();
        let counted = [of("group/unknown-event/nv/first"), of("group/unknown-event/nbox/first/test")];
        Ok(if counted.iter().all(|count| *count >= 2) {
            Checked::Found(())
        } else {
            Checked::NotYet(format!("{counted:?} of {} lines", lines.len()))
        })
    })
    .await;
    stack.aws.verify_sender(config::SENDER, true).await?;
    refused?;
    let real = stack.mail.one(SOON, &["unknown-event", "refused-mail"]).await?;
    ensure!(!real.subject.contains("TEST") && real.text.contains("refused-mail"), "{} {}", real.subject, real.text);
    let test = stack.mail.one(SOON, &["unknown-event", "refused-test"]).await?;
    ensure!(test.subject.contains("[TEST]"), "{}", test.subject);
    stack.at_the_end(|stack| async move {
        for event in ["refused-mail", "refused-test"] {
            let mail = stack.mail.about(&[event]).await?;
            ensure!(mail.len() == 1, "refused and then accepted, so once:{}", listed(&mail));
        }
        let channel = stack.mail.about(&["channel-failing", "mail"]).await?;
        ensure!(channel.is_empty(), "no mail is about mail:{}", listed(&channel));
        Ok(())
    });
    Ok(())
}

async fn nothing_is_sent_when_all_is_well() -> Result<()> {
    let stack = cut_stack().await?;
    {
        let _turn = TURN.lock().await;
        for (source, test) in [(SOURCE, "false"), (SANDBOX, "true")] {
            publish(&stack, source, "create", &soon(WELL)).await?;
            let signals = stack.signals.of(&format!("{source}/{WELL}"), 1).await?;
            ensure!(signals[0].test == json!(test), "{source}: {}", signals[0].test);
        }
        // No other case stops the reading of signals until their deadlines have passed.
        let table = stack.description.tables.get("dispatches").context("no table of dispatches")?;
        for source in [SOURCE, SANDBOX] {
            let subject = format!("{source}/{WELL}");
            eventually(SOON, "a deadline that has passed", || async {
                let ahead = stack.aws.has_a_deadline(table, &subject).await?;
                Ok(if ahead { Checked::NotYet(format!("{subject} awaits it")) } else { Checked::Found(()) })
            })
            .await?;
        }
    }
    stack.at_the_end(|stack| async move {
        let mut mail = stack.mail.about(&[]).await?;
        mail.retain(|mail| !EXPECTED.iter().any(|words| mail.subject.contains(words)));
        ensure!(mail.is_empty(), "mail that no case asked for:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}
