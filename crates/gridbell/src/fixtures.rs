//! The providers' fixtures by name, such as `voltus/webhook_create.json`; simulators and demo use them.

use anyhow::{Context, Result};
use serde_json::Value;

/// A fixture's text.
pub(crate) fn text(name: &str) -> Result<&'static str> {
    providers::fixtures::named(name).with_context(|| format!("there is no fixture {name}"))
}

/// A fixture as JSON.
pub(crate) fn json(name: &str) -> Result<Value> {
    serde_json::from_str(text(name)?).with_context(|| format!("the fixture {name} is not JSON"))
}
