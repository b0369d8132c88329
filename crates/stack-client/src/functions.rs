//! The functions from outside: event source mappings, versions, and the probe, which returns what a process runs with.

mod aliases;

use std::time::Duration;

use aws_config::SdkConfig;
use serde::Deserialize;
use serde_json::json;

use aws::{
    configuration::{PROBE, Probed},
    signed::{Call, CallError, Service},
};

use aliases::unqualified;
pub use aliases::{ALIAS, Alias, Published};

/// Timeout of one probe: a cold start, and what the function reads at start.
const PROBING: Duration = Duration::from_secs(25);

/// The paths of Lambda's API. Each API has only this version.
const MAPPINGS: &str = "2015-03-31/event-source-mappings/";
const ON_FUNCTIONS: &str = "2015-03-31/functions";
const ACCOUNT: &str = "2016-08-19/account-settings/";

/// The functions that every stack has, by binary name, in the order in which a delivery passes them.
pub const FUNCTIONS: [&str; 4] = ["receiver", "hydrator", "retrier", "alerter"];

/// The function that a stack has only for outputs.
pub const COURIER: &str = "courier";

/// All functions that a stack may have.
pub const ALL_FUNCTIONS: [&str; 5] = ["receiver", "hydrator", "retrier", "alerter", COURIER];

/// A function's logical id in the template: `receiver` → `ReceiverFunction`.
pub fn logical_id(function: &str) -> String {
    let mut letters = function.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain("Function".chars()).collect()
}

/// Lambda's API in one region.
#[derive(Debug, Clone)]
pub struct Functions(Service);

/// An event source mapping: a function reads a queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mapping {
    /// Lambda's id of it.
    #[serde(rename = "UUID")]
    pub id: String,
    /// The queue's ARN.
    pub event_source_arn: String,
    /// The function's ARN.
    pub function_arn: String,
    /// Such as `Enabled`, `Disabled`, `Disabling`.
    #[serde(default)]
    pub state: String,
    /// Its limit of concurrent invocations.
    #[serde(default)]
    pub scaling_config: Option<Scaling>,
}

/// The scaling settings of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Scaling {
    /// Concurrent invocations; none: the account's limit.
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
    #[serde(default)]
    last_update_status_reason: Option<String>,
    #[serde(default)]
    architectures: Vec<String>,
}

/// The state of a function's last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Lambda is replacing its processes.
    InProgress,
    /// The change is complete.
    Done,
    /// The change failed.
    Failed(String),
}

/// Why a probe got no result.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The function's package was built for another processor.
    #[error("it cannot start: its package was built for {built_for}, and the function is {architecture}")]
    Processor {
        /// The processor of the package, as the template calls it.
        built_for: &'static str,
        /// The processor of the function.
        architecture: String,
    },
    /// The function failed.
    #[error("it fails: {0}")]
    Failed(String),
    /// The response is of another form: the function is most likely of an older release.
    #[error("it does not know the probe: deploy this release first")]
    Unknown,
}

impl ProbeError {
    /// Whether the same probe may succeed soon.
    pub fn is_passing(&self) -> bool {
        match self {
            // Lambda is still changing the function.
            Self::Call(CallError::Refused { status: 409, .. }) => true,
            Self::Call(error) => error.is_passing(),
            _ => false,
        }
    }
}

/// Lambda's description of a failure.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct InvocationFailure {
    error_type: String,
    error_message: String,
}

impl Mapping {
    /// The queue's name.
    pub fn queue(&self) -> &str {
        self.event_source_arn.rsplit(':').next().unwrap_or_default()
    }
}

impl Functions {
    /// A client for Lambda.
    pub fn new(http: reqwest::Client, aws: &SdkConfig) -> Self {
        Self(Service::new(http, aws, "lambda"))
    }

    /// The mappings of the queues with these names.
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

    /// How many concurrent invocations the account allows in this region, for all functions without reserved
    /// concurrency.
    pub async fn concurrency(&self) -> Result<u64, CallError> {
        let account: Account = self.read("GetAccountSettings", "GET", ACCOUNT, String::new()).await?;
        Ok(account.account_limit.unreserved_concurrent_executions)
    }

    /// Enables or disables a mapping.
    pub async fn enable(&self, mapping: &Mapping, enabled: bool) -> Result<(), CallError> {
        let path = format!("{MAPPINGS}{}", mapping.id);
        let body = json!({ "Enabled": enabled }).to_string();
        self.call("UpdateEventSourceMapping", "PUT", &path, body).await.map(drop)
    }

    /// Changes a function, so that a new version of it can be published. Its processes end; those of its versions stay.
    pub async fn restart(&self, function: &str, why: &str) -> Result<(), CallError> {
        let path = format!("{ON_FUNCTIONS}/{}/configuration", unqualified(function));
        let Configuration { memory_size, .. } = self.configuration(function).await?;
        let body = json!({ "Description": why, "MemorySize": memory_size }).to_string();
        self.call("UpdateFunctionConfiguration", "PUT", &path, body).await.map(drop)
    }

    /// The state of a function's last change.
    pub async fn update(&self, function: &str) -> Result<Update, CallError> {
        let configuration = self.configuration(function).await?;
        let reason = configuration.last_update_status_reason.unwrap_or_default();
        Ok(match configuration.last_update_status.as_deref() {
            Some("InProgress") => Update::InProgress,
            Some("Failed") => Update::Failed(reason),
            _ => Update::Done,
        })
    }

    /// Probes a function: returns what its alias runs with.
    pub async fn probe(&self, function: &str) -> Result<Probed, ProbeError> {
        self.probe_version(function, ALIAS).await
    }

    /// Probes a version of a function, which no other caller may invoke yet.
    pub async fn probe_version(&self, function: &str, version: &str) -> Result<Probed, ProbeError> {
        let path = format!("{ON_FUNCTIONS}/{}/invocations?Qualifier={version}", unqualified(function));
        let headers = &[("content-type", "application/json")];
        let call = Call { action: "Invoke", headers, body: PROBE.to_owned() };
        let answer = self.0.exchange("POST", &path, &call, PROBING, "x-amz-function-error").await?;
        if answer.header.is_none() {
            return serde_json::from_str(&answer.body).map_err(|_| ProbeError::Unknown);
        }
        if !is_of_another_processor(&answer.body) {
            return Err(failed(&answer.body));
        }
        let architecture = self.configuration(function).await?.architectures.into_iter().next();
        let architecture = architecture.unwrap_or_else(|| "x86_64".to_owned());
        let built_for = if architecture == "arm64" { "x86_64" } else { "arm64" };
        Err(ProbeError::Processor { built_for, architecture })
    }

    async fn configuration(&self, function: &str) -> Result<Configuration, CallError> {
        let path = format!("{ON_FUNCTIONS}/{}/configuration", unqualified(function));
        self.read("GetFunctionConfiguration", "GET", &path, String::new()).await
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

/// Lambda cannot run the package's `bootstrap`. The error names no processor, but there are only two.
fn is_of_another_processor(body: &str) -> bool {
    body.to_ascii_lowercase().contains("exec format error")
}

fn failed(body: &str) -> ProbeError {
    let InvocationFailure { error_type, error_message } = serde_json::from_str(body).unwrap_or_default();
    // An older release rejects the probe as an unknown event.
    if error_message.starts_with("the event is ") {
        return ProbeError::Unknown;
    }
    let said = match (error_type.is_empty(), error_message.is_empty()) {
        (_, false) => error_message,
        (false, true) => error_type,
        (true, true) => "without a word".to_owned(),
    };
    ProbeError::Failed(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_the_id_that_the_template_gives_it() {
        assert_eq!(
            ALL_FUNCTIONS.map(logical_id),
            ["ReceiverFunction", "HydratorFunction", "RetrierFunction", "AlerterFunction", "CourierFunction"]
        );
    }

    #[test]
    fn a_package_for_another_processor_is_told_from_a_failure() {
        let body = r#"{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: 1 Error: fork/exec /var/task/bootstrap: exec format error"}"#;
        assert!(is_of_another_processor(body));
        let body = r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: exit status 1"}"#;
        assert!(!is_of_another_processor(body));
        assert_eq!(failed(body).to_string(), "it fails: RequestId: 1 Error: Runtime exited with error: exit status 1");
        let body = r#"{"errorType":"E","errorMessage":"the event is neither a batch nor a request"}"#;
        assert!(matches!(failed(body), ProbeError::Unknown));
    }
}
