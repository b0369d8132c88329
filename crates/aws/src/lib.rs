//! The only crate that uses an AWS SDK or the Lambda runtime: implements the ports of `pipeline` over SQS, DynamoDB,
//! SSM, SES and HTTP, reads the configuration from its table, and contains the entry points of the five functions.

pub mod channels;
pub mod client;
pub mod configuration;
#[cfg(feature = "contract")]
pub mod contract;
pub mod dynamo;
pub mod environment;
pub mod host;
pub mod http;
pub mod lambda;
pub mod ports;
pub mod secrets;
pub mod sender;
pub mod ses;
pub mod signed;
pub mod sqs;
pub mod targets;
pub mod telemetry;

pub mod alerter;
pub mod courier;
pub mod hydrator;
pub mod receiver;
pub mod retrier;

mod gather;
mod metrics;
mod roots;
