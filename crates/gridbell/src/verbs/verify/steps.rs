//! The steps of `verify` that follow a dispatch.

use std::time::Duration;

use aws::{host::Host, ports::AwsPorts};
use dispatch::Status;
use pipeline::{
    conditions::Condition,
    config::VERIFY,
    ingest::acknowledge::{AckOutcome, Acknowledge, Acknowledgement},
    job::{Job, JobKind},
    messages::{Chain, Deadline, ToRetry},
    ports::{Clock, Incidents, JobQueue, Random},
    record::AckState,
    timeline::Event,
};

use super::{
    dispatch::{TestDispatch, until},
    report::{Failed, Found, Step},
    test::Verification,
};
use crate::console::Console;

const fn step(name: &'static str, within_s: u64, late: &'static str) -> Step {
    Step { name, within: Duration::from_secs(within_s), late }
}

pub(super) const PERMIT: Step = step("permit", 20, "see `gridbell doctor`");
pub(super) const WEBHOOK: Step = step("webhook", 40, "see the address and the receiver with `gridbell doctor`");
pub(super) const SIGNAL: Step = step("signal", 60, "look at the log of the hydrator");
pub(super) const ACKNOWLEDGEMENT: Step = step("acknowledgement", 40, "look at the controller");
pub(super) const REDRIVE: Step = step("redrive", 90, "look at the log of the retrier");
pub(super) const CHAIN: Step = step(
    "chain",
    90,
    "look at the log of the retrier, and at the alarm recursion-stopped: infra/README.md says what to do",
);
pub(super) const MAIL: Step =
    step("mail", 90, "`gridbell doctor --mail` shows what SES says; look at the log of the alerter");
pub(super) const CANCELLATION: Step = step("cancellation", 60, "look at the log of the hydrator");

/// Messages of the chain: Lambda stops a chain after some 16 invocations, unless the function allows it.
const CHAIN_OF: u32 = 20;

/// How long a controller has to answer, where it must and where it need not, in seconds.
const ANSWERS_S: u64 = 30;
const MAY_ANSWER_S: u64 = 10;

/// How long the receiver may remember that there is no permit, and some more.
const OPENS: Duration = Duration::from_secs(12);

/// Timeout of one answer: a cold function takes a second or two.
const ANSWERS: Duration = Duration::from_secs(12);

/// A pause before a webhook is sent again.
const PAUSE: Duration = Duration::from_secs(1);

/// An answer of the receiver.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: String,
}

async fn post(test: &Verification<'_>, body: String) -> Result<Answer, Failed> {
    let request = test.console.http().post(test.hook()).timeout(ANSWERS).header("content-type", "application/json");
    // The address contains a token, so the error must not show it.
    let plain =
        |error: reqwest::Error| Failed::new(format!("no answer: {:#}", anyhow::Error::from(error.without_url())));
    let response = request.body(body).send().await.map_err(plain)?;
    let status = response.status().as_u16();
    Ok(Answer { status, body: response.text().await.map_err(plain)? })
}

/// Posts a webhook until it is accepted, as a provider does; a 404 only as long as the receiver may not know the permit.
/// The clean-up knows its delivery from then on: it may fail, which opens an incident.
pub(super) async fn accepted(test: &Verification<'_>, body: &str) -> Result<(), Failed> {
    let began = tokio::time::Instant::now();
    loop {
        let Answer { status, body } = post(test, body.to_owned()).await?;
        match status {
            200 => {
                let answer: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
                let delivery = answer["delivery"].as_str().map(str::to_owned);
                test.leave(|left| left.deliveries.extend(delivery));
                return Ok(());
            }
            404 if began.elapsed() >= OPENS => {
                return Err(Failed::new("the receiver answers 404: it does not know the built-in source")
                    .mend("deploy the functions of this release, then verify again"));
            }
            404 | 429 | 503 => tokio::time::sleep(PAUSE).await,
            _ => return Err(Failed::new(format!("the receiver answers {status}: {body}"))),
        }
    }
}

pub(super) async fn webhook(test: &Verification<'_>, dispatch: &TestDispatch) -> Result<Found, Failed> {
    test.leave(|left| left.dispatches.push(dispatch.clone()));
    if let Err(refused) = accepted(test, &dispatch.body(1, false)).await {
        // Nothing came in, so nothing is left of it.
        test.leave(|left| left.dispatches.clear());
        return Err(refused);
    }
    Ok(Found::Good(format!("{} accepted it", test.console.webhook_base)))
}

pub(super) async fn signal(console: &Console, dispatch: &TestDispatch) -> Result<Found, Failed> {
    let record = dispatch.sent(console, 1).await?;
    dispatch.is(&record, Status::Scheduled)?;
    Ok(Found::Good("signal 1 was sent to the queue, marked as a test".to_owned()))
}

pub(super) async fn acknowledged(test: &Verification<'_>, dispatch: &TestDispatch) -> Result<Found, Failed> {
    let must = test.config.deadlines_for(VERIFY, &[]).acknowledge;
    let within_s = if must { ANSWERS_S } else { MAY_ANSWER_S };
    let answered = until(async || Ok(dispatch.record(test.console).await?.and_then(|record| record.ack)));
    match tokio::time::timeout(Duration::from_secs(within_s), answered).await {
        Ok(ack) => Ok(Found::Good(format!("the controller answered {}", ack?.state.word()))),
        Err(_) if must => Ok(Found::Skipped(format!(
            "no controller answered within {within_s} s, and [deadlines] acknowledge = true waits for one: does it answer tests?"
        ))),
        Err(_) => Ok(Found::Skipped(format!("no controller answered within {within_s} s; none has to"))),
    }
}

/// A redrive of `deliveries` brings a job into `retries`, as after crashes of the hydrator.
pub(super) async fn redrive(test: &Verification<'_>, dispatch: &TestDispatch) -> Result<Found, Failed> {
    let delivery = Host.unique();
    test.leave(|left| {
        left.dispatches.push(dispatch.clone());
        left.deliveries.push(delivery.clone());
    });
    let job = Job::fresh(&delivery, VERIFY, Host.now(), JobKind::Body(dispatch.body(1, false)));
    let sent = test.console.inner().retry(&[ToRetry::Job(job).at_once()]).await;
    sent.map_err(|error| test.refused(error))?;
    let record = dispatch.sent(test.console, 1).await?;
    dispatch.is(&record, Status::Scheduled)?;
    Ok(Found::Good("the retrier took the job, and its signal was sent".to_owned()))
}

pub(super) async fn chain(console: &Console, dispatch: &TestDispatch) -> Result<Found, Failed> {
    let chain = Chain { of: CHAIN_OF, left: CHAIN_OF - 1 };
    let first = Deadline { chain: Some(chain), ..Deadline::of(dispatch.subject.clone()) };
    let sent = console.inner().retry(&[ToRetry::Deadline(first).at_once()]).await;
    sent.map_err(|error| Failed::new(console.refusal(error).to_string()))?;
    let passed = |event: &Event| matches!(event, Event::ChainPassed { messages } if *messages == CHAIN_OF);
    until(async || {
        let record = dispatch.record(console).await?;
        Ok(record.filter(|record| record.history.iter().any(|entry| passed(&entry.event))))
    })
    .await?;
    Ok(Found::Good(format!("{CHAIN_OF} messages in a row went through the retrier")))
}

/// Answers for the controller that it cannot act, which opens an incident, and waits for its mail.
pub(super) async fn mail(test: &Verification<'_>, dispatch: &TestDispatch) -> Result<Found, Failed> {
    let Some(address) = &test.permit.mail else {
        return Ok(Found::Skipped("say --mail ADDRESS to have one sent to you".to_owned()));
    };
    answer(test, dispatch, AckState::Failed).await?;
    let incident = Condition::ControllerFailed { dispatch: dispatch.subject.clone() }.incident();
    let incidents = test.console.incidents();
    let mailed = until(async || {
        let incident = incidents.read(&incident).await.map_err(|error| test.refused(error))?;
        Ok(incident.filter(|incident| !incident.mails.is_empty()))
    });
    let mailed = mailed.await?;
    if !mailed.notified.iter().eq([address]) {
        let others = mailed.notified.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(Failed::new(format!("the mail went to {others} instead of {address} alone")));
    }
    Ok(Found::Good(format!("SES took a mail to {address}: see that it has arrived")))
}

async fn answer(test: &Verification<'_>, dispatch: &TestDispatch, state: AckState) -> Result<(), Failed> {
    let (table, job_queue) = (test.console.dispatches(), test.console.inner());
    let acknowledge =
        Acknowledge::<AwsPorts> { config: test.config, table: &table, job_queue: &job_queue, host: &Host };
    let said = Acknowledgement {
        dispatch: dispatch.subject.to_string(),
        epoch: None,
        version: 1,
        state,
        detail: Some("a test of gridbell verify".to_owned()),
        by: None,
    };
    match acknowledge.note(&said).await.map_err(|error| test.refused(error))? {
        AckOutcome::Noted => Ok(()),
        AckOutcome::Unknown | AckOutcome::Superseded { .. } => {
            Err(Failed::new(format!("{} has changed meanwhile", dispatch.subject)))
        }
    }
}

/// Cancels every dispatch through the public address, and waits for the signals.
pub(super) async fn cancelled(test: &Verification<'_>) -> Result<Found, Failed> {
    let dispatches = test.left().dispatches;
    for dispatch in &dispatches {
        accepted(test, &dispatch.body(2, true)).await?;
    }
    for dispatch in &dispatches {
        let record = dispatch.cancelled(test.console).await?;
        dispatch.is(&record, Status::Cancelled)?;
    }
    Ok(Found::Good(format!("{} test dispatches were cancelled, and the signals sent", dispatches.len())))
}
