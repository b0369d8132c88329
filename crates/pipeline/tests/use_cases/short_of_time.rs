//! A body with more work than one invocation has time for: the next invocation continues it.

use std::cell::Cell;

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    hydrate::{Hydrate, overlap_view::OverlapViews},
    job::Message,
    messages::{self, ToHydrate, ToRetry},
    polling::budget::LocalBudgets,
    ports::{Clock, Measurement, Metrics, Ports, Random},
};
use serde_json::json;
use simulation::{Function, Inner, Invocation, Simulation};

use crate::common::{accepted, config, mail_subjects, published, run_for, sim};

/// A hydrator's invocation in a hurry.
struct Hurried<'a> {
    invocation: &'a Invocation<'a>,
    /// Each reading of the clock advances it by so many seconds.
    step_s: i64,
    /// The time left in the invocation, in milliseconds.
    left_ms: i64,
    fetches: Cell<i64>,
}

impl Clock for Hurried<'_> {
    fn now(&self) -> Timestamp {
        self.fetches.set(self.fetches.get() + 1);
        self.invocation.now() + SignedDuration::from_secs(self.step_s * self.fetches.get())
    }

    fn ends_at(&self) -> Timestamp {
        self.invocation.now() + SignedDuration::from_millis(self.left_ms)
    }
}

impl<'a> Ports for Hurried<'a> {
    type Host = Self;
    type IngestQueue = Invocation<'a>;
    type JobQueue = Invocation<'a>;
    type SignalStream = Invocation<'a>;
    type Depths = Invocation<'a>;
    type Dispatches = Invocation<'a>;
    type Deliveries = Invocation<'a>;
    type Incidents = Invocation<'a>;
    type ProviderApi = Invocation<'a>;
    type Mailer = Invocation<'a>;
    type Ringer = Invocation<'a>;
    type Outputs = Invocation<'a>;
    type CourierQueue = Invocation<'a>;
    type OutputTargets = Invocation<'a>;
}

impl Random for Hurried<'_> {
    fn unique(&self) -> String {
        self.invocation.unique()
    }

    fn secret(&self) -> String {
        self.invocation.secret()
    }

    fn up_to(&self, most: u64) -> u64 {
        self.invocation.up_to(most)
    }

    fn bits(&self) -> u64 {
        self.invocation.bits()
    }
}

impl Metrics for Hurried<'_> {
    fn measure(&self, measurement: Measurement<'_>) {
        self.invocation.measure(measurement);
    }
}

fn hydrate(sim: &Simulation, messages: Vec<Message>, (step_s, left_ms): (i64, i64)) -> Vec<String> {
    let config = config();
    let ended = sim.run(Function::Hydrator, async |ports| {
        let hydrate = Hydrate::<Hurried<'_>> {
            config: &config,
            table: ports,
            stream: ports,
            api: ports,
            deliveries: ports,
            job_queue: ports,
            local_budgets: &LocalBudgets::default(),
            host: &Hurried { invocation: ports, step_s, left_ms, fetches: Cell::new(0) },
            views: &OverlapViews::default(),
        };
        hydrate.batch(messages).await
    });
    ended.answer().expect("an answer")
}

/// Each reading of the clock advances it by five seconds; the invocation continues.
fn hydrate_slowly(sim: &Simulation, messages: Vec<Message>) -> Vec<String> {
    hydrate(sim, messages, (5, 3_600_000))
}

#[test]
fn with_too_little_time_left_nothing_is_asked_and_no_attempt_counted() {
    for (left_ms, asks) in [(4_000, 0), (6_000, 1)] {
        let sim = sim(3);
        let dispatch = crate::common::voltus("dkmq", 0, 5);
        sim.answers("voltus-prod", "/dispatches/dkmq", [simulation::Reply::Json(dispatch.to_string())]);
        accepted(&sim, "voltus-prod", &crate::common::thin("dispatch.create", "dkmq"));
        let messages = sim.take(Inner::Deliveries);
        assert_eq!(hydrate(&sim, messages, (0, left_ms)), [""; 0]);
        assert_eq!(sim.fetches().len(), asks, "{left_ms} ms left");
        // Processing an answer takes time, too.
        let most = SignedDuration::from_millis(left_ms - 2_000);
        assert!(sim.fetches().iter().all(|fetch| fetch.within < most), "{:?}", sim.fetches());
        run_for(&sim, 60);
        assert_eq!((published(&sim).len(), mail_subjects(&sim)), (1, Vec::new()));
        assert!(sim.bookings().is_empty(), "it counted as a failure");
    }
}

/// A group of so many meters that is dispatched in so many hours.
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
    let sim = sim(1);
    accepted(&sim, "leap-prod", &hours(3_000, 6));
    let mut batches = 0;
    let mut known = 0;
    loop {
        let messages = sim.take(Inner::Deliveries);
        if messages.is_empty() {
            break;
        }
        batches += 1;
        assert_eq!(hydrate_slowly(&sim, messages), [""; 0]);
        let now_known = published(&sim).len();
        assert!(now_known > known, "each invocation gets further");
        known = now_known;
    }
    assert!(batches > 1, "one was enough");
    assert_eq!(known, 6);
    let once = published(&sim).values().all(|stream| stream.types == ["dispatch.scheduled"]);
    assert!(once, "a dispatch was published twice");
    run_for(&sim, 120);
    assert_eq!(mail_subjects(&sim), [""; 0]);
}

#[test]
fn what_an_earlier_invocation_reported_is_not_reported_again() {
    let sim = sim(2);
    let mut body: serde_json::Value = serde_json::from_str(&hours(3_000, 6)).unwrap();
    body["group_dispatches"][0]["timeslots"][5]["start_time"] = "soon".into();
    accepted(&sim, "leap-prod", &body.to_string());
    while let messages = sim.take(Inner::Deliveries)
        && !messages.is_empty()
    {
        let goes_on =
            |message: &Message| matches!(messages::read(&message.body), Ok(ToHydrate::Job(job)) if job.after.is_some());
        let is_first = !messages.iter().any(goes_on);
        assert_eq!(hydrate_slowly(&sim, messages), [""; 0]);
        assert_eq!(
            sim.take(Inner::Retries)
                .iter()
                .any(|message| matches!(messages::read(&message.body), Ok(ToRetry::Failed(_)))),
            is_first
        );
    }
    assert_eq!(published(&sim).len(), 5);
}
