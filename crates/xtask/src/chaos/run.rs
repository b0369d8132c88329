//! Runs the real system on this machine, with all faults that one seed chooses, while thousands of webhooks arrive.
//! Then the checker of the simulator's histories checks that nothing accepted was lost.

use std::{
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use provider_sims::{Hook, Publication};
use serde_json::json;
use simulation::history::{Circumstances, Line, judge};
use tokio::time::{Instant, sleep};

use super::{
    gather,
    harm::{self, Done},
    report::Report,
    schedule::{Post, Schedule},
    upgrade::Upgrade,
    watch::{self, Controller, Mailroom},
};
use config::{Config, file::File};
use local_stack::{Stack, UpOptions, progress::Progress, queue::Queue};
use provider_server::{KEY, Settings, Simulators, times};
use stack_client::Console;

/// How often the providers' logs are read.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Enough time to get everything ready before the first webhook.
const BEFORE: SignedDuration = SignedDuration::from_secs(2);

/// Divides the pauses between a provider's attempts: Leap's alone would take minutes.
const SPEED: u32 = 4;

/// Every source in the timelines.
const SOURCES: &str = "[sources.voltus-prod]
provider = \"voltus\"
[sources.voltus-sandbox]
provider = \"voltus\"
environment = \"sandbox\"
[sources.leap-prod]
provider = \"leap\"
[sources.dc-1]
provider = \"nvgrid\"
[sources.openvolt-prod]
provider = \"openvolt\"
[deadlines]
lead = \"60m\"
immediate = \"60s\"
[contacts]
email = [\"grid-duty@example.com\"]
from = \"gridbell@example.com\"
group_wait = \"1s\"
group_interval = \"3s\"
";

/// The options of a chaos run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    /// Determines every choice.
    pub(super) seed: u64,
    /// Number of webhooks, including repetitions.
    pub(super) webhooks: usize,
}

/// The result. The stack is stopped.
#[derive(Debug)]
pub(super) struct Ran {
    /// The numbers and the violations.
    pub(super) report: Report,
    /// All observed events, in time order.
    pub(super) history: Vec<Line>,
}

impl Ran {
    /// The history as JSON lines.
    ///
    /// # Errors
    /// None in practice: every line is an object of texts and numbers.
    pub(super) fn jsonl(&self) -> Result<String> {
        self.history.iter().try_fold(String::new(), |mut text, line| {
            writeln!(text, "{}", serde_json::to_string(line)?)?;
            Ok(text)
        })
    }
}

/// Starts a stack, damages it, waits until no work is left, and stops it.
///
/// # Errors
/// The stack does not start or cannot be queried. Violations are in the report.
pub(super) async fn run(options: Options, upgrade: Option<&Upgrade>, progress: &dyn Progress) -> Result<Ran> {
    let simulators = Simulators::start(provider_sims::SIMULATED, &Settings::default()).await?;
    simulators.lift_limits();
    let mut up = UpOptions::new(chaos_config()?);
    simulators.answer_for(&mut up);
    up.build = upgrade.map(|upgrade| upgrade.before.clone());
    let mut stack = Stack::up(up, progress).await?;
    let ran = hurt(options, upgrade, &mut stack, &simulators, progress).await;
    stack.shutdown().await?;
    ran
}

fn chaos_config() -> Result<Config> {
    let keys = |provider: &str| format!("provider = \"{provider}\"\napi_key = \"env:REPLACED\"\n");
    let mut text = SOURCES.to_owned();
    for provider in ["voltus", "leap", "openvolt"] {
        text = text.replace(&format!("provider = \"{provider}\"\n"), &keys(provider));
    }
    Ok(File::parse("the configuration of chaos", &text)?.config)
}

async fn hurt(
    options: Options,
    upgrade: Option<&Upgrade>,
    stack: &mut Stack,
    simulators: &Simulators,
    progress: &dyn Progress,
) -> Result<Ran> {
    let began = Instant::now();
    let begins_at = Timestamp::from_second(times::now().as_second())? + BEFORE;
    let mut schedule = Schedule::new(options.seed, options.webhooks, begins_at);
    if upgrade.is_some() {
        harm::deployments(&mut schedule.blows, begins_at, schedule.ends_at);
    }
    announce(&schedule, stack, simulators)?;
    let controller = Controller::read(queue(stack, "signals")?);
    let mut mailroom = Mailroom::default();

    let (done, heals_at) = blows_fall(&mut schedule, upgrade, &mut mailroom, stack, simulators, progress).await?;

    let console = Console::open_local(stack.state_file()).await?;
    let left = gather::settle(&console, progress).await?;
    let lines = gather::in_the_end(&console, stack, &controller, left).await?;
    let history = in_order(&schedule, &mailroom, lines);
    let circumstances = Circumstances { ours_fail: true, heals_at, ..Circumstances::default() };
    let mut broken = judge(&history, circumstances, secrets(stack));
    broken.extend(gather::indiscreet(stack, &secrets(stack)).await?);
    let report = Report::new(options, &schedule, &mailroom, (done, &history, broken), began.elapsed());
    Ok(Ran { report, history })
}

/// Runs until the last webhook is answered or given up; returns the faults and the time after which there are none.
async fn blows_fall(
    schedule: &mut Schedule,
    upgrade: Option<&Upgrade>,
    mailroom: &mut Mailroom,
    stack: &Stack,
    simulators: &Simulators,
    progress: &dyn Progress,
) -> Result<(Done, Timestamp)> {
    let step = progress.step("webhooks");
    let total = u64::try_from(schedule.posts.len())?;
    let Schedule { posts, blows, dispatches, .. } = schedule;
    let said = Mutex::new(String::new());
    let dealing = harm::deal(blows, stack, simulators, upgrade, |done| *lock(&said) = done.to_string());
    tokio::pin!(dealing);
    let mut done = None;
    let mut heals_at = times::now();
    while done.is_none() || !simulators.are_idle() {
        tokio::select! {
            dealt = &mut dealing, if done.is_none() => {
                done = Some(dealt?);
                simulators.mend_all();
                heals_at = times::now();
            }
            () = sleep(LOOK_EVERY) => {}
        }
        mailroom.read(simulators, posts, dispatches);
        step.count(u64::try_from(mailroom.accepted.len())?, total);
        step.at(&lock(&said));
    }
    mailroom.read(simulators, posts, dispatches);
    step.done(&format!("{} of {total} accepted; {}", mailroom.accepted.len(), lock(&said)));
    Ok((done.unwrap_or_default(), heals_at))
}

fn lock(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Texts that may appear only in the request that carries them.
fn secrets(stack: &Stack) -> Vec<String> {
    let tokens = stack.tokens().values().map(String::as_str).chain(stack.ack_token());
    tokens.chain([KEY]).map(str::to_owned).collect()
}

pub(super) fn queue(stack: &Stack, name: &str) -> Result<Queue> {
    Queue::of(stack.description(), name, stack_client::http_client()?)
}

/// Schedules everything that the simulated providers send.
fn announce(schedule: &Schedule, stack: &Stack, simulators: &Simulators) -> Result<()> {
    for reading in schedule.readings() {
        simulators.hold(provider_sims::OPENVOLT.name, reading);
    }
    for (number, post) in schedule.posts.iter().enumerate() {
        let Post { at, holds, body, .. } = post.clone();
        let source = stack.description().sources.get(&*post.source).context("a source is missing")?;
        let forged = post.about == simulation::history::About::Forged;
        let url = if forged { format!("{}x", source.url) } else { source.url.clone() };
        let hook = Hook { url, headers: Vec::new() };
        let says = watch::called(number);
        simulators.announce(post.sender(), Publication { at, says, holds, sends: json!(body), hook, speed: SPEED });
    }
    Ok(())
}

/// The timelines first, then all other events in time order.
fn in_order(schedule: &Schedule, mailroom: &Mailroom, lines: Vec<Line>) -> Vec<Line> {
    let mut seen = mailroom.answered.clone();
    seen.extend(lines);
    seen.sort_by_key(|line| line.at);
    let at = seen.first().map_or(schedule.ends_at, |line| line.at);
    let mut history = schedule.stories(at);
    history.extend(seen);
    history
}
