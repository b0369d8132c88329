//! What a process knows of the active dispatches of each source, kept between its invocations: what a webhook costs must not
//! depend on how many dispatches are active elsewhere.
//!
//! A source is read whole once, and from then on only what changed. An index may show a change late: what is this young is read
//! again with each look, and now and then what is older; and every [`WHOLE_EVERY`] all of it is read anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use dispatch::{Claim, Effective, Mark, Plan, Request, Rule, Subject, TargetClaims, effective};
use futures_util::lock::Mutex;
use jiff::{SignedDuration, Timestamp};

use crate::{
    ports::{Active, Changed, Dispatches, PortError, Stamp},
    record::Record,
};

/// How late a change shows in an index as a rule. AWS says "a fraction of a second"; clocks differ by some of it as well.
const LAG: SignedDuration = SignedDuration::from_secs(2);

/// How late one may show, or be written after its instant.
const LONG_LAG: SignedDuration = SignedDuration::from_secs(30);

/// How often so much is read again.
const LONG_LAG_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// How often a source is read whole again: what showed later still is found then, and what is over is let go.
const WHOLE_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// From so many dispatches on, the claims on a target are kept grouped.
const CROWD: usize = 64;

/// The views of one process, by source.
#[derive(Debug, Default)]
pub struct Views(Mutex<BTreeMap<String, Arc<Mutex<View>>>>);

/// What is known to be active in one source.
#[derive(Debug)]
pub struct View {
    rule: Rule,
    reads: Option<Reads>,
    /// The latest change that is known of each subject; none where only the index `active` has shown it.
    stamps: BTreeMap<Subject, Stamp>,
    plans: BTreeMap<Subject, (Number, Plan)>,
    by_number: BTreeMap<Number, Subject>,
    /// What each plan asks of each target.
    shares: BTreeMap<(Mark, Number), Option<Request>>,
    crowds: BTreeMap<Mark, TargetClaims>,
    next: Number,
}

/// When a source was read.
#[derive(Debug, Clone, Copy)]
struct Reads {
    /// What is over by then may be missing.
    from: Timestamp,
    whole_at: Timestamp,
    long_lag_at: Timestamp,
    last_at: Timestamp,
}

/// Stands for a plan: hundreds of thousands of targets cannot each hold the subjects of theirs.
type Number = u32;

/// Which plans name a target, and what each asks of it.
pub(crate) type Asked = Vec<(Number, Option<Request>)>;

impl Views {
    /// That of a source, for a provider's rule.
    pub(crate) async fn of(&self, source: &str, rule: Rule) -> Arc<Mutex<View>> {
        let mut views = self.0.lock().await;
        if let Some(view) = views.get(source) {
            return Arc::clone(view);
        }
        Arc::clone(views.entry(source.to_owned()).or_insert_with(|| Arc::new(Mutex::new(View::new(rule)))))
    }
}

impl View {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            reads: None,
            stamps: BTreeMap::new(),
            plans: BTreeMap::new(),
            by_number: BTreeMap::new(),
            shares: BTreeMap::new(),
            crowds: BTreeMap::new(),
            next: 0,
        }
    }

    /// Whether it was read for a later instant alone: what was over by then may be missing.
    pub(crate) fn would_miss(&self, at: Timestamp) -> bool {
        self.reads.is_some_and(|reads| reads.from > at)
    }

    /// Reads what it does not know yet of what is active from an instant on.
    pub(crate) async fn refresh(
        &mut self,
        table: &impl Dispatches,
        source: &str,
        at: Timestamp,
        now: Timestamp,
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

    /// What the record says is known.
    pub(crate) fn learn_record(&mut self, record: &Record) {
        let (subject, stamp) = (record.subject.clone(), record.stamp());
        if self.stamps.get(&subject) != Some(&stamp) {
            self.learn(Changed { subject, stamp, plan: record.plan() });
        }
    }

    fn learn(&mut self, Changed { subject, stamp, plan }: Changed) {
        if self.stamps.get(&subject).is_none_or(|known| *known <= stamp) {
            self.put(&subject, plan);
            self.stamps.insert(subject, stamp);
        }
    }

    /// Takes over what the index of active subjects holds, but for what changed so lately that it may not know.
    fn learn_whole(&mut self, active: Vec<Active>, now: Timestamp) {
        self.stamps.retain(|_, stamp| now.duration_since(stamp.changed_at) < LONG_LAG);
        let listed: BTreeSet<&Subject> = active.iter().map(|active| &active.subject).collect();
        let is_gone = |subject: &&Subject| !listed.contains(subject) && !self.stamps.contains_key(*subject);
        let gone: Vec<Subject> = self.plans.keys().filter(is_gone).cloned().collect();
        for subject in gone {
            self.put(&subject, None);
        }
        for Active { subject, plan } in active {
            if !self.stamps.contains_key(&subject) {
                self.put(&subject, Some(plan));
            }
        }
    }

    fn put(&mut self, subject: &Subject, plan: Option<Plan>) {
        if self.plans.get(subject).map(|(_, known)| known) == plan.as_ref() {
            return;
        }
        if let Some((number, plan)) = self.plans.remove(subject) {
            for mark in plan.marks() {
                self.shares.remove(&(mark, number));
                if let Some(crowd) = self.crowds.get_mut(&mark) {
                    crowd.remove(subject);
                }
            }
            self.by_number.remove(&number);
        }
        let Some(plan) = plan else { return };
        let number = self.next;
        self.next += 1;
        let asked = plan.asked();
        self.shares.extend(asked.iter().map(|(mark, request)| ((*mark, number), *request)));
        self.by_number.insert(number, subject.clone());
        self.plans.insert(subject.clone(), (number, plan));
        for (mark, request) in asked {
            self.join_crowd(mark, number, request);
        }
    }

    fn join_crowd(&mut self, mark: Mark, number: Number, request: Option<Request>) {
        if let Some(crowd) = self.crowds.get_mut(&mark) {
            let claim = self.by_number.get(&number).and_then(|subject| Some((subject, self.plans.get(subject)?)));
            if let Some((subject, (_, plan))) = claim {
                crowd.insert(plan.claim_of(subject, request));
            }
            return;
        }
        let asked = self.asked(mark);
        if asked.len() > CROWD {
            let mut crowd = TargetClaims::new(self.rule);
            self.claims(&asked).into_iter().for_each(|claim| crowd.insert(claim));
            self.crowds.insert(mark, crowd);
        }
    }

    /// The others on a subject's feed, each with its plan.
    pub(crate) fn others_on_its_feed<'a>(&'a self, than: &'a Subject) -> impl Iterator<Item = (&'a Subject, &'a Plan)> {
        let feed = than.as_str().rsplit_once('/').map_or(than.as_str(), |(feed, _)| feed);
        let on_it = self.plans.range(Subject::from_stored(format!("{feed}/"))..);
        let on_it = on_it.take_while(move |(other, _)| other.as_str().starts_with(feed));
        let others = on_it.filter(move |(other, _)| *other != than && other.feed() == than.feed());
        others.map(|(subject, (_, plan))| (subject, plan))
    }

    /// What is in effect for a target. Most targets of a dispatch share their neighbours: `known` holds what was found for others.
    pub(crate) fn effective(
        &self,
        target: &str,
        about: (&Subject, bool),
        now: Timestamp,
        known: &mut BTreeMap<Asked, Option<Arc<Effective>>>,
    ) -> Option<Arc<Effective>> {
        let mark = Mark::of(target);
        if let Some(crowd) = self.crowds.get(&mark) {
            return crowd.effective(about, now).map(Arc::new);
        }
        let asked = self.asked(mark);
        if let Some(known) = known.get(&asked) {
            return known.clone();
        }
        let found = effective(self.rule, about, &self.claims(&asked), now).map(Arc::new);
        known.insert(asked, found.clone());
        found
    }

    fn asked(&self, mark: Mark) -> Asked {
        let shares = self.shares.range((mark, Number::MIN)..=(mark, Number::MAX));
        shares.map(|((_, number), request)| (*number, *request)).collect()
    }

    fn claims(&self, asked: &Asked) -> Vec<Claim> {
        let claim = |(number, request): &(Number, Option<Request>)| {
            let subject = self.by_number.get(number)?;
            let (_, plan) = self.plans.get(subject)?;
            Some(plan.claim_of(subject, *request))
        };
        asked.iter().filter_map(claim).collect()
    }
}
