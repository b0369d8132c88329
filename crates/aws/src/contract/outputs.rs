//! The table `outputs`: lanes, their index, long texts, and the state of each output.

use dispatch::Subject;
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    outputs::{
        event::{EventHead, EventVersion},
        lane::{EventBody, Lane, LaneKey, WaitingEvent},
        state::{OutputFailure, OutputState},
    },
    ports::{Clock, Outputs, Random},
};

use super::helpers::{lost, soon};
use crate::host::Host;

fn waiting(subject: &Subject, sequence: u64, now: Timestamp) -> WaitingEvent {
    let version = EventVersion { epoch: 7, sequence, part: 0 };
    let head = EventHead {
        id: format!("{subject}#{version}"),
        subject: subject.clone(),
        version,
        parts: None,
        kind: "gridbell.dispatch.cancelled.v1".to_owned(),
        source: "/gridbell/contract".to_owned(),
        test: false,
        time: now,
        traceparent: None,
    };
    WaitingEvent { head, stored_at: now, body: EventBody::Inline("{}".to_owned()), split: false }
}

/// Lanes: one conditional write; an index of what waits, in order; the states of the outputs.
pub async fn outputs(table: &impl Outputs) {
    let now = Host.now();
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    let output = Host.unique();
    // The second one is too long for a key.
    let subjects = ["contract/a".to_owned(), format!("contract/{}", "ü".repeat(600)), "contract/c".to_owned()];
    let lane = |subject: &str, next_at: Option<Timestamp>| {
        let subject = Subject::from_stored(subject.to_owned());
        let mut lane = Lane::new(LaneKey { output: output.clone(), subject: subject.clone() }, now);
        lane.enter(waiting(&subject, 1, now));
        lane.next_at = next_at;
        lane.following("write-1".to_owned(), now)
    };
    let first = lane(&subjects[0], Some(at(60)));
    let key = first.key.clone();
    assert_eq!(table.lane(&key).await.unwrap(), None);
    table.write_lane(&first, None).await.unwrap();
    assert_eq!(table.lane(&key).await.unwrap().as_ref(), Some(&first));
    assert_eq!(lost(table.write_lane(&first, None).await), first);
    let second = first.clone().following("write-2".to_owned(), now);
    table.write_lane(&second, Some(1)).await.unwrap();
    assert_eq!(lost(table.write_lane(&second, Some(1)).await), second);

    let long = lane(&subjects[1], Some(at(30)));
    let covered = lane(&subjects[2], None);
    for lane in [&long, &covered] {
        table.write_lane(lane, None).await.unwrap();
        assert_eq!(table.lane(&lane.key).await.unwrap().as_ref(), Some(lane));
    }
    let listed = async |before, limit| table.lanes(&output, before, limit).await.unwrap();
    assert!(soon(async || listed(at(60), 10).await == [long.summary(), second.summary()]).await);
    assert_eq!(listed(at(59), 10).await, [long.summary()]);
    assert_eq!(listed(at(60), 1).await.len(), 1);
    assert_eq!(table.lanes("no-such-output", Timestamp::MAX, 10).await.unwrap(), []);
    // What is only kept comes last.
    let mut kept = second.clone();
    kept.keep_event(kept.newest);
    let kept = kept.following("write-3".to_owned(), now);
    table.write_lane(&kept, Some(2)).await.unwrap();
    assert!(soon(async || listed(Timestamp::MAX, 10).await == [long.summary(), kept.summary()]).await);

    assert_eq!(table.output_state(&output).await.unwrap(), None);
    let state = OutputState::new(&output).following("write-1".to_owned());
    table.write_output_state(&state, None).await.unwrap();
    let failing = OutputFailure { since: now, attempts: 1, at: now, next_at: at(1), detail: "down".to_owned() };
    let next = OutputState { failing: Some(failing), ..state.clone() }.following("write-2".to_owned());
    table.write_output_state(&next, Some(1)).await.unwrap();
    assert_eq!(table.output_state(&output).await.unwrap().as_ref(), Some(&next));
    assert_eq!(lost(table.write_output_state(&state, None).await), next);
}

/// The text of an event of any size is stored, read and deleted.
pub async fn event_texts(table: &impl Outputs) {
    // Random text is not compressed.
    let noise: String = (0..24_000).map(|_| Host.unique()).collect();
    for text in ["{}".to_owned(), noise] {
        let stored = table.keep_text(&Host.unique(), &text, Host.now()).await.unwrap();
        assert_eq!(stored.bytes, text.len());
        assert_eq!(table.text(&stored).await.unwrap(), Some(text));
        table.forget_text(&stored).await.unwrap();
        assert_eq!(table.text(&stored).await.unwrap(), None);
    }
}
