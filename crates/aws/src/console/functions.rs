//! The functions from outside: whether their queues are read, and a restart, after which a process knows nothing of before.

use aws_types::SdkConfig;
use serde::Deserialize;
use serde_json::json;

use crate::signed::{Call, CallError, Service};

/// Lambda's API, in the one version that it ever had.
const MAPPINGS: &str = "2015-03-31/event-source-mappings/";
const FUNCTIONS: &str = "2015-03-31/functions";
const ACCOUNT: &str = "2016-08-19/account-settings/";

/// Lambda in one region.
#[derive(Debug, Clone)]
pub struct Functions(Service);

/// That a function reads a queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mapping {
    /// What Lambda calls it.
    #[serde(rename = "UUID")]
    pub id: String,
    /// The queue.
    pub event_source_arn: String,
    /// The function.
    pub function_arn: String,
    /// Such as `Enabled`, `Disabled`, `Disabling`.
    #[serde(default)]
    pub state: String,
    /// The most invocations at once that it starts.
    #[serde(default)]
    pub scaling_config: Option<Scaling>,
}

/// How far a mapping scales.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Scaling {
    /// Invocations at once; none: as many as the account runs.
    #[serde(default)]
    pub maximum_concurrency: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    account_limit: AccountLimit,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccountLimit {
    unreserved_concurrent_executions: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mappings {
    event_source_mappings: Vec<Mapping>,
    #[serde(default)]
    next_marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    memory_size: u32,
    #[serde(default)]
    last_update_status: Option<String>,
}

impl Mapping {
    /// The queue's name.
    pub fn queue(&self) -> &str {
        self.event_source_arn.rsplit(':').next().unwrap_or_default()
    }
}

impl Functions {
    /// The service.
    pub fn new(http: reqwest::Client, aws: &SdkConfig) -> Self {
        Self(Service::new(http, aws, "lambda"))
    }

    /// Who reads the queues of those names.
    pub async fn mappings(&self, queues: &[&str]) -> Result<Vec<Mapping>, CallError> {
        let mut found = Vec::new();
        let mut marker = String::new();
        loop {
            let path = if marker.is_empty() { MAPPINGS.to_owned() } else { format!("{MAPPINGS}?Marker={marker}") };
            let page: Mappings = self.read("ListEventSourceMappings", "GET", &path, String::new()).await?;
            found.extend(page.event_source_mappings.into_iter().filter(|mapping| queues.contains(&mapping.queue())));
            match page.next_marker.filter(|marker| !marker.is_empty()) {
                Some(next) => marker = next,
                None => return Ok(found),
            }
        }
    }

    /// How many invocations the account runs at once in this region, of all functions that have none reserved.
    pub async fn concurrency(&self) -> Result<u64, CallError> {
        let account: Account = self.read("GetAccountSettings", "GET", ACCOUNT, String::new()).await?;
        Ok(account.account_limit.unreserved_concurrent_executions)
    }

    /// Has a queue read, or no more.
    pub async fn enable(&self, mapping: &Mapping, enabled: bool) -> Result<(), CallError> {
        let path = format!("{MAPPINGS}{}", mapping.id);
        let body = json!({ "Enabled": enabled }).to_string();
        self.call("UpdateEventSourceMapping", "PUT", &path, body).await.map(drop)
    }

    /// Has all processes of a function replaced: a change of its configuration does that.
    pub async fn restart(&self, function: &str, why: &str) -> Result<(), CallError> {
        let path = format!("{FUNCTIONS}/{function}/configuration");
        let Configuration { memory_size, .. } =
            self.read("GetFunctionConfiguration", "GET", &path, String::new()).await?;
        let body = json!({ "Description": why, "MemorySize": memory_size }).to_string();
        self.call("UpdateFunctionConfiguration", "PUT", &path, body).await.map(drop)
    }

    /// Whether the last change of a function is in force.
    pub async fn is_updated(&self, function: &str) -> Result<bool, CallError> {
        let path = format!("{FUNCTIONS}/{function}/configuration");
        let configuration: Configuration = self.read("GetFunctionConfiguration", "GET", &path, String::new()).await?;
        Ok(configuration.last_update_status.as_deref() != Some("InProgress"))
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        action: &str,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<T, CallError> {
        let answer = self.call(action, method, path, body).await?;
        serde_json::from_str(&answer).map_err(|error| CallError::Unreachable {
            host: action.to_owned(),
            reason: format!("its answer cannot be read: {error}"),
        })
    }

    async fn call(&self, action: &str, method: &str, path: &str, body: String) -> Result<String, CallError> {
        let headers = &[("content-type", "application/json")];
        self.0.send(method, path, &Call { action, headers, body }).await
    }
}
