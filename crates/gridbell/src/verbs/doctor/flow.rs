//! Checks of the data flow: the heartbeat, each source's latest change, failures, open incidents.

use aws::dynamo::{StoredJob, Wanted};
use pipeline::ports::{Answered, Health};

use super::{Check, CheckResult, Examined};
use crate::verbs::dispatch;

const HEARTBEAT: &str = "heartbeat";
const LAST: &str = "last change";
const FAILING: &str = "deliveries";
const RISK: &str = "dispatches";
const INCIDENTS: &str = "incidents";

/// Heartbeats are sent every minute; without an answer for this long, the hydrator has stopped.
const STOPPED_S: i64 = 180;

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    vec![
        (HEARTBEAT, Box::pin(heartbeat(examined))),
        (LAST, Box::pin(last(examined))),
        (FAILING, Box::pin(failing(examined))),
        (RISK, Box::pin(at_risk(examined))),
        (INCIDENTS, Box::pin(incidents(examined))),
    ]
}

/// The schedule sends heartbeats every minute, and the hydrator answers them.
async fn heartbeat(examined: &Examined<'_>) -> Vec<CheckResult> {
    let mend = "see whether the schedule is enabled, and look at the logs of retrier and hydrator";
    let off = |at| examined.clock.off(at);
    vec![match examined.console.deliveries().answered().await {
        Ok(Some(Answered { sent_at: at, .. })) if examined.clock.now.duration_since(at).as_secs() <= STOPPED_S => {
            CheckResult::good(HEARTBEAT, format!("the schedule runs, and the hydrator answered {}", off(at)))
        }
        Ok(Some(Answered { sent_at: at, .. })) => {
            CheckResult::bad(HEARTBEAT, format!("it stopped: the hydrator answered {}", off(at))).mend(mend)
        }
        Ok(None) => {
            CheckResult::unknown(HEARTBEAT, "there was none yet: the first comes a minute after the deployment")
                .mend(mend)
        }
        Err(error) => CheckResult::unknown(HEARTBEAT, examined.console.refusal(error).to_string()),
    }]
}

async fn last(examined: &Examined<'_>) -> Vec<CheckResult> {
    let last = match examined.console.dispatches().last_changes().await {
        Ok(last) => last,
        Err(error) => return vec![CheckResult::unknown(LAST, examined.console.refusal(error).to_string())],
    };
    let found = examined.config.sources.keys().map(|name| {
        let result = match last.get(name) {
            Some(at) => CheckResult::good(LAST, examined.clock.off(*at)),
            None => CheckResult::notice(LAST, "nothing came yet")
                .mend(format!("register its webhook (`gridbell webhook register {name}`) and send a test")),
        };
        result.about(name)
    });
    found.collect()
}

async fn failing(examined: &Examined<'_>) -> Vec<CheckResult> {
    let stored = match examined.console.deliveries().all(None).await {
        Ok(stored) => stored.found,
        Err(error) => return vec![CheckResult::unknown(FAILING, examined.console.refusal(error).to_string())],
    };
    let waiting = |stored: &&StoredJob| matches!(stored, StoredJob::Quarantined(quarantined) if quarantined.replayed_as.is_none());
    let (quarantined, failing) = (
        stored.iter().filter(waiting).count(),
        stored
            .iter()
            .filter(|stored| matches!(stored, StoredJob::Failing(failing) if failing.next_at > examined.clock.now))
            .count(),
    );
    vec![match (failing, quarantined) {
        (0, 0) => CheckResult::good(FAILING, "none fails, none is quarantined"),
        (failing, quarantined) => CheckResult::notice(FAILING, format!("{failing} failing, {quarantined} quarantined"))
            .mend("`gridbell delivery list` says why; `gridbell delivery replay` after a mend"),
    }]
}

async fn at_risk(examined: &Examined<'_>) -> Vec<CheckResult> {
    let wanted = Wanted { since: Some(examined.clock.now), ..Wanted::default() };
    let records = match examined.console.dispatches().all(&wanted).await {
        Ok(records) => records.found,
        Err(error) => return vec![CheckResult::unknown(RISK, examined.console.refusal(error).to_string())],
    };
    let views: Vec<_> =
        records.iter().filter_map(|record| dispatch::DispatchView::of(record, examined.clock.now)).collect();
    let risky = views.iter().filter(|view| view.at_risk.is_some()).count();
    let real = views.iter().filter(|view| view.at_risk.is_some() && !view.test).count();
    let ahead = views.iter().filter(|view| view.phase <= dispatch::Phase::Upcoming).count();
    let mend = "`gridbell dispatch list --at-risk` names them; act, then `gridbell dispatch ack`";
    vec![match (risky, real) {
        (0, _) => CheckResult::good(RISK, format!("{ahead} on or coming, none at risk")),
        (risky, 0) => {
            CheckResult::notice(RISK, format!("{ahead} on or coming, {risky} tests not acknowledged")).mend(mend)
        }
        (_, real) => CheckResult::bad(RISK, format!("{ahead} on or coming, {real} at risk")).mend(mend),
    }]
}

async fn incidents(examined: &Examined<'_>) -> Vec<CheckResult> {
    vec![match examined.console.incidents().all(true).await {
        Ok(open) if open.found.is_empty() => CheckResult::good(INCIDENTS, "none is open"),
        Ok(open) => {
            CheckResult::notice(INCIDENTS, format!("{} open", open.found.len())).mend("`gridbell alert list --open`")
        }
        Err(error) => CheckResult::unknown(INCIDENTS, examined.console.refusal(error).to_string()),
    }]
}
