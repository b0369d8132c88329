//! Reads and changes a running stack from the operator's machine: a local one by its `stack.json`, one in AWS by its
//! name and profile. What the functions never need is here and not in `aws`: profiles, proxies, CloudFormation,
//! Lambda's API, dead letters.

mod cloudformation;
mod cloudwatch;
mod console;
mod deployed;
mod description;
mod error;
mod event_buses;
mod functions;
mod http;
mod local;
mod proxies;
mod query;
mod queues;
mod through;

pub use aws::{
    sender::{MailAccount, MailQuota, MailSender, MailState},
    signed::CallError,
};
pub use cloudformation::{CloudFormation, CloudFormationError, StackInfo};
pub use cloudwatch::{Alarm, AlarmState, CloudWatch};
pub use console::{Console, DeployedStack, Place};
pub use deployed::emulated_api;
pub use description::{Description, SourceDescription};
pub use error::{OpenError, plainly};
pub use event_buses::EventBuses;
pub use functions::{
    ALIAS, ALL_FUNCTIONS, Alias, COURIER, FUNCTIONS, Functions, Mapping, ProbeError, Published, Scaling, Update,
    logical_id,
};
pub use http::client as http_client;
pub use queues::{Counts, DeadLetter, Queues};
