//! `dispatch ack`: does what `POST /acks/{token}` does, with the operator's AWS rights instead of a token.

use anyhow::{Result, bail};
use aws::{host::Host, ports::AwsPorts};
use pipeline::{
    ingest::acknowledge::{AckOutcome, Acknowledge, Acknowledgement},
    record::AckState,
};
use serde_json::json;

use crate::{
    argument::Key,
    console::{Console, Which},
    show::{self, Paint, word},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell dispatch ack voltus-prod/dkmq accepted
  gridbell dispatch ack voltus-prod/dkmq failed --detail 'chiller 2 is down'    opens an incident at once
  gridbell dispatch ack voltus-prod/dkmq accepted --as Ada                      Ada has curtailed by hand
  gridbell dispatch ack voltus-prod/dkmq completed --version 3 --stack gridbell";

/// The answer of a controller.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum AckAnswer {
    /// The sites will act
    Accepted,
    /// The sites have acted
    Completed,
    /// The sites cannot act; opens an incident at once
    Failed,
}

/// Arguments of `dispatch ack`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ack {
    /// Key of the dispatch
    #[arg(value_name = "KEY", value_parser = Key::shown_by("gridbell dispatch list --all"))]
    key: String,
    /// Answer of the controller
    #[arg(value_enum, value_name = "STATE")]
    answer: AckAnswer,
    /// Answered version [default: the current one]
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    /// Details in your own words
    #[arg(long, value_name = "TEXT")]
    detail: Option<String>,
    /// Name of a person who curtailed by hand; without it, the answer counts as the controller's
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

impl Ack {
    pub(super) async fn run(self) -> Result<()> {
        let Self { key, answer, version, detail, by, json, which } = self;
        let console = which.open().await?;
        let version = match version {
            Some(version) => version,
            None => super::record(&console, &key).await?.state.version,
        };
        let state = match answer {
            AckAnswer::Accepted => AckState::Accepted,
            AckAnswer::Completed => AckState::Completed,
            AckAnswer::Failed => AckState::Failed,
        };
        let said = Acknowledgement { dispatch: key.clone(), epoch: None, version, state, detail, by };
        let done = acknowledge(&console, &said).await?;
        if json {
            return show::json(&json!({"dispatch": key, "version": version, "state": state, "status": "acknowledged"}));
        }
        show::line(&Paint::stdout().good(&done))
    }
}

/// Records a controller's answer; returns a confirmation.
///
/// # Errors
/// In one line: the dispatch is unknown, its current version is another one, or AWS refused.
pub(crate) async fn acknowledge(console: &Console, said: &Acknowledgement) -> Result<String> {
    let Acknowledgement { dispatch: key, version, state, .. } = said;
    let (config, table, job_queue) = (console.config().await?, console.dispatches(), console.inner());
    let acknowledge = Acknowledge::<AwsPorts> { config: &config, table: &table, job_queue: &job_queue, host: &Host };
    match acknowledge.note(said).await.map_err(|error| console.refusal(error))? {
        AckOutcome::Noted => Ok(format!("{key} version {version}: {}", word(state))),
        AckOutcome::Unknown => {
            bail!("there is no dispatch {}: `gridbell dispatch list --all` names those that there are", show::name(key))
        }
        AckOutcome::Superseded { current, .. } => bail!(
            "version {version} of {key} is not the current one, which is {current}: look at it with `gridbell dispatch get {key}` and answer that"
        ),
    }
}
