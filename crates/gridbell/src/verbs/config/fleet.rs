//! The running stack, for a rollout.

use std::{collections::BTreeMap, time::Duration};

use aws::configuration::{ConfigTable, Probed, ReplaceError, Version};
use tokio::time::sleep;

use super::rollout::{Fleet, ProbeFailure};
use crate::console::{Console, Place, StackInfo};
use stack_client::{ALIAS, ALL_FUNCTIONS, Alias, COURIER, CallError, Functions, Published, Update, logical_id};

/// Pause between two checks; Lambda needs seconds, an emulator does not.
const PAUSE: Duration = Duration::from_secs(2);
const LOCAL_PAUSE: Duration = Duration::from_millis(100);

/// How often a change is tried while Lambda applies another one to the function.
const TRIED: u32 = 30;

/// The functions and the table of an opened stack.
#[derive(Debug)]
pub(super) struct Deployed<'c> {
    console: &'c Console,
    functions: Functions,
    table: ConfigTable,
    names: BTreeMap<&'static str, String>,
    pause: Duration,
}

/// The functions' names in Lambda; functions that the stack does not name are left out.
pub(crate) fn names(stack: &StackInfo) -> BTreeMap<&'static str, String> {
    let name = |function: &'static str| {
        let name = stack.outputs.get(&format!("{}Name", logical_id(function)))?;
        Some((function, name.clone()))
    };
    ALL_FUNCTIONS.into_iter().filter_map(name).collect()
}

impl<'c> Deployed<'c> {
    pub(super) fn new(console: &'c Console, stack: &StackInfo) -> Self {
        let pause = if matches!(console.place, Place::Local { .. }) { LOCAL_PAUSE } else { PAUSE };
        let (functions, table) = (console.functions(), console.configurations());
        Self { console, functions, table, names: names(stack), pause }
    }

    fn name(&self, function: &str) -> Result<&str, String> {
        let name = self.names.get(function).map(String::as_str);
        name.ok_or_else(|| format!("the stack {} has no output {}Name", self.console.name, logical_id(function)))
    }

    fn said(&self, error: &CallError) -> String {
        self.console.refusal(error).to_string()
    }

    async fn alias(&self, function: &str) -> Result<Alias, String> {
        let alias = self.functions.alias(self.name(function)?).await.map_err(|error| self.said(&error))?;
        alias.ok_or_else(|| format!("it has no alias `{ALIAS}`: deploy this release first"))
    }

    /// Makes a call again while Lambda applies another change to the function.
    async fn patient<T>(&self, call: impl AsyncFn() -> Result<T, CallError>) -> Result<T, String> {
        let mut tried = 1;
        loop {
            match call().await {
                Err(error) if is_busy(&error) && tried < TRIED => tried += 1,
                other => return other.map_err(|error| self.said(&error)),
            }
            sleep(self.pause).await;
        }
    }
}

/// Whether Lambda is applying another change to the function.
fn is_busy(error: &CallError) -> bool {
    matches!(error, CallError::Refused { status: 409, .. }) || error.is_passing()
}

impl Fleet for Deployed<'_> {
    fn functions(&self) -> Vec<&'static str> {
        let is_deployed = |function: &&str| *function != COURIER || self.names.contains_key(COURIER);
        ALL_FUNCTIONS.into_iter().filter(is_deployed).collect()
    }

    async fn replace(&self, expected: Option<u64>, version: &Version) -> Result<(), ReplaceError> {
        self.table.replace(expected, version).await
    }

    async fn withdraw(&self, number: u64) -> Result<(), ReplaceError> {
        self.table.withdraw(number).await
    }

    async fn restart(&self, function: &str, why: &str) -> Result<(), String> {
        let name = self.name(function)?;
        self.patient(async || self.functions.restart(name, why).await).await
    }

    async fn is_restarted(&self, function: &str) -> Result<bool, String> {
        match self.functions.update(self.name(function)?).await.map_err(|error| self.said(&error))? {
            Update::InProgress => Ok(false),
            Update::Done => Ok(true),
            Update::Failed(reason) => Err(format!("Lambda does not restart it: {reason}")),
        }
    }

    async fn publish(&self, function: &str, why: &str) -> Result<String, String> {
        let name = self.name(function)?;
        self.patient(async || self.functions.publish(name, why).await).await
    }

    async fn live(&self, function: &str) -> Result<String, String> {
        let alias = self.alias(function).await?;
        if alias.is_moving() {
            return Err(format!("a deployment moves its alias `{ALIAS}`: wait until it has ended"));
        }
        match self.functions.published(self.name(function)?).await.map_err(|error| self.said(&error))? {
            Published::OtherCode => Err(format!(
                "its code is not that of version {}, which runs: a deployment is under way or was broken off; deploy again first",
                alias.version
            )),
            Published::Same | Published::OtherProperties(_) => Ok(alias.version),
        }
    }

    async fn point(&self, function: &str, version: &str) -> Result<(), String> {
        let (name, alias) = (self.name(function)?, self.alias(function).await?);
        self.patient(async || self.functions.point(name, &alias, version).await).await.map(drop)
    }

    async fn has_unpublished(&self, function: &str) -> Result<bool, String> {
        let published = self.functions.published(self.name(function)?).await;
        Ok(published.map_err(|error| self.said(&error))? != Published::Same)
    }

    async fn probe(&self, function: &str, version: &str) -> Result<Probed, ProbeFailure> {
        let name = self.name(function).map_err(|reason| ProbeFailure { reason, is_passing: false })?;
        self.functions.probe_version(name, version).await.map_err(|error| ProbeFailure {
            reason: self.console.refusal(&error).to_string(),
            is_passing: error.is_passing(),
        })
    }

    async fn pause(&self) {
        sleep(self.pause).await;
    }
}
