//! `output test`: the courier sends the event, so that its network, its rights and its secrets are what is tested.

use std::time::Duration;

use anyhow::{Result, bail};
use aws::host::Host;
use pipeline::{
    config::Config,
    outputs::{event::TEST_TYPE, replay::ask_to_test, state::TestResult},
    ports::{Outputs, Random},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{CourierSide, known, target};
use crate::{
    argument::Key,
    console::{Console, Which},
    show::{self, Output, Paint},
};

pub(super) const EXAMPLES: &str = "\
The courier delivers one event of the type gridbell.output.test.v1 with data.output.test = true, as it delivers signals: with
its own network and rights, the signature, and the limits of time, size and address. It changes no dispatch and counts as no
signal. An output that fails is tried again at once where the test succeeds.

Examples:
  gridbell output test site-gateway                    asks first: the controller gets the event
  gridbell output test site-gateway --yes --json --stack gridbell | jq .took_ms";

/// Limit for the courier to send the test: a cold start, the attempt, and what waits before it in its queue.
const WITHIN: Duration = Duration::from_secs(60);

/// How often the result is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Arguments of `output test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Output, as `output list` shows it
    #[arg(value_name = "NAME", value_parser = Key::shown_by("gridbell output list"))]
    name: String,
    /// Send the event without asking
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl Test {
    pub(super) async fn run(self) -> Result<()> {
        let console = self.which.open().await?;
        let config = console.config().await?;
        show::consent(self.yes, &asks(&config, &self.name)?)?;
        let result = test(&console, &config, &self.name).await?;
        if self.output.json {
            show::json(&json!({
                "output": self.name, "taken": result.failed.is_none(), "took_ms": result.took_ms, "at": result.at,
                "failed": result.failed, "ack": result.ack, "detail": result.detail,
            }))?;
        } else if result.failed.is_none() {
            show::line(&Paint::stdout().good(&format!("✓ {}", words(&self.name, &result))))?;
        }
        if result.failed.is_some() {
            bail!("{}", words(&self.name, &result));
        }
        Ok(())
    }
}

/// What a person agrees to.
///
/// # Errors
/// There is no such output (exit status 2).
pub(crate) fn asks(config: &Config, name: &str) -> Result<String> {
    known(config, name)?;
    let output = &config.outputs[name];
    Ok(format!("{name} ({}) would get an event of the type {TEST_TYPE}", target(&output.target)))
}

/// The result in words.
pub(crate) fn words(name: &str, result: &TestResult) -> String {
    let took_ms = result.took_ms;
    match (&result.failed, result.ack) {
        (Some(failed), _) => format!("{name} did not take the test event: {} (after {took_ms} ms)", show::name(failed)),
        (None, None) => format!("{name} took the test event in {took_ms} ms; its answer acknowledges nothing"),
        (None, Some(ack)) => {
            let detail = result.detail.as_deref().map(|detail| format!(": {}", show::name(detail))).unwrap_or_default();
            format!("{name} took the test event in {took_ms} ms and answered {}{detail}", ack.word())
        }
    }
}

/// Lets the courier send a test event, and waits for the result.
///
/// # Errors
/// In one line: there is no such output or no courier, the courier does not answer, or AWS refused.
pub(crate) async fn test(console: &Console, config: &Config, name: &str) -> Result<TestResult> {
    known(config, name)?;
    let CourierSide { table, queue } = CourierSide::of(console)?;
    let id = Host.unique();
    ask_to_test(&queue, name, &id).await.map_err(|error| console.refusal(error))?;
    let began = Instant::now();
    while began.elapsed() < WITHIN {
        let state = table.output_state(name).await.map_err(|error| console.refusal(error))?;
        if let Some(result) = state.and_then(|state| state.test).filter(|test| test.id == id) {
            return Ok(result);
        }
        sleep(LOOK_EVERY).await;
    }
    bail!(
        "the courier has not sent the test within {} s: `gridbell doctor` shows whether it runs and reads its queue",
        WITHIN.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use pipeline::record::AckState;

    use super::{super::view::tests::at, *};

    #[test]
    fn the_answer_of_an_output_in_words() {
        let result = TestResult {
            id: "t".to_owned(),
            at: at("12:00:00"),
            took_ms: 41,
            failed: None,
            ack: Some(AckState::Accepted),
            detail: Some("feeder 2\u{1b}[2J".to_owned()),
        };
        assert_eq!(
            words("gateway", &result),
            "gateway took the test event in 41 ms and answered accepted: feeder 2\u{fffd}"
        );
        let failed = TestResult { failed: Some("it answered 503".to_owned()), ..result };
        assert_eq!(words("gateway", &failed), "gateway did not take the test event: it answered 503 (after 41 ms)");
    }
}
