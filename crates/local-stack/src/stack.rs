//! Starts a stack step by step, and stops it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use stack_client::{Description, http_client, logical_id};

use super::{
    aws_api::AwsApi,
    build::Build,
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
use crate::progress::{Progress, Step};

/// The output with the courier's name; a stack without outputs has no courier.
const COURIER_NAME: &str = "CourierFunctionName";

/// A running stack. Dropping it ends the emulator and all functions and removes `stack.json`.
#[derive(Debug)]
pub struct Stack {
    // In the order of dropping: `stack.json` must be removed before its stack stops.
    state: StateFile,
    mail: mail::MailBox,
    watch: Option<Guarded>,
    emulator: Option<Emulator>,
    folder: RunFolder,
    deployment: Deployment,
    foreign: Option<Foreign>,
    api: AwsApi,
    description: Description,
    outputs: Outputs,
    tokens: BTreeMap<String, String>,
    ack_token: Option<String>,
    name: String,
    logs: Logs,
}

/// The stack on an endpoint that gridbell did not start, to be removed from it.
#[derive(Debug)]
struct Foreign {
    secrets: Vec<String>,
    keep: bool,
}

/// What every stack needs.
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
    /// Starts a stack and returns after a real webhook has got its answer.
    ///
    /// # Errors Any failed step, with a remedy if there is one. No started process remains.
    pub async fn up(options: UpOptions, progress: &dyn Progress) -> Result<Self> {
        let lookup = |name: &str| options.variables.get(name).cloned().or_else(|| std::env::var(name).ok());
        let prepared = prepare::prepare(options.config.clone(), &options.api_keys, &options.secrets, &lookup)?;
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
        let own_template = prerequisites.workspace.template();
        let template = options.build.as_ref().map_or(own_template, Build::template);
        let deployment = raise::deployment(&options, template, &prepared, packages, hosting.as_ref(), foreign);

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
            logs: Logs::new(outputs.contains_key(COURIER_NAME)),
            state: prerequisites.state,
            mail,
            watch,
            emulator,
            folder: prerequisites.folder,
            foreign: foreign.then_some(Foreign { secrets, keep: options.keep }),
            deployment,
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

    /// Deploys another build to this stack while it runs. Its queues and tables stay, with all that is in them.
    ///
    /// # Errors The endpoint refuses it; the stack may then be of either build.
    pub async fn deploy(&self, build: &Build, step: &dyn Step) -> Result<()> {
        let (packages, template) = (build.packages().await?, build.template());
        let deployment = Deployment { packages, template, ..self.deployment.clone() };
        deployment.update(&self.api, step).await.map(drop)
    }

    /// The content of `stack.json`.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The path of `stack.json`.
    pub fn state_file(&self) -> &Path {
        self.state.path()
    }

    /// The folder with the emulator's log.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// The deployed stack's outputs, including the functions' names (`HydratorFunctionName`).
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// The tokens that were created for this stack, by source.
    pub fn tokens(&self) -> &BTreeMap<String, String> {
        &self.tokens
    }

    /// The token of `/acks/`, if it was created for this stack.
    pub fn ack_token(&self) -> Option<&str> {
        self.ack_token.as_deref()
    }

    /// The process group of the emulator and its functions; None on an endpoint that gridbell did not start.
    pub fn process_group(&self) -> Option<u32> {
        self.emulator.as_ref().and_then(|emulator| emulator.process.group())
    }

    /// The sent mails, the oldest first, each an object with id, subject, from, to, text, html and time.
    ///
    /// # Errors The endpoint does not answer, or cannot return mails.
    pub async fn mail(&self) -> Result<Vec<serde_json::Value>> {
        mail::sent(&self.api).await
    }

    /// The functions' log lines since the last call, the oldest first.
    ///
    /// # Errors The endpoint does not answer.
    pub async fn logs(&mut self) -> Result<Vec<LogLine>> {
        self.logs.next(&self.api, &self.name).await
    }

    /// The processes of a function (`hydrator`) on gridbell's own emulator; Linux only.
    pub fn function_processes(&self, function: &str) -> Vec<u32> {
        let name = self.outputs.get(&format!("{}Name", logical_id(function)));
        name.map(|name| processes::of_function(name, &self.description.endpoint_url)).unwrap_or_default()
    }

    /// The emulator's process, if gridbell started it; Linux only.
    pub fn emulator_process(&self) -> Option<u32> {
        self.process_group().and_then(processes::emulator)
    }

    /// Returns after the emulator or `cargo lambda watch` has ended by itself; never if neither was started.
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

    /// Stops the stack and waits for that.
    ///
    /// # Errors An endpoint that gridbell did not start refuses to delete the stack.
    pub async fn shutdown(self) -> Result<()> {
        let Self { state, mail, watch, emulator, folder, deployment, foreign, api, .. } = self;
        drop((state, mail));
        if let Some(watch) = watch {
            watch.end().await;
        }
        if let Some(emulator) = emulator {
            emulator.process.end().await;
        }
        drop(folder);
        let Some(foreign) = foreign.filter(|foreign| !foreign.keep) else { return Ok(()) };
        deployment.delete(&api).await.context("the stack was not removed from the endpoint")?;
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
