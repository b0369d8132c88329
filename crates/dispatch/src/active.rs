//! What an active subject requests of which targets, in short form, for the index of active subjects.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::{Claim, DispatchTerms, Ramps, Request, Status, Subject, quantity::demand};

/// An active dispatch or load target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveDispatch {
    /// When it starts.
    pub start: Timestamp,
    /// When it ends; none until a later fact ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// The request to all targets together.
    pub request: Request,
    /// The lower number governs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// Tests and real dispatches do not affect each other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// The targets.
    pub groups: Vec<TargetGroup>,
    /// For a load target: the ramp that started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<RampStart>,
}

/// Targets with the same request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// The hashes of the targets, sorted.
    pub hashes: TargetHashes,
    /// The request to each of them; none if the provider requests only a total for the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// Hashes of targets. As text: 16 hexadecimal digits each, concatenated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetHashes(Vec<TargetHash>);

/// Identifies a target: the first 64 bits of the SHA-256 of its id. Thousands of ids would not fit into an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetHash(u64);

/// The start of a ramp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RampStart {
    /// When its target begins to apply.
    pub start: Timestamp,
    /// The target's stated end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// When gridbell received it.
    pub heard_at: Timestamp,
    /// True until its end is reported.
    pub running: bool,
}

impl RampStart {
    /// True if this target replaces the other one, whose ramp had not ended: it starts later (or was received later, if
    /// both start at once), and before the other's stated end.
    pub fn replaces(&self, other: &Self) -> bool {
        let later = (self.start, self.heard_at) > (other.start, other.heard_at);
        other.running && later && other.end.is_none_or(|end| self.start < end)
    }
}

impl TargetHash {
    /// The hash of a target's id.
    pub fn of(id: &str) -> Self {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&Sha256::digest(id.as_bytes())[..8]);
        Self(u64::from_be_bytes(bytes))
    }
}

impl TargetHashes {
    /// The hashes, in order.
    pub fn iter(&self) -> impl Iterator<Item = TargetHash> + '_ {
        self.0.iter().copied()
    }

    fn holds(&self, hash: TargetHash) -> bool {
        self.0.binary_search(&hash).is_ok()
    }
}

impl FromIterator<TargetHash> for TargetHashes {
    fn from_iter<I: IntoIterator<Item = TargetHash>>(hashes: I) -> Self {
        let mut hashes: Vec<TargetHash> = hashes.into_iter().collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }
}

impl Serialize for TargetHashes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|hash| hash.0.to_be_bytes()).collect();
        serializer.serialize_str(&crate::signal::hex(&bytes))
    }
}

impl<'de> Deserialize<'de> for TargetHashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hashes = text.as_bytes().chunks(16).map(|digits| {
            let digits = std::str::from_utf8(digits).map_err(de::Error::custom)?;
            u64::from_str_radix(digits, 16).map(TargetHash).map_err(de::Error::custom)
        });
        hashes.collect()
    }
}

impl ActiveDispatch {
    /// Splits it into pieces of at most `most_marks` hashes, since a store limits its items. Without hashes it is one
    /// piece.
    pub fn pieces(&self, most_marks: usize) -> Vec<Self> {
        let mut pieces: Vec<Vec<TargetGroup>> = vec![Vec::new()];
        let mut room = most_marks;
        for TargetGroup { hashes, request } in &self.groups {
            let mut hashes = hashes.0.as_slice();
            while !hashes.is_empty() {
                if room == 0 {
                    pieces.push(Vec::new());
                    room = most_marks.max(1);
                }
                let (these, others) = hashes.split_at(hashes.len().min(room));
                room -= these.len();
                hashes = others;
                if let Some(piece) = pieces.last_mut() {
                    piece.push(TargetGroup { hashes: TargetHashes(these.to_vec()), request: *request });
                }
            }
        }
        let head = Self { groups: Vec::new(), ..self.clone() };
        pieces.into_iter().map(|groups| Self { groups, ..head.clone() }).collect()
    }

    /// Joins pieces in their order; none if there are no pieces.
    pub fn joined(pieces: impl IntoIterator<Item = Self>) -> Option<Self> {
        pieces.into_iter().reduce(|mut active, piece| {
            for group in piece.groups {
                match active.groups.last_mut().filter(|last| last.request == group.request) {
                    Some(last) => last.hashes.0.extend(group.hashes.0),
                    None => active.groups.push(group),
                }
            }
            active
        })
    }

    pub(crate) fn of_dispatch(terms: &DispatchTerms) -> Self {
        let mut by_request: Vec<(Option<Request>, Vec<TargetHash>)> = Vec::new();
        let mut place_of: BTreeMap<Option<Request>, usize> = BTreeMap::new();
        for target in terms.targets.iter() {
            let place = *place_of.entry(target.request).or_insert_with(|| {
                by_request.push((target.request, Vec::new()));
                by_request.len() - 1
            });
            by_request[place].1.push(TargetHash::of(&target.id));
        }
        Self {
            start: terms.start,
            end: terms.end,
            request: terms.request,
            priority: terms.priority,
            test: terms.test_reason.is_some(),
            groups: by_request
                .into_iter()
                .map(|(request, hashes)| TargetGroup { hashes: hashes.into_iter().collect(), request })
                .collect(),
            ramp: None,
        }
    }

    /// None if no limit applies and no end of a ramp is expected.
    pub(crate) fn of_ramps(ramps: &Ramps, test: bool) -> Option<Self> {
        let ramp = ramps.ramp_start();
        let (start, end, request, asked) = match (ramps.limit(), ramp) {
            (Some((start, end, request)), _) => (start, end, request, true),
            // A ramp up without a stated end: its end is not expected.
            (None, Some(RampStart { start, end: Some(end), running: true, .. })) => {
                (start, Some(end), Request::Unspecified, false)
            }
            (None, _) => return None,
        };
        let hashes = TargetHashes::from_iter([TargetHash::of(feed_id(ramps.feed.as_deref()))]);
        let groups = if asked { vec![TargetGroup { hashes, request: Some(request) }] } else { Vec::new() };
        Some(Self { start, end, request, priority: None, test, groups, ramp })
    }

    /// When it stops being active in the index; none until a later fact ends it.
    pub fn until(&self) -> Option<Timestamp> {
        let ramp = self.ramp.filter(|ramp| ramp.running).map_or(self.end, |ramp| ramp.end);
        self.end.zip(ramp).map(|(end, ramp)| end.max(ramp))
    }

    /// The hashes of all targets.
    pub fn hashes(&self) -> impl Iterator<Item = TargetHash> + '_ {
        self.groups.iter().flat_map(|group| group.hashes.iter())
    }

    /// The request to each target. For a target that is listed several times, the largest request counts.
    pub fn asked(&self) -> BTreeMap<TargetHash, Option<Request>> {
        let mut asked = BTreeMap::new();
        for group in &self.groups {
            for hash in group.hashes.iter() {
                let known = asked.entry(hash).or_insert(group.request);
                if self.demand(*known) < self.demand(group.request) {
                    *known = group.request;
                }
            }
        }
        asked
    }

    /// Its claim on one target; none if it does not list the target. If it lists the target several times, the largest
    /// request counts.
    pub fn claim(&self, key: &Subject, hash: TargetHash) -> Option<Claim> {
        let groups = self.groups.iter().filter(|group| group.hashes.holds(hash));
        let request = groups.map(|group| group.request).max_by_key(|request| self.demand(*request))?;
        Some(self.claim_of(key, request))
    }

    /// Its claim on a target with that request.
    pub fn claim_of(&self, key: &Subject, request: Option<Request>) -> Claim {
        Claim {
            key: key.clone(),
            status: Status::Scheduled,
            test: self.test,
            start: self.start,
            end: self.end,
            request,
            total: self.request,
            priority: self.priority,
        }
    }

    fn demand(&self, request: Option<Request>) -> (u8, u64) {
        demand(request.unwrap_or(self.request))
    }
}

/// The id of a power feed as a target: `-` if no feed is named, as in the subject.
pub fn feed_id(feed: Option<&str>) -> &str {
    match feed {
        None => "-",
        Some("-") => "%2D",
        Some(tag) => tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_named_several_times_counts_with_the_most() {
        let hash = |id: &str| TargetHash::of(id);
        let group = |ids: &[&str], request| TargetGroup { hashes: ids.iter().map(|id| hash(id)).collect(), request };
        let watts = |watts| Some(Request::Reduce { watts });
        let active = ActiveDispatch {
            start: Timestamp::UNIX_EPOCH,
            end: None,
            request: Request::Reduce { watts: 7 },
            priority: None,
            test: false,
            groups: vec![group(&["a", "b", "c"], watts(5)), group(&["b"], watts(9)), group(&["c"], None)],
            ramp: None,
        };
        let asked = active.asked();
        assert_eq!(asked, BTreeMap::from([(hash("a"), watts(5)), (hash("b"), watts(9)), (hash("c"), None)]));
        let key = Subject::dispatch("leap", "e-1");
        for (hash, request) in asked {
            assert_eq!(active.claim(&key, hash), Some(active.claim_of(&key, request)));
        }
    }

    #[test]
    fn a_plan_in_pieces_is_the_same_plan() {
        let group = |from: u64, count: u64, request| TargetGroup {
            hashes: (from..from + count).map(|id| TargetHash::of(&id.to_string())).collect(),
            request,
        };
        let active = ActiveDispatch {
            start: Timestamp::UNIX_EPOCH,
            end: None,
            request: Request::Unspecified,
            priority: Some(1),
            test: false,
            groups: vec![
                group(0, 7, None),
                group(7, 1, Some(Request::ReduceMax)),
                group(8, 12, Some(Request::Reduce { watts: 5 })),
            ],
            ramp: None,
        };
        for most_marks in 1..=21 {
            let pieces = active.pieces(most_marks);
            assert_eq!(pieces.len(), 20_usize.div_ceil(most_marks));
            assert!(pieces.iter().all(|piece| piece.hashes().count() <= most_marks));
            assert_eq!(ActiveDispatch::joined(pieces), Some(active.clone()), "{most_marks}");
        }
        let empty = ActiveDispatch { groups: Vec::new(), ..active };
        assert_eq!(empty.pieces(5), std::slice::from_ref(&empty));
        assert_eq!(ActiveDispatch::joined([]), None);
    }
}
