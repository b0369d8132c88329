//! The providers' fixtures by name, such as `voltus/webhook_create.json`; simulators and demo use them.

use anyhow::{Context, Result};
use serde_json::Value;

/// A fixture's text.
///
/// # Errors
/// There is no such fixture.
pub fn text(name: &str) -> Result<&'static str> {
    providers::fixtures::named(name).with_context(|| format!("there is no fixture {name}"))
}

/// A fixture as JSON.
///
/// # Errors
/// There is no such fixture, or it is not JSON.
pub fn json(name: &str) -> Result<Value> {
    serde_json::from_str(text(name)?).with_context(|| format!("the fixture {name} is not JSON"))
}
