//! Rolls a configuration out to all functions or to none. One step stores it and makes it current; then a version of
//! every function is published and probed, and all aliases move to the new versions. If a function does not run with
//! it, the aliases stay or go back, and the previous configuration becomes current again.

use aws::configuration::{Probed, ReplaceError, Stored, Version, digest};
use jiff::Timestamp;

use super::renewal::{self, Broken, Renewed};
use crate::progress::Step;
use stack_client::{ALIAS, FUNCTIONS};

/// Most probes of a function: an old process may answer once more, and Lambda may be busy.
const ASKED: u32 = 10;

/// The operations of a rollout on a stack. Errors are one line for people.
pub(super) trait Fleet {
    /// The functions of the stack.
    fn functions(&self) -> Vec<&'static str> {
        FUNCTIONS.to_vec()
    }
    /// Stores a version and makes it current, if the current number is still `expected`.
    async fn replace(&self, expected: Option<u64>, version: &Version) -> Result<(), ReplaceError>;
    /// Removes that version, so that the stack has no configuration again.
    async fn withdraw(&self, number: u64) -> Result<(), ReplaceError>;
    /// Changes a function, so that a new version of it can be published.
    async fn restart(&self, function: &str, why: &str) -> Result<(), String>;
    /// Whether Lambda has finished that.
    async fn is_restarted(&self, function: &str) -> Result<bool, String>;
    /// Publishes a version of a function, which no caller invokes yet; returns its number.
    async fn publish(&self, function: &str, why: &str) -> Result<String, String>;
    /// The version that every caller invokes. An error while a deployment is under way.
    async fn live(&self, function: &str) -> Result<String, String>;
    /// Makes every caller invoke that version.
    async fn point(&self, function: &str, version: &str) -> Result<(), String>;
    /// Whether a changed parameter of the stack waits for the next version.
    async fn has_unpublished(&self, function: &str) -> Result<bool, String>;
    /// Reads which configuration a version of a function runs with, or its alias.
    async fn probe(&self, function: &str, version: &str) -> Result<Probed, ProbeFailure>;
    /// Waits before the next check.
    async fn pause(&self);
}

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProbeFailure {
    pub(super) reason: String,
    /// Whether a retry may succeed.
    pub(super) is_passing: bool,
}

/// The configuration to roll out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The text that the functions read.
    pub(super) json: &'a str,
    pub(super) at: Timestamp,
    pub(super) by: &'a str,
}

/// Why a rollout failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RolloutError {
    /// A function did not answer before the rollout.
    #[error("{0}. Nothing was changed")]
    NotReady(Broken),
    /// Nothing was changed.
    #[error(transparent)]
    Unchanged(#[from] ReplaceError),
    /// The previous configuration runs again.
    #[error("{broken}. {restored} again; nothing has changed for the providers")]
    Restored {
        /// The function that stopped the rollout.
        broken: Broken,
        /// What runs now.
        restored: String,
    },
    /// Some functions may run with one configuration and some with the other.
    #[error(
        "{broken}. Going back failed as well: {back}. Functions may differ now: `gridbell doctor` shows each, and `gridbell config apply` tries again"
    )]
    Torn {
        /// The function that stopped the rollout.
        broken: Broken,
        /// Why the rollback failed.
        back: String,
    },
}

/// Rolls the configuration out; returns its version number.
pub(super) async fn roll_out(
    fleet: &impl Fleet,
    before: Option<&Stored>,
    wanted: Wanted<'_>,
    step: &dyn Step,
) -> Result<u64, RolloutError> {
    ready(fleet, step).await.map_err(RolloutError::NotReady)?;
    let number = before.map_or(0, Stored::number) + 1;
    let version = version(number, wanted);
    step.at(&format!("stores version {number}"));
    fleet.replace(before.map(Stored::number), &version).await?;
    let Err(broken) = bring(fleet, &version, step).await else { return Ok(number) };
    step.at(&format!("the {} failed: restores what ran before", broken.function));
    match restore(fleet, before, &version, wanted, step).await {
        Ok(restored) => Err(RolloutError::Restored { broken, restored }),
        Err(back) => Err(RolloutError::Torn { broken, back }),
    }
}

/// Brings functions to the current configuration after an interrupted rollout, or after a deployment that changed only
/// parameters; returns those that ran with something else.
pub(super) async fn catch_up(
    fleet: &impl Fleet,
    current: &Version,
    step: &dyn Step,
) -> Result<Vec<&'static str>, Broken> {
    let mut behind = Vec::new();
    for function in fleet.functions() {
        step.at(&format!("asks the {function} what it runs with"));
        let broken = |reason| Broken { function, reason };
        let probed = ask(fleet, Of::live(function), Some(&current.digest)).await.map_err(broken)?;
        let is_other = probed.digest.as_deref() != Some(&current.digest);
        if is_other || fleet.has_unpublished(function).await.map_err(broken)? {
            behind.push(function);
        }
    }
    if !behind.is_empty() {
        settled(fleet).await?;
        bring(fleet, current, step).await?;
    }
    Ok(behind)
}

/// Checks that every function answers: one that cannot start now cannot start with a new configuration.
async fn ready(fleet: &impl Fleet, step: &dyn Step) -> Result<(), Broken> {
    for function in fleet.functions() {
        step.at(&format!("asks the {function} what it runs with"));
        answered(fleet, Of::live(function), |_| true).await.map_err(|reason| Broken { function, reason })?;
    }
    settled(fleet).await
}

/// Checks that no deployment is under way.
async fn settled(fleet: &impl Fleet) -> Result<(), Broken> {
    for function in fleet.functions() {
        fleet.live(function).await.map_err(|reason| Broken { function, reason })?;
    }
    Ok(())
}

fn version(number: u64, Wanted { json, at, by }: Wanted<'_>) -> Version {
    Version { number, digest: digest(json), json: json.to_owned(), at, by: by.to_owned() }
}

/// Publishes a version of every function, probes that it runs with the current configuration, and then lets all take
/// over.
async fn bring(fleet: &impl Fleet, version: &Version, step: &dyn Step) -> Result<(), Broken> {
    let why = format!("gridbell, configuration {} of {}", version.number, version.at);
    let renewed = renewal::publish(fleet, &why, step).await?;
    for Renewed { function, version: published } in &renewed {
        runs_with(fleet, Of { function, version: published }, version, step).await?;
    }
    renewal::take_over(fleet, &renewed, step).await?;
    for function in fleet.functions() {
        runs_with(fleet, Of::live(function), version, step).await?;
    }
    Ok(())
}

async fn runs_with(fleet: &impl Fleet, of: Of<'_>, version: &Version, step: &dyn Step) -> Result<(), Broken> {
    let function = of.function;
    step.at(&format!("asks the {function} what it runs with"));
    let broken = |reason: String| Broken { function, reason };
    let probed = ask(fleet, of, Some(&version.digest)).await.map_err(broken)?;
    if probed.digest.as_deref() == Some(&version.digest) { Ok(()) } else { Err(broken(difference(&probed))) }
}

/// What the function runs with instead.
fn difference(probed: &Probed) -> String {
    match (&probed.problem, probed.number) {
        (Some(problem), _) => problem.clone(),
        (None, Some(number)) => format!("it runs with version {number} still"),
        (None, None) => "it runs with no configuration".to_owned(),
    }
}

/// A version of a function, or its alias.
#[derive(Debug, Clone, Copy)]
struct Of<'a> {
    function: &'static str,
    version: &'a str,
}

impl Of<'static> {
    /// What every caller invokes.
    fn live(function: &'static str) -> Self {
        Self { function, version: ALIAS }
    }
}

/// The function's answer, once it runs with the expected configuration or reports a problem; else its last answer.
async fn ask(fleet: &impl Fleet, of: Of<'_>, expected: Option<&str>) -> Result<Probed, String> {
    answered(fleet, of, |probed| probed.digest.as_deref() == expected || probed.problem.is_some()).await
}

/// The function's answer, once it is accepted; else its last answer.
async fn answered(fleet: &impl Fleet, of: Of<'_>, will_do: impl Fn(&Probed) -> bool) -> Result<Probed, String> {
    let mut asked = 1;
    loop {
        let answer = fleet.probe(of.function, of.version).await;
        let is_final = match &answer {
            Ok(probed) => will_do(probed),
            Err(failure) => !failure.is_passing,
        };
        if is_final || asked == ASKED {
            return answer.map_err(|failure| failure.reason);
        }
        asked += 1;
        fleet.pause().await;
    }
}

/// Rolls back; returns what runs then.
async fn restore(
    fleet: &impl Fleet,
    before: Option<&Stored>,
    failed: &Version,
    wanted: Wanted<'_>,
    step: &dyn Step,
) -> Result<String, String> {
    let Some(Stored::Applied(before)) = before else {
        fleet.withdraw(failed.number).await.map_err(|error| error.to_string())?;
        back(fleet, &format!("gridbell, no configuration since {}", failed.at), None, step).await?;
        return Ok("The stack has no configuration".to_owned());
    };
    let by = format!("{}, restoring version {}", wanted.by, before.number);
    let again = version(failed.number + 1, Wanted { json: &before.json, at: wanted.at, by: &by });
    fleet.replace(Some(failed.number), &again).await.map_err(|error| error.to_string())?;
    back(fleet, &format!("gridbell, configuration {} of {}", again.number, again.at), Some(&again.digest), step)
        .await?;
    Ok(format!("Version {} runs (as version {})", before.number, again.number))
}

/// Brings every function back to that configuration, or to none. It continues after one function refuses; a refusal
/// counts only if that function then runs with something else.
async fn back(fleet: &impl Fleet, why: &str, digest: Option<&str>, step: &dyn Step) -> Result<(), String> {
    let mut left = Vec::new();
    for function in fleet.functions() {
        let renewed = renewal::one(fleet, function, why, step).await;
        match (ask(fleet, Of::live(function), digest).await, renewed) {
            (Ok(probed), _) if probed.digest.as_deref() == digest => {}
            (_, Err(reason)) | (Err(reason), Ok(())) => left.push(format!("the {function}: {reason}")),
            (Ok(probed), Ok(())) => left.push(format!("the {function}: {}", difference(&probed))),
        }
    }
    if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
}
