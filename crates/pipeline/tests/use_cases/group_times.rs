//! How long mails wait for their like, and who sends them: one at a time, once, at the time that was set.

use jiff::SignedDuration;
use pipeline::{
    held::Gate,
    incident::{News, Notice},
    ports::Incidents,
    work::Message,
};
use sim::{Ended, Function, Inner, Queued, Reply, World};

use crate::{
    common::{accepted, drain, mail_subjects, mailed_s, pass, run_for, thin, voltus, world},
    gate::{all_are_named, failing, notify},
};

/// The messages that will send what is gathered.
fn flushes(world: &World) -> Vec<Queued> {
    let is_flush = |body: &str| matches!(serde_json::from_str(body), Ok(Notice { news: News::Flush { .. }, .. }));
    world.queued(Inner::Alerts).into_iter().filter(|message| is_flush(&message.body)).collect()
}

/// The gate of all these mails.
fn gate(world: &World) -> Gate {
    let read = world.run(Function::Alerter, async |ports| ports.gate("gate/source-down/voltus-prod/first").await);
    read.answer().expect("an answer").expect("readable").expect("a gate")
}

/// Ten incidents: three mails by themselves, the others are held.
fn ten(seed: u64) -> World {
    let world = world(seed);
    for n in 0..10 {
        notify(&world, &failing(&world, "voltus-prod", n));
    }
    run_for(&world, 5);
    assert_eq!((mail_subjects(&world).len(), gate(&world).held.len()), (3, 7));
    world
}

#[test]
fn what_goes_on_and_on_is_told_of_every_five_minutes() {
    let world = world(1);
    let began = world.now();
    for n in 0..240 {
        notify(&world, &failing(&world, "voltus-prod", n));
        pass(&world, SignedDuration::from_secs(10));
    }
    let mailed_s = mailed_s(&world, began);
    assert_eq!(mailed_s[..3], [0, 10, 20], "the first few by themselves");
    let waited_s: Vec<i64> = mailed_s[2..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    let expected = [41, 311, 311, 311, 311, 311, 311, 311];
    assert_eq!(waited_s.len(), expected.len(), "{mailed_s:?}");
    assert!(
        waited_s.iter().zip(expected).all(|(waited_s, most_s)| (most_s - 10..=most_s).contains(waited_s)),
        "{waited_s:?}"
    );
}

#[test]
fn as_long_as_more_comes_no_list_is_sent() {
    for every_ms in [200, 700, 1_500] {
        let world = world(1);
        let began = world.now();
        for n in 0..400 {
            notify(&world, &failing(&world, "voltus-prod", n));
            pass(&world, SignedDuration::from_millis(every_ms));
        }
        let mailed_s = mailed_s(&world, began);
        let list_s = mailed_s.get(3).copied();
        assert!(list_s.is_some_and(|list_s| list_s <= 40), "one every {every_ms} ms: {mailed_s:?}");
    }
}

#[test]
fn what_starts_soon_waits_for_no_list_that_can_wait() {
    let world = world(1);
    world.answers("voltus-prod", "d020", [Reply::Json(voltus("d020", 0, 5).to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "d020"));
    run_for(&world, 5);
    // It starts at 16:50.
    world.advance(SignedDuration::from_secs(450));
    let notices = |range: std::ops::Range<usize>| {
        range.for_each(|n| notify(&world, &failing(&world, "voltus-prod", n)));
        run_for(&world, 40);
    };
    notices(0..10);
    assert_eq!(mail_subjects(&world).len(), 4, "three by themselves, and a list");
    notices(10..13);
    assert_eq!(mail_subjects(&world).len(), 4, "the next list has two minutes");
    notices(20..21);
    assert_eq!(mail_subjects(&world)[4..], ["[gridbell] source-down voltus-prod: 4 dispatches"]);
}

#[test]
fn a_list_is_sent_by_one_message_and_not_by_one_for_each_that_it_holds() {
    for seed in 0..10 {
        let world = ten(seed);
        // Whoever was overtaken has sent one as well.
        assert!((1..=3).contains(&flushes(&world).len()), "seed {seed}: {}", flushes(&world).len());
        run_for(&world, 40);
        assert_eq!(mail_subjects(&world).len(), 4);
        assert_eq!(flushes(&world), [], "nothing is left to be sent");
    }
}

#[test]
fn a_message_that_comes_too_early_or_once_more_sends_nothing() {
    let world = ten(1);
    let flush = flushes(&world).remove(0).body;
    for mails in [3, 4] {
        world.put(Inner::Alerts, &flush);
        run_for(&world, 5);
        assert_eq!(mail_subjects(&world).len(), mails, "{:?}", mail_subjects(&world));
        run_for(&world, 40);
    }
    assert_eq!(mail_subjects(&world).len(), 4, "{:?}", mail_subjects(&world));
}

/// Takes the messages out of the queue that will send the list, so much before its time.
fn flush_before(world: &World, seconds: i64) -> Vec<Message> {
    let at = gate(world).flush_at.expect("a time");
    world.advance(at.duration_since(world.now()) - SignedDuration::from_secs(seconds));
    let queued = flushes(world);
    for message in &queued {
        world.delete(Inner::Alerts, &message.id);
    }
    queued.into_iter().map(|Queued { id, body, receives, .. }| Message { id, body, receives }).collect()
}

#[test]
fn what_comes_while_a_list_is_sent_by_a_clock_that_is_ahead_has_a_message_of_its_own() {
    let mut left_behind = 0;
    for seed in 0..40 {
        let world = ten(seed);
        let early = flush_before(&world, 3);
        notify(&world, &failing(&world, "voltus-prod", 10));
        let batches = [early, world.take(Inner::Alerts)].map(|batch| (Function::Alerter, batch));
        let ended = world.at_once(batches.into());
        assert!(ended.iter().all(|ended| *ended == Ended::Answered(Vec::new())), "{ended:?}");
        if gate(&world).held.len() == 1 {
            left_behind += 1;
            notify(&world, &failing(&world, "voltus-prod", 11));
            run_for(&world, 5);
            assert_eq!(flushes(&world).len(), 1, "seed {seed}: one for both");
        }
        drain(&world);
        all_are_named(&world, "", 11);
    }
    assert!(left_behind > 0, "it never came just then");
}

#[test]
fn a_list_that_somebody_is_sending_is_asked_for_again_when_he_must_be_done() {
    let mut asked_again = 0;
    for seed in 0..20 {
        let world = ten(seed);
        let flush = flush_before(&world, 0).remove(0);
        let twice = vec![(Function::Alerter, vec![flush.clone()]), (Function::Alerter, vec![flush])];
        let ended = world.at_once(twice);
        assert!(ended.iter().all(|ended| *ended == Ended::Answered(Vec::new())), "{ended:?}");
        assert_eq!(mail_subjects(&world).len(), 4, "seed {seed}: {:?}", mail_subjects(&world));
        for again in flushes(&world) {
            asked_again += 1;
            let in_ms = again.visible_at.duration_since(world.now()).as_millis();
            assert!((60_000..=61_000).contains(&in_ms), "seed {seed}: {in_ms} ms");
        }
        drain(&world);
        assert_eq!(mail_subjects(&world).len(), 4, "seed {seed}: {:?}", mail_subjects(&world));
    }
    assert!(asked_again > 0, "they never met");
}
