//! A stack that runs, opened by the operator's verbs: the local one by its `stack.json`, one in AWS by its name and profile.

mod cloudformation;
mod cloudwatch;
mod deployed;
mod error;
mod local;

use std::{collections::BTreeMap, path::PathBuf};

use aws::{
    configuration::{ConfigTable, Stored},
    console::{Functions, MailSender, Queues},
    dynamo::{DeliveriesTable, DispatchesTable, IncidentsTable},
    sqs::{InnerQueues, QueueUrls},
};
use aws_config::SdkConfig;
use pipeline::config::Config;

pub(crate) use cloudformation::{CloudFormation, StackInfo};
pub(crate) use cloudwatch::CloudWatch;
pub(crate) use error::{OpenError, plainly};

/// Which stack a verb is about.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which stack")]
pub(crate) struct Which {
    /// The local stack that `gridbell up` described there [default: target/gridbell/stack.json]
    #[arg(long, value_name = "FILE", conflicts_with = "stack")]
    pub(crate) state: Option<PathBuf>,
    /// A stack deployed in AWS, by the name that CloudFormation knows it by
    #[arg(long, value_name = "NAME")]
    pub(crate) stack: Option<String>,
    /// The AWS profile to use [default: `AWS_PROFILE`, else `default`]
    #[arg(long, value_name = "NAME", requires = "stack")]
    pub(crate) profile: Option<String>,
    /// The AWS region [default: `AWS_REGION`, else the profile's]
    #[arg(long, value_name = "NAME", requires = "stack")]
    pub(crate) region: Option<String>,
}

/// Where an opened stack runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine; the URLs of its sources hold the tokens that `up` made.
    Local {
        /// Where a webhook of each source goes.
        hooks: BTreeMap<String, String>,
    },
    /// In AWS, through this profile, where one was named.
    Deployed {
        /// `--profile` or `AWS_PROFILE`.
        profile: Option<String>,
    },
}

/// An opened stack.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    /// Clients are made of it.
    pub(crate) aws: SdkConfig,
    /// The stack's name.
    pub(crate) name: String,
    /// Where it runs.
    pub(crate) place: Place,
    /// What `/hooks/…` and `/acks/…` stand behind, without a slash at the end.
    pub(crate) webhook_base: String,
    /// The queues' URLs: deliveries, retries, alerts, reviews, signals, `retries_dead`, `alerts_dead`.
    pub(crate) queues: BTreeMap<String, String>,
    tables: BTreeMap<String, String>,
    http: reqwest::Client,
}

impl Console {
    /// Opens the stack.
    ///
    /// # Errors
    /// In one line, with the way out: none is there, it does not answer, nobody is signed in, or access is denied.
    pub(crate) async fn open(which: &Which) -> Result<Self, OpenError> {
        match &which.stack {
            Some(name) => deployed::open(name, which.profile.as_deref(), which.region.as_deref()).await,
            None => local::open(which.state.as_deref()).await,
        }
    }

    /// The table `dispatches`.
    pub(crate) fn dispatches(&self) -> DispatchesTable {
        DispatchesTable::new(&self.aws, self.table("dispatches"))
    }

    /// The table `deliveries`.
    pub(crate) fn deliveries(&self) -> DeliveriesTable {
        DeliveriesTable::new(&self.aws, self.table("deliveries"))
    }

    /// The table `alerts`.
    pub(crate) fn incidents(&self) -> IncidentsTable {
        IncidentsTable::new(&self.aws, self.table("alerts"))
    }

    /// The inner queues.
    pub(crate) fn inner(&self) -> InnerQueues {
        let url = |name: &str| self.queues.get(name).cloned();
        let urls = QueueUrls {
            deliveries: url("deliveries"),
            retries: url("retries"),
            alerts: url("alerts"),
            reviews: url("reviews"),
        };
        InnerQueues::new(&self.aws, urls)
    }

    /// How much lies in the queues.
    pub(crate) fn counting(&self) -> Queues {
        Queues::new(&self.aws)
    }

    /// Lambda's side of the functions.
    pub(crate) fn functions(&self) -> Functions {
        Functions::new(self.http.clone(), &self.aws)
    }

    /// What SQS calls a queue.
    pub(crate) fn queue_name(&self, name: &str) -> Option<&str> {
        self.queues.get(name)?.rsplit('/').next()
    }

    /// SES, asked about itself.
    pub(crate) fn mail_sender(&self) -> MailSender {
        MailSender::new(&self.aws)
    }

    /// The stack as `CloudFormation` has it.
    pub(crate) fn cloudformation(&self) -> CloudFormation {
        CloudFormation::new(self.http.clone(), &self.aws)
    }

    /// What `CloudWatch` has measured.
    pub(crate) fn cloudwatch(&self) -> CloudWatch {
        CloudWatch::new(self.http.clone(), &self.aws)
    }

    /// The table of configurations.
    pub(crate) fn configurations(&self) -> ConfigTable {
        ConfigTable::new(&self.aws, self.table("config"))
    }

    /// The configuration that its functions run with.
    ///
    /// # Errors
    /// As [`Console::open`]; or none was applied yet, or it is of a release that this one cannot read.
    pub(crate) async fn config(&self) -> Result<Config, OpenError> {
        match self.configurations().current().await.map_err(|error| self.refusal(error))? {
            Some(Stored::Applied(version)) => Config::parse(&version.json)
                .map_err(|error| OpenError::Said(format!("version {}: {error}", version.number))),
            _ => Err(OpenError::NoConfig { name: self.name.clone() }),
        }
    }

    /// Something that AWS said to a call, in one line with the way out.
    pub(crate) fn refusal(&self, error: impl std::fmt::Display) -> OpenError {
        let profile = match &self.place {
            Place::Local { .. } => None,
            Place::Deployed { profile } => profile.as_deref(),
        };
        OpenError::Said(plainly(&error.to_string(), profile))
    }

    /// An HTTP client that follows no redirect.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A deployed stack that is not there.
    #[cfg(test)]
    pub(crate) fn nowhere(webhook_base: &str) -> Self {
        Self {
            aws: SdkConfig::builder().build(),
            name: "gridbell".to_owned(),
            place: Place::Deployed { profile: None },
            webhook_base: webhook_base.to_owned(),
            queues: BTreeMap::new(),
            tables: BTreeMap::new(),
            http: local_stack::http_client().expect("a client"),
        }
    }

    fn table(&self, name: &str) -> &str {
        self.tables.get(name).map_or("", String::as_str)
    }
}
