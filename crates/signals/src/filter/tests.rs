use jiff::Timestamp;
use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{ActiveVersion, DispatchChange, DispatchSignal, HeartbeatSignal, Request, SignalType, Status, Target};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A version or one part of it. Its target ids contain the version and the part.
fn signal((epoch, sequence): (u64, u64), part: Option<(u32, u32)>) -> Envelope {
    let target = |id: String| TargetEntry::One {
        target: Target { id, name: None, external_id: None, request: None },
        effective: None,
    };
    let number = part.map_or(1, |(number, _)| number);
    let suffix = part.map_or_else(String::new, |(number, _)| format!(".{number}"));
    let dispatch = DispatchSignal {
        key: "s/d".to_owned(),
        provider: "leap".to_owned(),
        source: "s".to_owned(),
        id: "d".to_owned(),
        version: sequence,
        part: part.map(|(number, _)| number),
        parts: part.map(|(_, of)| of),
        status: Status::Scheduled,
        test: false,
        test_reason: None,
        voluntary: false,
        priority: None,
        start: Timestamp::UNIX_EPOCH,
        end: None,
        request: Request::ReduceMax,
        targets: vec![target(format!("{epoch}.{sequence}.{number}"))],
        programs: Vec::new(),
        details: serde_json::Map::new(),
    };
    Envelope {
        specversion: "1.0".to_owned(),
        id: format!("s/d#{epoch}.{sequence}{suffix}"),
        source: "/gridbell/s".to_owned(),
        kind: SignalType::Dispatch(DispatchChange::Updated),
        subject: Subject::dispatch("s", "d"),
        time: Timestamp::UNIX_EPOCH,
        epoch,
        sequence,
        traceparent: None,
        datacontenttype: "application/json".to_owned(),
        data: Data::Dispatch(dispatch),
    }
}

fn target_ids(signal: &Envelope) -> Vec<&str> {
    let Data::Dispatch(dispatch) = &signal.data else { panic!("{signal:?}") };
    dispatch.targets.iter().flat_map(TargetEntry::ids).collect()
}

/// Accepts a signal as a consumer that acts on every new version: returns the version and the number of missed ones.
fn acts(filter: &mut VersionFilter, signal: Envelope) -> Option<(Version, u64)> {
    let Delivery::New { signal, missed } = filter.accept(signal, NOW) else { return None };
    filter.mark_done(&signal);
    Some((signal.version(), missed))
}

#[test]
fn numbers_are_compared_as_numbers_and_the_epoch_first() {
    let mut filter = VersionFilter::default();
    let mut took = |epoch, sequence| acts(&mut filter, signal((epoch, sequence), None)).is_some();
    assert!(took(9, 9) && took(9, 10) && took(10, 1));
    assert!(!took(9, 11) && !took(10, 1));
}

#[test]
fn what_was_not_marked_as_done_is_new_again() {
    let mut filter = VersionFilter::default();
    for _ in 0..2 {
        let parts = [signal((1, 1), Some((1, 2))), signal((1, 1), Some((2, 2)))];
        let last = parts.map(|part| filter.accept(part, NOW)).into_iter().next_back();
        assert!(matches!(last, Some(Delivery::New { .. })), "{last:?}");
    }
    // A restart changes nothing: all parts but one came before it.
    let mut filter: VersionFilter = serde_json::from_str(&serde_json::to_string(&filter).unwrap()).unwrap();
    let Delivery::New { signal: whole, .. } = filter.accept(signal((1, 1), Some((2, 2))), NOW) else {
        panic!("not whole")
    };
    assert_eq!((whole.id.as_str(), target_ids(&whole)), ("s/d#1.1", vec!["1.1.1", "1.1.2"]));
}

#[test]
fn a_newer_version_discards_the_parts_of_an_older_one() {
    let mut filter = VersionFilter::default();
    assert_eq!(filter.accept(signal((1, 1), Some((1, 2))), NOW), Delivery::Incomplete { missing: 1 });
    assert_eq!(filter.accept(signal((1, 2), Some((2, 2))), NOW), Delivery::Incomplete { missing: 1 });
    let newest = Version { epoch: 1, sequence: 2 };
    assert_eq!(filter.accept(signal((1, 1), Some((2, 2))), NOW), Delivery::Outdated { newest });
    let Delivery::New { signal: whole, .. } = filter.accept(signal((1, 2), Some((1, 2))), NOW) else {
        panic!("not whole")
    };
    assert_eq!(target_ids(&whole), ["1.2.1", "1.2.2"]);
}

#[test]
fn a_gap_in_the_sequence_is_reported_with_the_whole_version() {
    let mut filter = VersionFilter::default();
    let mut missed = |version, part| acts(&mut filter, signal(version, part)).map(|(_, missed)| missed);
    // Versions before the first signal are unknown.
    assert_eq!(missed((1, 5), None), Some(0));
    assert_eq!(missed((1, 6), None), Some(0));
    assert_eq!(missed((1, 9), Some((1, 2))), None);
    assert_eq!(missed((1, 9), Some((2, 2))), Some(2));
    // A newer epoch begins with 1.
    assert_eq!(missed((2, 1), None), Some(0));
    assert_eq!(missed((3, 2), None), Some(1));
}

#[test]
fn impossible_parts_are_never_whole_and_cost_nothing() {
    let mut filter = VersionFilter::default();
    let mut accept = |part| filter.accept(signal((1, 1), Some(part)), NOW);
    assert_eq!(accept((7, u32::MAX)), Delivery::Incomplete { missing: u32::MAX - 1 });
    assert_eq!(accept((0, 2)), Delivery::Incomplete { missing: 2 });
    assert_eq!(accept((3, 2)), Delivery::Incomplete { missing: 2 });
    assert_eq!(accept((1, 2)), Delivery::Incomplete { missing: 1 });
}

#[test]
fn old_subjects_can_be_forgotten() {
    let mut filter = VersionFilter::default();
    acts(&mut filter, signal((1, 1), None));
    filter.forget_before(Timestamp::UNIX_EPOCH);
    assert!(filter.newest(&Subject::dispatch("s", "d")).is_some());
    filter.forget_before(Timestamp::from_second(1).unwrap());
    assert_eq!(filter, VersionFilter::default());
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A heartbeat made at that second, which names version `sequence` of `s/d` and promises the next one within 300 s.
fn heartbeat((epoch, number): (u64, u64), at: i64, sequence: Option<u64>) -> Envelope {
    let named = |sequence| ActiveVersion { subject: Subject::dispatch("s", "d"), sequence, start: NOW, end: None };
    let heartbeat = HeartbeatSignal {
        at: second(at),
        next_by: second(at + 300),
        active: sequence.map(named).into_iter().collect(),
        more: 0,
    };
    Envelope {
        id: format!("heartbeat#{epoch}.{number}"),
        source: "/gridbell".to_owned(),
        kind: SignalType::Heartbeat,
        subject: Subject::heartbeat(),
        time: second(at),
        sequence: number,
        data: Data::Heartbeat(heartbeat),
        ..signal((epoch, number), None)
    }
}

fn missing(filter: &VersionFilter, named_before: i64) -> Vec<(Version, i64)> {
    filter.missing(second(named_before)).map(|one| (one.version, one.named_at.as_second())).collect()
}

#[test]
fn a_version_that_only_a_heartbeat_names_is_missing() {
    let mut filter = VersionFilter::default();
    acts(&mut filter, signal((1, 3), None));
    filter.accept(heartbeat((1, 1), 100, Some(3)), second(101));
    assert_eq!(missing(&filter, 999), []);
    filter.accept(heartbeat((1, 2), 200, Some(4)), second(201));
    let fourth = Version { epoch: 1, sequence: 4 };
    assert_eq!(missing(&filter, 201), [], "it may be in flight");
    assert_eq!(missing(&filter, 202), [(fourth, 201)]);
    // It is missing since the first heartbeat that named it, also after a restart.
    let mut filter: VersionFilter = serde_json::from_str(&serde_json::to_string(&filter).unwrap()).unwrap();
    filter.accept(heartbeat((1, 3), 300, Some(4)), second(301));
    assert_eq!(missing(&filter, 999), [(fourth, 201)]);
    // Received, but not acted on.
    assert!(matches!(filter.accept(signal((1, 4), Some((1, 2))), NOW), Delivery::Incomplete { missing: 1 }));
    assert_eq!(missing(&filter, 999), [(fourth, 201)]);
    let Delivery::New { signal: whole, .. } = filter.accept(signal((1, 4), Some((2, 2))), NOW) else { panic!() };
    filter.mark_done(&whole);
    assert_eq!(missing(&filter, 999), []);
}

#[test]
fn a_newer_version_a_newer_epoch_or_the_end_settles_what_is_missing() {
    let with = |next: Envelope| {
        let mut filter = VersionFilter::default();
        filter.accept(heartbeat((2, 1), 100, Some(4)), second(100));
        assert_eq!(missing(&filter, 999).len(), 1, "it was never received");
        acts(&mut filter, next);
        missing(&filter, 999).len()
    };
    assert_eq!(with(signal((1, 9), None)), 1);
    assert_eq!(with(signal((2, 3), None)), 1);
    assert_eq!(with(signal((2, 5), None)), 0);
    assert_eq!(with(signal((3, 1), None)), 0);
    assert_eq!(with(heartbeat((2, 2), 200, None)), 0);
    assert_eq!(with(heartbeat((1, 9), 200, None)), 1, "a heartbeat of before says nothing");
}

#[test]
fn gridbell_is_late_if_no_signal_came_in_time() {
    let mut filter = VersionFilter::default();
    acts(&mut filter, signal((1, 1), None));
    assert_eq!(filter.late_since(second(999_999)), None, "no heartbeat was promised");
    filter.accept(heartbeat((1, 1), 100, Some(1)), second(101));
    assert_eq!(filter.late_since(second(400)), None);
    assert_eq!(filter.late_since(second(401)), Some(second(400)));
    // Any signal is a sign of life, even a duplicate.
    filter.accept(signal((1, 1), None), second(350));
    assert_eq!(filter.late_since(second(650)), None);
    assert_eq!(filter.late_since(second(651)), Some(second(650)));
    // A heartbeat that waited in the queue, too.
    filter.accept(heartbeat((1, 2), 300, Some(1)), second(1_000));
    assert_eq!(filter.late_since(second(1_300)), None);
    assert_eq!(filter.late_since(second(1_301)), Some(second(1_300)));
    filter.expect_no_heartbeat();
    assert_eq!(filter.late_since(second(9_999)), None);
}

#[test]
fn an_active_dispatch_is_not_forgotten_while_heartbeats_name_it() {
    let mut filter = VersionFilter::default();
    acts(&mut filter, signal((1, 1), None));
    filter.accept(heartbeat((1, 1), 1_000, Some(1)), second(1_000));
    filter.forget_before(second(1_000));
    filter.accept(heartbeat((1, 2), 2_000, Some(1)), second(2_000));
    assert_eq!(missing(&filter, 9_999), []);
}

/// Versions, each with its number of parts.
fn versions() -> impl Strategy<Value = Vec<((u64, u64), u32)>> {
    vec(((1..4_u64, 1..12_u64), 1..4_u32), 1..8).prop_map(|mut versions| {
        versions.sort_unstable();
        versions.dedup_by_key(|(version, _)| *version);
        versions
    })
}

fn parts(version: (u64, u64), of: u32) -> impl Iterator<Item = Envelope> {
    (1..=of).map(move |number| signal(version, (of > 1).then_some((number, of))))
}

proptest! {
    /// Every message comes at least once, in any order; some come twice; the consumer restarts between messages.
    #[test]
    fn any_order_of_deliveries_ends_in_the_newest_whole_version(
        versions in versions(),
        again in vec(any::<Index>(), 0..12),
        order in vec(any::<u32>(), 64),
        restarts in vec(any::<bool>(), 64),
    ) {
        let mut deliveries: Vec<Envelope> = versions.iter().flat_map(|(version, of)| parts(*version, *of)).collect();
        let repeated: Vec<Envelope> = again.iter().map(|index| index.get(&deliveries).clone()).collect();
        deliveries.extend(repeated);
        let mut deliveries: Vec<(u32, Envelope)> = order.iter().cycle().copied().zip(deliveries).collect();
        deliveries.sort_by_key(|(place, _)| *place);
        let mut filter = VersionFilter::default();
        let mut acted: Vec<Version> = Vec::new();
        for ((_, signal), restarts) in deliveries.into_iter().zip(restarts.iter().cycle()) {
            if let Delivery::New { signal, .. } = filter.accept(signal, NOW) {
                let of = versions.iter().find(|(version, _)| *version == (signal.epoch, signal.sequence)).unwrap().1;
                let expected: Vec<String> = (1..=of).map(|part| format!("{}.{part}", signal.version())).collect();
                prop_assert_eq!(target_ids(&signal), expected);
                filter.mark_done(&signal);
                acted.push(signal.version());
            }
            if *restarts {
                let stored = serde_json::to_string(&filter).unwrap();
                filter = serde_json::from_str(&stored).unwrap();
            }
        }
        prop_assert!(acted.is_sorted_by(|a, b| a < b), "{:?}", acted);
        let ((epoch, sequence), _) = *versions.last().unwrap();
        prop_assert_eq!(acted.last(), Some(&Version { epoch, sequence }));
    }

    /// A FIFO queue delivers in order: the consumer acts on each version once and misses none.
    #[test]
    fn in_order_every_version_is_acted_on_once(of in vec(1..4_u32, 1..8), times in 1..3_usize) {
        let mut filter = VersionFilter::default();
        let mut acted = Vec::new();
        for (sequence, of) in (1..).zip(&of) {
            for part in parts((1, sequence), *of) {
                for _ in 0..times {
                    acted.extend(acts(&mut filter, part.clone()));
                }
            }
        }
        let expected: Vec<(Version, u64)> = (1..).zip(&of).map(|(sequence, _)| (Version { epoch: 1, sequence }, 0)).collect();
        prop_assert_eq!(acted, expected);
    }
}
