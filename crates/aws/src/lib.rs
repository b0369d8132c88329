//! The only crate that names an AWS SDK or the Lambda runtime: the ports of `pipeline` over SQS, DynamoDB, SSM, SES and HTTP,
//! the configuration from its table, and what the four functions run.

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
pub mod telemetry;

pub mod alerter;
pub mod hydrator;
pub mod receiver;
pub mod retrier;

mod gather;
mod roots;
