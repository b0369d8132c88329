//! The signals of a dispatch's current version, as the queue received them.

use std::collections::BTreeMap;

use aws::sqs::SIGNAL_LIMIT_BYTES;
use dispatch::Signal;
use pipeline::{record::SubjectRecord, timeline::Event};

/// The signals of the current version, one for each of its parts: those pending in the outbox, else the same rebuilt
/// from the record, without `effective`. Empty if the record is of no dispatch.
pub(super) fn of(record: &SubjectRecord) -> Vec<String> {
    let state = &record.state;
    let unsent = record.outbox.iter().filter(|signal| (signal.epoch, signal.sequence) == (state.epoch, state.version));
    let unsent: Vec<String> = unsent.map(|signal| signal.body.clone()).collect();
    if !unsent.is_empty() {
        return unsent;
    }
    let Some((at, kind)) = record.history.iter().rev().find_map(|event| match &event.event {
        Event::Published { signal, sequence, .. } if *sequence == state.version => Some((event.at, signal.clone())),
        _ => None,
    }) else {
        return Vec::new();
    };
    let last = Signal {
        subject: record.subject.clone(),
        epoch: state.epoch,
        sequence: state.version,
        part: None,
        kind,
        source: format!("/gridbell/{}", record.origin.source),
        test: false,
        time: at,
        traceparent: record.traceparent,
        body: String::new(),
    };
    let made = state.with_effective(&record.origin, &last, &BTreeMap::new(), SIGNAL_LIMIT_BYTES);
    made.into_iter().flatten().map(|signal| signal.body).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::verbs::fixtures::{record, terms};

    #[test]
    fn the_current_version_is_shown_as_it_was_sent() {
        let stated = [terms("2026-03-01T12:10:00Z", None), terms("2026-03-01T12:20:00Z", None)];
        let record = record("dkmq", stated);
        let signals = of(&record);
        let signal: Value = serde_json::from_str(&signals[0]).expect("JSON");
        assert_eq!(signals.len(), 1);
        assert_eq!(
            (signal["type"].as_str(), signal["sequence"].as_str()),
            (Some("gridbell.dispatch.updated.v1"), Some("2"))
        );
        assert_eq!(signal["data"]["dispatch"]["start"], "2026-03-01T12:20:00Z");
        assert_eq!(signal["time"], "2026-03-01T11:41:01Z");
    }
}
