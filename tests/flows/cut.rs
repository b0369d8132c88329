//! A part is taken away for a while: the hydrator, SES, the reader of the signals. A person is told in time, once, what is true,
//! and nothing is lost. On a stack of their own, one after the other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    harness::{Looked, SOON, cases, config, cut_world, eventually, from_now, listed},
    voltus::{dispatch, tell, with},
};

cases!("cut":
    a_stopped_hydrator_is_told_and_what_waited_comes_through,
    signals_that_nobody_reads_are_told_before_the_start,
    mail_that_was_refused_arrives_once_it_is_taken,
    nothing_is_sent_when_all_is_well,
);

const SOURCE: &str = "voltus-prod";

/// A source that is marked as a sandbox.
const SANDBOX: &str = "vbox";

/// The dispatches of these cases start in ten minutes. A stopped hydrator is probed twice a minute and told of 22 s later, unread
/// signals after 30 s; the rest is for a busy machine.
const BEFORE_THE_START: Duration = Duration::from_mins(5);

/// One part at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// The dispatches that are well, and the words of every mail that this stack is to send.
const WELL: &str = "all-is-well";
const EXPECTED: [&str; 4] = ["hydration-failing: deliveries", "unread-", "refused-mail", "refused-test"];

/// Starts in ten minutes: too soon for the usual deadline, so that the immediate one of 30 s counts.
fn soon(id: &str) -> Value {
    with(dispatch(id, 0), json!({"start_time": from_now(600), "end_time": from_now(4_200)}))
}

async fn a_stopped_hydrator_is_told_and_what_waited_comes_through() -> Result<()> {
    let world = cut_world().await?;
    let _turn = TURN.lock().await;
    world.aws.enable_mapping(&world.hydrator, false).await?;
    tell(&world, SOURCE, "create", &soon("unheard-of")).await?;
    tell(&world, SANDBOX, "create", &soon("unheard-of-test")).await?;
    let words = ["hydration-failing", "deliveries"];
    let mail = world.mail.one(BEFORE_THE_START, &words).await;
    world.aws.enable_mapping(&world.hydrator, true).await?;
    let mail = mail?;
    for word in ["hydrator", "portal"] {
        ensure!(mail.text.contains(word), "the mail does not say {word}: {}", mail.text);
    }
    let real = world.signals.of("voltus-prod/unheard-of", 1).await?;
    ensure!(real[0].test == json!("false"), "{:?}", real[0].test);
    let test = world.signals.of("vbox/unheard-of-test", 1).await?;
    ensure!(test[0].test == json!("true"), "{:?}", test[0].test);
    world.mail.one(SOON, &["hydration-failing", "deliveries", "over"]).await?;
    world.at_the_end(move |world| async move {
        let told = world.mail.about(&words).await?;
        ensure!(told.len() == 2, "one mail and its end:{}", listed(&told));
        Ok(())
    });
    Ok(())
}

async fn signals_that_nobody_reads_are_told_before_the_start() -> Result<()> {
    let world = cut_world().await?;
    let _turn = TURN.lock().await;
    let unread = world.signals.unread().await;
    tell(&world, SOURCE, "create", &soon("unread-real")).await?;
    tell(&world, SANDBOX, "create", &soon("unread-test")).await?;
    let real = world.mail.one(BEFORE_THE_START, &["dispatch-at-risk", "voltus-prod/unread-real"]).await?;
    for word in ["nobody reads", "My Site", "5 kW", "UTC", "REAL"] {
        ensure!(real.text.contains(word), "the mail does not say {word}: {}", real.text);
    }
    ensure!(!real.subject.contains("TEST"), "{}", real.subject);
    let test = world.mail.one(BEFORE_THE_START, &["dispatch-at-risk", "vbox/unread-test"]).await?;
    ensure!(test.subject.contains("[TEST]"), "{}", test.subject);
    drop(unread);
    for (subject, marked) in [("voltus-prod/unread-real", "false"), ("vbox/unread-test", "true")] {
        let signals = world.signals.of(subject, 1).await?;
        ensure!(signals[0].test == json!(marked), "{subject}: {}", signals[0].test);
        if marked == "false" {
            world.mail.one(SOON, &["dispatch-at-risk", subject, "over"]).await?;
        }
        world.at_the_end(move |world| async move {
            let told = world.mail.about(&["dispatch-at-risk", subject]).await?;
            ensure!(told.len() <= 2, "one mail and its end:{}", listed(&told));
            Ok(())
        });
    }
    Ok(())
}

async fn mail_that_was_refused_arrives_once_it_is_taken() -> Result<()> {
    let world = cut_world().await?;
    let _turn = TURN.lock().await;
    world.aws.verify_sender(config::SENDER, false).await?;
    world.accepted("nv", &json!({"event": "refused-mail", "correlation_id": "refused"})).await?;
    world.accepted("nbox", &json!({"event": "refused-test", "correlation_id": "refused"})).await?;
    // The pattern that infra/template.yaml counts by, on the lines that the alerter really writes.
    let refused = eventually(SOON, "two refusals of each in the alerter's log", || async {
        let lines = world.aws.logged("/gridbell/alerter", "{ $.level = \"ERROR\" }").await?;
        let of = |event: &str| lines.iter().filter(|line| line.contains(event)).count();
        let counted = [of("refused-mail"), of("refused-test")];
        Ok(if counted.iter().all(|count| *count >= 2) {
            Looked::There(())
        } else {
            Looked::NotYet(format!("{counted:?} of {} lines", lines.len()))
        })
    })
    .await;
    world.aws.verify_sender(config::SENDER, true).await?;
    refused?;
    let real = world.mail.one(SOON, &["unknown-event", "refused-mail"]).await?;
    ensure!(!real.subject.contains("TEST") && real.text.contains("refused-mail"), "{} {}", real.subject, real.text);
    let test = world.mail.one(SOON, &["unknown-event", "refused-test"]).await?;
    ensure!(test.subject.contains("[TEST]"), "{}", test.subject);
    world.at_the_end(|world| async move {
        for event in ["refused-mail", "refused-test"] {
            let told = world.mail.about(&[event]).await?;
            ensure!(told.len() == 1, "refused and then taken, so once:{}", listed(&told));
        }
        Ok(())
    });
    Ok(())
}

async fn nothing_is_sent_when_all_is_well() -> Result<()> {
    let world = cut_world().await?;
    {
        let _turn = TURN.lock().await;
        for (source, test) in [(SOURCE, "false"), (SANDBOX, "true")] {
            tell(&world, source, "create", &soon(WELL)).await?;
            let signals = world.signals.of(&format!("{source}/{WELL}"), 1).await?;
            ensure!(signals[0].test == json!(test), "{source}: {}", signals[0].test);
        }
        // Nobody else keeps the signals from being read until their deadlines have passed.
        let table = world.description.tables.get("dispatches").context("no table of dispatches")?;
        for source in [SOURCE, SANDBOX] {
            let subject = format!("{source}/{WELL}");
            eventually(SOON, "a deadline that has passed", || async {
                let ahead = world.aws.has_a_deadline(table, &subject).await?;
                Ok(if ahead { Looked::NotYet(format!("{subject} awaits it")) } else { Looked::There(()) })
            })
            .await?;
        }
    }
    world.at_the_end(|world| async move {
        let mut told = world.mail.about(&[]).await?;
        told.retain(|mail| !EXPECTED.iter().any(|words| mail.subject.contains(words)));
        ensure!(told.is_empty(), "mail that nobody asked for:{}", listed(&told));
        Ok(())
    });
    Ok(())
}
