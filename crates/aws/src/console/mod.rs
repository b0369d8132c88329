//! What a person's machine asks of AWS and no function does: lists, counts, and calls of services that have no SDK here.

mod functions;
mod mail;
mod query;
mod queues;
mod through;

pub use self::through::through;
pub use functions::{Functions, Mapping, ProbeError, Update};
pub use mail::{MailAccount, MailQuota, MailSender, MailState};
pub use query::Query;
pub use queues::{Counts, DeadLetter, Queues};

pub use crate::signed::CallError;
