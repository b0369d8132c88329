//! The local stack: `infra/template.yaml`, deployed to an emulator on this machine with the real functions.
//!
//! Emulator, functions and their builds run under a guard (`guard.py`) and end with this process, however it ends.

mod aws_api;
mod build;
mod deploy;
pub mod elf;
mod emulator;
mod files;
mod functions;
mod guard;
mod logs;
mod mail;
mod options;
mod otlp;
mod package;
mod prepare;
pub mod processes;
pub mod progress;
pub mod queue;
mod raise;
mod ready;
mod run_folder;
mod stack;
mod stack_status;
mod state;
pub mod template;
mod token;
mod tools;
mod watch;
mod workspace;

pub use aws_api::REGION;
pub use build::Build;
pub use logs::LogLine;
pub use options::{ProviderUrls, UpOptions, built_in};
pub use otlp::SpanExporter;
pub use prepare::placeholder_key;
pub use stack::Stack;
pub use token::random as random_token;
pub use workspace::Workspace;
