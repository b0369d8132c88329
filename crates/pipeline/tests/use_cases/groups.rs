//! Many incidents of one cause are few mails, whatever fails or dies on the way; and none of them is missing.

use dispatch::Subject;
use jiff::SignedDuration;
use pipeline::{
    alert::{AcknowledgeIncident, Outcome},
    held::MAX_LISTED,
    incident::{IncidentStatus, Kind, Notice},
};
use serde_json::json;
use sim::{Ended, Function, Inner, Reply, Settled, Times, Toxic, World};

use crate::common::{accepted, config, drain, mail_subjects, run_for, thin, voltus, world};

pub(crate) fn about(source: &str, n: usize) -> String {
    format!("{source}/d{n:03}")
}

pub(crate) fn failing(world: &World, source: &str, n: usize) -> Notice {
    let about = about(source, n);
    let notice = Notice::happens(Kind::SourceDown, source, about.clone(), world.now(), "500".to_owned());
    notice.gathered_by(about.clone()).about_dispatch(Some(Subject::from_stored(about))).until_over()
}

fn over(world: &World, source: &str, n: usize) -> Notice {
    Notice::over(Kind::SourceDown, source, &about(source, n), world.now(), "it worked".to_owned())
}

pub(crate) fn notify(world: &World, notice: &Notice) {
    world.put(Inner::Alerts, &serde_json::to_string(notice).expect("JSON"));
}

/// Whether each of so many is named in a mail whose subject holds that.
pub(crate) fn all_are_named(world: &World, occasion: &str, count: usize) {
    let texts: String = (world.mails().into_iter())
        .filter(|(_, mail)| mail.subject.contains("over: ") == (occasion == "over: "))
        .map(|(_, mail)| mail.text)
        .collect();
    for n in 0..count {
        assert!(texts.contains(&about("voltus-prod", n)), "{n} is not named in {texts}");
    }
}

#[test]
fn an_outage_of_a_provider_is_a_handful_of_mails() {
    for seed in 0..10 {
        let world = world(seed);
        for n in 0..47 {
            notify(&world, &failing(&world, "voltus-prod", n));
        }
        run_for(&world, 3_600);
        let subjects = mail_subjects(&world);
        assert_eq!(subjects.len(), 4, "{subjects:?}");
        assert_eq!(subjects[3], "[gridbell] source-down voltus-prod: 44 dispatches");
        all_are_named(&world, "", 47);
        for n in 0..47 {
            notify(&world, &over(&world, "voltus-prod", n));
        }
        drain(&world);
        let subjects = mail_subjects(&world);
        assert_eq!(subjects.len(), 8, "{subjects:?}");
        assert_eq!(subjects[7], "[gridbell] over: source-down voltus-prod: 44 dispatches");
        all_are_named(&world, "over: ", 47);
    }
}

#[test]
fn after_half_an_hour_of_silence_a_new_outage_is_told_of_at_once_again() {
    let world = world(1);
    for n in 0..10 {
        notify(&world, &failing(&world, "voltus-prod", n));
    }
    run_for(&world, 3_600);
    assert_eq!(mail_subjects(&world).len(), 4);
    world.advance(SignedDuration::from_mins(31));
    for n in 10..13 {
        notify(&world, &failing(&world, "voltus-prod", n));
    }
    run_for(&world, 5);
    assert_eq!(mail_subjects(&world).len(), 7, "{:?}", mail_subjects(&world));
}

#[test]
fn what_starts_soon_is_mailed_within_ten_seconds_whatever_is_gathered() {
    let world = world(1);
    let notices = |range: std::ops::Range<usize>, apart_s: i64| {
        for n in range {
            notify(&world, &failing(&world, "voltus-prod", n));
            run_for(&world, apart_s);
            world.advance(SignedDuration::from_secs(apart_s));
        }
    };
    for n in 0..20 {
        let id = format!("d{n:03}");
        world.answers("voltus-prod", &id, [Reply::Json(voltus(&id, 0, 5).to_string())]);
        accepted(&world, "voltus-prod", &thin("dispatch.create", &id));
    }
    run_for(&world, 5);
    // They start at 16:50.
    world.advance(SignedDuration::from_secs(360));
    notices(0..10, 0);
    run_for(&world, 40);
    assert_eq!(mail_subjects(&world).len(), 4, "three by themselves, and a list");
    let began = world.now();
    notices(10..20, 1);
    run_for(&world, 60);
    let mailed: Vec<i64> = world.mails()[4..].iter().map(|(at, _)| at.duration_since(began).as_secs()).collect();
    assert!(mailed.len() <= 3, "lists and not ten mails: {mailed:?}");
    // The first notice came at once, the last ten seconds later.
    assert!(mailed[0] <= 10 && mailed[mailed.len() - 1] <= 20, "{mailed:?} s");
    assert!(mailed.windows(2).all(|pair| pair[1] - pair[0] <= 10), "{mailed:?} s");
    all_are_named(&world, "", 20);
}

/// A provider that is down, as its webhooks go on announcing dispatches that nobody can fetch.
#[test]
fn the_fourth_failing_dispatch_of_a_source_is_mailed_in_time() {
    let world = world(2);
    let mut due = Vec::new();
    for n in 0..12 {
        let id = format!("d{n:03}");
        world.answers("voltus-prod", &id, (0..40).map(|_| Reply::Status(500, None)));
        accepted(&world, "voltus-prod", &thin("dispatch.create", &id));
        // First delivery and the immediate deadline.
        due.push((format!("voltus-prod/{id}"), world.now() + SignedDuration::from_secs(60)));
        run_for(&world, 7);
        world.advance(SignedDuration::from_secs(7));
    }
    run_for(&world, 300);
    for (subject, due_at) in due {
        let names = |mail: &pipeline::mail::Mail| mail.subject.contains(&subject) || mail.text.contains(&subject);
        let mails = world.mails();
        let (at, _) = mails.iter().find(|(_, mail)| names(mail)).expect("a mail");
        assert!(*at <= due_at + SignedDuration::from_secs(10), "{subject}: {at}, due at {due_at}");
    }
}

#[test]
fn reminders_of_an_outage_are_gathered_as_well() {
    let mut config = config();
    config.contacts.remind_s = 900;
    let world = World::new(1, config);
    for n in 0..30 {
        notify(&world, &failing(&world, "voltus-prod", n));
    }
    run_for(&world, 4 * 3_600);
    let mails = mail_subjects(&world).len();
    assert!(mails < 4 + 3 + 2 * 16, "{mails} mails in four hours");
    assert!(mail_subjects(&world).iter().any(|subject| subject.contains("reminder: source-down voltus-prod:")));
}

#[test]
fn one_that_is_held_alone_is_told_in_full() {
    let world = world(1);
    for n in 0..4 {
        world.answers("voltus-prod", &format!("d00{n}"), [Reply::Json(voltus(&format!("d00{n}"), 0, 5).to_string())]);
        accepted(&world, "voltus-prod", &thin("dispatch.create", &format!("d00{n}")));
    }
    run_for(&world, 5);
    for n in 0..4 {
        notify(&world, &failing(&world, "voltus-prod", n));
    }
    run_for(&world, 40);
    let (_, last) = world.mails().pop().unwrap();
    assert!(last.subject.contains("source-down: voltus-prod/d00"), "{}", last.subject);
    assert!(last.text.starts_with("Sites:") && last.calendar.is_some(), "{}", last.text);
}

#[test]
fn real_and_test_never_share_a_mail() {
    let world = world(1);
    let mut test = voltus("test", 0, 5);
    test["test"] = json!(true);
    for n in 0..12 {
        let id = format!("d{n:03}");
        let mut dispatch = voltus(&id, 0, 5);
        dispatch["test"] = json!(n % 2 == 0);
        world.answers("voltus-prod", &id, [Reply::Json(dispatch.to_string())]);
        accepted(&world, "voltus-prod", &thin("dispatch.create", &id));
    }
    run_for(&world, 10);
    for n in 0..12 {
        notify(&world, &failing(&world, "voltus-prod", n));
    }
    run_for(&world, 60);
    for (_, mail) in world.mails() {
        let test = mail.subject.contains("[TEST]");
        for n in (0..12).filter(|n| (n % 2 == 0) != test) {
            assert!(!mail.text.contains(&about("voltus-prod", n)), "{}\n{}", mail.subject, mail.text);
        }
    }
    all_are_named(&world, "", 12);
}

fn take_on(world: &World, n: usize) {
    let incident = format!("{}/{}", Kind::SourceDown, about("voltus-prod", n));
    let taken = world.run(Function::Alerter, async |ports| {
        AcknowledgeIncident { incidents: ports, world: ports }.acknowledge(&incident, "the person on duty").await
    });
    assert_eq!(taken.answer().unwrap().unwrap(), Outcome::Noted);
}

#[test]
fn a_list_says_what_has_changed_meanwhile_and_begins_with_the_most_urgent() {
    let world = world(1);
    for n in 0..9 {
        let id = format!("d{n:03}");
        let mut dispatch = voltus(&id, 0, 5);
        dispatch["start_time"] = json!(format!("2023-12-01T19:{:02}:00Z", 59 - n));
        dispatch["end_time"] = json!("2023-12-01T20:00:00Z");
        world.answers("voltus-prod", &id, [Reply::Json(dispatch.to_string())]);
        accepted(&world, "voltus-prod", &thin("dispatch.create", &id));
    }
    run_for(&world, 10);
    for n in 0..9 {
        notify(&world, &failing(&world, "voltus-prod", n));
    }
    run_for(&world, 10);
    let held: Vec<usize> = (0..9)
        .filter(|n| !world.mails().iter().any(|(_, mail)| mail.text.contains(&about("voltus-prod", *n))))
        .collect();
    notify(&world, &over(&world, "voltus-prod", held[0]));
    take_on(&world, held[1]);
    run_for(&world, 40);
    let (_, list) = world.mails().pop().unwrap();
    let line = |n: usize| list.text.lines().find(|line| line.contains(&about("voltus-prod", n))).unwrap();
    assert!(line(held[0]).contains("My Site, reduce by 5 kW"), "{}", list.text);
    let meanwhile = [0, 1, 2].map(|n| line(held[n]).rsplit("500").next().unwrap());
    assert_eq!(meanwhile, [" (over meanwhile)", " (taken on meanwhile)", ""]);
    let place = |n: usize| list.text.find(&about("voltus-prod", n)).unwrap();
    assert!(held.windows(2).all(|pair| place(pair[0]) > place(pair[1])), "{}", list.text);
}

#[test]
fn a_thousand_at_once_leave_an_item_that_can_be_stored_and_a_mail_that_can_be_read() {
    let world = world(1);
    for n in 0..1_000 {
        notify(&world, &failing(&world, "voltus-prod", n));
    }
    drain(&world);
    assert!(world.mails().len() <= 12, "{:?}", mail_subjects(&world));
    let listed =
        |text: &str| text.lines().filter(|line| line.contains("voltus-prod/d") && line.ends_with("500")).count();
    assert_eq!(world.mails().iter().map(|(_, mail)| listed(&mail.text)).max(), Some(MAX_LISTED));
    assert_eq!(world.incidents().all().len(), 1_000);
    assert_eq!(told(&world), 1_000, "{:?}", mail_subjects(&world));
}

/// How many incidents the mails tell of, by their subjects.
fn told(world: &World) -> usize {
    (mail_subjects(world).iter())
        .map(|subject| subject.rsplit(": ").next().and_then(|last| last.split(' ').next()?.parse().ok()).unwrap_or(1))
        .sum()
}

#[test]
fn what_comes_while_a_full_list_is_being_sent_is_never_told_of() {
    for seed in 0..4 {
        let world = world(seed);
        for n in 0..203 {
            notify(&world, &failing(&world, "voltus-prod", n));
        }
        run_for(&world, 28);
        assert_eq!((told(&world), world.incidents().all().len()), (3, 203));
        world.advance(SignedDuration::from_secs(30));
        for n in 203..206 {
            notify(&world, &failing(&world, "voltus-prod", n));
        }
        let batches = world.take(Inner::Alerts).into_iter().map(|one| (Function::Alerter, vec![one])).collect();
        let ended = world.at_once(batches);
        assert!(ended.iter().all(|ended| *ended == Ended::Answered(Vec::new())), "{ended:?}");
        drain(&world);
        assert_eq!(told(&world), 206, "seed {seed}: {:?}", mail_subjects(&world));
    }
}

#[test]
fn a_list_that_ses_refuses_is_sent_later() {
    for failures in [1, 4, 12] {
        let world = world(1);
        world.fault("mailer.send", Toxic::Refuse, Times::First(failures));
        for n in 0..10 {
            notify(&world, &failing(&world, "voltus-prod", n));
        }
        drain(&world);
        all_are_named(&world, "", 10);
        assert!(mail_subjects(&world).len() <= 5, "{:?}", mail_subjects(&world));
    }
}

#[test]
fn every_fault_at_every_call_loses_nobody_and_repeats_at_most_one_mail() {
    let play = |world: &World| {
        for n in 0..6 {
            notify(world, &failing(world, "voltus-prod", n));
        }
        world.settle(SignedDuration::from_mins(20));
        for n in 0..6 {
            notify(world, &over(world, "voltus-prod", n));
        }
        world.settle(SignedDuration::from_hours(24))
    };
    let calm = world(1);
    assert_eq!(play(&calm), Settled::Drained);
    assert_eq!(mail_subjects(&calm).len(), 8);
    for call in 0..calm.calls().len() {
        for toxic in Toxic::ALL {
            let world = world(1);
            world.fault_at(call, toxic);
            assert_eq!(play(&world), Settled::Drained, "{call} {toxic:?}");
            // Those of a batch that died come later than the rest, and then by themselves or as one more list.
            let mails = mail_subjects(&world);
            assert!(mails.len() <= 10, "{call} {:?} {toxic:?}: {mails:?}", calm.calls()[call].port);
            all_are_named(&world, "", 6);
            all_are_named(&world, "over: ", 6);
            assert!(world.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Over));
            assert!(world.queued(Inner::AlertsDead).is_empty());
        }
    }
}
