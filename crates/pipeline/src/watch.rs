//! Deadlines: nothing stands between a dispatch and its acknowledgement without a person being told in time.
//!
//! A deadline is a delayed message, in hops of at most 900 s, that fires to the second; the sweep sends one for whatever the
//! index says is due soon, so a lost message costs a minute at most. Firing twice is harmless: the table decides.

use dispatch::{Statement, Status};
use jiff::{SignedDuration, Timestamp};

use crate::{
    config::Config,
    incident::{Kind, Notice},
    ports::{Chance, Clock, Dispatches, Outlet, PortError, SignalStream},
    record::{Due, Entry, Record, over_at},
    work::{Check, Message},
    written::{MAX_TRIES, always_overtaken, written},
};

/// SQS delays a message by this many seconds at most.
const MAX_HOP_S: i64 = 900;

/// What is due sooner than this is armed by whoever learns of it; the rest is found by the sweep of every minute.
pub const ARMED_AHEAD: SignedDuration = SignedDuration::from_secs(120);

/// While a dispatch is at risk, how often it is looked whether it still is. The sweep alone arms these looks: one that armed the
/// next would live on once more with each time that it is doubled. To remind people is the alerter's.
const RECHECK: SignedDuration = SignedDuration::from_secs(60);

/// A check that is early by less than this was sent in time, by another clock.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(10);

/// A dispatch of which no end is known counts as at risk for this long after its start. Then a person is asked once a day whether it
/// is still on (`open_end.rs`).
const WATCHED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How long the queue of signals must lie still to count as unread, in seconds.
const STILL_S: u32 = 5;

/// A signal younger than this is most likely being sent.
const SENDING: SignedDuration = SignedDuration::from_secs(5);

/// The deadlines.
#[derive(Debug)]
pub struct Watch<'a, T, S, O, C> {
    /// The deadlines.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a T,
    /// `signals`.
    pub stream: &'a S,
    /// The inner queues.
    pub outlet: &'a O,
    /// Time and chance.
    pub world: &'a C,
}

/// What a look at a dispatch found.
enum Found {
    /// Nothing is awaited any more; why.
    Fine(&'static str),
    /// It is not due yet.
    Early(Timestamp),
    /// A person was told, and it has not changed since.
    Told,
    /// The queue may lie still; look again.
    Suspect(u64),
    /// It is due, and this stands in the way.
    AtRisk(String),
}

impl<T: Dispatches, S: SignalStream, O: Outlet, C: Clock + Chance> Watch<'_, T, S, O, C> {
    /// Takes the deadlines out of a batch; returns the other messages, and the ids of those that nobody took care of.
    pub async fn batch(&self, messages: Vec<Message>) -> (Vec<Message>, Vec<String>) {
        let (mut others, mut failed) = (Vec::new(), Vec::new());
        for message in messages {
            let Ok(check) = serde_json::from_str::<Check>(&message.body) else {
                others.push(message);
                continue;
            };
            if let Err(error) = self.fired(check).await {
                tracing::error!(delivery.message = message.id, %error, "a deadline is left to fire again");
                failed.push(message.id);
            }
        }
        (others, failed)
    }

    /// A deadline fired.
    async fn fired(&self, check: Check) -> Result<(), PortError> {
        if check.missed { self.missed(&check.subject).await } else { self.dispatch(&check).await }
    }

    /// Arms what the index says is due soon. Returns how many.
    pub async fn arm_due(&self) -> Result<usize, PortError> {
        let now = self.world.now();
        let subjects = self.table.due(now + ARMED_AHEAD).await?;
        let mut checks = Vec::with_capacity(subjects.len());
        for subject in subjects {
            // The record's own subject: an index may know it by a shorter key.
            let Some(record) = self.table.read(&subject).await? else { continue };
            checks.extend(record.look_at().map(|at| (Check::dispatch(record.subject), hop_s(at, now))));
        }
        self.outlet.checks(&checks).await?;
        Ok(checks.len())
    }

    async fn dispatch(&self, check: &Check) -> Result<(), PortError> {
        let subject = &check.subject;
        for _ in 0..MAX_TRIES {
            let Some(record) = self.table.read(subject).await? else { return Ok(()) };
            if let Some(open_end) = record.open_end.filter(|open_end| open_end.ask_at <= self.world.now()) {
                self.ask_whether_on(record, open_end).await?;
                continue;
            }
            let Some(due) = record.due else { return Ok(()) };
            let Some((status, statement)) = record.state.published() else {
                if self.ramp(record, due).await? {
                    return Ok(());
                }
                continue;
            };
            let now = self.world.now();
            let next = match self.look(&record, due, (status, &statement), check.unread).await? {
                Found::Early(at) => return self.early(Check { unread: None, ..check.clone() }, at, now).await,
                Found::Suspect(waiting) => {
                    return self.again(Check { unread: Some(waiting), ..check.clone() }, STILL_S).await;
                }
                Found::Fine(why) => {
                    if due.told > 0 {
                        self.over(&record, subject.as_str(), (due.over_at(now), why)).await?;
                    }
                    if let Some(failed_at) = record.failed_at {
                        self.over(&record, &format!("{subject}/failed"), (over_at(failed_at, now), why)).await?;
                    }
                    let what = format!("its deadline needs no watching any more: {why}");
                    let entry = Entry { at: now, delivery: String::new(), what };
                    Record { due: None, ..record.noting(entry, self.world.unique()) }
                }
                Found::AtRisk(what) => {
                    let version = record.state.version;
                    if (due.telling, due.told) != (true, version) {
                        // Stored first: told first and then overtaken by an acknowledgement, nobody would say that it is over.
                        let due = Some(Due { told: version, telling: true, told_at: Some(now), ..due });
                        self.write(Record { due, ..record.noting(None, self.world.unique()) }).await?;
                        continue;
                    }
                    self.tell(&record, &statement, (due.told_at.unwrap_or(now), what)).await?;
                    let due = Some(Due { at: now + RECHECK, telling: false, ..due });
                    let what = format!("told that version {version} is not acknowledged");
                    let entry = Entry { at: now, delivery: String::new(), what };
                    Record { due, ..record.noting(entry, self.world.unique()) }
                }
                Found::Told => {
                    let due = Some(Due { at: now + RECHECK, ..due });
                    Record { due, ..record.noting(None, self.world.unique()) }
                }
            };
            if self.write(next).await? {
                return Ok(());
            }
        }
        Err(always_overtaken("dispatches", subject))
    }

    async fn look(
        &self,
        record: &Record,
        due: Due,
        (status, statement): (Status, &Statement),
        unread: Option<u64>,
    ) -> Result<Found, PortError> {
        let now = self.world.now();
        let over_at = statement.end.or_else(|| statement.start.checked_add(WATCHED_FOR).ok());
        if status != Status::Scheduled {
            return Ok(Found::Fine("the dispatch is no longer on"));
        }
        if record.is_acknowledged() {
            return Ok(Found::Fine("the controller acknowledged it"));
        }
        // What nobody was told of does not end in silence.
        if due.told > 0 && !due.telling && over_at.is_some_and(|over_at| over_at <= now) {
            return Ok(Found::Fine(match record.open_end {
                Some(_) => {
                    "no controller acknowledged it within a day; a person is asked once a day whether it is still on"
                }
                None => "its time has passed, and nobody acknowledged it",
            }));
        }
        let acknowledge = self.config.deadlines_for(&record.origin.source, &statement.programs).acknowledge;
        let backlog = if acknowledge { None } else { Some(self.stream.backlog().await?) };
        let sent = record.outbox.is_empty();
        if let Some(backlog) = backlog
            && sent
            && backlog.waiting == 0
        {
            return Ok(Found::Fine("its signal was read from the queue"));
        }
        if now < due.at {
            return Ok(Found::Early(due.at));
        }
        if due.told == record.state.version && !due.telling {
            return Ok(Found::Told);
        }
        Ok(match (sent, backlog, unread) {
            // Whoever wrote it is sending it right now.
            (false, ..) if self.world.now().duration_since(record.changed_at) < SENDING => {
                Found::Early(self.world.now() + SENDING)
            }
            (false, ..) => Found::AtRisk("its signal could not be sent to the queue yet".to_owned()),
            (true, None, _) => Found::AtRisk("no controller has acknowledged it".to_owned()),
            (true, Some(backlog), Some(before)) if backlog.in_hand == 0 && backlog.waiting >= before => {
                Found::AtRisk(format!("nobody reads the queue of signals: {} wait there", backlog.waiting))
            }
            (true, Some(backlog), None) if backlog.in_hand == 0 => Found::Suspect(backlog.waiting),
            // Somebody is reading; this dispatch's turn comes, or the next sweep looks again.
            (true, Some(_), _) => Found::Early(now + RECHECK),
        })
    }

    async fn tell(
        &self,
        record: &Record,
        statement: &Statement,
        (at, what): (Timestamp, String),
    ) -> Result<(), PortError> {
        let version = record.state.version;
        let detail = format!("version {version}, to start at {:.0}, is not acknowledged: {what}", statement.start);
        let subject = &record.subject;
        let notice = Notice::happens(Kind::DispatchAtRisk, &record.origin.source, subject.to_string(), at, detail)
            .gathered_by(subject.to_string())
            .about_dispatch(Some(subject.clone()))
            .until_over();
        self.outlet.notice(&notice, 0).await
    }

    async fn over(&self, record: &Record, gather: &str, (at, why): (Timestamp, &str)) -> Result<(), PortError> {
        let source = &record.origin.source;
        let over = Notice::over(Kind::DispatchAtRisk, source, gather, at, why.to_owned());
        self.outlet.notice(&over, 0).await
    }

    /// A check fired before its time. The sweep arms whatever is due; were each early check sent on as well, a doubled one would
    /// never die.
    pub(crate) async fn early(&self, check: Check, at: Timestamp, now: Timestamp) -> Result<(), PortError> {
        if at.duration_since(now) > CLOCKS_DIFFER {
            return Ok(());
        }
        self.again(check, hop_s(at, now)).await
    }

    pub(crate) async fn again(&self, check: Check, delay_s: u32) -> Result<(), PortError> {
        self.outlet.checks(&[(check, delay_s)]).await
    }

    /// Writes the next revision; false where another write came first.
    pub(crate) async fn write(&self, next: Record) -> Result<bool, PortError> {
        let answer = self.table.write(&next, Some(next.revision - 1)).await;
        written(&next, answer).map(|written| written.is_done())
    }
}

/// Seconds until then, in one hop.
pub fn hop_s(at: Timestamp, now: Timestamp) -> u32 {
    let whole_s = at.duration_since(now).as_millis().div_euclid(1_000) + 1;
    u32::try_from(whole_s.clamp(0, i128::from(MAX_HOP_S))).unwrap_or(0)
}
