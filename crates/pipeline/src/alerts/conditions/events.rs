//! Single events, resolved after a quiet day: quarantined bodies and fields, unknown events, rotated keys.

use jiff::Timestamp;

use super::{Firing, NotedEvent, QUIET, StageReport, Verdict};
use crate::{dispatches::record::SubjectRecord, polling::state::PollState};

/// Whether there are recent events that were not replayed.
pub(super) fn in_window(events: &[NotedEvent], now: Timestamp) -> Verdict {
    let recent: Vec<&NotedEvent> = events.iter().filter(|event| now.duration_since(event.at) < QUIET).collect();
    let Some(first) = recent.first() else {
        return Verdict::resolved(now, "nothing more of it for a day, or all of it was replayed");
    };
    Verdict::Firing(Firing { since: first.at, news: recent.iter().map(|event| event.news.clone()).collect() })
}

/// The same, and also unreadable parts of the latest list and unreadable fields of the dispatch.
pub(super) fn quarantined(
    events: &[NotedEvent],
    poll: Option<&PollState>,
    record: Option<&SubjectRecord>,
    now: Timestamp,
) -> Verdict {
    let mut found: Vec<(Timestamp, StageReport)> = events
        .iter()
        .filter(|event| now.duration_since(event.at) < QUIET)
        .map(|event| (event.at, event.news.clone()))
        .collect();
    if let Some((poll, doubts)) = poll.and_then(|poll| Some((poll, poll.doubts.as_ref()?))) {
        let (about, detail) = (poll.source.clone(), doubts.detail.clone());
        found.push((doubts.since, StageReport { stage: doubts.digest.clone(), about, detail }));
    }
    if let Some(record) = record {
        let about = record.subject.as_str();
        found.extend(record.unreadable.since(now.saturating_sub(QUIET).unwrap_or(Timestamp::MIN), about));
    }
    found.sort_by_key(|(at, _)| *at);
    let Some((since, _)) = found.first() else {
        return Verdict::resolved(now, "nothing more of it for a day, or all of it was replayed");
    };
    Verdict::Firing(Firing { since: *since, news: found.iter().map(|(_, news)| news.clone()).collect() })
}
