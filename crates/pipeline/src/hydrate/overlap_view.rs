//! What a process knows of the active dispatches of each source, stored between its invocations: the cost of a webhook
//! must not depend on the number of active dispatches elsewhere.
//!
//! A source is read completely once, and from then on only its changes. An index may show a change late. So recent
//! changes are read again with each refresh, older ones now and then, and every [`WHOLE_EVERY`] the whole source.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use dispatch::{
    About, ActiveDispatch, Claim, Effective, Precedence, Request, Subject, TargetClaims, TargetHash, effective,
};
use futures_util::lock::Mutex;
use jiff::{SignedDuration, Timestamp};

use crate::{
    dispatches::record::SubjectRecord,
    ports::{ActiveSubject, Changed, Dispatches, PortError, Stamp},
};

/// The usual lag of an index. AWS documents "a fraction of a second"; clocks differ by some of it, too.
const LAG: SignedDuration = SignedDuration::from_secs(2);

/// The longest lag of an index, or of a write after its instant.
const LONG_LAG: SignedDuration = SignedDuration::from_secs(30);

/// How often changes of that age are read again.
const LONG_LAG_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// How often a source is read completely again: that finds changes that showed even later, and drops what has ended.
const WHOLE_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// From so many dispatches on, the claims on a target are grouped.
const CROWD: usize = 64;

/// The views of one process, by source.
#[derive(Debug, Default)]
pub struct OverlapViews(Mutex<BTreeMap<String, Arc<Mutex<OverlapView>>>>);

/// The known active dispatches of one source.
#[derive(Debug)]
pub struct OverlapView {
    precedence: Precedence,
    reads: Option<Reads>,
    /// The latest known change of each subject; none if only the index `active` has shown it.
    stamps: BTreeMap<Subject, Stamp>,
    actives: BTreeMap<Subject, (Number, ActiveDispatch)>,
    by_number: BTreeMap<Number, Subject>,
    /// What each dispatch requests of each target.
    groups: BTreeMap<(TargetHash, Number), Option<Request>>,
    crowds: BTreeMap<TargetHash, TargetClaims>,
    next: Number,
}

/// The instant from which on a dispatch must be active to matter, and the instant of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsOf {
    pub(crate) at: Timestamp,
    pub(crate) now: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Reads {
    /// Dispatches that ended by then may be missing.
    from: Timestamp,
    whole_at: Timestamp,
    long_lag_at: Timestamp,
    last_at: Timestamp,
}

/// Stands for a dispatch: hundreds of thousands of targets cannot each store the subjects of their dispatches.
type Number = u32;

/// The dispatches that name a target, and what each requests of it.
pub(crate) type Asked = Vec<(Number, Option<Request>)>;

impl OverlapViews {
    /// The view of a source, with its provider's order of overlapping dispatches.
    pub(crate) async fn of(&self, source: &str, precedence: Precedence) -> Arc<Mutex<OverlapView>> {
        let mut views = self.0.lock().await;
        if let Some(view) = views.get(source) {
            return Arc::clone(view);
        }
        Arc::clone(views.entry(source.to_owned()).or_insert_with(|| Arc::new(Mutex::new(OverlapView::new(precedence)))))
    }

    /// Whether the process has seen a record of the subject. False while another task reads its source.
    pub(crate) fn has(&self, subject: &Subject) -> bool {
        let view = self.0.try_lock().and_then(|views| views.get(subject.source()).cloned());
        view.is_some_and(|view| view.try_lock().is_some_and(|view| view.stamps.contains_key(subject)))
    }
}

impl OverlapView {
    fn new(precedence: Precedence) -> Self {
        Self {
            precedence,
            reads: None,
            stamps: BTreeMap::new(),
            actives: BTreeMap::new(),
            by_number: BTreeMap::new(),
            groups: BTreeMap::new(),
            crowds: BTreeMap::new(),
            next: 0,
        }
    }

    /// Whether it was only read for a later instant: dispatches that ended by then may be missing.
    pub(crate) fn would_miss(&self, at: Timestamp) -> bool {
        self.reads.is_some_and(|reads| reads.from > at)
    }

    /// Reads the unknown changes of dispatches active from an instant on.
    pub(crate) async fn refresh(
        &mut self,
        table: &impl Dispatches,
        source: &str,
        AsOf { at, now }: AsOf,
    ) -> Result<(), PortError> {
        let reads = self.reads.filter(|reads| {
            reads.from <= at && reads.last_at <= now && now.duration_since(reads.whole_at) < WHOLE_EVERY
        });
        let Some(mut reads) = reads else {
            let active = table.active(source, at).await?;
            self.learn_whole(active, now);
            self.reads = Some(Reads { from: at, whole_at: now, long_lag_at: now, last_at: now });
            return Ok(());
        };
        let is_long = now.duration_since(reads.long_lag_at) >= LONG_LAG_EVERY;
        let lag = if is_long { LONG_LAG } else { LAG };
        let is_known = |subject: &Subject, stamp| self.stamps.get(subject).is_some_and(|known| *known >= stamp);
        for change in table.changed(source, reads.last_at - lag, is_known).await? {
            self.learn(change);
        }
        reads.last_at = now;
        if is_long {
            reads.long_lag_at = now;
        }
        self.reads = Some(reads);
        Ok(())
    }

    /// Adds the content of the record.
    pub(crate) fn learn_record(&mut self, record: &SubjectRecord) {
        let (subject, stamp) = (record.subject.clone(), record.stamp());
        if self.stamps.get(&subject) != Some(&stamp) {
            self.learn(Changed { subject, stamp, active: record.active() });
        }
    }

    fn learn(&mut self, Changed { subject, stamp, active }: Changed) {
        if self.stamps.get(&subject).is_none_or(|known| *known <= stamp) {
            self.put(&subject, active);
            self.stamps.insert(subject, stamp);
        }
    }

    /// Adds the content of the index of active subjects, except for changes so recent that the index may not show them.
    fn learn_whole(&mut self, active: Vec<ActiveSubject>, now: Timestamp) {
        self.stamps.retain(|_, stamp| now.duration_since(stamp.changed_at) < LONG_LAG);
        let listed: BTreeSet<&Subject> = active.iter().map(|active| &active.subject).collect();
        let is_gone = |subject: &&Subject| !listed.contains(subject) && !self.stamps.contains_key(*subject);
        let gone: Vec<Subject> = self.actives.keys().filter(is_gone).cloned().collect();
        for subject in gone {
            self.put(&subject, None);
        }
        for ActiveSubject { subject, active } in active {
            if !self.stamps.contains_key(&subject) {
                self.put(&subject, Some(active));
            }
        }
    }

    fn put(&mut self, subject: &Subject, active: Option<ActiveDispatch>) {
        if self.actives.get(subject).map(|(_, known)| known) == active.as_ref() {
            return;
        }
        if let Some((number, active)) = self.actives.remove(subject) {
            for hash in active.hashes() {
                self.groups.remove(&(hash, number));
                if let Some(crowd) = self.crowds.get_mut(&hash) {
                    crowd.remove(subject);
                }
            }
            self.by_number.remove(&number);
        }
        let Some(active) = active else { return };
        let number = self.next;
        self.next += 1;
        let asked = active.asked();
        self.groups.extend(asked.iter().map(|(hash, request)| ((*hash, number), *request)));
        self.by_number.insert(number, subject.clone());
        self.actives.insert(subject.clone(), (number, active));
        for (hash, request) in asked {
            self.join_crowd(hash, number, request);
        }
    }

    fn join_crowd(&mut self, hash: TargetHash, number: Number, request: Option<Request>) {
        if let Some(crowd) = self.crowds.get_mut(&hash) {
            let claim = self.by_number.get(&number).and_then(|subject| Some((subject, self.actives.get(subject)?)));
            if let Some((subject, (_, active))) = claim {
                crowd.insert(active.claim_of(subject, request));
            }
            return;
        }
        let asked = self.asked(hash);
        if asked.len() > CROWD {
            let mut crowd = TargetClaims::new(self.precedence);
            self.claims(&asked).into_iter().for_each(|claim| crowd.insert(claim));
            self.crowds.insert(hash, crowd);
        }
    }

    /// The other dispatches on a subject's feed.
    pub(crate) fn others_on_its_feed<'a>(
        &'a self,
        than: &'a Subject,
    ) -> impl Iterator<Item = (&'a Subject, &'a ActiveDispatch)> {
        let feed = than.as_str().rsplit_once('/').map_or(than.as_str(), |(feed, _)| feed);
        let on_it = self.actives.range(Subject::from_stored(format!("{feed}/"))..);
        let on_it = on_it.take_while(move |(other, _)| other.as_str().starts_with(feed));
        let others = on_it.filter(move |(other, _)| *other != than && other.feed() == than.feed());
        others.map(|(subject, (_, active))| (subject, active))
    }

    /// What is in effect for a target. Most targets of a dispatch have the same overlaps: `known` caches the results.
    pub(crate) fn effective(
        &self,
        target: &str,
        about: About<'_>,
        now: Timestamp,
        known: &mut BTreeMap<Asked, Option<Arc<Effective>>>,
    ) -> Option<Arc<Effective>> {
        let hash = TargetHash::of(target);
        if let Some(crowd) = self.crowds.get(&hash) {
            return crowd.effective(about, now).map(Arc::new);
        }
        let asked = self.asked(hash);
        if let Some(known) = known.get(&asked) {
            return known.clone();
        }
        let found = effective(self.precedence, about, &self.claims(&asked), now).map(Arc::new);
        known.insert(asked, found.clone());
        found
    }

    fn asked(&self, hash: TargetHash) -> Asked {
        let groups = self.groups.range((hash, Number::MIN)..=(hash, Number::MAX));
        groups.map(|((_, number), request)| (*number, *request)).collect()
    }

    fn claims(&self, asked: &Asked) -> Vec<Claim> {
        let claim = |(number, request): &(Number, Option<Request>)| {
            let subject = self.by_number.get(number)?;
            let (_, active) = self.actives.get(subject)?;
            Some(active.claim_of(subject, *request))
        };
        asked.iter().filter_map(claim).collect()
    }
}
