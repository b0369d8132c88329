//! How long mails wait for others, and who sends them: one at a time, once, at the time that was set.

use jiff::SignedDuration;
use pipeline::{
    group::AlertGroup,
    messages::{self, ToAlert},
    work::Message,
};
use sim::{Ended, Function, Inner, Queued, World};

use crate::{
    common::{drain, mail_subjects, mailed_s, pass, run_for, world},
    groups::{about, all_are_named, all_fail, is_announced, starting},
    incidents::{fails, minutes, notified_by, step},
};

const GROUP: &str = "group/hydration-failing/voltus-prod/first";

/// The messages that will send what waits.
fn flushes(world: &World) -> Vec<(Inner, Queued)> {
    let is_flush = |body: &str| matches!(messages::read(body), Ok(ToAlert::Flush { .. }));
    let queued =
        [Inner::Alerts, Inner::Reviews].map(|queue| world.queued(queue).into_iter().map(move |one| (queue, one)));
    queued.into_iter().flatten().filter(|(_, message)| is_flush(&message.body)).collect()
}

/// The group of all these mails.
fn group(world: &World) -> AlertGroup {
    world.groups().get(GROUP).expect("a group")
}

/// How many mails wait.
fn waiting(world: &World) -> usize {
    world.incidents().all().iter().filter(|incident| incident.waiting.is_some()).count()
}

/// Ten incidents whose mails can wait: their dispatches start in hours.
fn ten(seed: u64) -> World {
    let world = world(seed);
    (0..12).for_each(|n| is_announced(&world, n, starting("19:00:00")));
    run_for(&world, 10);
    all_fail(&world, 0..10);
    run_for(&world, 5);
    assert_eq!((mail_subjects(&world).len(), waiting(&world)), (0, 10));
    world
}

#[test]
fn what_can_wait_goes_out_every_five_minutes() {
    let world = world(1);
    let began = world.now();
    for n in 0..240 {
        // Readings of the past press nobody.
        fails(&world, &format!("openvolt-prod/m{n}"));
        pass(&world, SignedDuration::from_secs(10));
    }
    let mailed_s = mailed_s(&world, began);
    assert!((30..=32).contains(&mailed_s[0]), "{mailed_s:?}");
    let waited_s: Vec<i64> = mailed_s.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waited_s.len(), 7, "{mailed_s:?}");
    assert!(waited_s.iter().all(|waited_s| (299..=303).contains(waited_s)), "{waited_s:?}");
}

#[test]
fn a_list_is_sent_although_more_comes_and_comes() {
    for every_ms in [200, 700, 1_500] {
        let world = world(1);
        let began = world.now();
        for n in 0..400 {
            fails(&world, &about(n));
            fails(&world, &format!("openvolt-prod/m{n}"));
            pass(&world, SignedDuration::from_millis(every_ms));
        }
        let first_s = |source: &str| {
            let mut mails = world.mails().into_iter();
            let (at, _) = mails.find(|(_, mail)| mail.subject.contains(&format!("{source}:"))).expect("a list");
            at.duration_since(began).as_secs()
        };
        let (urgent_s, other_s) = (first_s("voltus-prod"), first_s("openvolt-prod"));
        assert!(urgent_s <= 10 && other_s <= 40, "one every {every_ms} ms: {urgent_s} s, {other_s} s");
    }
}

#[test]
fn an_urgent_mail_takes_ten_seconds_however_lately_others_went() {
    // Of four failing dispatches of a source the start is not known.
    for apart_ms in [0, 100, 1_000, 2_500, 3_000, 5_000, 6_900, 8_000, 20_000, 45_000] {
        let world = world(1);
        let mut failed_at = Vec::new();
        for n in 0..4 {
            failed_at.push(world.now());
            fails(&world, &about(n));
            pass(&world, SignedDuration::from_millis(apart_ms));
        }
        pass(&world, SignedDuration::from_secs(11));
        for (n, failed_at) in failed_at.into_iter().enumerate() {
            let named = |(_, mail): &(jiff::Timestamp, pipeline::mail::Mail)| mail.text.contains(&about(n));
            let (at, _) = world.mails().into_iter().find(named).expect("a mail");
            assert!(at <= failed_at + SignedDuration::from_secs(10), "{n} of those {apart_ms} ms apart: {at}");
        }
    }
}

#[test]
fn an_urgent_mail_is_not_put_off_by_one_that_can_wait() {
    // The dispatch of the second starts in hours, and comes whenever the first, urgent one is about to be sent.
    for apart_ms in (0..8_000).step_by(500) {
        let world = world(1);
        is_announced(&world, 1, starting("19:00:00"));
        run_for(&world, 10);
        all_fail(&world, 10..11);
        pass(&world, SignedDuration::from_secs(1));
        let failed_at = world.now();
        all_fail(&world, 11..12);
        pass(&world, SignedDuration::from_millis(apart_ms));
        all_fail(&world, 1..2);
        pass(&world, SignedDuration::from_secs(11));
        let named = |(_, mail): &(jiff::Timestamp, pipeline::mail::Mail)| mail.text.contains(&about(11));
        let (at, _) = world.mails().into_iter().find(named).expect("a mail");
        assert!(at <= failed_at + SignedDuration::from_secs(10), "{apart_ms} ms later: {at}, failed at {failed_at}");
    }
}

#[test]
fn a_storm_of_urgent_mails_is_lists_ten_seconds_apart() {
    let world = world(1);
    let began = world.now();
    for n in 0..120 {
        fails(&world, &about(n));
        pass(&world, SignedDuration::from_secs(1));
    }
    run_for(&world, 20);
    let mailed_s = mailed_s(&world, began);
    assert!(mailed_s.windows(2).all(|pair| pair[1] - pair[0] <= 10), "{mailed_s:?}");
    all_are_named(&world, "", 120);
}

#[test]
fn in_a_storm_what_people_know_goes_out_once_a_minute() {
    // The lead is notified of each after two minutes.
    let world = World::new(1, notified_by(0, vec![step(120, "lead@example.com")]));
    for n in 0..300 {
        fails(&world, &about(n));
        pass(&world, SignedDuration::from_secs(1));
    }
    pass(&world, minutes(5));
    let escalations = world.mails().into_iter().filter(|(_, mail)| mail.subject.contains("nobody has taken it on"));
    let at: Vec<jiff::Timestamp> = escalations.map(|(at, _)| at).collect();
    let apart_s: Vec<i64> = at.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs()).collect();
    assert!(apart_s.iter().skip(12).all(|apart_s| *apart_s >= 58), "{apart_s:?}");
    assert!(at.len() <= 20, "{apart_s:?}");
    assert!(world.incidents().all().iter().all(|incident| incident.level == 1 && incident.waiting.is_none()));
}

#[test]
fn what_starts_soon_waits_for_no_list_that_can_wait() {
    let world = ten(1);
    is_announced(&world, 20, |_| {});
    run_for(&world, 5);
    let before = world.now();
    all_fail(&world, 20..21);
    run_for(&world, 10);
    // It takes along what has been collected by then.
    assert_eq!(mail_subjects(&world), ["[gridbell] hydration-failing voltus-prod: 11 dispatches"]);
    assert!(world.mails()[0].0 <= before + SignedDuration::from_secs(1));
    let text = &world.mails()[0].1.text;
    assert!(text.lines().next().unwrap().contains(&about(20)), "the most urgent first: {text}");
}

#[test]
fn a_list_is_sent_by_one_message_and_not_by_one_for_each() {
    for seed in 0..10 {
        let world = ten(seed);
        // Of those that come at the same instant each may have sent one.
        let sent = flushes(&world).len();
        assert!((1..=10).contains(&sent), "seed {seed}: {sent}");
        all_fail(&world, 10..12);
        run_for(&world, 5);
        assert_eq!(flushes(&world).len(), sent, "seed {seed}");
        run_for(&world, 40);
        assert_eq!(mail_subjects(&world).len(), 1);
        assert_eq!(flushes(&world), [], "nothing is left to be sent");
    }
}

#[test]
fn a_message_that_comes_too_early_or_once_more_sends_nothing() {
    let world = ten(1);
    let (queue, flush) = flushes(&world).remove(0);
    for mails in [0, 1] {
        world.put(queue, &flush.body);
        run_for(&world, 5);
        assert_eq!(mail_subjects(&world).len(), mails, "{:?}", mail_subjects(&world));
        run_for(&world, 40);
    }
    assert_eq!(mail_subjects(&world).len(), 1, "{:?}", mail_subjects(&world));
}

/// Takes the messages out of the queues that will send the list, so much before its time.
fn flush_before(world: &World, seconds: i64) -> Vec<Message> {
    let at = group(world).flush_at.expect("a time");
    world.advance(at.duration_since(world.now()) - SignedDuration::from_secs(seconds));
    let queued = flushes(world);
    for (queue, message) in &queued {
        world.delete(*queue, &message.id);
    }
    queued.into_iter().map(|(_, Queued { id, body, receives, .. })| Message { id, body, receives }).collect()
}

#[test]
fn what_comes_while_a_list_is_sent_has_a_message_of_its_own() {
    let mut left_behind = 0;
    for seed in 0..40 {
        let world = ten(seed);
        let early = flush_before(&world, 1);
        all_fail(&world, 10..11);
        let batches = [early, world.take(Inner::Alerts)].map(|batch| (Function::Alerter, batch));
        let ended = world.at_once(batches.into());
        assert!(ended.iter().all(|ended| *ended == Ended::Answered(Vec::new())), "{ended:?}");
        if waiting(&world) == 1 {
            left_behind += 1;
            all_fail(&world, 11..12);
            run_for(&world, 5);
            assert!((1..=2).contains(&flushes(&world).len()), "seed {seed}: {:?}", flushes(&world));
        }
        drain(&world);
        all_are_named(&world, "", 11);
    }
    assert!(left_behind > 0, "it never came just then");
}

#[test]
fn a_list_that_another_invocation_is_sending_is_sent_once() {
    for seed in 0..20 {
        let world = ten(seed);
        let flush = flush_before(&world, 0).remove(0);
        let twice = vec![(Function::Alerter, vec![flush.clone()]), (Function::Alerter, vec![flush])];
        let ended = world.at_once(twice);
        assert!(ended.iter().all(|ended| *ended == Ended::Answered(Vec::new())), "{ended:?}");
        assert_eq!(mail_subjects(&world).len(), 1, "seed {seed}: {:?}", mail_subjects(&world));
        assert_eq!(flushes(&world), [], "seed {seed}: nothing waits any more");
        drain(&world);
        assert_eq!(mail_subjects(&world).len(), 1, "seed {seed}: {:?}", mail_subjects(&world));
    }
}
