//! A running stack, opened by the operator's commands: a local one by its `stack.json`, one in AWS by its name and
//! profile.

use std::{collections::BTreeMap, path::Path};

use aws::{
    configuration::{ConfigTable, Stored},
    dynamo::{DeliveriesTable, DispatchesTable, IncidentsTable, OutputsTable},
    sqs::{InnerQueues, OutputsQueue, QueueUrls, SignalsQueue},
};
use aws_config::{Region, SdkConfig};
use pipeline::config::Config;

use crate::{
    CloudFormation, CloudWatch, EventBuses, Functions, MailSender, OpenError, Queues, deployed, local, plainly,
};

/// Where an opened stack runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this machine; its sources' URLs contain the tokens that `up` made.
    Local {
        /// The webhook URL of each source.
        hooks: BTreeMap<String, String>,
    },
    /// In AWS, with this profile if one was named.
    Deployed {
        /// `--profile` or `AWS_PROFILE`.
        profile: Option<String>,
    },
}

/// An opened stack.
#[derive(Debug, Clone)]
pub struct Console {
    /// Creates the clients.
    pub aws: SdkConfig,
    /// The stack's name.
    pub name: String,
    /// Where it runs.
    pub place: Place,
    /// The base URL of `/hooks/…` and `/acks/…`, without a slash at the end.
    pub webhook_base: String,
    /// The queues' URLs: deliveries, retries, alerts, reviews, signals, `retries_dead`, `alerts_dead`.
    pub queues: BTreeMap<String, String>,
    pub(crate) tables: BTreeMap<String, String>,
    pub(crate) http: reqwest::Client,
}

impl Console {
    /// Opens the local stack that a `stack.json` describes.
    ///
    /// # Errors
    /// One line with the remedy: the file is missing or describes no stack, or the stack has ended.
    pub async fn open_local(file: &Path) -> Result<Self, OpenError> {
        local::open(file).await
    }

    /// Opens a stack in AWS by its name.
    ///
    /// # Errors
    /// One line with the remedy: there is no such stack, it does not respond, the user is not signed in, or access is
    /// denied.
    pub async fn open_deployed(name: &str, profile: Option<&str>, region: Option<&str>) -> Result<Self, OpenError> {
        deployed::open(name, profile, region).await
    }

    /// The table `dispatches`.
    pub fn dispatches(&self) -> DispatchesTable {
        DispatchesTable::new(&self.aws, self.table("dispatches"))
    }

    /// The table `outputs`; none if the stack has no courier.
    pub fn outputs(&self) -> Option<OutputsTable> {
        self.tables.get("outputs").map(|table| OutputsTable::new(&self.aws, table))
    }

    /// The queue `outputs`, which the courier reads; none if the stack has no courier.
    pub fn outputs_queue(&self) -> Option<OutputsQueue> {
        self.queues.get("outputs").map(|url| OutputsQueue::new(&self.aws, url))
    }

    /// The table `deliveries`.
    pub fn deliveries(&self) -> DeliveriesTable {
        DeliveriesTable::new(&self.aws, self.table("deliveries"))
    }

    /// The table `alerts`.
    pub fn incidents(&self) -> IncidentsTable {
        IncidentsTable::new(&self.aws, self.table("alerts"))
    }

    /// The internal queues.
    pub fn inner(&self) -> InnerQueues {
        let url = |name: &str| Some(named(&self.queues, name).to_owned());
        let urls = QueueUrls {
            deliveries: url("deliveries"),
            retries: url("retries"),
            alerts: url("alerts"),
            reviews: url("reviews"),
        };
        InnerQueues::new(&self.aws, urls)
    }

    /// Counts the messages in the queues.
    pub fn counting(&self) -> Queues {
        Queues::new(&self.aws)
    }

    /// The same for a queue that may be in another region.
    pub fn counting_at(&self, queue_url: &str) -> Queues {
        // An emulator has all regions at one address.
        match aws::targets::queue_region(queue_url).filter(|_| self.aws.endpoint_url().is_none()) {
            Some(region) => Queues::new(&self.aws.to_builder().region(Region::new(region)).build()),
            None => self.counting(),
        }
    }

    /// The event buses in `EventBridge`.
    pub fn event_buses(&self) -> EventBuses {
        EventBuses::new(self.http.clone(), &self.aws)
    }

    /// The functions in Lambda.
    pub fn functions(&self) -> Functions {
        Functions::new(self.http.clone(), &self.aws)
    }

    /// A queue's name in SQS.
    pub fn queue_name(&self, name: &str) -> Option<&str> {
        self.queues.get(name)?.rsplit('/').next()
    }

    /// Reads the settings of SES.
    pub fn mail_sender(&self) -> MailSender {
        MailSender::new(&self.aws)
    }

    /// The stack in `CloudFormation`.
    pub fn cloudformation(&self) -> CloudFormation {
        CloudFormation::new(self.http.clone(), &self.aws)
    }

    /// The metrics in `CloudWatch`.
    pub fn cloudwatch(&self) -> CloudWatch {
        CloudWatch::new(self.http.clone(), &self.aws)
    }

    /// The table of configurations.
    pub fn configurations(&self) -> ConfigTable {
        ConfigTable::new(&self.aws, self.table("config"))
    }

    /// The configuration that the functions run with.
    ///
    /// # Errors
    /// Like [`Console::open_deployed`]; or no configuration is applied, or it is of a release that this one cannot
    /// read.
    pub async fn config(&self) -> Result<Config, OpenError> {
        match self.configurations().current().await.map_err(|error| self.refusal(error))? {
            Some(Stored::Applied(version)) => Config::parse(&version.json)
                .map_err(|error| OpenError::Said(format!("version {}: {error}", version.number))),
            _ => Err(OpenError::NoConfig { name: self.name.clone() }),
        }
    }

    /// An AWS error, in one line with the remedy.
    pub fn refusal(&self, error: impl std::fmt::Display) -> OpenError {
        let profile = match &self.place {
            Place::Local { .. } => None,
            Place::Deployed { profile } => profile.as_deref(),
        };
        OpenError::Said(plainly(&error.to_string(), profile))
    }

    /// An HTTP client that follows no redirect.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A deployed stack that does not exist, for tests.
    #[doc(hidden)]
    pub fn nowhere(webhook_base: &str, http: reqwest::Client) -> Self {
        Self {
            aws: SdkConfig::builder().build(),
            name: "gridbell".to_owned(),
            place: Place::Deployed { profile: None },
            webhook_base: webhook_base.to_owned(),
            queues: BTreeMap::new(),
            tables: BTreeMap::new(),
            http,
        }
    }

    /// The FIFO queue `signals`.
    pub fn signals(&self) -> SignalsQueue {
        SignalsQueue::new(&self.aws, named(&self.queues, "signals"))
    }

    fn table(&self, name: &str) -> &str {
        named(&self.tables, name)
    }
}

/// The URL of a queue or the name of a table.
#[expect(clippy::expect_used, reason = "a default would send a call with an empty name")]
fn named<'a>(names: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    names.get(name).expect("opening a stack checks that all are named")
}
