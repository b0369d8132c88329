//! Notices that come twice, late, or in another order than they were sent.

use pipeline::incident::IncidentStatus;
use sim::{Ended, Inner, Times, Toxic, World};

use crate::{
    alert::{INCIDENT, failing, mailed, minutes, notify, over, quarantined},
    common::{drain, run_for, world},
};

#[test]
fn news_that_are_older_than_the_end_are_no_news() {
    let world = world(1);
    let late = failing(&world);
    world.advance(minutes(1));
    notify(&world, &over(&world));
    drain(&world);
    notify(&world, &late);
    drain(&world);
    assert!(mailed(&world).is_empty());
}

#[test]
fn what_came_again_and_went_again_is_no_news_where_its_second_end_comes_first() {
    let world = world(1);
    for notice in [failing, over] {
        notify(&world, &notice(&world));
        drain(&world);
        world.advance(minutes(1));
    }
    let late = failing(&world);
    world.advance(minutes(1));
    for notice in [over(&world), late] {
        notify(&world, &notice);
        drain(&world);
    }
    assert_eq!(mailed(&world), ["happens", "over"]);
    assert_eq!(world.incidents().get(INCIDENT).unwrap().status, IncidentStatus::Over);
}

#[test]
fn a_notice_that_is_delivered_again_after_the_end_does_not_begin_anew() {
    let world = world(1);
    let notice = quarantined(&world, "broken");
    notify(&world, &notice);
    drain(&world);
    assert_eq!(mailed(&world), ["happens", "over"]);
    notify(&world, &notice);
    drain(&world);
    assert_eq!(mailed(&world), ["happens", "over"]);
}

#[test]
fn what_is_delivered_twice_is_mailed_although_one_reader_dies_over_the_mail_and_the_other_is_done_with_the_message() {
    let happens = |world: &World| notify(world, &failing(world));
    let ends = |world: &World| {
        notify(world, &failing(world));
        run_for(world, 60);
        notify(world, &over(world));
    };
    let goes_quiet = |world: &World| {
        notify(world, &quarantined(world, "broken"));
        run_for(world, 60);
        world.advance(minutes(15));
    };
    let histories: [fn(&World); 3] = [happens, ends, goes_quiet];
    for (play, expected) in histories.into_iter().zip([&["happens"][..], &["happens", "over"], &["happens", "over"]]) {
        let world = world(1);
        play(&world);
        let messages = world.take(Inner::Alerts);
        world.fault("mailer.send", Toxic::CrashBefore, Times::First(1));
        assert_eq!(world.alert(messages.clone()), Ended::Crashed);
        let died = world.now();
        assert_eq!(world.alert(messages), Ended::Answered(Vec::new()));
        drain(&world);
        assert_eq!(mailed(&world), expected);
        let made_up = world.mails().pop().unwrap().0.duration_since(died);
        assert!((60..63).contains(&made_up.as_secs()), "as soon as the other counts as dead: {made_up:?}");
    }
}

#[test]
fn what_began_anew_while_no_mail_could_be_sent_passes_in_silence_where_the_old_end_is_tried_again() {
    let world = world(1);
    notify(&world, &failing(&world));
    drain(&world);
    world.fault("mailer.send", Toxic::Refuse, Times::Always);
    notify(&world, &over(&world));
    run_for(&world, 60);
    world.advance(minutes(1));
    notify(&world, &failing(&world));
    run_for(&world, 60);
    world.heal();
    drain(&world);
    assert_eq!(mailed(&world), ["happens", "happens"]);
    assert_eq!(world.incidents().get(INCIDENT).unwrap().status, IncidentStatus::Open);
    notify(&world, &over(&world));
    drain(&world);
    assert_eq!(mailed(&world), ["happens", "happens", "over"]);
}

#[test]
fn what_began_and_ended_at_the_same_instant_is_over_in_either_order() {
    for ended_first in [false, true] {
        let world = world(1);
        let (began, ended) = (failing(&world), over(&world));
        for notice in if ended_first { [ended, began] } else { [began, ended] } {
            notify(&world, &notice);
            drain(&world);
        }
        assert_eq!(mailed(&world).len(), if ended_first { 0 } else { 2 });
        assert_eq!(world.incidents().get(INCIDENT).unwrap().status, IncidentStatus::Over);
    }
}
