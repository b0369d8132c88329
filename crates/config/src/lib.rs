//! The configuration: one model for the functions and the command line.
//!
//! The functions read it as JSON ([`Config::parse_known`]), which `config apply` stores. People write `gridbell.toml`,
//! which [`file`] reads, with the position of each mistake (feature `file`).

mod channels;
mod contacts;
#[cfg(feature = "file")]
pub mod file;
mod model;
mod output;
mod reference;
mod signals;
mod site;
mod source;
pub mod token;
mod verification;

pub use channels::{Channel, Channels, PAGERDUTY_URL};
pub use contacts::{Audience, Contacts, Escalation, SourceContacts};
pub use model::{Acks, Config, ConfigError, MAX_JSON_BYTES};
pub use output::{Output, OutputTarget, Routed, matches};
pub use reference::Reference;
pub use signals::Signals;
pub use site::{Site, SiteContacts};
pub use source::{Deadlines, Environment, Source, USUAL_POLL_S};
pub use token::TokenHash;
pub use verification::{Permit, VERIFY};
