//! Which targets are curtailed, by the clock.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{DispatchSignal, Effective, Status, Subject, TargetEntry};

/// The newest version of each dispatch. From these it computes the targets that are curtailed at an instant. Tests
/// curtail nothing.
///
/// gridbell publishes nothing when a known end passes, so a controller calls [`curtailed`](Self::curtailed) by its own
/// clock. A target stays curtailed while a received dispatch covers the instant, or while `effective` says that a
/// dispatch which was not received does. This is plain data: store it with the [`VersionFilter`](crate::VersionFilter).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ActiveDispatches {
    dispatches: BTreeMap<String, DispatchSignal>,
}

impl ActiveDispatches {
    /// Stores a whole version if it is newer than the known version of its dispatch.
    pub fn update(&mut self, dispatch: DispatchSignal) {
        self.dispatches.insert(dispatch.key.clone(), dispatch);
    }

    /// The targets that are curtailed at an instant, each as `(source, id)`.
    pub fn curtailed(&self, now: Timestamp) -> BTreeSet<(&str, &str)> {
        let mut targets = BTreeSet::new();
        for dispatch in self.dispatches.values().filter(|dispatch| !dispatch.test) {
            for entry in dispatch.targets.iter().filter(|entry| self.curtails(dispatch, entry, now)) {
                targets.extend(entry.ids().map(|id| (dispatch.source.as_str(), id)));
            }
        }
        targets
    }

    /// Removes the dispatches that curtail nothing from an instant on.
    pub fn forget_before(&mut self, instant: Timestamp) {
        let is_needed = |dispatch: &&DispatchSignal| !dispatch.test && self.may_curtail(dispatch, instant);
        let needed: Vec<&DispatchSignal> = self.dispatches.values().filter(is_needed).collect();
        // Keep a dispatch that a needed one names, to remember that it is over.
        let others =
            needed.iter().flat_map(|dispatch| &dispatch.targets).filter_map(TargetEntry::effective).flat_map(named);
        let keys: BTreeSet<String> = needed
            .iter()
            .map(|dispatch| &*dispatch.key)
            .chain(others.map(Subject::as_str))
            .map(str::to_owned)
            .collect();
        self.dispatches.retain(|key, _| keys.contains(key));
    }

    /// True if the dispatch curtails one of its targets at that instant or later.
    fn may_curtail(&self, dispatch: &DispatchSignal, instant: Timestamp) -> bool {
        let is_ahead = |end: Option<Timestamp>| end.is_none_or(|end| end > instant);
        (dispatch.status == Status::Scheduled && is_ahead(dispatch.end))
            || dispatch.targets.iter().any(|entry| self.unseen(entry).is_some_and(|others| is_ahead(others.until)))
    }

    fn curtails(&self, dispatch: &DispatchSignal, entry: &TargetEntry, now: Timestamp) -> bool {
        let is_ahead = |end: Option<Timestamp>| end.is_none_or(|end| now < end);
        if dispatch.status == Status::Scheduled {
            if now < dispatch.start {
                return false;
            }
            if is_ahead(dispatch.end) {
                return true;
            }
        }
        self.unseen(entry).is_some_and(|others| is_ahead(others.until))
    }

    /// The entry's `effective`, if it names a dispatch that was not received. For received dispatches their own newest
    /// version is more accurate.
    fn unseen<'a>(&self, entry: &'a TargetEntry) -> Option<&'a Effective> {
        entry.effective().filter(|effective| named(effective).any(|key| !self.dispatches.contains_key(key.as_str())))
    }
}

fn named(effective: &Effective) -> impl Iterator<Item = &Subject> {
    effective.with.iter().chain([&effective.governed_by])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Request, Target};

    fn at(time: &str) -> Timestamp {
        format!("2023-12-01T{time}:00Z").parse().unwrap()
    }

    fn dispatch(
        id: &str,
        status: Status,
        (start, end): (&str, Option<&str>),
        effective: Option<Effective>,
    ) -> DispatchSignal {
        let target = Target { id: "d4z9".to_owned(), name: None, external_id: None, request: None };
        DispatchSignal {
            key: format!("v/{id}"),
            provider: "voltus".to_owned(),
            source: "v".to_owned(),
            id: id.to_owned(),
            version: 1,
            part: None,
            parts: None,
            status,
            test: false,
            test_reason: None,
            voluntary: false,
            priority: None,
            start: at(start),
            end: end.map(at),
            request: Request::ReduceMax,
            targets: vec![TargetEntry::One { target, effective: effective.map(Arc::new) }],
            programs: Vec::new(),
            details: serde_json::Map::new(),
        }
    }

    fn with(id: &str, until: Option<&str>) -> Effective {
        let other = Subject::dispatch("v", id);
        Effective::new(until.map(at), other.clone(), vec![other])
    }

    fn is_curtailed(active: &ActiveDispatches, time: &str) -> bool {
        !active.curtailed(at(time)).is_empty()
    }

    #[test]
    fn a_known_end_passes_without_a_signal() {
        let mut active = ActiveDispatches::default();
        active.update(dispatch("a", Status::Scheduled, ("16:00", Some("17:00")), None));
        assert!(!is_curtailed(&active, "15:59"));
        assert_eq!(active.curtailed(at("16:00")).first(), Some(&("v", "d4z9")));
        assert!(is_curtailed(&active, "16:59") && !is_curtailed(&active, "17:00"));
        active.update(dispatch("a", Status::Scheduled, ("16:00", None), None));
        assert!(is_curtailed(&active, "23:59"));
        active.update(dispatch("a", Status::Cancelled, ("16:00", None), None));
        assert!(!is_curtailed(&active, "16:30"));
    }

    #[test]
    fn a_target_stays_curtailed_while_another_dispatch_covers_it() {
        // Published before the other one, so it does not mention it.
        let mut active = ActiveDispatches::default();
        active.update(dispatch("a", Status::Scheduled, ("16:00", Some("17:00")), None));
        active.update(dispatch("b", Status::Scheduled, ("16:30", Some("18:00")), Some(with("a", Some("18:00")))));
        assert!(is_curtailed(&active, "17:30") && !is_curtailed(&active, "18:00"));
        // A dispatch that begins tomorrow curtails nothing today.
        active.update(dispatch("c", Status::Scheduled, ("20:00", Some("21:00")), None));
        assert!(!is_curtailed(&active, "18:00"));
    }

    #[test]
    fn effective_curtails_a_target_for_a_dispatch_not_received() {
        for (status, end) in [(Status::Ended, "17:00"), (Status::Cancelled, "17:00"), (Status::Scheduled, "17:00")] {
            let mut active = ActiveDispatches::default();
            active.update(dispatch("a", status, ("16:00", Some(end)), Some(with("b", Some("18:00")))));
            assert!(is_curtailed(&active, "17:30") && !is_curtailed(&active, "18:00"), "{status:?}");
            // After it is received, its own version decides.
            active.update(dispatch("b", Status::Cancelled, ("16:00", Some("18:00")), None));
            assert!(!is_curtailed(&active, "17:30"), "{status:?}");
        }
    }

    #[test]
    fn tests_curtail_nothing() {
        let mut active = ActiveDispatches::default();
        active.update(DispatchSignal { test: true, ..dispatch("a", Status::Scheduled, ("16:00", None), None) });
        assert!(!is_curtailed(&active, "16:30"));
        active.forget_before(at("16:30"));
        assert_eq!(active, ActiveDispatches::default());
    }

    #[test]
    fn what_is_over_is_forgotten_unless_an_active_dispatch_names_it() {
        let mut active = ActiveDispatches::default();
        active.update(dispatch("a", Status::Scheduled, ("16:00", Some("17:00")), Some(with("b", None))));
        active.update(dispatch("b", Status::Cancelled, ("16:00", None), Some(with("a", Some("17:00")))));
        active.forget_before(at("16:30"));
        assert!(is_curtailed(&active, "16:59") && !is_curtailed(&active, "17:00"));
        active.forget_before(at("17:00"));
        assert_eq!(active, ActiveDispatches::default());
        active.update(dispatch("a", Status::Ended, ("16:00", None), Some(with("b", Some("18:00")))));
        active.forget_before(at("17:30"));
        assert!(is_curtailed(&active, "17:59"));
    }
}
