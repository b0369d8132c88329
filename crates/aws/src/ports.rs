//! The ports of the pipeline as the functions have them.

use pipeline::ports::Ports;

use crate::{
    channels::Channels,
    dynamo::{DeliveriesTable, DispatchesTable, IncidentsTable, OutputsTable},
    host::Host,
    http::HttpApi,
    secrets::AwsKeys,
    ses::Ses,
    sqs::{DeliveriesQueue, InnerQueues, OutputsQueue, SignalsQueue, WatchedQueues},
    targets::Targets,
};

/// AWS: SQS, DynamoDB, SESv2, and HTTPS to the providers.
#[derive(Debug, Clone, Copy)]
pub enum AwsPorts {}

impl Ports for AwsPorts {
    type Host = Host;
    type IngestQueue = DeliveriesQueue;
    type JobQueue = InnerQueues;
    type SignalStream = SignalsQueue;
    type Depths = WatchedQueues;
    type Dispatches = DispatchesTable;
    type Deliveries = DeliveriesTable;
    type Incidents = IncidentsTable;
    type ProviderApi = HttpApi<AwsKeys>;
    type Mailer = Ses;
    type Ringer = Channels;
    type Outputs = OutputsTable;
    type CourierQueue = OutputsQueue;
    type OutputTargets = Targets<AwsKeys>;
}
