use serde_json::json;

use super::*;
use crate::demo::{
    observations::Mail,
    scenario::{self, Names},
};
use provider_server::times;

/// A signal that satisfies the expectation.
fn wanted(expected: &Expected, source: &str, sequence: usize) -> Signal {
    let subject = expected.subject(source);
    let id = format!("{subject}#1700000000000.{sequence}");
    let mut data = expected.data.clone();
    data["source"] = json!(source);
    Signal {
        arrived_at: times::now(),
        event: json!({
            "specversion": "1.0", "id": id, "source": format!("/gridbell/{source}"), "type": expected.kind(), "subject": subject,
            "epoch": "1700000000000", "sequence": sequence.to_string(), "datacontenttype": "application/json",
            "time": "2026-01-01T00:00:00Z", "data": {"of": data},
        }),
        webhook_id: format!("{id}@demo-gateway"),
    }
}

fn mail(subject: &str) -> Mail {
    Mail { seen_at: times::now(), subject: subject.to_owned(), text: String::new() }
}

/// The failed checks after one scenario's signals and mails arrived, altered by `spoil`.
async fn failures(name: &str, spoil: impl FnOnce(&mut Observed)) -> Vec<String> {
    let start = times::now();
    let scenarios: Vec<Scenario> =
        scenario::load(start).expect("scenarios").into_iter().filter(|scenario| scenario.name == name).collect();
    let mut seen = Observed::default();
    for (step, scenario) in
        scenarios.iter().flat_map(|scenario| scenario.steps.iter().map(move |step| (step, scenario)))
    {
        for expected in &step.signals {
            let subject = expected.subject(&scenario.source);
            let before = seen.signals.iter().filter(|signal| signal.text("subject") == subject).count();
            seen.signals.push(wanted(expected, &scenario.source, before + 1));
        }
        seen.mails.extend(step.mails.iter().map(|subject| mail(&format!("[gridbell] LOOK ({subject})"))));
        assert!(step.send.as_ref().is_none_or(|send| send.body(&Names::new()).is_ok()));
    }
    spoil(&mut seen);
    let observations = Observations::new(start);
    observations.note(|observations| *observations = seen);
    everything(&observations, &scenarios, &Simulators::with_the_seeds().await.expect("simulators"), 0);
    let failed = |check: super::super::observations::Check| Some(format!("{}: {}", check.what, check.problem?));
    observations.observed().checks.into_iter().filter_map(failed).collect()
}

#[tokio::test]
async fn what_came_as_expected_fails_nowhere() {
    assert_eq!(failures("nvgrid", |_| {}).await, Vec::<String>::new());
    assert_eq!(failures("forged", |_| {}).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_signal_that_is_missing_out_of_place_or_too_much_is_named() {
    const SUBJECT: &str = "nvgrid-demo/main_power_feed/curtailment-20251024-170000";
    let missing = failures("nvgrid", |seen| drop(seen.signals.remove(3))).await;
    assert_eq!(missing, [format!("{SUBJECT}#4 is gridbell.power.end_ramp_up.v1: it did not come")]);
    let twice = failures("nvgrid", |seen| seen.signals.push(seen.signals[3].clone())).await;
    assert_eq!(twice[0], format!("{SUBJECT} has 4 signals and no more: also came: gridbell.power.end_ramp_up.v1"));
    let swapped = failures("nvgrid", |seen| seen.signals.swap(0, 1)).await;
    assert_eq!(
        swapped[0],
        format!("{SUBJECT}#1 is gridbell.power.start_ramp_down.v1: it is gridbell.power.end_ramp_down.v1")
    );
    assert!(swapped.iter().any(|failure| failure.ends_with(".2 came at place 1")), "{swapped:?}");
    let other = failures("nvgrid", |seen| seen.signals[4].event["subject"] = json!("nvgrid-demo/-/other")).await;
    assert!(
        other.contains(&r#"no other subject has signals: signals came of "nvgrid-demo/-/other""#.to_owned()),
        "{other:?}"
    );
}

#[tokio::test]
async fn wrong_data_and_a_wrong_envelope_are_named() {
    let data = failures("nvgrid", |seen| seen.signals[0].event["data"]["of"]["target"]["watts"] = json!(1)).await;
    assert!(data.len() == 1 && data[0].ends_with(": data.target.watts: 1 where 6500000 belongs"), "{data:?}");
    let id = failures("nvgrid", |seen| seen.signals[0].webhook_id = "w".to_owned()).await;
    assert!(id.len() == 1 && id[0].contains("webhook-id is \"w\" where"), "{id:?}");
}

#[test]
fn an_output_that_was_sent_too_little_or_refused_something_is_named() {
    let check = |tally: Tally, stored: Result<Option<AckState>>, expected: &[&str]| {
        let observations = Observations::new(times::now());
        output(&observations, &tally, stored);
        let failed: Vec<String> =
            observations.observed().checks.into_iter().filter_map(|check| check.problem).collect();
        assert_eq!(failed, expected, "{tally:?}");
    };
    let acknowledged = vec!["voltus-demo/stumbles#1.1@demo-gateway".to_owned()];
    check(Tally::default(), Ok(None), &["0 of 0", "it was not sent that dispatch"]);
    let good = Tally { acknowledged, ..Tally::default() };
    check(good.clone(), Ok(Some(AckState::Accepted)), &["0 of 0"]);
    check(good.clone(), Ok(Some(AckState::Failed)), &["0 of 0", "failed is stored"]);
    check(Tally { taken: 2, ..good.clone() }, Ok(None), &["2 of 0", "no acknowledgement is stored"]);
    let refused = Tally { refused: vec!["it has no webhook-id".to_owned()], ..good };
    let first = "1 requests were refused: it has no webhook-id";
    check(refused, Ok(Some(AckState::Accepted)), &[first, "0 of 0"]);
}

#[tokio::test]
async fn a_mail_that_is_missing_or_too_much_is_named() {
    let missing = failures("forged", |seen| seen.mails.clear()).await;
    assert_eq!(missing, ["a mail about (quarantined, voltus-demo) is sent: it was not sent"]);
    let twice = failures("forged", |seen| seen.mails.push(seen.mails[0].clone())).await;
    assert_eq!(twice, ["no other mail is sent: also sent: [gridbell] LOOK (quarantined, voltus-demo)"]);
}
