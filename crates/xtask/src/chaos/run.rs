//! The real system on this machine, hurt in every way that one seed can think of while thousands of webhooks come; then
//! everything that was accepted is accounted for, by the checker that reads the simulator's histories.

use std::{
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
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
    watch::{self, Controller, Mailroom},
};
use config::Config;
use gridbell::{
    queue::Queue,
    simulate::{KEY, Settings, Simulators, times},
};
use local_stack::{Stack, UpOptions, progress::Progress};
use stack_client::Console;

/// How often the providers' logs are read.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Long enough to get everything ready before the first webhook goes out.
const BEFORE: SignedDuration = SignedDuration::from_secs(2);

/// The pauses between a provider's attempts are so many times shorter than they really are, or Leap's alone would take minutes.
const SPEED: u32 = 4;

/// Every source that the stories know.
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

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    /// Decides every choice.
    pub(super) seed: u64,
    /// How many webhooks, repetitions included.
    pub(super) webhooks: usize,
}

/// What came of it. The stack has gone.
#[derive(Debug)]
pub(super) struct Ran {
    /// The figures, and what does not hold.
    pub(super) report: Report,
    /// All that was seen, in the order of its instants.
    pub(super) history: Vec<Line>,
}

impl Ran {
    /// The history as JSON lines.
    ///
    /// # Errors
    /// None that could happen: every line is an object of texts and numbers.
    pub(super) fn jsonl(&self) -> Result<String> {
        self.history.iter().try_fold(String::new(), |mut text, line| {
            writeln!(text, "{}", serde_json::to_string(line)?)?;
            Ok(text)
        })
    }
}

/// Brings a stack up, hurts it, waits until nothing more is to be done, and takes it down.
///
/// # Errors
/// The stack does not come up or cannot be asked. What does not hold stands in the report.
pub(super) async fn run(options: Options, progress: &dyn Progress) -> Result<Ran> {
    let simulators = Simulators::start(provider_sims::SIMULATED, &Settings::default()).await?;
    simulators.lift_limits();
    let mut up = UpOptions::new(chaos_config()?);
    simulators.answer_for(&mut up);
    let mut stack = Stack::up(up, progress).await?;
    let ran = hurt(options, &mut stack, &simulators, progress).await;
    stack.shutdown().await?;
    ran
}

fn chaos_config() -> Result<Config> {
    let keys = |provider: &str| format!("provider = \"{provider}\"\napi_key = \"env:REPLACED\"\n");
    let mut text = SOURCES.to_owned();
    for provider in ["voltus", "leap", "openvolt"] {
        text = text.replace(&format!("provider = \"{provider}\"\n"), &keys(provider));
    }
    Ok(Config::parse("the configuration of chaos", &text)?)
}

async fn hurt(options: Options, stack: &mut Stack, simulators: &Simulators, progress: &dyn Progress) -> Result<Ran> {
    let began = Instant::now();
    let whole_second = Timestamp::from_second(times::now().as_second())?;
    let mut schedule = Schedule::new(options.seed, options.webhooks, whole_second + BEFORE);
    announce(&schedule, stack, simulators)?;
    let controller = Controller::read(queue(stack, "signals")?);
    let mut mailroom = Mailroom::default();

    let (done, heals_at) = blows_fall(&mut schedule, &mut mailroom, stack, simulators, progress).await?;

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

/// Until the last webhook is answered or given up: what was done, and from when on nothing goes wrong.
async fn blows_fall(
    schedule: &mut Schedule,
    mailroom: &mut Mailroom,
    stack: &Stack,
    simulators: &Simulators,
    progress: &dyn Progress,
) -> Result<(Done, Timestamp)> {
    let step = progress.step("webhooks");
    let total = u64::try_from(schedule.posts.len())?;
    let Schedule { posts, blows, dispatches, .. } = schedule;
    let said = Mutex::new(String::new());
    let dealing = harm::deal(blows, stack, simulators, |done| *lock(&said) = done.to_string());
    tokio::pin!(dealing);
    let mut done = None;
    let mut heals_at = times::now();
    while done.is_none() || !simulators.are_idle() {
        tokio::select! {
            dealt = &mut dealing, if done.is_none() => {
                done = Some(dealt);
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

/// What may stand nowhere but in the request that carries it.
fn secrets(stack: &Stack) -> Vec<String> {
    let tokens = stack.tokens().values().map(String::as_str).chain(stack.ack_token());
    tokens.chain([KEY]).map(str::to_owned).collect()
}

pub(super) fn queue(stack: &Stack, name: &str) -> Result<Queue> {
    let description = stack.description();
    let Some(url) = description.queues.get(name) else { bail!("the stack has no queue {name}") };
    let http = stack_client::http_client()?;
    Ok(Queue { http, endpoint: description.endpoint_url.clone(), url: url.clone() })
}

/// Lets the simulators send everything in its time.
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

/// The stories first, then everything by its instant.
fn in_order(schedule: &Schedule, mailroom: &Mailroom, lines: Vec<Line>) -> Vec<Line> {
    let mut seen = mailroom.answered.clone();
    seen.extend(lines);
    seen.sort_by_key(|line| line.at);
    let at = seen.first().map_or(schedule.ends_at, |line| line.at);
    let mut history = schedule.stories(at);
    history.extend(seen);
    history
}
