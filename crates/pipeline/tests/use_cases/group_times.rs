//! How long mails wait for others, and which invocation sends them: one at a time, once, at the scheduled time.

use jiff::SignedDuration;
use pipeline::{
    group::AlertGroup,
    job::Message,
    messages::{self, ToAlert},
};
use simulation::{Ended, Function, Inner, Queued, Simulation};

use crate::{
    common::{drain, mail_subjects, mailed_s, pass, run_for, sim},
    groups::{about, all_are_named, all_fail, is_announced, starting},
    incidents::{fails, minutes, notified_by, step},
};

const GROUP: &str = "group/hydration-failing/voltus-prod/first";

/// The messages that will send the pending mails.
fn flushes(sim: &Simulation) -> Vec<(Inner, Queued)> {
    let is_flush = |body: &str| matches!(messages::read(body), Ok(ToAlert::Flush { .. }));
    let queued =
        [Inner::Alerts, Inner::Reviews].map(|queue| sim.queued(queue).into_iter().map(move |one| (queue, one)));
    queued.into_iter().flatten().filter(|(_, message)| is_flush(&message.body)).collect()
}

/// The group of all these mails.
fn group(sim: &Simulation) -> AlertGroup {
    sim.groups().get(GROUP).expect("a group")
}

/// How many mails are pending.
fn waiting(sim: &Simulation) -> usize {
    sim.incidents().all().iter().filter(|incident| incident.waiting.is_some()).count()
}

/// Ten incidents whose mails can wait: their dispatches start in some hours.
fn ten(seed: u64) -> Simulation {
    let sim = sim(seed);
    (0..12).for_each(|n| is_announced(&sim, n, starting("19:00:00")));
    run_for(&sim, 10);
    all_fail(&sim, 0..10);
    run_for(&sim, 5);
    assert_eq!((mail_subjects(&sim).len(), waiting(&sim)), (0, 10));
    sim
}

#[test]
fn what_can_wait_goes_out_every_five_minutes() {
    let sim = sim(1);
    let began = sim.now();
    for n in 0..240 {
        // Past readings are not urgent.
        fails(&sim, &format!("openvolt-prod/m{n}"));
        pass(&sim, SignedDuration::from_secs(10));
    }
    let mailed_s = mailed_s(&sim, began);
    assert!((30..=32).contains(&mailed_s[0]), "{mailed_s:?}");
    let waited_s: Vec<i64> = mailed_s.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waited_s.len(), 7, "{mailed_s:?}");
    assert!(waited_s.iter().all(|waited_s| (299..=303).contains(waited_s)), "{waited_s:?}");
}

#[test]
fn a_list_is_sent_although_more_comes_and_comes() {
    for every_ms in [200, 700, 1_500] {
        let sim = sim(1);
        let began = sim.now();
        for n in 0..400 {
            fails(&sim, &about(n));
            fails(&sim, &format!("openvolt-prod/m{n}"));
            pass(&sim, SignedDuration::from_millis(every_ms));
        }
        let first_s = |source: &str| {
            let mut mails = sim.mails().into_iter();
            let (at, _) = mails
                .find(|(_, mail)| crate::common::digest(&mail.subject).contains(&format!("{source}:")))
                .expect("a list");
            at.duration_since(began).as_secs()
        };
        let (urgent_s, other_s) = (first_s("voltus-prod"), first_s("openvolt-prod"));
        assert!(urgent_s <= 10 && other_s <= 40, "one every {every_ms} ms: {urgent_s} s, {other_s} s");
    }
}

#[test]
fn an_urgent_mail_takes_ten_seconds_however_lately_others_went() {
    // Four failing dispatches of a source whose start is unknown.
    for apart_ms in [0, 100, 1_000, 2_500, 3_000, 5_000, 6_900, 8_000, 20_000, 45_000] {
        let sim = sim(1);
        let mut failed_at = Vec::new();
        for n in 0..4 {
            failed_at.push(sim.now());
            fails(&sim, &about(n));
            pass(&sim, SignedDuration::from_millis(apart_ms));
        }
        pass(&sim, SignedDuration::from_secs(11));
        for (n, failed_at) in failed_at.into_iter().enumerate() {
            let named = |(_, mail): &(jiff::Timestamp, pipeline::mail::Mail)| mail.text.contains(&about(n));
            let (at, _) = sim.mails().into_iter().find(named).expect("a mail");
            assert!(at <= failed_at + SignedDuration::from_secs(10), "{n} of those {apart_ms} ms apart: {at}");
        }
    }
}

#[test]
fn an_urgent_mail_is_not_put_off_by_one_that_can_wait() {
    // The dispatch of the second starts in some hours; its incident opens at various times around the first, urgent
    // mail.
    for apart_ms in (0..8_000).step_by(500) {
        let sim = sim(1);
        is_announced(&sim, 1, starting("19:00:00"));
        run_for(&sim, 10);
        all_fail(&sim, 10..11);
        pass(&sim, SignedDuration::from_secs(1));
        let failed_at = sim.now();
        all_fail(&sim, 11..12);
        pass(&sim, SignedDuration::from_millis(apart_ms));
        all_fail(&sim, 1..2);
        pass(&sim, SignedDuration::from_secs(11));
        let named = |(_, mail): &(jiff::Timestamp, pipeline::mail::Mail)| mail.text.contains(&about(11));
        let (at, _) = sim.mails().into_iter().find(named).expect("a mail");
        assert!(at <= failed_at + SignedDuration::from_secs(10), "{apart_ms} ms later: {at}, failed at {failed_at}");
    }
}

#[test]
fn a_storm_of_urgent_mails_is_lists_ten_seconds_apart() {
    let sim = sim(1);
    let began = sim.now();
    for n in 0..120 {
        fails(&sim, &about(n));
        pass(&sim, SignedDuration::from_secs(1));
    }
    run_for(&sim, 20);
    let mailed_s = mailed_s(&sim, began);
    assert!(mailed_s.windows(2).all(|pair| pair[1] - pair[0] <= 10), "{mailed_s:?}");
    all_are_named(&sim, "", 120);
}

#[test]
fn in_a_storm_what_people_know_goes_out_once_a_minute() {
    // The lead is notified of each after two minutes.
    let sim = Simulation::new(1, notified_by(0, vec![step(120, "lead@example.com")]));
    for n in 0..300 {
        fails(&sim, &about(n));
        pass(&sim, SignedDuration::from_secs(1));
    }
    pass(&sim, minutes(5));
    let escalations = sim.mails().into_iter().filter(|(_, mail)| mail.subject.contains("; escalated"));
    let at: Vec<jiff::Timestamp> = escalations.map(|(at, _)| at).collect();
    let apart_s: Vec<i64> = at.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs()).collect();
    assert!(apart_s.iter().skip(12).all(|apart_s| *apart_s >= 58), "{apart_s:?}");
    assert!(at.len() <= 20, "{apart_s:?}");
    assert!(sim.incidents().all().iter().all(|incident| incident.level == 1 && incident.waiting.is_none()));
}

#[test]
fn what_starts_soon_waits_for_no_list_that_can_wait() {
    let sim = ten(1);
    is_announced(&sim, 20, |_| {});
    run_for(&sim, 5);
    let before = sim.now();
    all_fail(&sim, 20..21);
    run_for(&sim, 10);
    // The mail includes all incidents collected by then.
    assert_eq!(mail_subjects(&sim), ["[gridbell] hydration-failing voltus-prod: 11 dispatches"]);
    assert!(sim.mails()[0].0 <= before + SignedDuration::from_secs(1));
    let text = &sim.mails()[0].1.text;
    assert!(text.lines().nth(1).unwrap().contains(&about(20)), "the most urgent first: {text}");
}

#[test]
fn a_list_is_sent_by_one_message_and_not_by_one_for_each() {
    for seed in 0..10 {
        let sim = ten(seed);
        // Concurrent invocations may each have sent one.
        let sent = flushes(&sim).len();
        assert!((1..=10).contains(&sent), "seed {seed}: {sent}");
        all_fail(&sim, 10..12);
        run_for(&sim, 5);
        assert_eq!(flushes(&sim).len(), sent, "seed {seed}");
        run_for(&sim, 40);
        assert_eq!(mail_subjects(&sim).len(), 1);
        assert_eq!(flushes(&sim), [], "nothing is left to be sent");
    }
}

#[test]
fn a_message_that_comes_too_early_or_once_more_sends_nothing() {
    let sim = ten(1);
    let (queue, flush) = flushes(&sim).remove(0);
    for mails in [0, 1] {
        sim.put(queue, &flush.body);
        run_for(&sim, 5);
        assert_eq!(mail_subjects(&sim).len(), mails, "{:?}", mail_subjects(&sim));
        run_for(&sim, 40);
    }
    assert_eq!(mail_subjects(&sim).len(), 1, "{:?}", mail_subjects(&sim));
}

/// Removes the messages that will send the list from the queues, that long before its time.
fn flush_before(sim: &Simulation, seconds: i64) -> Vec<Message> {
    let at = group(sim).flush_at.expect("a time");
    sim.advance(at.duration_since(sim.now()) - SignedDuration::from_secs(seconds));
    let queued = flushes(sim);
    for (queue, message) in &queued {
        sim.delete(*queue, &message.id);
    }
    queued.into_iter().map(|(_, Queued { id, body, receives, .. })| Message { id, body, receives }).collect()
}

#[test]
fn what_comes_while_a_list_is_sent_has_a_message_of_its_own() {
    let mut left_behind = 0;
    for seed in 0..40 {
        let sim = ten(seed);
        let early = flush_before(&sim, 1);
        all_fail(&sim, 10..11);
        let batches = [early, sim.take(Inner::Alerts)].map(|batch| (Function::Alerter, batch));
        let ended = sim.at_once(batches.into());
        assert!(ended.iter().all(|ended| *ended == Ended::Answered(Vec::new())), "{ended:?}");
        if waiting(&sim) == 1 {
            left_behind += 1;
            all_fail(&sim, 11..12);
            run_for(&sim, 5);
            assert!((1..=2).contains(&flushes(&sim).len()), "seed {seed}: {:?}", flushes(&sim));
        }
        drain(&sim);
        all_are_named(&sim, "", 11);
    }
    assert!(left_behind > 0, "it never came just then");
}

#[test]
fn a_list_that_another_invocation_is_sending_is_sent_once() {
    for seed in 0..20 {
        let sim = ten(seed);
        let flush = flush_before(&sim, 0).remove(0);
        let twice = vec![(Function::Alerter, vec![flush.clone()]), (Function::Alerter, vec![flush])];
        let ended = sim.at_once(twice);
        assert!(ended.iter().all(|ended| *ended == Ended::Answered(Vec::new())), "{ended:?}");
        assert_eq!(mail_subjects(&sim).len(), 1, "seed {seed}: {:?}", mail_subjects(&sim));
        assert_eq!(flushes(&sim), [], "seed {seed}: nothing waits any more");
        drain(&sim);
        assert_eq!(mail_subjects(&sim).len(), 1, "seed {seed}: {:?}", mail_subjects(&sim));
    }
}
