//! What a person's machine asks of AWS and no function does: lists, counts, and calls of services that have no SDK here.

mod functions;
mod mail;
mod proxies;
mod query;
mod queues;

pub use functions::{Functions, Mapping};
pub use mail::{MailSender, MailState};
pub use proxies::{Proxies, ProxiesError};
pub use query::Query;
pub use queues::{Counts, DeadLetter, Queues};

pub use crate::signed::CallError;
