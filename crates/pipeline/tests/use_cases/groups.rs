//! Many incidents of one cause make few mails, whatever fails or dies, and no incident is missing.

use std::ops::Range;

use jiff::SignedDuration;
use pipeline::incident::IncidentStatus;
use serde_json::{Value, json};
use simulation::{Ended, Function, Inner, Queued, Reply, Settled, Simulation, Times, Toxic};

use crate::{
    clock::acknowledge,
    common::{
        accepted, config, digest, drain, mail_subjects, mailed_s, pass, run_for, sim, thin, voltus, worth_a_fault,
    },
    incidents::{fails, minutes, notified_by, settles, works},
};

pub(crate) fn about(n: usize) -> String {
    format!("voltus-prod/d{n:03}")
}

pub(crate) fn all_fail(sim: &Simulation, range: Range<usize>) {
    range.for_each(|n| fails(sim, &about(n)));
}

/// Checks that a mail whose subject contains `occasion` names each of so many dispatches.
pub(crate) fn all_are_named(sim: &Simulation, occasion: &str, count: usize) {
    let texts: String = (sim.mails().into_iter())
        .filter(|(_, mail)| mail.subject.contains("Resolved: ") == (occasion == "Resolved: "))
        .map(|(_, mail)| mail.text)
        .collect();
    for n in 0..count {
        assert!(texts.contains(&about(n)), "{n} is not named in {texts}");
    }
}

/// Changes a dispatch to start at that time, in the evening.
pub(crate) fn starting(start: &str) -> impl FnOnce(&mut Value) {
    move |dispatch| {
        dispatch["start_time"] = json!(format!("2023-12-01T{start}Z"));
        dispatch["end_time"] = json!("2023-12-01T20:30:00Z");
    }
}

/// Voltus announces `d…` with that change.
pub(crate) fn is_announced(sim: &Simulation, n: usize, change: impl FnOnce(&mut Value)) {
    let id = format!("d{n:03}");
    let mut dispatch = voltus(&id, 0, 5);
    change(&mut dispatch);
    sim.answers("voltus-prod", &id, [Reply::Json(dispatch.to_string())]);
    accepted(sim, "voltus-prod", &thin("dispatch.create", &id));
}

#[test]
fn an_outage_of_a_provider_is_a_handful_of_mails() {
    for seed in 0..10 {
        let sim = sim(seed);
        all_fail(&sim, 0..47);
        run_for(&sim, 3_600);
        let subjects = mail_subjects(&sim);
        assert!((2..=3).contains(&subjects.len()), "{subjects:?}");
        assert_eq!(notified(&sim), 47, "{subjects:?}");
        all_are_named(&sim, "", 47);
        (0..47).for_each(|n| works(&sim, &about(n)));
        drain(&sim);
        let resolved = mail_subjects(&sim).split_off(subjects.len());
        assert_eq!(resolved, ["[gridbell] Resolved: hydration-failing voltus-prod: 47 dispatches"]);
        all_are_named(&sim, "Resolved: ", 47);
    }
}

#[test]
fn after_quiet_minutes_a_new_outage_is_mailed_at_once_again() {
    let sim = sim(1);
    all_fail(&sim, 0..10);
    run_for(&sim, 3_600);
    let before = mail_subjects(&sim).len();
    sim.advance(SignedDuration::from_mins(31));
    let began = sim.now();
    all_fail(&sim, 10..13);
    run_for(&sim, 10);
    let mailed: Vec<i64> = sim.mails()[before..].iter().map(|(at, _)| at.duration_since(began).as_secs()).collect();
    assert!(mailed[0] == 0 && mailed.iter().all(|s| *s <= 8), "{mailed:?} s");
    all_are_named(&sim, "", 13);
}

#[test]
fn what_starts_soon_is_mailed_in_ten_seconds_whatever_waits() {
    let sim = sim(1);
    (0..20).for_each(|n| is_announced(&sim, n, |_| {}));
    run_for(&sim, 5);
    // They start at 16:50.
    sim.advance(SignedDuration::from_secs(360));
    all_fail(&sim, 0..10);
    run_for(&sim, 40);
    let before = mail_subjects(&sim).len();
    assert!((1..=3).contains(&before), "{:?}", mail_subjects(&sim));
    let mut failed_at = Vec::new();
    for n in 10..20 {
        failed_at.push((n, sim.now()));
        all_fail(&sim, n..n + 1);
        pass(&sim, SignedDuration::from_secs(1));
    }
    run_for(&sim, 60);
    assert!(mail_subjects(&sim).len() - before <= 3, "lists and not ten mails: {:?}", mail_subjects(&sim));
    for (n, at) in failed_at {
        let (mailed_at, _) = sim.mails().into_iter().find(|(_, mail)| mail.text.contains(&about(n))).expect("a mail");
        assert!(mailed_at <= at + SignedDuration::from_secs(10), "{n}: {mailed_at}, failed at {at}");
    }
}

/// A provider is down while its webhooks still announce dispatches, which cannot be fetched.
#[test]
fn the_fourth_failing_dispatch_of_a_source_is_mailed_in_time() {
    let sim = sim(2);
    let mut due = Vec::new();
    for n in 0..12 {
        let id = format!("d{n:03}");
        sim.answers("voltus-prod", &id, (0..40).map(|_| Reply::Status(500, None)));
        accepted(&sim, "voltus-prod", &thin("dispatch.create", &id));
        // First delivery and the immediate deadline.
        due.push((about(n), sim.now() + SignedDuration::from_secs(60)));
        run_for(&sim, 7);
        sim.advance(SignedDuration::from_secs(7));
    }
    run_for(&sim, 300);
    for (subject, due_at) in due {
        let names = |mail: &pipeline::mail::Mail| mail.subject.contains(&subject) || mail.text.contains(&subject);
        let mails = sim.mails();
        let (at, _) = mails.iter().find(|(_, mail)| names(mail)).expect("a mail");
        assert!(*at <= due_at + SignedDuration::from_secs(10), "{subject}: {at}, due at {due_at}");
    }
}

#[test]
fn reminders_of_an_outage_are_grouped_as_well() {
    let sim = Simulation::new(1, notified_by(900, Vec::new()));
    all_fail(&sim, 0..30);
    pass(&sim, minutes(4 * 60));
    let mails = mail_subjects(&sim).len();
    assert!(mails < 3 + 2 * 16, "{mails} mails in four hours");
    let lists = |subject: &&String| subject.contains("reminder: hydration-failing voltus-prod:");
    assert!(mail_subjects(&sim).iter().filter(lists).count() >= 13, "{:?}", mail_subjects(&sim));
}

#[test]
fn one_that_waited_alone_is_mailed_in_full() {
    let sim = sim(1);
    for n in 0..2 {
        is_announced(&sim, n, starting("18:00:00"));
        run_for(&sim, 5);
        sim.answers("voltus-prod", &format!("d{n:03}"), [Reply::Status(500, None)]);
        all_fail(&sim, n..n + 1);
        pass(&sim, SignedDuration::from_secs(40));
    }
    assert_eq!(mail_subjects(&sim), ["[gridbell] hydration-failing: voltus-prod/d000"], "the next waits for others");
    pass(&sim, minutes(5));
    let (_, last) = sim.mails().pop().unwrap();
    assert_eq!(digest(&last.subject), "[gridbell] hydration-failing: voltus-prod/d001");
    assert!(last.text.starts_with("WHAT MUST HAPPEN") && last.calendar.is_some(), "{}", last.text);
}

#[test]
fn real_and_test_never_share_a_mail() {
    let sim = sim(1);
    (0..12).for_each(|n| is_announced(&sim, n, |dispatch| dispatch["test"] = json!(n % 2 == 0)));
    run_for(&sim, 10);
    all_fail(&sim, 0..12);
    run_for(&sim, 60);
    for (_, mail) in sim.mails() {
        let test = mail.subject.contains("[TEST]");
        for n in (0..12).filter(|n| (n % 2 == 0) != test) {
            assert!(!mail.text.contains(&about(n)), "{}\n{}", mail.subject, mail.text);
        }
    }
    all_are_named(&sim, "", 12);
}

#[test]
fn a_list_says_what_changed_and_begins_with_the_most_urgent() {
    let sim = sim(1);
    (0..9).for_each(|n| is_announced(&sim, n, starting(&format!("19:{:02}:00", 59 - n))));
    run_for(&sim, 10);
    all_fail(&sim, 0..9);
    run_for(&sim, 10);
    assert_eq!(mail_subjects(&sim), [""; 0]);
    works(&sim, &about(0));
    acknowledge(&sim, &format!("hydration-failing/{}", about(1)));
    run_for(&sim, 40);
    let (_, list) = sim.mails().pop().unwrap();
    let line = |n: usize| list.text.lines().find(|line| line.contains(&about(n)));
    assert_eq!(line(0), None, "nobody need hear of what is resolved before its mail");
    assert!(line(1).unwrap().contains("5 kW at My Site, "), "{}", list.text);
    assert!(
        line(1).unwrap().ends_with("(voltus-prod/d001, acknowledged meanwhile)")
            && !line(2).unwrap().contains("meanwhile")
    );
    let place = |n: usize| list.text.find(&about(n)).unwrap();
    assert!((1..8).all(|n| place(n) > place(n + 1)), "{}", list.text);
    assert_eq!(mail_subjects(&sim), ["[gridbell] hydration-failing voltus-prod: 8 dispatches"]);
}

/// How many incidents the mails name, by their subjects.
fn notified(sim: &Simulation) -> usize {
    (mail_subjects(sim).iter())
        .map(|subject| subject.rsplit(": ").next().and_then(|last| last.split(' ').next()?.parse().ok()).unwrap_or(1))
        .sum()
}

#[test]
fn a_long_list_continues_in_the_next_mail_and_names_all() {
    let mut config = config();
    // All of them fail at once.
    config.sources.get_mut("voltus-prod").unwrap().requests_a_minute = Some(6_000);
    let sim = Simulation::new(1, config);
    // The last of them starts first.
    (0..230).for_each(|n| is_announced(&sim, n, starting(&format!("19:{:02}:{:02}", 59 - n / 20, 59 - n % 20))));
    run_for(&sim, 60);
    all_fail(&sim, 0..230);
    run_for(&sim, 60);
    let listed = |text: &str| -> Vec<usize> {
        let keys = text.split("voltus-prod/d").skip(1);
        keys.filter_map(|rest| rest.split([',', ')']).next()?.parse().ok()).collect()
    };
    assert_eq!(
        mail_subjects(&sim),
        ["200 dispatches (1 of 2)", "30 dispatches (2 of 2)"]
            .map(|rest| format!("[gridbell] hydration-failing voltus-prod: {rest}"))
    );
    let order: Vec<usize> = sim.mails().iter().flat_map(|(_, mail)| listed(&mail.text)).collect();
    assert_eq!(order, (0..230).rev().collect::<Vec<_>>(), "the most urgent first, each once");
}

#[test]
fn hundreds_of_urgent_ones_at_once_are_a_few_lists() {
    let sim = sim(1);
    all_fail(&sim, 0..650);
    let began = sim.now();
    // The simulation makes calls one after the other that the cloud makes concurrently. So a sweep of ten seconds does
    // what takes one second there, and the next sweep does the rest.
    run_for(&sim, 160);
    let failed: Vec<Queued> = sim.queued(Inner::Alerts).into_iter().filter(|message| message.receives > 0).collect();
    assert_eq!(failed, [], "an invocation failed over it");
    assert!(sim.mails().len() <= 20, "{:?}", mail_subjects(&sim));
    assert_eq!(notified(&sim), 650, "{:?}", mail_subjects(&sim));
    all_are_named(&sim, "", 650);
    let mailed_s = mailed_s(&sim, began);
    assert!(mailed_s[0] <= 1 && mailed_s.windows(2).all(|pair| pair[1] - pair[0] <= 60), "{mailed_s:?}");
}

#[test]
fn what_comes_while_a_full_list_is_being_sent_is_mailed_too() {
    for seed in 0..4 {
        let sim = sim(seed);
        all_fail(&sim, 0..203);
        run_for(&sim, 28);
        assert_eq!(sim.incidents().all().len(), 203);
        sim.advance(SignedDuration::from_secs(30));
        all_fail(&sim, 203..206);
        let batches = sim.take(Inner::Alerts).into_iter().map(|one| (Function::Alerter, vec![one])).collect();
        let ended = sim.at_once(batches);
        assert!(ended.iter().all(|ended| *ended == Ended::Answered(Vec::new())), "{ended:?}");
        drain(&sim);
        assert_eq!(notified(&sim), 206, "seed {seed}: {:?}", mail_subjects(&sim));
    }
}

#[test]
fn a_list_that_ses_refuses_is_sent_later() {
    for failures in [1, 4, 12] {
        let sim = sim(1);
        sim.fault("mailer.send", Toxic::Refuse, Times::First(failures));
        all_fail(&sim, 0..10);
        drain(&sim);
        all_are_named(&sim, "", 10);
        assert!(mail_subjects(&sim).len() <= 5, "{:?}", mail_subjects(&sim));
    }
}

#[test]
fn every_fault_at_every_call_names_each_and_repeats_little() {
    let play = |sim: &Simulation| {
        all_fail(sim, 0..6);
        sim.settle(SignedDuration::from_mins(20));
        (0..6).for_each(|n| works(sim, &about(n)));
        sim.settle(SignedDuration::from_hours(24))
    };
    let calm = sim(1);
    assert_eq!(play(&calm), Settled::Drained);
    let usual = mail_subjects(&calm).len();
    assert!((2..=4).contains(&usual), "{:?}", mail_subjects(&calm));
    for (number, call) in worth_a_fault(&calm.calls(), 0) {
        for toxic in Toxic::ALL {
            let sim = sim(1);
            sim.fault_at(number, toxic);
            assert_eq!(play(&sim), Settled::Drained, "{number} {toxic:?}");
            // The incidents of a batch whose invocation died come later, alone or as one more list.
            let mails = mail_subjects(&sim);
            assert!(mails.len() <= usual + 3, "{number} {:?} {toxic:?}: {mails:?}", call.port);
            all_are_named(&sim, "", 6);
            all_are_named(&sim, "Resolved: ", 6);
            assert!(sim.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Resolved));
            assert!(sim.queued(Inner::AlertsDead).is_empty());
        }
    }
}

#[test]
fn what_works_again_before_its_list_is_sent_is_mailed_to_nobody() {
    let sim = sim(1);
    for n in 0..3 {
        is_announced(&sim, n, starting("18:00:00"));
    }
    run_for(&sim, 5);
    all_fail(&sim, 0..3);
    run_for(&sim, 5);
    // Without a hint: a mail states what is true when it is sent.
    (0..3).for_each(|n| settles(&sim, &about(n)));
    pass(&sim, minutes(10));
    assert_eq!(mail_subjects(&sim), [""; 0]);
    assert!(sim.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Resolved));
}
