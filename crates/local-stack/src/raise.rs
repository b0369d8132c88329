//! The parts of a start that concern several processes: where things are deployed, and the content of `stack.json`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use aws::{
    client::{self, Access},
    configuration::{ConfigTable, Version, digest},
    host::Host,
};
use config::Channel;
use pipeline::ports::Clock;
use stack_client::{ALL_FUNCTIONS, Description, SourceDescription};
use url::Url;

use super::{
    aws_api::{AwsApi, REGION},
    deploy::{self, Deployment, Outputs, output},
    elf, functions,
    guard::Guarded,
    options::UpOptions,
    package,
    prepare::Prepared,
    stack::Prerequisites,
    token,
    tools::{self, Tool},
    watch,
};
use crate::progress::Progress;

/// The template's parameter for the processor of the functions.
const ARCHITECTURE: &str = "Architecture";

type Packages = BTreeMap<&'static str, PathBuf>;

/// The functions' zips; with `--watch`, empty zips and the path of cargo-lambda.
pub(super) async fn code(
    options: &UpOptions,
    prerequisites: &Prerequisites,
    progress: &dyn Progress,
) -> Result<(Packages, Option<PathBuf>)> {
    let folder = functions::packages_folder(&prerequisites.workspace);
    if options.watch {
        if options.endpoint_url.is_some() {
            bail!("--watch hosts the functions for gridbell's own emulator; leave out --endpoint-url");
        }
        let tools = prerequisites.workspace.own().join("tools");
        let home = tools::install(Tool::Watch, &prerequisites.python, &prerequisites.guard, &tools, progress).await?;
        return Ok((package::stand_ins(&folder.with_file_name("watch"))?, Some(home)));
    }
    if let Some(build) = &options.build {
        return Ok((build.packages().await?, None));
    }
    let workspace = &prerequisites.workspace;
    let executables = functions::build(workspace, &ALL_FUNCTIONS, &prerequisites.guard, progress).await?;
    for executable in executables.values() {
        elf::check(executable, options.parameters.get(ARCHITECTURE).map_or(elf::host(), String::as_str))?;
    }
    Ok((functions::pack(&executables, &folder).await?, None))
}

/// Where the stack will run.
pub(super) enum Place {
    /// On an endpoint that is already running.
    Foreign(Url),
    /// On a new emulator, installed here.
    Own(PathBuf),
}

pub(super) async fn place(
    options: &UpOptions,
    prerequisites: &Prerequisites,
    progress: &dyn Progress,
) -> Result<Place> {
    if let Some(endpoint) = &options.endpoint_url {
        // Any answer is enough: creating the stack shows the rest. The check comes before the build, which takes
        // minutes.
        let response = prerequisites.http.get(endpoint.clone()).timeout(Duration::from_secs(10)).send().await;
        response.with_context(|| format!("nothing answers at {endpoint}"))?;
        return Ok(Place::Foreign(endpoint.clone()));
    }
    let tools = prerequisites.workspace.own().join("tools");
    tools::install(Tool::Emulator, &prerequisites.python, &prerequisites.guard, &tools, progress).await.map(Place::Own)
}

pub(super) fn deployment(
    options: &UpOptions,
    template: PathBuf,
    prepared: &Prepared,
    packages: Packages,
    hosting: Option<&watch::Hosting>,
    foreign: bool,
) -> Deployment {
    // An endpoint that gridbell did not start may already have other stacks of gridbell.
    let suffix = if foreign { format!("-{}", token::suffix()) } else { String::new() };
    let has_courier = !prepared.config.outputs.is_empty();
    let usual = [
        ("MailFrom", prepared.config.contacts.from.as_str()),
        // The emulator's CloudWatch measures neither functions nor queues, so its alarms would be false or silent,
        // and it makes no metrics from logs.
        ("Watch", "off"),
        ("Metrics", "off"),
        // The emulator has no CodeDeploy.
        ("Deployment", "off"),
        // `down` deletes the tables.
        ("DeletionProtection", "off"),
        ("Courier", if has_courier { "on" } else { "off" }),
        (ARCHITECTURE, elf::host()),
    ];
    Deployment {
        stack: format!("gridbell{suffix}"),
        bucket: format!("gridbell-code{suffix}"),
        template,
        packages,
        parameters: options.parameters.clone(),
        usual: usual.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        spans: options.spans,
        hosted: hosting.map(watch::Hosting::functions).unwrap_or_default(),
    }
}

/// Everything that is put onto the endpoint.
pub(super) async fn raise(
    prerequisites: &Prerequisites,
    api: &AwsApi,
    prepared: &Prepared,
    deployment: &Deployment,
    hosting: Option<watch::Hosting>,
    progress: &dyn Progress,
) -> Result<(Outputs, Vec<String>, Option<Guarded>)> {
    let step = progress.step("stack");
    step.at("puts the keys in");
    let note = |parameter: &str| {
        progress.note(&format!(
            "{parameter} is not in the emulator: a placeholder stands there, which a real provider refuses"
        ));
    };
    let secrets = deploy::put_secrets(api, &prepared.secrets, &note).await?;
    api.create_email_identity(&prepared.config.contacts.from).await?;
    for (_, channel) in prepared.config.all_channels() {
        if let Channel::Sns { topic } = channel {
            api.create_topic(topic.rsplit(':').next().unwrap_or(topic)).await?;
        }
    }
    let outputs = deployment.create(api, step.as_ref()).await?;
    step.at("applies the configuration");
    apply(api, output(&outputs, "ConfigTableName")?, prepared).await?;
    let watch = match hosting {
        Some(hosting) => {
            progress.note(&format!(
                "the functions answer to: cargo lambda invoke -A 127.0.0.1 -P {} FUNCTION -F events/FUNCTION/….json",
                hosting.port()
            ));
            Some(
                hosting
                    .start(&prerequisites.guard, &prerequisites.workspace, &prerequisites.folder.path, api, &outputs)
                    .await?,
            )
        }
        None => None,
    };
    step.done(&format!("{} on {}", deployment.stack, api.base()));
    Ok((outputs, secrets, watch))
}

/// Puts the configuration where the functions read it. They read it with their first event, which has not come yet.
async fn apply(api: &AwsApi, table: &str, prepared: &Prepared) -> Result<()> {
    let json = prepared.config.to_json();
    let version = Version { number: 1, digest: digest(&json), json, at: Host.now(), by: "gridbell up".to_owned() };
    let aws = client::shared(Access::new(Some(api.base()), REGION, api.access_key(), "test"));
    ConfigTable::new(&aws, table).replace(None, &version).await.context("the configuration was not applied")
}

pub(super) fn describe(api: &AwsApi, prepared: &Prepared, outputs: &Outputs, mail: &str) -> Result<Description> {
    let named = |kind: &str, names: &[(&str, &str)]| {
        names
            .iter()
            .map(|(key, id)| Ok(((*key).to_owned(), output(outputs, &format!("{id}{kind}"))?.to_owned())))
            .collect::<Result<_>>()
    };
    let has_courier = !prepared.config.outputs.is_empty();
    let of_courier =
        |names: &'static [(&'static str, &'static str)]| names.iter().copied().filter(move |_| has_courier);
    let base = deploy::endpoint(api, output(outputs, "ApiId")?);
    let endpoint = |path: &str, token: Option<&String>| match token {
        Some(token) => format!("{base}/{path}/{token}"),
        None => format!("{base}/{path}"),
    };
    let sources = prepared.config.sources.iter().map(|(name, source)| {
        let url = endpoint(&format!("hooks/{name}"), prepared.tokens.get(name));
        (name.clone(), SourceDescription { provider: source.provider.to_string(), url, headers: BTreeMap::new() })
    });
    Ok(Description {
        endpoint_url: api.base().to_owned(),
        region: REGION.to_owned(),
        queues: named(
            "Url",
            &[
                ("deliveries", "DeliveriesQueue"),
                ("retries", "RetriesQueue"),
                ("alerts", "AlertsQueue"),
                ("reviews", "ReviewsQueue"),
                ("signals", "SignalsQueue"),
                ("retries_dead", "RetriesDeadQueue"),
                ("alerts_dead", "AlertsDeadQueue"),
            ]
            .into_iter()
            .chain(of_courier(&[("outputs", "OutputsQueue"), ("outputs_dead", "OutputsDeadQueue")]))
            .collect::<Vec<_>>(),
        )?,
        tables: named(
            "Name",
            &[
                ("dispatches", "DispatchesTable"),
                ("deliveries", "DeliveriesTable"),
                ("alerts", "AlertsTable"),
                ("config", "ConfigTable"),
            ]
            .into_iter()
            .chain(of_courier(&[("outputs", "OutputsTable")]))
            .collect::<Vec<_>>(),
        )?,
        sources: sources.collect(),
        acks: endpoint("acks", prepared.ack_token.as_ref()),
        mail: mail.to_owned(),
        webhook_base: base,
    })
}
