//! An incident and a verdict in, the incident and its mail out.

use dispatch::{DispatchTerms, Request, Subject};
use serde_json::json;

use super::*;
use crate::config::Config;

/// When the condition began. Instants are seconds after it.
fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_701_448_800, 0) + SignedDuration::from_secs(seconds)
}

fn config() -> Config {
    let source = json!({ "provider": "voltus", "tokens": [] });
    let escalate = json!([{ "after_s": 600, "email": ["lead@example.com"] }]);
    let contacts =
        json!({ "email": ["duty@example.com"], "from": "gridbell@example.com", "remind_s": 900, "escalate": escalate });
    let quiet = json!({ "provider": "openvolt", "tokens": [] });
    let sources = json!({ "voltus-prod": source, "openvolt-prod": quiet });
    Config::parse(&json!({ "sources": sources, "contacts": contacts }).to_string()).unwrap()
}

fn failing() -> Condition {
    Condition::Failing { source: "voltus-prod".to_owned(), key: "voltus-prod/dkmq".to_owned() }
}

fn not_acknowledged() -> Condition {
    Condition::NotAcknowledged { dispatch: Subject::from_stored("voltus-prod/dkmq") }
}

/// A dispatch that starts then and lasts ten minutes.
fn starting(seconds: i64) -> (Status, DispatchTerms) {
    let terms = DispatchTerms {
        authorized: true,
        start: at(seconds),
        end: Some(at(seconds + 600)),
        request: Request::Reduce { watts: 5_000 },
        targets: Vec::new().into(),
        test_reason: None,
        voluntary: false,
        priority: None,
        programs: Vec::new(),
        details: serde_json::Map::new(),
    };
    (Status::Scheduled, terms)
}

fn firing(stages: &[&str]) -> Verdict {
    let news = stages.iter().map(|stage| StageReport {
        stage: (*stage).to_owned(),
        about: "voltus-prod/dkmq".to_owned(),
        detail: format!("{stage} failed"),
    });
    Verdict::Firing(Firing { since: at(0), news: news.collect() })
}

fn resolved(lapsed: bool) -> Verdict {
    let lapsed = lapsed.then(|| Firing::new(at(0), "voltus-prod/dkmq", "not acknowledged"));
    Verdict::Resolved(Resolved { at: at(60), why: "it works".to_owned(), lapsed })
}

#[derive(Default)]
struct Given {
    condition: Option<Condition>,
    dispatch: Option<(Status, DispatchTerms)>,
    deadline_passed: bool,
    may_be_test: bool,
}

impl Given {
    fn decided(&self, known: Option<&Incident>, verdict: &Verdict, seconds: i64) -> Option<Decided> {
        let (config, condition) = (config(), self.condition.clone().unwrap_or_else(failing));
        let rules = Rules::new(&config, &condition, None, self.dispatch.as_ref(), at(seconds));
        let rules = Rules {
            deadline_passed: rules.deadline_passed || self.deadline_passed,
            may_be_test: self.may_be_test,
            ..rules
        };
        decide(known, &condition, verdict, rules, at(seconds))
    }

    /// An incident opened at 0 with one stage, whose mail SES accepted at that second; none: the mail is pending.
    fn open(&self, mailed_at: Option<i64>) -> Incident {
        let opened = self.decided(None, &firing(&["first"]), 0).expect("it opens").next;
        match mailed_at {
            Some(seconds) => mailed(opened, seconds),
            None => opened,
        }
    }
}

/// The same after its pending mail was sent.
fn mailed(mut incident: Incident, seconds: i64) -> Incident {
    for news in incident.waiting.take().expect("a mail that waits").stages {
        incident.mails.insert(news.stage, at(seconds));
    }
    incident.notified.insert("duty@example.com".to_owned());
    incident
}

fn change(mut incident: Incident, change: impl FnOnce(&mut Incident)) -> Incident {
    change(&mut incident);
    incident
}

/// In short: the status, the pending stages, the occasion of their mail.
fn shown(decided: Option<&Decided>) -> String {
    let Some(Decided { next, occasion, .. }) = decided else { return "as it is".to_owned() };
    let stages = next.waiting.iter().flat_map(|waiting| &waiting.stages).map(|news| news.stage.as_str());
    let stages: Vec<&str> = stages.collect();
    let occasion = occasion.map_or("nothing", Occasion::word);
    format!("{}: {} for {occasion}", next.status.as_str(), stages.join(", "))
}

#[track_caller]
fn check(given: &Given, known: Option<&Incident>, verdict: &Verdict, seconds: i64, expected: &str) -> Option<Decided> {
    let decided = given.decided(known, verdict, seconds);
    assert_eq!(shown(decided.as_ref()), expected, "at {seconds}: {verdict:?}");
    decided
}

#[test]
fn what_fires_opens_once_and_says_each_stage_once() {
    let given = Given::default();
    let opened = check(&given, None, &firing(&["first"]), 5, "open: first for first").expect("it opens");
    assert!(opened.opens && opened.next.opened_at == at(0) && opened.next.last_at == at(5));
    let waits = given.open(None);
    check(&given, Some(&waits), &firing(&["first"]), 5, "as it is");
    check(&given, Some(&waits), &firing(&["first", "x"]), 5, "open: first, about x for first");
    let open = given.open(Some(1));
    check(&given, Some(&open), &firing(&["first"]), 5, "as it is");
    check(&given, Some(&open), &firing(&["first", "x"]), 5, "open: about x for first");
    // The name of a provider's event cannot collide with one of gridbell's own stages.
    check(&given, Some(&open), &firing(&["first", "resolved"]), 5, "open: about resolved for first");
    check(&given, Some(&open), &firing(&["first", "reminder 1"]), 5, "open: about reminder 1 for first");
}

#[test]
fn six_stages_are_mailed_and_of_a_daily_question_hundreds() {
    let names: Vec<String> = (0..20).map(|n| format!("x{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let open = Given::default().open(Some(1));
    let decided = Given::default().decided(Some(&open), &firing(&names), 5).expect("news");
    assert_eq!(decided.next.waiting.as_ref().map(|waiting| waiting.stages.len()), Some(5), "and the first");
    let six = mailed(decided.next, 6);
    check(&Given::default(), Some(&six), &firing(&names), 7, "open:  for nothing");
    let daily = Given {
        condition: Some(Condition::NoEnd { dispatch: Subject::from_stored("voltus-prod/dkmq") }),
        ..Given::default()
    };
    let open = daily.open(Some(1));
    let decided = daily.decided(Some(&open), &firing(&names), 5).expect("news");
    assert_eq!(decided.next.waiting.map(|waiting| waiting.stages.len()), Some(20));
}

#[test]
fn a_newer_detail_is_stored_without_a_mail() {
    let given = Given::default();
    let open = given.open(Some(1));
    let newer = Verdict::Firing(Firing::new(at(0), "voltus-prod/dkmq", "it failed again"));
    let decided = check(&given, Some(&open), &newer, 30, "open:  for nothing").expect("a change");
    assert_eq!((decided.next.detail.as_str(), decided.next.last_at), ("it failed again", at(30)));
    // The pending mail states what it was scheduled for.
    check(&given, Some(&given.open(None)), &newer, 5, "as it is");
}

#[test]
fn its_end_is_mailed_where_any_stage_was() {
    let given = Given::default();
    let decided = check(&given, Some(&given.open(Some(1))), &resolved(false), 65, "resolved: resolved for resolved");
    let next = decided.expect("it resolves").next;
    assert_eq!((next.resolved_at, next.detail.as_str()), (Some(at(60)), "it works"));
    // A pending reminder is dropped, too.
    let reminded = given.decided(Some(&given.open(Some(1))), &firing(&["first"]), 901).expect("a reminder").next;
    check(&given, Some(&reminded), &resolved(false), 905, "resolved: resolved for resolved");
    let resolved_before = mailed(given.decided(Some(&given.open(Some(1))), &resolved(false), 65).unwrap().next, 95);
    check(&given, Some(&resolved_before), &resolved(false), 120, "as it is");
    check(&given, None, &resolved(false), 65, "as it is");
}

#[test]
fn a_first_mail_that_waits_is_dropped_unless_a_deadline_passed() {
    let given = Given::default();
    let waits = given.open(None);
    let decided = check(&given, Some(&waits), &resolved(false), 5, "resolved:  for nothing").expect("it resolves");
    assert_eq!(decided.next.detail, "it works");
    let passed = Given { deadline_passed: true, ..Given::default() };
    let decided =
        check(&passed, Some(&waits), &resolved(false), 5, "resolved: first for nothing").expect("it resolves");
    assert_eq!(decided.next.detail, "first failed", "the mail that is under way says what failed");
    check(&passed, Some(&waits), &resolved(false), 21, "resolved: first for first");
}

#[test]
fn what_passed_without_a_mail_is_mailed_once() {
    let given = Given { condition: Some(not_acknowledged()), ..Given::default() };
    let decided = check(&given, None, &resolved(true), 61, "resolved: first, resolved for first").expect("a mail");
    assert_eq!(decided.next.detail, "not acknowledged. It works: gridbell could not send this mail before");
    check(&given, Some(&decided.next), &resolved(true), 70, "as it is");
    check(&given, Some(&mailed(decided.next, 62)), &resolved(true), 70, "as it is");
    let in_time = given.decided(None, &resolved(true), 60).expect("a mail");
    assert_eq!(in_time.next.detail, "not acknowledged. It works");
    // People may know of an earlier occurrence; they do not know of this one.
    let earlier = change(given.open(Some(1)), |known| {
        (known.status, known.opened_at) = (IncidentStatus::Resolved, at(-60));
    });
    check(&given, Some(&earlier), &resolved(true), 61, "resolved: first, resolved for first");
    check(&given, Some(&given.open(Some(1))), &resolved(true), 61, "resolved: resolved for resolved");
}

#[test]
fn what_begins_anew_by_a_slow_clock_is_another_occurrence() {
    let given = Given::default();
    let resolved = check(&given, Some(&given.open(Some(5))), &resolved(false), 6, "resolved: resolved for resolved");
    let resolved = resolved.expect("it resolves").next;
    let again = check(&given, Some(&resolved), &firing(&["first"]), 0, "open: first for first").expect("it opens");
    assert!(again.next.opened_at > resolved.opened_at);
}

#[test]
fn what_begins_anew_is_another_occurrence() {
    let given = Given::default();
    let resolved = given.decided(Some(&given.open(Some(1))), &resolved(false), 65).expect("it resolves").next;
    let again = check(&given, Some(&resolved), &firing(&["first"]), 70, "open: first for first").expect("it opens");
    assert!(again.opens && again.next.opened_at == at(70) && again.next.mails.is_empty());
    assert!(again.next.notified.contains("duty@example.com"), "nobody has told them that it was resolved");
    let heard = mailed(resolved, 95);
    let again = given.decided(Some(&heard), &firing(&["first"]), 100).expect("it opens");
    assert!(again.next.notified.is_empty() && again.next.revision == heard.revision);
}

#[test]
fn its_own_clock_goes_on_while_no_person_acknowledges() {
    let soon = Given { dispatch: Some(starting(300)), ..Given::default() };
    let open = soon.open(Some(1));
    for verdict in [firing(&["first"]), Verdict::Undecided] {
        check(&soon, Some(&open), &verdict, 299, "as it is");
        check(&soon, Some(&open), &verdict, 300, "open: start for start");
        // No action is possible after its end.
        check(&soon, Some(&open), &verdict, 900, "as it is");
        let given = Given::default();
        let open = given.open(Some(1));
        check(&given, Some(&open), &verdict, 599, "as it is");
        check(&given, Some(&open), &verdict, 600, "open: escalation 1 for escalation");
        let escalated =
            change(mailed(given.decided(Some(&open), &verdict, 600).unwrap().next, 601), |next| next.level = 1);
        check(&given, Some(&escalated), &verdict, 1_500, "as it is");
        check(&given, Some(&escalated), &verdict, 1_501, "open: reminder 1 for reminder");
        let acknowledged = change(open.clone(), |open| open.status = IncidentStatus::Acknowledged);
        check(&given, Some(&acknowledged), &verdict, 1_501, "as it is");
        let unread = Given { may_be_test: true, ..Given::default() };
        check(&unread, Some(&open), &verdict, 1_501, "as it is");
        // The first mail precedes all others.
        check(&given, Some(&given.open(None)), &verdict, 15, "as it is");
    }
}

#[test]
fn a_mail_that_waits_past_its_time_is_scheduled_once_more() {
    let given = Given::default();
    let waits = given.open(None);
    for verdict in [firing(&["first"]), Verdict::Undecided] {
        check(&given, Some(&waits), &verdict, 20, "as it is");
        check(&given, Some(&waits), &verdict, 21, "open: first for first");
    }
    let ends = given.decided(Some(&given.open(Some(1))), &resolved(false), 65).expect("it resolves").next;
    for verdict in [resolved(false), Verdict::Undecided] {
        check(&given, Some(&ends), &verdict, 85, "as it is");
        check(&given, Some(&ends), &verdict, 86, "resolved: resolved for resolved");
    }
}

#[test]
fn what_concerns_a_dispatch_that_is_near_is_urgent() {
    let check = |condition: Condition, dispatch: Option<(Status, DispatchTerms)>, expected: Urgency| {
        let config = config();
        let incident = Given { condition: Some(condition.clone()), ..Given::default() }.open(None);
        let rules = Rules::new(&config, &condition, None, dispatch.as_ref(), at(0));
        let of = |occasion| urgency(&incident, occasion, rules, at(0));
        assert_eq!(of(Occasion::First), expected, "{condition} {dispatch:?}");
        let known = if expected == Urgency::New { Urgency::Known } else { expected };
        assert_eq!((of(Occasion::Start), of(Occasion::Escalation(1))), (expected, known), "{condition}");
        assert_eq!((of(Occasion::Reminder(1)), of(Occasion::Resolved)), (Urgency::CanWait, Urgency::CanWait));
    };
    let quarantined = |about: Option<&str>| Condition::Quarantined {
        source: "voltus-prod".to_owned(),
        about: about.map(Subject::from_stored),
    };
    let withdrawn = || Some((Status::Cancelled, starting(60).1));
    let readings = Condition::Failing { source: "openvolt-prod".to_owned(), key: "openvolt-prod/m1".to_owned() };
    check(not_acknowledged(), Some(starting(10_000)), Urgency::New);
    check(Condition::DeliveriesUnread, None, Urgency::New);
    check(failing(), None, Urgency::New);
    check(failing(), Some(starting(900)), Urgency::New);
    check(failing(), Some(starting(901)), Urgency::CanWait);
    check(failing(), Some(starting(-60)), Urgency::New);
    check(failing(), withdrawn(), Urgency::New);
    check(readings, None, Urgency::CanWait);
    check(quarantined(Some("voltus-prod/dkmq")), Some(starting(900)), Urgency::New);
    check(quarantined(Some("voltus-prod/dkmq")), Some(starting(901)), Urgency::CanWait);
    check(quarantined(Some("voltus-prod/dkmq")), Some(starting(-600)), Urgency::CanWait);
    check(quarantined(Some("voltus-prod/dkmq")), withdrawn(), Urgency::CanWait);
    check(quarantined(None), None, Urgency::CanWait);
    check(Condition::KeyRefused { source: "voltus-prod".to_owned() }, None, Urgency::CanWait);
    let no_end = Condition::NoEnd { dispatch: Subject::from_stored("voltus-prod/dkmq") };
    check(no_end, Some(starting(-60)), Urgency::CanWait);
}
