//! What flows: the heartbeat, the latest change of each source, what fails, open incidents.

use aws::dynamo::{Kept, Wanted};
use pipeline::ports::{Answered, Health};

use super::{Check, Finding, Patient};
use crate::verbs::dispatch;

const HEARTBEAT: &str = "heartbeat";
const LAST: &str = "last change";
const FAILING: &str = "deliveries";
const RISK: &str = "dispatches";
const INCIDENTS: &str = "incidents";

/// Heartbeats are sent every minute; when they have not been answered for two of them, the hydrator has stopped.
const STOPPED_S: i64 = 180;

pub(super) fn checks<'a>(patient: &'a Patient<'a>) -> Vec<(&'static str, Check<'a>)> {
    vec![
        (HEARTBEAT, Box::pin(heartbeat(patient))),
        (LAST, Box::pin(last(patient))),
        (FAILING, Box::pin(failing(patient))),
        (RISK, Box::pin(at_risk(patient))),
        (INCIDENTS, Box::pin(incidents(patient))),
    ]
}

/// The schedule sends heartbeats every minute, and the hydrator answers them.
async fn heartbeat(patient: &Patient<'_>) -> Vec<Finding> {
    let mend = "see whether the schedule is enabled, and look at the logs of retrier and hydrator";
    let off = |at| patient.clock.off(at);
    vec![match patient.console.deliveries().answered().await {
        Ok(Some(Answered { sent_at: at, .. })) if patient.clock.now.duration_since(at).as_secs() <= STOPPED_S => {
            Finding::good(HEARTBEAT, format!("the schedule runs, and the hydrator answered {}", off(at)))
        }
        Ok(Some(Answered { sent_at: at, .. })) => {
            Finding::bad(HEARTBEAT, format!("it stopped: the hydrator answered {}", off(at))).mend(mend)
        }
        Ok(None) => {
            Finding::unknown(HEARTBEAT, "there was none yet: the first comes a minute after the deployment").mend(mend)
        }
        Err(error) => Finding::unknown(HEARTBEAT, patient.console.refusal(error).to_string()),
    }]
}

async fn last(patient: &Patient<'_>) -> Vec<Finding> {
    let last = match patient.console.dispatches().last_changes().await {
        Ok(last) => last,
        Err(error) => return vec![Finding::unknown(LAST, patient.console.refusal(error).to_string())],
    };
    let found = patient.config.sources.keys().map(|name| {
        let finding = match last.get(name) {
            Some(at) => Finding::good(LAST, patient.clock.off(*at)),
            None => Finding::notice(LAST, "nothing came yet")
                .mend(format!("register its webhook (`gridbell webhook register {name}`) and send a test")),
        };
        finding.about(name)
    });
    found.collect()
}

async fn failing(patient: &Patient<'_>) -> Vec<Finding> {
    let kept = match patient.console.deliveries().all(None).await {
        Ok(kept) => kept.found,
        Err(error) => return vec![Finding::unknown(FAILING, patient.console.refusal(error).to_string())],
    };
    let waiting = |kept: &&Kept| matches!(kept, Kept::PutAside(aside) if aside.replayed_as.is_none());
    let (aside, failing) = (
        kept.iter().filter(waiting).count(),
        kept.iter()
            .filter(|kept| matches!(kept, Kept::Failing(failing) if failing.next_at > patient.clock.now))
            .count(),
    );
    vec![match (failing, aside) {
        (0, 0) => Finding::good(FAILING, "none fails, none is quarantined"),
        (failing, aside) => Finding::notice(FAILING, format!("{failing} failing, {aside} quarantined"))
            .mend("`gridbell delivery list` says why; `gridbell delivery replay` after a mend"),
    }]
}

async fn at_risk(patient: &Patient<'_>) -> Vec<Finding> {
    let wanted = Wanted { since: Some(patient.clock.now), ..Wanted::default() };
    let records = match patient.console.dispatches().all(&wanted).await {
        Ok(records) => records.found,
        Err(error) => return vec![Finding::unknown(RISK, patient.console.refusal(error).to_string())],
    };
    let views: Vec<_> = records.iter().filter_map(|record| dispatch::View::of(record, patient.clock.now)).collect();
    let risky = views.iter().filter(|view| view.at_risk.is_some()).count();
    let real = views.iter().filter(|view| view.at_risk.is_some() && !view.test).count();
    let ahead = views.iter().filter(|view| view.phase <= dispatch::Phase::Upcoming).count();
    let mend = "`gridbell dispatch list --at-risk` names them; act, then `gridbell dispatch ack`";
    vec![match (risky, real) {
        (0, _) => Finding::good(RISK, format!("{ahead} on or coming, none at risk")),
        (risky, 0) => Finding::notice(RISK, format!("{ahead} on or coming, {risky} tests not acknowledged")).mend(mend),
        (_, real) => Finding::bad(RISK, format!("{ahead} on or coming, {real} at risk")).mend(mend),
    }]
}

async fn incidents(patient: &Patient<'_>) -> Vec<Finding> {
    vec![match patient.console.incidents().all(true).await {
        Ok(open) if open.found.is_empty() => Finding::good(INCIDENTS, "none is open"),
        Ok(open) => {
            Finding::notice(INCIDENTS, format!("{} open", open.found.len())).mend("`gridbell alert list --open`")
        }
        Err(error) => Finding::unknown(INCIDENTS, patient.console.refusal(error).to_string()),
    }]
}
