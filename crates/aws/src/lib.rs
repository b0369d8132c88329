//! The only crate that names an AWS SDK or the Lambda runtime: the ports of `pipeline` over SQS, DynamoDB, SSM, SES and HTTP,
//! the configuration from the environment, and what the four functions run.

pub mod client;
pub mod environment;
pub mod lambda;
pub mod receiver;
pub mod sqs;
pub mod telemetry;
pub mod world;

mod roots;
