//! A body that holds more than one invocation has time for: what is left goes on in the next one.

use std::cell::Cell;

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    budget::Shares,
    hydrate::Hydrate,
    messages::{self, ToHydrate, ToRetry},
    ports::{Chance, Clock},
    view::Views,
    work::Message,
};
use serde_json::json;
use sim::{Function, Inner, Invocation, World};

use crate::common::{accepted, config, mail_subjects, published, run_for, world};

/// A hydrator's invocation in a hurry.
struct Hurried<'a> {
    invocation: &'a Invocation<'a>,
    /// Each look at the clock finds it so many seconds further.
    step_s: i64,
    /// What is left of the invocation, in milliseconds.
    left_ms: i64,
    looks: Cell<i64>,
}

impl Clock for Hurried<'_> {
    fn now(&self) -> Timestamp {
        self.looks.set(self.looks.get() + 1);
        self.invocation.now() + SignedDuration::from_secs(self.step_s * self.looks.get())
    }

    fn ends_at(&self) -> Timestamp {
        self.invocation.now() + SignedDuration::from_millis(self.left_ms)
    }
}

impl Chance for Hurried<'_> {
    fn unique(&self) -> String {
        self.invocation.unique()
    }

    fn secret(&self) -> String {
        self.invocation.secret()
    }

    fn up_to(&self, most: u64) -> u64 {
        self.invocation.up_to(most)
    }
}

fn hydrate(world: &World, messages: Vec<Message>, (step_s, left_ms): (i64, i64)) -> Vec<String> {
    let config = config();
    let ended = world.run(Function::Hydrator, async |ports| {
        let hydrate = Hydrate {
            config: &config,
            table: ports,
            stream: ports,
            api: ports,
            deliveries: ports,
            outlet: ports,
            shares: &Shares::default(),
            world: &Hurried { invocation: ports, step_s, left_ms, looks: Cell::new(0) },
            views: &Views::default(),
        };
        hydrate.batch(messages).await
    });
    ended.answer().expect("an answer")
}

/// The clock is five seconds further each time it is read, and the invocation goes on.
fn hydrate_slowly(world: &World, messages: Vec<Message>) -> Vec<String> {
    hydrate(world, messages, (5, 3_600_000))
}

#[test]
fn with_too_little_time_left_nothing_is_asked_and_no_attempt_counted() {
    for (left_ms, asks) in [(4_000, 0), (6_000, 1)] {
        let world = world(3);
        let dispatch = crate::common::voltus("dkmq", 0, 5);
        world.answers("voltus-prod", "/dispatches/dkmq", [sim::Reply::Json(dispatch.to_string())]);
        accepted(&world, "voltus-prod", &crate::common::thin("dispatch.create", "dkmq"));
        let messages = world.take(Inner::Deliveries);
        assert_eq!(hydrate(&world, messages, (0, left_ms)), [""; 0]);
        assert_eq!(world.fetches().len(), asks, "{left_ms} ms left");
        run_for(&world, 60);
        assert_eq!((published(&world).len(), mail_subjects(&world)), (1, Vec::new()));
        assert!(world.bookings().is_empty(), "it counted as a failure");
    }
}

/// A group of so many meters that is called in so many hours.
fn hours(meters: usize, hours: usize) -> String {
    let slot = |hour: usize| {
        json!({
            "market_group_event_id": format!("e-{hour}"), "start_time": format!("2023-12-02T{hour:02}:00:00Z"),
            "end_time": format!("2023-12-02T{hour:02}:59:00Z"), "cancelled": false, "energy_kw": 8, "priority": 2,
        })
    };
    let meters: Vec<String> = (0..meters).map(|meter| format!("m-{meter}")).collect();
    let group =
        json!({"market_group_id": "g-1", "meter_ids": meters, "timeslots": (0..hours).map(slot).collect::<Vec<_>>()});
    json!({"integration_test_notification": false, "communication_test": false, "group_dispatches": [group]})
        .to_string()
}

#[test]
fn what_there_is_no_time_for_is_left_to_the_next_invocation() {
    let world = world(1);
    accepted(&world, "leap-prod", &hours(3_000, 6));
    let mut batches = 0;
    let mut known = 0;
    loop {
        let messages = world.take(Inner::Deliveries);
        if messages.is_empty() {
            break;
        }
        batches += 1;
        assert_eq!(hydrate_slowly(&world, messages), [""; 0]);
        let now_known = published(&world).len();
        assert!(now_known > known, "each invocation gets further");
        known = now_known;
    }
    assert!(batches > 1, "one was enough");
    assert_eq!(known, 6);
    let once = published(&world).values().all(|stream| stream.types == ["dispatch.scheduled"]);
    assert!(once, "a dispatch was published twice");
    run_for(&world, 120);
    assert_eq!(mail_subjects(&world), [""; 0]);
}

#[test]
fn what_an_earlier_invocation_reported_is_not_reported_again() {
    let world = world(2);
    let mut body: serde_json::Value = serde_json::from_str(&hours(3_000, 6)).unwrap();
    body["group_dispatches"][0]["timeslots"][5]["start_time"] = "soon".into();
    accepted(&world, "leap-prod", &body.to_string());
    while let messages = world.take(Inner::Deliveries)
        && !messages.is_empty()
    {
        let goes_on = |message: &Message| matches!(messages::read(&message.body), Ok(ToHydrate::Work(work)) if work.after.is_some());
        let is_first = !messages.iter().any(goes_on);
        assert_eq!(hydrate_slowly(&world, messages), [""; 0]);
        assert_eq!(
            world
                .take(Inner::Retries)
                .iter()
                .any(|message| matches!(messages::read(&message.body), Ok(ToRetry::Failed(_)))),
            is_first
        );
    }
    assert_eq!(published(&world).len(), 5);
}
