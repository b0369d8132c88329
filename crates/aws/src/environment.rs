//! The environment variables of a function, read once at the cold start. A missing or bad value stops the cold start;
//! the error names the variable and does not show its value.

use std::fmt;

use aws_credential_types::Credentials;
use aws_types::{SdkConfig, region::Region};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::{
    client::Access,
    configuration::Current,
    dynamo::OutputsTable,
    http::{self, HttpApi, HttpApiError, Limits},
    secrets::AwsKeys,
    sqs::{OutputsQueue, QueueUrls, WatchedUrls},
    targets::Targets as OutputTargets,
};

/// What to log: a filter such as `info` or `info,aws=debug`.
pub const LOG: &str = "GRIDBELL_LOG";

/// The variables of what only a stack with a courier has.
const OUTPUTS_TABLE: &str = "GRIDBELL_OUTPUTS_TABLE";
const OUTPUTS_QUEUE: &str = "GRIDBELL_OUTPUTS_QUEUE_URL";
const OUTPUTS_DEAD: &str = "GRIDBELL_OUTPUTS_DEAD_QUEUE_URL";
/// Whether spans are logged; `gridbell up --otlp` sets it.
pub const OTLP: &str = "GRIDBELL_OTLP";

/// Why a function does not start.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The variable is not set, or empty.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// The value cannot be used.
    #[error("{name}{problem}")]
    Bad {
        /// The variable.
        name: &'static str,
        /// The reason, without the value.
        problem: String,
    },
    /// The client for the providers' APIs cannot be created.
    #[error(transparent)]
    Http(#[from] HttpApiError),
    /// The file that a variable names cannot be used.
    #[error("{name}: {path}: {problem}")]
    File {
        /// The variable.
        name: &'static str,
        /// The file.
        path: String,
        /// The reason.
        problem: String,
    },
}

/// The variables with the queues' URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// `deliveries`.
    Deliveries,
    /// `retries`.
    Retries,
    /// `alerts`.
    Alerts,
    /// `reviews`.
    Reviews,
    /// `signals`.
    Signals,
    /// The dead letters of `retries`.
    RetriesDead,
    /// The dead letters of `alerts` and `reviews`.
    AlertsDead,
    /// `outputs`.
    Outputs,
}

/// The variables with the tables' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `dispatches`.
    Dispatches,
    /// `deliveries`.
    Deliveries,
    /// `alerts`.
    Alerts,
    /// `config`.
    Config,
    /// `outputs`.
    Outputs,
}

/// The variables of this process, or of a test.
pub struct Environment<'a>(Box<Lookup<'a>>);

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment([redacted])")
    }
}

impl<'a> Environment<'a> {
    /// The variables of this process.
    pub fn process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// Reads each variable with `lookup`.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self(Box::new(lookup))
    }

    /// The reader of the configuration.
    pub fn configuration(&self, aws: &SdkConfig) -> Result<Current, EnvironmentError> {
        Ok(Current::new(aws, self.table(Table::Config)?))
    }

    /// The client for the providers' APIs.
    pub fn provider_api(&self, aws: &SdkConfig) -> Result<HttpApi<AwsKeys>, EnvironmentError> {
        let connections = self.provider_connections()?;
        let keys = AwsKeys::new(aws, connections.client());
        Ok(HttpApi::new(connections, keys, Limits::default()))
    }

    /// The URLs of all inner queues.
    pub fn inner_queues(&self) -> Result<QueueUrls, EnvironmentError> {
        Ok(QueueUrls {
            deliveries: Some(self.queue(Queue::Deliveries)?),
            retries: Some(self.queue(Queue::Retries)?),
            alerts: Some(self.queue(Queue::Alerts)?),
            reviews: Some(self.queue(Queue::Reviews)?),
        })
    }

    /// The URLs of the queues that the alerter sends to: its own, and `retries`, for what people answer.
    pub fn alerters_queues(&self) -> Result<QueueUrls, EnvironmentError> {
        let (alerts, reviews) = (Some(self.queue(Queue::Alerts)?), Some(self.queue(Queue::Reviews)?));
        Ok(QueueUrls { alerts, reviews, retries: Some(self.queue(Queue::Retries)?), ..QueueUrls::default() })
    }

    /// The URLs of the queues that the retrier checks each minute.
    pub fn swept_queues(&self) -> Result<WatchedUrls, EnvironmentError> {
        let reviews = Some(self.queue(Queue::Reviews)?);
        Ok(WatchedUrls { reviews, ..self.judged_queues()? })
    }

    /// The URLs of the queues whose depths the alerter reads.
    pub fn judged_queues(&self) -> Result<WatchedUrls, EnvironmentError> {
        let deliveries = Some(self.queue(Queue::Deliveries)?);
        Ok(WatchedUrls { deliveries, ..self.evident_queues()? })
    }

    fn evident_queues(&self) -> Result<WatchedUrls, EnvironmentError> {
        Ok(WatchedUrls {
            signals: Some(self.queue(Queue::Signals)?),
            retries_dead: Some(self.queue(Queue::RetriesDead)?),
            alerts_dead: Some(self.queue(Queue::AlertsDead)?),
            outputs_dead: self.optional_url(OUTPUTS_DEAD)?,
            ..WatchedUrls::default()
        })
    }

    /// A queue's URL.
    pub fn queue(&self, queue: Queue) -> Result<String, EnvironmentError> {
        let name = match queue {
            Queue::Deliveries => "GRIDBELL_DELIVERIES_QUEUE_URL",
            Queue::Retries => "GRIDBELL_RETRIES_QUEUE_URL",
            Queue::Alerts => "GRIDBELL_ALERTS_QUEUE_URL",
            Queue::Reviews => "GRIDBELL_REVIEWS_QUEUE_URL",
            Queue::Signals => "GRIDBELL_SIGNALS_QUEUE_URL",
            Queue::RetriesDead => "GRIDBELL_RETRIES_DEAD_QUEUE_URL",
            Queue::AlertsDead => "GRIDBELL_ALERTS_DEAD_QUEUE_URL",
            Queue::Outputs => OUTPUTS_QUEUE,
        };
        let url = self.required(name)?;
        http_url(name, &url)?;
        Ok(url)
    }

    /// A table's name.
    pub fn table(&self, table: Table) -> Result<String, EnvironmentError> {
        self.required(match table {
            Table::Dispatches => "GRIDBELL_DISPATCHES_TABLE",
            Table::Deliveries => "GRIDBELL_DELIVERIES_TABLE",
            Table::Alerts => "GRIDBELL_ALERTS_TABLE",
            Table::Config => "GRIDBELL_CONFIG_TABLE",
            Table::Outputs => OUTPUTS_TABLE,
        })
    }

    /// The table `outputs`; none if the stack has no courier.
    pub fn outputs_table(&self, aws: &SdkConfig) -> Option<OutputsTable> {
        self.optional(OUTPUTS_TABLE).map(|table| OutputsTable::new(aws, table))
    }

    /// The queue `outputs`; none if the stack has no courier.
    pub fn outputs_queue(&self, aws: &SdkConfig) -> Result<Option<OutputsQueue>, EnvironmentError> {
        Ok(self.optional_url(OUTPUTS_QUEUE)?.map(|url| OutputsQueue::new(aws, url)))
    }

    /// Where the outputs are.
    pub fn output_targets(&self, aws: &SdkConfig) -> Result<OutputTargets<AwsKeys>, EnvironmentError> {
        let public = self.provider_connections()?;
        let keys = AwsKeys::new(aws, public.client());
        Ok(OutputTargets::new(aws, self.extra_roots()?.as_deref(), public.client(), keys)?)
    }

    fn provider_connections(&self) -> Result<http::Connections, EnvironmentError> {
        Ok(http::Connections::new(self.extra_roots()?.as_deref(), Limits::default())?)
    }

    fn optional_url(&self, name: &'static str) -> Result<Option<String>, EnvironmentError> {
        let Some(url) = self.optional(name) else { return Ok(None) };
        http_url(name, &url)?;
        Ok(Some(url))
    }

    /// How many processes of the hydrator may run at the same time; none if unknown.
    pub fn hydrators(&self) -> Result<Option<u32>, EnvironmentError> {
        const NAME: &str = "GRIDBELL_HYDRATORS";
        let count = self.optional(NAME).map(|text| text.parse().map_err(|_| bad(NAME, "is no number")));
        count.transpose()
    }

    /// The base URL of the HTTP API's routes, without a slash at the end; without one, mails contain no links.
    pub fn public_url(&self) -> Result<Option<String>, EnvironmentError> {
        const NAME: &str = "GRIDBELL_PUBLIC_URL";
        let Some(url) = self.optional(NAME) else { return Ok(None) };
        http_url(NAME, &url)?;
        Ok(Some(url.trim_end_matches('/').to_owned()))
    }

    /// The stack that commands in mails and metrics name; none: the local one, which needs no name.
    pub fn stack(&self) -> Option<String> {
        self.optional("GRIDBELL_STACK")
    }

    /// Whether each span is logged as a line, for a local run.
    pub fn has_spans(&self) -> bool {
        self.optional(OTLP).is_some()
    }

    /// The dimension `Stack` of the metrics in the log; none: the function writes no metrics.
    pub fn metrics(&self) -> Option<String> {
        self.stack().filter(|_| self.optional("GRIDBELL_METRICS").is_some_and(|value| value == "on"))
    }

    /// The SES configuration set that mails are sent with; none: the default of the sender's identity.
    pub fn mail_configuration_set(&self) -> Option<String> {
        self.optional("GRIDBELL_MAIL_CONFIGURATION_SET")
    }

    /// The log filter; `info` without a value or with a bad one. A bad value also returns an error, but does not stop
    /// the function, so that it still accepts webhooks.
    pub fn log(&self) -> (Targets, Option<EnvironmentError>) {
        let usual = || Targets::new().with_default(LevelFilter::INFO);
        match self.optional(LOG).map(|filter| filter.parse::<Targets>()) {
            None => (usual(), None),
            Some(Ok(filter)) => (filter, None),
            Some(Err(_)) => {
                let complaint = bad(LOG, " is no filter such as `info` or `info,aws=debug`; `info` is logged");
                (usual(), Some(complaint))
            }
        }
    }

    /// The AWS region and credentials that Lambda gives every function.
    pub fn access(&self) -> Result<Access, EnvironmentError> {
        let region = match self.optional("AWS_REGION") {
            Some(region) => region,
            None => self.optional("AWS_DEFAULT_REGION").ok_or(EnvironmentError::Missing("AWS_REGION"))?,
        };
        let credentials = Credentials::new(
            self.required("AWS_ACCESS_KEY_ID")?,
            self.required("AWS_SECRET_ACCESS_KEY")?,
            self.optional("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let endpoint_url = self.optional("AWS_ENDPOINT_URL");
        if let Some(url) = &endpoint_url {
            http_url("AWS_ENDPOINT_URL", url)?;
        }
        Ok(Access { region: Region::new(region), credentials, endpoint_url, extra_roots: self.extra_roots()? })
    }

    /// Certificates of private authorities, as PEM, from the file that `SSL_CERT_FILE` names.
    pub fn extra_roots(&self) -> Result<Option<Vec<u8>>, EnvironmentError> {
        const NAME: &str = "SSL_CERT_FILE";
        let Some(path) = self.optional(NAME) else { return Ok(None) };
        let file = |problem: String| EnvironmentError::File { name: NAME, path: path.clone(), problem };
        let pem = std::fs::read(&path).map_err(|error| file(error.to_string()))?;
        crate::roots::check(&pem).map_err(file)?;
        Ok(Some(pem))
    }

    fn optional(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &'static str) -> Result<String, EnvironmentError> {
        self.optional(name).ok_or(EnvironmentError::Missing(name))
    }
}

fn bad(name: &'static str, problem: impl Into<String>) -> EnvironmentError {
    EnvironmentError::Bad { name, problem: problem.into() }
}

fn http_url(name: &'static str, url: &str) -> Result<(), EnvironmentError> {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && url.parse::<::http::Uri>().is_ok() => Ok(()),
        _ => Err(bad(name, " is no http(s) URL")),
    }
}
