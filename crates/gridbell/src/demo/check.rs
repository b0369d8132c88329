//! The final check: the observed signals, mails and requests are exactly those that the scenarios expect.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use pipeline::record::AckState;
use serde_json::Value;
use simulation::history::{
    envelope::{Message, faults},
    mismatch,
};

use super::{
    gateway::{self, Tally},
    observations::{Observations, Observed, Signal},
    scenario::{Expected, Scenario},
};
use provider_server::Simulators;

/// The scenario name of checks that concern all scenarios.
const ALL: &str = "all";

/// Compares everything observed with everything expected.
pub(super) fn everything(
    observations: &Observations,
    scenarios: &[Scenario],
    simulators: &Simulators,
    calls_elsewhere: usize,
) {
    let seen = observations.observed();
    signals(observations, scenarios, &seen);
    mails(observations, scenarios, &seen);
    fetches(observations, scenarios, simulators);
    let problem = (calls_elsewhere > 0).then(|| format!("{calls_elsewhere} connections came"));
    observations.check(ALL, "nobody asks the host that forged webhooks point to", problem);
}

fn signals(observations: &Observations, scenarios: &[Scenario], seen: &Observed) {
    let mut by_subject: BTreeMap<&str, Vec<&Signal>> = BTreeMap::new();
    for signal in &seen.signals {
        by_subject.entry(signal.text("subject")).or_default().push(signal);
    }
    for scenario in scenarios {
        for subject in scenario.subjects() {
            let expected: Vec<&Expected> = (scenario.steps.iter().flat_map(|step| &step.signals))
                .filter(|expected| expected.subject(&scenario.source) == subject)
                .collect();
            let came = by_subject.remove(subject.as_str()).unwrap_or_default();
            for (index, expected) in expected.iter().enumerate() {
                let what = format!("{subject}#{} is {}", index + 1, expected.kind());
                let problem = match came.get(index) {
                    None => Some("it did not come".to_owned()),
                    Some(signal) => wrong(expected, signal),
                };
                observations.check(&scenario.name, what, problem);
            }
            let more: Vec<&str> = came.iter().skip(expected.len()).map(|signal| signal.text("type")).collect();
            let problem = (!more.is_empty()).then(|| format!("also came: {}", more.join(", ")));
            observations.check(
                &scenario.name,
                format!("{subject} has {} signals and no more", expected.len()),
                problem,
            );
        }
    }
    let others: Vec<String> = by_subject.keys().map(|subject| format!("{subject:?}")).collect();
    let problem = (!others.is_empty()).then(|| format!("signals came of {}", others.join(", ")));
    observations.check(ALL, "no other subject has signals", problem);
    let problems: Vec<String> = seen.signals.iter().flat_map(envelope).collect();
    let problem = (!problems.is_empty()).then(|| problems.join("; "));
    observations.check(ALL, "envelope, order and id of every signal", problem.or_else(|| out_of_order(seen)));
}

fn wrong(expected: &Expected, signal: &Signal) -> Option<String> {
    let kind = signal.text("type");
    if kind != expected.kind() {
        return Some(format!("it is {kind}"));
    }
    let data = signal.event["data"].as_object().and_then(|data| data.values().next());
    mismatch(&expected.data, data.unwrap_or(&Value::Null)).map(|problem| format!("data{problem}"))
}

/// Checks what the HTTP output was sent. `stored` is the state of the acknowledgement that it gave in its response.
pub(super) fn output(observations: &Observations, tally: &Tally, stored: Result<Option<AckState>>) {
    let refused = tally.refused.first().map(|first| format!("{} requests were refused: {first}", tally.refused.len()));
    let name = gateway::NAME;
    observations.check(ALL, format!("{name} verifies the signature of every event"), refused);
    let seen = observations.observed().signals.len();
    let problem = (tally.taken == 0 || tally.taken != seen).then(|| format!("{} of {seen}", tally.taken));
    observations.check(ALL, format!("{name} is sent every signal"), problem);
    let problem = match (tally.acknowledged.len(), stored) {
        (0, _) => Some("it was not sent that dispatch".to_owned()),
        (_, Ok(Some(AckState::Accepted))) => None,
        (_, Ok(Some(state))) => Some(format!("{} is stored", state.word())),
        (_, Ok(None)) => Some("no acknowledgement is stored".to_owned()),
        (_, Err(error)) => Some(format!("{error:#}")),
    };
    let what = format!("the response of {name} acknowledges {}", gateway::ACKNOWLEDGED);
    observations.check(ALL, what, problem);
}

/// What is wrong with a signal's envelope or its delivery's id.
fn envelope(signal: &Signal) -> Vec<String> {
    let id = signal.text("id");
    let delivery = format!("{id}@{}", gateway::NAME);
    let mut problems = faults(&Message { event: &signal.event, queued: None, attributes: None });
    if signal.webhook_id != delivery {
        problems.push(format!("{id}: webhook-id is {:?} where {delivery:?} belongs", signal.webhook_id));
    }
    problems
}

/// Checks that sequences count from 1 without a gap, in the order of arrival.
fn out_of_order(seen: &Observed) -> Option<String> {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    seen.signals.iter().find_map(|signal| {
        let last = last.entry(signal.text("subject")).or_default();
        *last += 1;
        (signal.text("sequence") != last.to_string()).then(|| format!("{} came at place {last}", signal.text("id")))
    })
}

fn mails(observations: &Observations, scenarios: &[Scenario], seen: &Observed) {
    let mut left: Vec<&str> = seen.mails.iter().map(|mail| mail.subject.as_str()).collect();
    for scenario in scenarios {
        for mail in scenario.steps.iter().flat_map(|step| &step.mails) {
            let place = left.iter().position(|left| is_about(left, mail));
            if let Some(place) = place {
                left.remove(place);
            }
            let problem = place.is_none().then(|| "it was not sent".to_owned());
            observations.check(&scenario.name, format!("a mail about ({mail}) is sent"), problem);
        }
    }
    let problem = (!left.is_empty()).then(|| format!("also sent: {}", left.join(", ")));
    observations.check(ALL, "no other mail is sent", problem);
}

/// Whether a mail's subject names this problem, such as `quarantined, voltus-demo`.
pub(super) fn is_about(subject: &str, mail: &str) -> bool {
    subject.ends_with(&format!(" ({mail})")) && !subject.contains("] Resolved: ")
}

fn fetches(observations: &Observations, scenarios: &[Scenario], simulators: &Simulators) {
    for provider in simulators.providers() {
        let mut known = BTreeSet::new();
        for scenario in scenarios.iter().filter(|scenario| scenario.source == format!("{provider}-demo")) {
            known.extend(
                scenario.subjects().into_iter().filter_map(|subject| Some(subject.split_once('/')?.1.to_owned())),
            );
            for (about, times) in &scenario.asked {
                known.insert(about.clone());
                let (Some(times), found) = (times, simulators.requests(provider, about)) else { continue };
                let problem = (found != *times).then(|| format!("asked {found} times"));
                observations.check(&scenario.name, format!("{provider} is asked about {about} {times} times"), problem);
            }
        }
        let seen = simulators.seen(provider);
        let other =
            seen.iter().find(|seen| seen.about.is_empty() || seen.about.iter().any(|about| !known.contains(about)));
        let problem = other.map(|seen| format!("{} {}", seen.method, seen.path));
        observations.check(ALL, format!("{provider} is asked about nothing else"), problem);
    }
}

#[cfg(test)]
mod tests;
