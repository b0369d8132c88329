//! Bringing a stack up, step by step, and down again.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use stack_client::{Description, http_client, logical_id};

use super::{
    aws_api::AwsApi,
    deploy::{Deployment, Outputs},
    emulator::{self, Emulator},
    files,
    guard::{Guard, Guarded},
    logs::{LogLine, Logs},
    mail,
    options::UpOptions,
    prepare, processes,
    raise::{self, Place},
    ready,
    run_folder::RunFolder,
    state::StateFile,
    tools::Python,
    watch,
    workspace::Workspace,
};
use crate::progress::Progress;

/// A stack that is up. Dropping it ends the emulator and all functions and removes `stack.json`.
#[derive(Debug)]
pub struct Stack {
    // In the order in which they go: whoever reads stack.json must not find it after its stack has gone.
    state: StateFile,
    mail: mail::MailBox,
    watch: Option<Guarded>,
    emulator: Option<Emulator>,
    folder: RunFolder,
    foreign: Option<Foreign>,
    api: AwsApi,
    description: Description,
    outputs: Outputs,
    tokens: BTreeMap<String, String>,
    ack_token: Option<String>,
    name: String,
    logs: Logs,
}

/// What was made on an endpoint that is not ours, and is to be removed from it.
#[derive(Debug)]
struct Foreign {
    deployment: Deployment,
    secrets: Vec<String>,
    keep: bool,
}

/// The ground that every stack stands on.
pub(super) struct Prerequisites {
    pub(super) workspace: Workspace,
    pub(super) python: Python,
    pub(super) guard: Guard,
    pub(super) folder: RunFolder,
    pub(super) state: StateFile,
    pub(super) http: reqwest::Client,
}

impl Prerequisites {
    fn lay(state: Option<&Path>) -> Result<Self> {
        let workspace = Workspace::find()?;
        let own = workspace.own();
        let python = Python::find()?;
        let guard = Guard::new(&python.program, &own)?;
        let folder = RunFolder::make(&own.join("run"))?;
        let state = match state {
            Some(file) => StateFile::claim(file, &own.join("locks"))?,
            None => StateFile::claim(&folder.path.join("stack.json"), &own.join("locks"))?,
        };
        Ok(Self { workspace, python, guard, folder, state, http: http_client()? })
    }
}

impl Stack {
    /// Brings a stack up and returns once a real webhook has got its answer.
    ///
    /// # Errors
    /// Whatever stands in the way, with the way out where there is one; nothing that was started is left running.
    pub async fn up(options: UpOptions, progress: &dyn Progress) -> Result<Self> {
        let lookup = |name: &str| options.variables.get(name).cloned().or_else(|| std::env::var(name).ok());
        let prepared = prepare::prepare(options.config.clone(), &options.secrets, &lookup)?;
        let prerequisites = {
            let state = options.state.clone();
            tokio::task::spawn_blocking(move || Prerequisites::lay(state.as_deref())).await??
        };
        let (place, (packages, watch_home)) = tokio::try_join!(
            raise::place(&options, &prerequisites, progress),
            raise::code(&options, &prerequisites, progress)
        )?;
        let (emulator, api) = match place {
            Place::Foreign(endpoint) => {
                let key = std::env::var("AWS_ACCESS_KEY_ID").unwrap_or_else(|_| "test".to_owned());
                (None, AwsApi::new(prerequisites.http.clone(), endpoint, &key))
            }
            Place::Own(home) => {
                let own = emulator::start(&prerequisites, &home, progress).await?;
                let api = AwsApi::new(prerequisites.http.clone(), own.endpoint.clone(), "test");
                (Some(own), api)
            }
        };
        let hosting = watch_home.map(watch::Hosting::choose).transpose()?;
        let foreign = emulator.is_none();
        let deployment = raise::deployment(&options, &prepared, packages, hosting.as_ref(), foreign)?;

        let raised = raise::raise(&prerequisites, &api, &prepared, &deployment, hosting, progress).await;
        let (outputs, secrets, watch) = match raised {
            Ok(raised) => raised,
            Err(error) => {
                if foreign && !options.keep && deployment.delete(&api).await.is_err() {
                    progress.note(&format!("the stack {} could not be removed from {}", deployment.stack, api.base()));
                }
                let log = emulator.as_ref().map(|emulator| files::tail(&emulator.log, 10)).unwrap_or_default();
                return Err(if log.is_empty() {
                    error
                } else {
                    error.context(format!("the emulator's last words:\n{log}"))
                });
            }
        };
        let mail = mail::serve(api.clone()).await?;
        let description = raise::describe(&api, &prepared, &outputs, &mail.url)?;
        let mut stack = Self {
            name: deployment.stack.clone(),
            logs: Logs::default(),
            state: prerequisites.state,
            mail,
            watch,
            emulator,
            folder: prerequisites.folder,
            foreign: foreign.then_some(Foreign { deployment, secrets, keep: options.keep }),
            api,
            description,
            outputs,
            tokens: prepared.tokens,
            ack_token: prepared.ack_token,
        };
        if let Err(error) = stack.answer(progress).await {
            stack.shutdown().await?;
            return Err(error);
        }
        Ok(stack)
    }

    /// Waits for the first answer, then writes `stack.json`.
    async fn answer(&mut self, progress: &dyn Progress) -> Result<()> {
        let step = progress.step("webhooks");
        let (at, within) = match self.watch {
            Some(_) => ("waits for cargo lambda watch to build the receiver", Duration::from_mins(15)),
            None => ("waits for the first answer", Duration::from_mins(1)),
        };
        step.at(at);
        let known = |name: &str| self.tokens.contains_key(name);
        let mut failure = ready::wait(&self.api.http, &self.description, &known, within).await;
        if let (Err(_), Some(emulator)) = (&failure, &self.emulator) {
            let log = files::tail(&emulator.log, 10);
            if !log.is_empty() {
                failure = failure.context(format!("the emulator's last words:\n{log}"));
            }
        }
        failure?;
        self.state.write(&self.description)?;
        step.done(&format!("answered at {}", self.description.webhook_base));
        Ok(())
    }

    /// Everything that stands in `stack.json`.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Where `stack.json` is.
    pub fn state_file(&self) -> &Path {
        self.state.path()
    }

    /// The folder with the emulator's log.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// The deployed stack's outputs, the functions' names (`HydratorFunctionName`) among them.
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// The tokens that were made for this stack, by source.
    pub fn tokens(&self) -> &BTreeMap<String, String> {
        &self.tokens
    }

    /// The token of `/acks/`, where it was made for this stack.
    pub fn ack_token(&self) -> Option<&str> {
        self.ack_token.as_deref()
    }

    /// The process group of the emulator and its functions; None on an endpoint that is not ours.
    pub fn process_group(&self) -> Option<u32> {
        self.emulator.as_ref().and_then(|emulator| emulator.process.group())
    }

    /// The mail sent so far, the oldest first, each an object with id, subject, from, to, text, html and time.
    ///
    /// # Errors
    /// The endpoint does not answer, or has no read-back.
    pub async fn mail(&self) -> Result<Vec<serde_json::Value>> {
        mail::sent(&self.api).await
    }

    /// What the functions have logged since this was asked last, the oldest line first.
    ///
    /// # Errors
    /// The endpoint does not answer.
    pub async fn logs(&mut self) -> Result<Vec<LogLine>> {
        self.logs.next(&self.api, &self.name).await
    }

    /// The processes of a function (`hydrator`) on an emulator of our own; Linux only.
    pub fn function_processes(&self, function: &str) -> Vec<u32> {
        let name = self.outputs.get(&format!("{}Name", logical_id(function)));
        name.map(|name| processes::of_function(name, &self.description.endpoint_url)).unwrap_or_default()
    }

    /// The emulator's own process, where it is ours; Linux only.
    pub fn emulator_process(&self) -> Option<u32> {
        self.process_group().and_then(processes::emulator)
    }

    /// Returns once the emulator or `cargo lambda watch` has ended by itself; never, where neither was started.
    pub async fn failed(&mut self) -> anyhow::Error {
        let emulator_log = self.emulator.as_ref().map(|emulator| emulator.log.clone()).unwrap_or_default();
        let watch_log = self.folder.path.join(watch::LOG);
        tokio::select! {
            () = ended(self.emulator.as_mut().map(|emulator| &mut emulator.process)) => {
                anyhow::anyhow!("the emulator has ended; {}:\n{}", emulator_log.display(), files::tail(&emulator_log, 15))
            }
            () = ended(self.watch.as_mut()) => {
                anyhow::anyhow!("cargo lambda watch has ended; {}:\n{}", watch_log.display(), files::tail(&watch_log, 15))
            }
        }
    }

    /// Takes everything down and waits until it is.
    ///
    /// # Errors
    /// An endpoint that is not ours refuses to delete the stack.
    pub async fn shutdown(self) -> Result<()> {
        let Self { state, mail, watch, emulator, folder, foreign, api, .. } = self;
        drop((state, mail));
        if let Some(watch) = watch {
            watch.end().await;
        }
        if let Some(emulator) = emulator {
            emulator.process.end().await;
        }
        drop(folder);
        let Some(foreign) = foreign.filter(|foreign| !foreign.keep) else { return Ok(()) };
        foreign.deployment.delete(&api).await.context("the stack was not removed from the endpoint")?;
        for parameter in &foreign.secrets {
            api.delete_secret(parameter).await?;
        }
        Ok(())
    }
}

async fn ended(process: Option<&mut Guarded>) {
    match process {
        Some(process) => drop(process.wait().await),
        None => std::future::pending().await,
    }
}
