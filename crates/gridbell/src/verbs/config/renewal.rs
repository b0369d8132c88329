//! Replaces the processes of functions: publishes versions, and moves the aliases of all functions together or of none.

use super::rollout::Fleet;
use crate::progress::Step;

/// Most checks whether a function has restarted.
const LOOKS: u32 = 150;

/// A function that stopped a rollout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {function}: {reason}")]
pub(super) struct Broken {
    pub(super) function: &'static str,
    pub(super) reason: String,
}

/// A published version that no caller invokes yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Renewed {
    pub(super) function: &'static str,
    pub(super) version: String,
}

/// Publishes a version of every function.
pub(super) async fn publish(fleet: &impl Fleet, why: &str, step: &dyn Step) -> Result<Vec<Renewed>, Broken> {
    for function in fleet.functions() {
        step.at(&format!("restarts the {function}"));
        fleet.restart(function, why).await.map_err(|reason| Broken { function, reason })?;
    }
    let mut renewed = Vec::new();
    for function in fleet.functions() {
        let version = published(fleet, function, why, step).await.map_err(|reason| Broken { function, reason })?;
        renewed.push(Renewed { function, version });
    }
    Ok(renewed)
}

/// Moves the aliases of all functions to their new versions. If one cannot be moved, those before it go back.
pub(super) async fn take_over(fleet: &impl Fleet, renewed: &[Renewed], step: &dyn Step) -> Result<(), Broken> {
    let mut before = Vec::new();
    for &Renewed { function, .. } in renewed {
        before.push(fleet.live(function).await.map_err(|reason| Broken { function, reason })?);
    }
    for (place, &Renewed { function, ref version }) in renewed.iter().enumerate() {
        step.at(&format!("lets the new {function} take over"));
        let Err(mut reason) = fleet.point(function, version).await else { continue };
        for (Renewed { function: moved, .. }, version) in renewed.iter().zip(&before).take(place) {
            if let Err(stays) = fleet.point(moved, version).await {
                reason = format!("{reason}; the {moved} does not go back to version {version}: {stays}");
            }
        }
        return Err(Broken { function, reason });
    }
    Ok(())
}

/// Publishes a version of one function, which takes over at once.
pub(super) async fn one(fleet: &impl Fleet, function: &str, why: &str, step: &dyn Step) -> Result<(), String> {
    step.at(&format!("restarts the {function}"));
    fleet.restart(function, why).await?;
    let version = published(fleet, function, why, step).await?;
    fleet.point(function, &version).await
}

/// Replaces the processes of all functions.
pub(super) async fn all(fleet: &impl Fleet, why: &str, step: &dyn Step) -> Result<(), Broken> {
    let renewed = publish(fleet, why, step).await?;
    take_over(fleet, &renewed, step).await
}

async fn published(fleet: &impl Fleet, function: &str, why: &str, step: &dyn Step) -> Result<String, String> {
    step.at(&format!("waits for the {function}"));
    for _ in 0..LOOKS {
        if fleet.is_restarted(function).await? {
            return fleet.publish(function, why).await;
        }
        fleet.pause().await;
    }
    Err("Lambda has not restarted it within five minutes".to_owned())
}
