//! Whether an output takes signals.

use jiff::Timestamp;

use super::{Firing, OutputEvidence, Verdict};
use crate::outputs::lane::LaneSummary;

/// How many subjects a report names.
const NAMED: usize = 20;

/// The stage of the report about kept events.
const KEPT: &str = "kept";

/// The output as a whole fails, an event fails again and again by itself, or an event is kept that was never taken.
pub(super) fn failing(output: &str, evidence: Option<&OutputEvidence>, now: Timestamp) -> Verdict {
    let Some(OutputEvidence { is_configured, state, lanes }) = evidence else { return Verdict::Undecided };
    if !is_configured {
        return Verdict::resolved(now, "the configuration has no such output any more");
    }
    let failing = state.as_ref().and_then(|state| state.failing.as_ref());
    let is_down = state.as_ref().is_some_and(|state| state.is_down(now));
    let stuck: Vec<&LaneSummary> = lanes.iter().filter(|lane| lane.kept == 0 && lane.is_stuck()).collect();
    let kept: Vec<&LaneSummary> = lanes.iter().filter(|lane| lane.kept > 0).collect();
    let mut firing: Option<Firing> = None;
    let mut add = |since: Timestamp, stage: Option<&str>, detail: String| {
        let mut more = Firing::new(since, output, detail);
        if let Some(stage) = stage {
            more = more.staged(stage);
        }
        match &mut firing {
            Some(firing) => {
                firing.since = firing.since.min(since);
                firing.news.append(&mut more.news);
            }
            None => firing = Some(more),
        }
    };
    if let Some(failing) = failing.filter(|_| is_down) {
        let waiting: Vec<&LaneSummary> = lanes.iter().filter(|lane| lane.waiting > 0).collect();
        let since = failing.since;
        add(since, None, format!("{} since {since:.0}; waiting for it: {}", failing.detail, behind(&waiting)));
    } else if let Some(first) = stuck.first() {
        let since = stuck.iter().map(|lane| lane.since).min().unwrap_or(now);
        let reason = first.detail.as_deref().unwrap_or("it gave no reason");
        add(since, None, format!("it works, but not for some signals ({reason}): {}", behind(&stuck)));
    }
    if !kept.is_empty() {
        let since = kept.iter().map(|lane| lane.since).min().unwrap_or(now);
        let detail = format!(
            "what could not be delivered is kept: {}; `gridbell output replay {output}` delivers it after all",
            behind(&kept)
        );
        add(since, Some(KEPT), detail);
    }
    match (firing, failing) {
        (Some(firing), _) => Verdict::Firing(firing),
        // It fails since a moment ago.
        (None, Some(_)) => Verdict::Undecided,
        (None, None) => Verdict::resolved(now, "the output takes signals again"),
    }
}

/// Which dispatches and other subjects are behind it, real ones first.
fn behind(lanes: &[&LaneSummary]) -> String {
    if lanes.is_empty() {
        return "nothing".to_owned();
    }
    let mut lanes = lanes.to_vec();
    lanes.sort_by_key(|lane| (lane.test, lane.since));
    let named = lanes.iter().take(NAMED).map(|lane| {
        let test = if lane.test { " (test)" } else { "" };
        format!("{}{test}", lane.key.subject)
    });
    let named = named.collect::<Vec<_>>().join(", ");
    match lanes.len().saturating_sub(NAMED) {
        0 => named,
        others => format!("{named} and {others} more"),
    }
}

#[cfg(test)]
mod tests {
    use dispatch::Subject;
    use jiff::SignedDuration;

    use super::*;
    use crate::{
        alerts::condition::StageReport,
        outputs::{
            lane::LaneKey,
            state::{NOTIFY_AFTER, OutputFailure, OutputState},
        },
    };

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn lane(subject: &str, kept: usize) -> LaneSummary {
        LaneSummary {
            key: LaneKey { output: "gateway".to_owned(), subject: Subject::from_stored(subject.to_owned()) },
            waiting: 1,
            kept,
            since: NOW,
            next_at: NOW,
            test: subject.contains("test"),
            attempts: 1,
            is_whole_output: true,
            detail: None,
        }
    }

    fn evidence(failing_for: Option<SignedDuration>, lanes: Vec<LaneSummary>) -> OutputEvidence {
        let failing = failing_for.map(|age| OutputFailure {
            since: NOW - age,
            attempts: 1,
            at: NOW,
            next_at: NOW,
            detail: "no connection".to_owned(),
        });
        let state = Some(OutputState { failing, ..OutputState::new("gateway") });
        OutputEvidence { is_configured: true, state, lanes }
    }

    fn judge(evidence: &OutputEvidence) -> Verdict {
        failing("gateway", Some(evidence), NOW)
    }

    fn details(verdict: &Verdict) -> Vec<&str> {
        match verdict {
            Verdict::Firing(firing) => firing.news.iter().map(|news: &StageReport| news.detail.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn an_output_that_fails_for_a_minute_names_what_waits_real_first() {
        let lanes = vec![lane("s/test", 0), lane("s/real", 0)];
        assert_eq!(judge(&evidence(Some(SignedDuration::ZERO), lanes.clone())), Verdict::Undecided);
        let verdict = judge(&evidence(Some(NOTIFY_AFTER), lanes));
        assert!(details(&verdict)[0].ends_with("waiting for it: s/real, s/test (test)"), "{verdict:?}");
        assert!(matches!(judge(&evidence(None, vec![lane("s/real", 0)])), Verdict::Resolved(_)));
    }

    #[test]
    fn what_is_kept_is_told_even_if_the_output_works() {
        let verdict = judge(&evidence(None, vec![lane("s/a", 1), lane("s/b", 0)]));
        assert_eq!(details(&verdict).len(), 1);
        assert!(details(&verdict)[0].contains("is kept: s/a;"), "{verdict:?}");
        let refused = LaneSummary { attempts: 9, ..lane("s/c", 0) };
        let verdict = judge(&evidence(None, vec![lane("s/a", 1), refused]));
        assert_eq!(details(&verdict).len(), 2, "{verdict:?}");
    }

    #[test]
    fn an_output_that_was_removed_is_no_incident() {
        let gone = OutputEvidence { is_configured: false, ..evidence(Some(NOTIFY_AFTER), vec![lane("s/a", 1)]) };
        assert!(matches!(judge(&gone), Verdict::Resolved(_)));
        assert_eq!(failing("gateway", None, NOW), Verdict::Undecided);
    }

    #[test]
    fn many_subjects_are_counted() {
        let lanes: Vec<LaneSummary> = (0..25).map(|number| lane(&format!("s/{number:02}"), 0)).collect();
        let verdict = judge(&evidence(Some(NOTIFY_AFTER), lanes));
        assert!(details(&verdict)[0].ends_with("s/19 and 5 more"), "{verdict:?}");
    }
}
