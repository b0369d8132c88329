//! What a person asks of the courier: to deliver what was kept, and to test an output.

use dispatch::Subject;
use jiff::Timestamp;
use serde_json::json;

use super::{
    courier::{Courier, States},
    deliver::LONGEST,
    event::{EventHead, EventVersion, TEST_TYPE},
    lane::LaneKey,
    state::{OutputState, TestResult},
};
use crate::{
    alerts::condition::Condition,
    messages::ToCourier,
    ports::{Clock, CourierQueue, JobQueue, OutputTargets, Outputs, PortError, Ports, Random, Sending},
    update::{Change, From, Lanes, OutputStates, update},
};

/// How many lanes one message replays; it is sent again while more are left.
const MOST_REPLAYED: usize = 200;

/// The subject of the event that a test sends.
const TEST_SUBJECT: &str = "output-test";

/// Asks the courier to deliver what was kept of an output: of one subject, or of all.
pub async fn ask_to_replay(
    queue: &impl CourierQueue,
    output: &str,
    subject: Option<&Subject>,
) -> Result<(), PortError> {
    let message = ToCourier::Replay { output: output.to_owned(), subject: subject.cloned() };
    queue.courier(&[message.after(0)]).await
}

/// Asks the courier to send an output a made-up event. The result appears in [`OutputState::test`] under that id.
pub async fn ask_to_test(queue: &impl CourierQueue, output: &str, id: &str) -> Result<(), PortError> {
    let message = ToCourier::Test { output: output.to_owned(), id: id.to_owned() };
    queue.courier(&[message.after(0)]).await
}

impl<P: Ports> Courier<'_, P> {
    /// Lets what was kept wait again, and delivers it.
    pub(super) async fn replay(&self, output: &str, subject: Option<Subject>) -> Result<(), PortError> {
        let keys: Vec<LaneKey> = if let Some(subject) = subject {
            vec![LaneKey { output: output.to_owned(), subject }]
        } else {
            let lanes = self.outputs.lanes(output, Timestamp::MAX, usize::MAX).await?;
            lanes.into_iter().filter(|lane| lane.kept > 0).map(|lane| lane.key).take(MOST_REPLAYED).collect()
        };
        if keys.len() >= MOST_REPLAYED {
            let rest = ToCourier::Replay { output: output.to_owned(), subject: None };
            self.courier_queue.courier(&[rest.after(10)]).await?;
        }
        let mut messages = Vec::new();
        for key in keys {
            let changed = update(Lanes(self.outputs), &key, From::Stored, async |lane| {
                let now = self.host.now();
                let Some(mut lane) = lane.filter(|lane| !lane.kept.is_empty()) else {
                    return Ok(Change::Keep(Vec::new()));
                };
                let dropped = lane.replay(now);
                lane.next_at = lane.next_at.or(Some(now));
                Ok::<_, PortError>(Change::Write(Box::new(lane.following(self.host.unique(), now)), dropped))
            });
            let changed = changed.await?;
            self.forget(&changed.result).await;
            if changed.written.is_some_and(|lane| !lane.waiting.is_empty()) {
                messages.push(ToCourier::Deliver(key).after(0));
            }
        }
        self.courier_queue.courier(&messages).await?;
        let condition = Condition::OutputFailing { output: output.to_owned() };
        self.job_queue.hint(condition, self.host.now(), 0).await
    }

    /// Sends a made-up event to an output, beside its lanes, and stores the result.
    pub(super) async fn test(&self, output: &str, id: &str, states: &States) -> Result<(), PortError> {
        let Some(named) = self.named(output) else { return Ok(()) };
        let began = self.host.now();
        let (head, body) = test_event(output, began);
        let sending = Sending { name: named.name, output: named.output, head: &head, body: &body };
        let sent = self.targets.send(sending, LONGEST).await;
        let now = self.host.now();
        let took_ms = u64::try_from(now.duration_since(began).as_millis()).unwrap_or(0);
        let failed = sent.as_ref().err().map(ToString::to_string);
        let ack = sent.as_ref().ok().and_then(Option::as_ref);
        let (ack, detail) = (ack.map(|ack| ack.state), ack.and_then(|ack| ack.detail.clone()));
        let test = TestResult { id: id.to_owned(), at: now, took_ms, failed, ack, detail };
        let changed = update(OutputStates(self.outputs), output, From::Stored, async |state| {
            let state = state.unwrap_or_else(|| OutputState::new(output));
            let next = OutputState { test: Some(test.clone()), ..state };
            Ok::<_, PortError>(Change::Write(Box::new(next.following(self.host.unique())), ()))
        });
        if let Some(state) = changed.await?.written {
            states.lock().await.insert(output.to_owned(), state);
        }
        if sent.is_ok() { self.works_again(output, states).await } else { Ok(()) }
    }
}

/// An event that says only that it is a test of an output. Each test has an epoch of its own, so that a consumer which
/// keeps the highest version takes each.
fn test_event(output: &str, now: Timestamp) -> (EventHead, String) {
    let epoch = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let version = EventVersion { epoch, sequence: 1, part: 0 };
    let head = EventHead {
        id: format!("{TEST_SUBJECT}#{version}"),
        subject: Subject::from_stored(TEST_SUBJECT.to_owned()),
        version,
        parts: None,
        kind: TEST_TYPE.to_owned(),
        source: "/gridbell".to_owned(),
        test: true,
        time: now,
        traceparent: None,
    };
    let body = json!({
        "specversion": "1.0", "id": head.id, "source": head.source, "type": head.kind, "subject": TEST_SUBJECT,
        "time": format!("{now:.6}"), "epoch": epoch.to_string(), "sequence": "1",
        "datacontenttype": "application/json", "data": { "output": { "name": output, "test": true } },
    });
    (head, body.to_string())
}
