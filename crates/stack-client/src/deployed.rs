//! Opens a stack in AWS: the usual chain for profile, region and credentials, and the stack's outputs.

use std::collections::BTreeMap;

use aws::{client, environment::Environment};
use aws_config::{BehaviorVersion, Region, SdkConfig};

use crate::{
    CloudFormation, Console, DeployedStack, OpenError, Place, StackInfo, http_client, plainly, proxies::Proxies,
    through::through,
};

/// Queues: the name in the commands, and the stack output with the URL.
pub(crate) const QUEUES: [(&str, &str); 7] = [
    ("deliveries", "DeliveriesQueueUrl"),
    ("retries", "RetriesQueueUrl"),
    ("alerts", "AlertsQueueUrl"),
    ("reviews", "ReviewsQueueUrl"),
    ("signals", "SignalsQueueUrl"),
    ("retries_dead", "RetriesDeadQueueUrl"),
    ("alerts_dead", "AlertsDeadQueueUrl"),
];

/// Queues and tables that only a stack with a courier has.
pub(crate) const COURIER_QUEUES: [(&str, &str); 2] =
    [("outputs", "OutputsQueueUrl"), ("outputs_dead", "OutputsDeadQueueUrl")];
pub(crate) const COURIER_TABLES: [(&str, &str); 1] = [("outputs", "OutputsTableName")];

/// Tables: the name in the commands, and the stack output with the table's name.
pub(crate) const TABLES: [(&str, &str); 4] = [
    ("dispatches", "DispatchesTableName"),
    ("deliveries", "DeliveriesTableName"),
    ("alerts", "AlertsTableName"),
    ("config", "ConfigTableName"),
];

/// The base URL of an HTTP API on an emulator: the hosts of its outputs resolve in AWS alone.
pub fn emulated_api(endpoint_url: &str, api_id: &str) -> String {
    format!("{}/_aws/execute-api/{api_id}/$default", endpoint_url.trim_end_matches('/'))
}

pub(crate) async fn open(stack: DeployedStack<'_>) -> Result<Console, OpenError> {
    let DeployedStack { name, profile, .. } = stack;
    let profile = profile.map(str::to_owned).or_else(|| std::env::var("AWS_PROFILE").ok());
    let said = |error: String| OpenError::Said(plainly(&error, profile.as_deref()));
    let http = http_client().map_err(|error| OpenError::Said(error.to_string()))?;
    if let Some(missing) = profile.as_deref().filter(|profile| !is_set_up(profile)) {
        return Err(OpenError::NoProfile { profile: missing.to_owned() });
    }
    let aws = configuration(DeployedStack { profile: profile.as_deref(), ..stack }, http.clone()).await?;
    let region = aws.region().ok_or(OpenError::NoRegion)?.to_string();
    let cloudformation = CloudFormation::new(http.clone(), &aws);
    let info = match cloudformation.describe(name).await {
        Ok(info) => info,
        Err(error) if error.is_missing() => return Err(OpenError::NoSuchStack { name: name.to_owned(), region }),
        Err(error) => return Err(said(error.to_string())),
    };
    let named = |names: &[(&str, &str)]| -> Result<BTreeMap<String, String>, OpenError> {
        names.iter().map(|(key, output)| Ok(((*key).to_owned(), self::output(&info, output)?))).collect()
    };
    let webhook_base = match aws.endpoint_url() {
        Some(endpoint_url) => emulated_api(endpoint_url, &output(&info, "ApiId")?),
        None => output(&info, "WebhookUrl")?.trim_end_matches('/').to_owned(),
    };
    let optional = |names: &[(&str, &str)]| -> BTreeMap<String, String> {
        let found =
            names.iter().filter_map(|(key, output)| Some(((*key).to_owned(), info.outputs.get(*output)?.clone())));
        found.collect()
    };
    let (mut queues, mut tables) = (named(&QUEUES)?, named(&TABLES)?);
    queues.extend(optional(&COURIER_QUEUES));
    tables.extend(optional(&COURIER_TABLES));
    Ok(Console { name: name.to_owned(), webhook_base, queues, tables, place: Place::Deployed { profile }, aws, http })
}

/// Whether an AWS settings file contains the profile. If none does, the SDK reports only that it found no credentials.
fn is_set_up(profile: &str) -> bool {
    let home = std::env::var("HOME").unwrap_or_default();
    let files =
        [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")].map(|(variable, name)| {
            let file = std::env::var(variable).unwrap_or_else(|_| format!("{home}/.aws/{name}"));
            std::fs::read_to_string(file).unwrap_or_default()
        });
    let names_it = |line: &str| {
        let header = line.trim().strip_prefix('[').and_then(|line| line.split(']').next()).unwrap_or_default();
        header.trim().strip_prefix("profile").map_or(header, str::trim_start).trim() == profile
    };
    profile == "default" || files.iter().flat_map(|file| file.lines()).any(names_it)
}

async fn configuration(stack: DeployedStack<'_>, http: reqwest::Client) -> Result<SdkConfig, OpenError> {
    let DeployedStack { profile, region, endpoint_url, .. } = stack;
    // The SDK's own client does not support SOCKS and would not name a wrong variable.
    let client = if Proxies::of_process().are_set() {
        through(http)
    } else {
        client::https(Environment::process().extra_roots().map_err(|error| OpenError::Said(error.to_string()))?)
    };
    let mut loader =
        aws_config::defaults(BehaviorVersion::latest()).http_client(client).timeout_config(client::timeouts());
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(endpoint_url) = endpoint_url {
        loader = loader.endpoint_url(endpoint_url);
    }
    Ok(loader.load().await)
}

fn output(info: &StackInfo, name: &str) -> Result<String, OpenError> {
    let value = info.outputs.get(name).filter(|value| !value.is_empty()).cloned();
    value.ok_or_else(|| OpenError::Foreign { name: info.name.clone(), lacks: format!("output {name}") })
}
