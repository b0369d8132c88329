//! Collects what a stack contains at the end: tables, mail, dead letters, logs.

use std::time::Duration;

use anyhow::Result;
use aws::dynamo::{StoredJob, Wanted};
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    job::JobKind,
    ports::{Deliveries, Dispatches},
};
use simulation::history::{Broken, Checker, Circumstances, Event, Line};
use tokio::time::{Instant, sleep};

use super::watch::Controller;
use local_stack::{Stack, progress::Progress};
use provider_server::times;
use stack_client::Console;

/// Longest wait for all work to end: a message whose function died comes back after two minutes, and may be retried.
const PATIENCE: Duration = Duration::from_mins(6);

/// Interval between checks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Number of successive checks that must find no work.
const CALM: usize = 3;

/// A deadline is checked soon after it has passed.
const OVERDUE: SignedDuration = SignedDuration::from_secs(90);

/// Waits until no work is left; after the longest wait, returns the work that is left.
pub(super) async fn settle(console: &Console, progress: &dyn Progress) -> Result<Vec<String>> {
    let step = progress.step("rest");
    let began = Instant::now();
    let mut calm = 0;
    loop {
        // A call may fail on an overloaded machine, but not at the end.
        let left = left(console).await.unwrap_or_else(|error| vec![format!("{error:#}")]);
        calm = if left.is_empty() { calm + 1 } else { 0 };
        if calm >= CALM {
            step.done(&format!("nothing is left to be done, {} s later", began.elapsed().as_secs()));
            return Ok(left);
        }
        if began.elapsed() > PATIENCE {
            return Ok(left);
        }
        step.at(&if left.is_empty() { "looks once more".to_owned() } else { left.join(", ") });
        sleep(LOOK_EVERY).await;
    }
}

/// The work that is left, in words. Delayed messages do not count: a heartbeat is always delayed, and a table records
/// each retry.
pub(super) async fn left(console: &Console) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for name in ["deliveries", "retries", "alerts", "reviews", "signals"] {
        let Some(url) = console.queues.get(name) else { continue };
        let counts = console.counting().counts(url).await?;
        if counts.waiting + counts.in_hand > 0 {
            left.push(format!("{} wait in {name}, {} are in flight", counts.waiting, counts.in_hand));
        }
    }
    let now = times::now();
    let table = console.dispatches();
    let unsent = table.unsent(now).await?.len();
    left.extend((unsent > 0).then(|| format!("signals of {unsent} subjects are pending in the outbox")));
    let overdue = table.due(now - OVERDUE).await?.len();
    left.extend((overdue > 0).then(|| format!("{overdue} deadlines have passed")));
    let stored = console.deliveries().all(None).await?;
    let booked = stored.found.iter().filter(|stored| matches!(stored, StoredJob::Failing(_))).count();
    left.extend((booked > 0).then(|| format!("{booked} attempts are booked")));
    let incidents = console.incidents().all(false).await?;
    let waiting = incidents.found.iter().filter(|incident| incident.waiting.is_some()).count();
    left.extend((waiting > 0).then(|| format!("{waiting} mails wait")));
    Ok(left)
}

/// The signals, and all that is known only at the end.
pub(super) async fn in_the_end(
    console: &Console,
    stack: &Stack,
    controller: &Controller,
    left: Vec<String>,
) -> Result<Vec<Line>> {
    let mut lines = controller.signals();
    for mail in stack.mail().await? {
        let text = |name: &str| mail[name].as_str().unwrap_or_default().to_owned();
        let at = text("time").parse().unwrap_or_else(|_| times::now());
        lines
            .push(Line { at, event: Event::Mail { subject: text("subject"), text: text("text"), html: text("html") } });
    }
    let mut events: Vec<Event> = left.into_iter().map(|still| Event::Left { still }).collect();
    let incidents = console.incidents().all(false).await?;
    events.extend(incidents.found.into_iter().map(|row| Event::Incident { row: Box::new(row) }));
    let records = console.dispatches().all(&Wanted::default()).await?;
    events.extend(records.found.iter().map(|record| {
        let version = (record.state.epoch, record.state.version).into();
        Event::Stored { subject: record.subject.to_string(), version }
    }));
    let unreadable = incidents.unreadable.into_iter().chain(records.unreadable);
    let deliveries = console.deliveries();
    let stored = deliveries.all(None).await?;
    let unreadable =
        unreadable.chain(stored.unreadable).map(|key| Event::Left { still: format!("{key} is unreadable") });
    events.extend(unreadable);
    for stored in stored.found {
        let StoredJob::Quarantined(quarantined) = stored else { continue };
        let job = deliveries.quarantined(&quarantined.id).await?.map(|stored| stored.job);
        let body = match job.as_ref().map(|job| &job.kind) {
            Some(JobKind::Stored(stored)) => deliveries.body(stored).await?,
            _ => job.and_then(|job| job.body()).transpose().ok().flatten(),
        };
        events.extend(body.map(|body| Event::Quarantined { source: quarantined.source, body }));
    }
    for name in ["retries_dead", "alerts_dead"] {
        let messages = super::run::queue(stack, name)?.receive().await?;
        events.extend(messages.into_iter().map(|message| Event::Dead { queue: name.to_owned(), body: message.body }));
    }
    let at = times::now();
    lines.extend(events.into_iter().map(|event| Line { at, event }));
    Ok(lines)
}

/// Secrets and panics in the functions' logs.
pub(super) async fn indiscreet(stack: &mut Stack, secrets: &[String]) -> Result<Vec<Broken>> {
    let checker = Checker::new(Circumstances::default(), secrets.to_vec());
    let lines = stack.logs().await?;
    let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
    let looked = lines.iter().filter_map(|line| {
        let place = format!("a log line of the {} at {}", line.function, at(line.time_ms));
        checker.no_secret(&place, &line.text)
    });
    Ok(looked.collect())
}
