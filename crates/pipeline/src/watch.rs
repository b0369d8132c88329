//! Deadlines: nothing stands between a dispatch and its acknowledgement without a person being told in time.
//!
//! A deadline is a delayed message, in hops of at most 900 s, that fires to the second; the sweep sends one for whatever the
//! index says is due soon, so a lost message costs a minute at most. Firing twice is harmless: the table decides.

use dispatch::{Statement, Status, Subject};
use jiff::{SignedDuration, Timestamp};

use crate::{
    config::Config,
    incident::{Kind, News, Notice},
    ports::{Chance, Clock, Dispatches, Outlet, PortError, SignalStream, WriteError},
    record::{Due, Entry, Record},
    work::{Check, Message},
};

/// SQS delays a message by this many seconds at most.
const MAX_HOP_S: i64 = 900;

/// What is due sooner than this is armed by whoever learns of it; the rest is found by the sweep of every minute.
pub const ARMED_AHEAD: SignedDuration = SignedDuration::from_secs(120);

/// Between reminders that a dispatch is still not acknowledged.
const REMIND_EVERY: SignedDuration = SignedDuration::from_mins(15);

/// A person is told this often of one dispatch, then it is known.
const MAX_TOLD: u32 = 5;

/// While a dispatch is at risk, how often it is looked whether it still is.
const RECHECK: SignedDuration = SignedDuration::from_secs(30);

/// A check that is early by less than this was sent in time, by another clock. Less than [`RECHECK`], or what is doubled lives on.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(10);

/// How long the queue of signals must lie still to count as unread, in seconds.
const STILL_S: u32 = 5;

/// How often a write may lose against others.
const MAX_TRIES: usize = 8;

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
        self.dispatch(&check.subject, check.unread).await
    }

    /// Arms what the index says is due soon. Returns how many.
    pub async fn arm_due(&self) -> Result<usize, PortError> {
        let now = self.world.now();
        let subjects = self.table.due(now + ARMED_AHEAD).await?;
        let mut checks = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let due = self.table.read(&subject).await?.and_then(|record| record.due);
            checks.extend(due.map(|due| (Check::dispatch(subject), hop_s(due.at, now))));
        }
        self.outlet.checks(&checks).await?;
        Ok(checks.len())
    }

    async fn dispatch(&self, subject: &Subject, unread: Option<u64>) -> Result<(), PortError> {
        for _ in 0..MAX_TRIES {
            let Some(record) = self.table.read(subject).await? else { return Ok(()) };
            let (Some(due), Some((status, statement))) = (record.due, record.state.published()) else { return Ok(()) };
            let now = self.world.now();
            let acknowledge = self.config.deadlines_for(&record.origin.source, &statement.programs).acknowledge;
            let ended = due.told > 0 && statement.end.is_some_and(|end| end <= now);
            let next = match self.look(&record, due, (status, acknowledge), unread).await? {
                Found::Early(_) | Found::Suspect(_) | Found::AtRisk(_) if ended => {
                    self.over(&record, subject.as_str(), "its end has passed, and nobody acknowledged it").await?;
                    None
                }
                // The sweep arms whatever is due; were each early check sent on as well, a doubled one would never die.
                Found::Early(at) if at.duration_since(now) > CLOCKS_DIFFER => return Ok(()),
                Found::Early(at) => return self.again(Check::dispatch(subject.clone()), hop_s(at, now)).await,
                Found::Suspect(waiting) => {
                    let check = Check { unread: Some(waiting), ..Check::dispatch(subject.clone()) };
                    return self.again(check, STILL_S).await;
                }
                Found::Fine(why) => {
                    if due.told > 0 {
                        self.over(&record, subject.as_str(), why).await?;
                    }
                    if record.has_failed() {
                        self.over(&record, &format!("{subject}/failed"), why).await?;
                    }
                    None
                }
                Found::AtRisk(what) => {
                    let next = next_due(due, &statement, now);
                    if due.is_to_be_told() {
                        self.outlet.notice(&notice(&record, &statement, &what, now), 0).await?;
                    }
                    if !self.store(record, Some(next), now).await? || next.is_to_be_told() {
                        continue;
                    }
                    if next.at < now + ARMED_AHEAD {
                        self.again(Check::dispatch(subject.clone()), hop_s(next.at, now)).await?;
                    }
                    return Ok(());
                }
            };
            if self.store(record, next, now).await? {
                return Ok(());
            }
        }
        Err(PortError::Unavailable {
            port: "dispatches",
            reason: format!("lost the write of {subject} {MAX_TRIES} times in a row"),
        })
    }

    async fn look(
        &self,
        record: &Record,
        due: Due,
        (status, acknowledge): (Status, bool),
        unread: Option<u64>,
    ) -> Result<Found, PortError> {
        if status != Status::Scheduled {
            return Ok(Found::Fine("the dispatch is no longer on"));
        }
        if record.is_acknowledged() {
            return Ok(Found::Fine("the controller acknowledged it"));
        }
        let backlog = if acknowledge { None } else { Some(self.stream.backlog().await?) };
        let sent = record.outbox.is_empty();
        if let Some(backlog) = backlog
            && sent
            && backlog.waiting == 0
        {
            return Ok(Found::Fine("its signal was read from the queue"));
        }
        if self.world.now() < due.at {
            return Ok(Found::Early(due.at));
        }
        Ok(match (sent, backlog, unread) {
            (false, ..) => Found::AtRisk("its signal could not be sent to the queue yet".to_owned()),
            (true, None, _) => Found::AtRisk("no controller has acknowledged it".to_owned()),
            (true, Some(backlog), Some(before)) if backlog.in_hand == 0 && backlog.waiting >= before => {
                Found::AtRisk(format!("nobody reads the queue of signals: {} wait there", backlog.waiting))
            }
            (true, Some(backlog), None) if backlog.in_hand == 0 => Found::Suspect(backlog.waiting),
            // Somebody is reading; this dispatch's turn comes.
            (true, Some(_), _) => Found::Early(self.world.now() + SignedDuration::from_secs(i64::from(STILL_S))),
        })
    }

    async fn over(&self, record: &Record, gather: &str, why: &str) -> Result<(), PortError> {
        let source = &record.origin.source;
        let over = Notice::over(Kind::DispatchAtRisk, source, gather, self.world.now(), why.to_owned());
        self.outlet.notice(&over, 0).await
    }

    async fn again(&self, check: Check, delay_s: u32) -> Result<(), PortError> {
        self.outlet.checks(&[(check, delay_s)]).await
    }

    /// False where another write came first.
    async fn store(&self, record: Record, due: Option<Due>, now: Timestamp) -> Result<bool, PortError> {
        let expected = record.revision;
        let told = record.due.map_or(0, |due| due.told);
        let what = match due {
            Some(due) if due.told > told => Some("told that it is not acknowledged"),
            Some(_) => None,
            None => Some("the deadline is met or needs no watching any more"),
        };
        let entry = what.map(|what| Entry { at: now, delivery: String::new(), what: what.to_owned() });
        let next = Record { due, ..record.noting(entry, self.world.unique()) };
        match self.table.write(&next, Some(expected)).await {
            Ok(()) => Ok(true),
            Err(WriteError::Lost(Some(stored))) if stored.write == next.write => Ok(true),
            Err(WriteError::Lost(_)) => Ok(false),
            Err(WriteError::Port(error)) => Err(error),
        }
    }
}

/// Seconds until then, in one hop.
pub fn hop_s(at: Timestamp, now: Timestamp) -> u32 {
    let whole_s = at.duration_since(now).as_millis().div_euclid(1_000) + 1;
    u32::try_from(whole_s.clamp(0, i128::from(MAX_HOP_S))).unwrap_or(0)
}

/// A person is told this often of a dispatch, and of a test only once.
fn is_told_enough(due: Due, statement: &Statement) -> bool {
    due.told >= MAX_TOLD || (due.told > 0 && statement.test_reason.is_some())
}

/// When it is looked at next.
///
/// That a person is told is stored before the telling (told first and then overtaken by an acknowledgement, nobody would say that
/// it is over) and once more after it (whoever dies in between leaves it to the next look). A person is told again when it
/// starts, then every quarter of an hour; what was told often enough is watched on without a word.
fn next_due(due: Due, statement: &Statement, now: Timestamp) -> Due {
    match due.remind_at {
        _ if due.is_to_be_told() => {
            let remind_at = if statement.start > now { statement.start } else { now + REMIND_EVERY };
            Due { at: remind_at.min(now + RECHECK), told: due.told, remind_at: Some(remind_at) }
        }
        _ if is_told_enough(due, statement) => {
            let next = now + REMIND_EVERY;
            Due { at: statement.end.filter(|end| *end > now).map_or(next, |end| end.min(next)), ..due }
        }
        Some(remind_at) if remind_at > now => Due { at: remind_at.min(now + RECHECK), ..due },
        _ => Due { at: now, told: due.told + 1, remind_at: None },
    }
}

fn notice(record: &Record, statement: &Statement, what: &str, now: Timestamp) -> Notice {
    let version = record.state.version;
    let detail = format!("version {version}, to start at {:.0}, is not acknowledged: {what}", statement.start);
    let subject = &record.subject;
    let mut notice = Notice::happens(Kind::DispatchAtRisk, &record.origin.source, subject.to_string(), now, detail)
        .gathered_by(subject.to_string())
        .about_dispatch(Some(subject.clone()))
        .until_over();
    if let (News::Happens { stage, .. }, Some(Due { told: 2.., .. })) = (&mut notice.news, record.due) {
        *stage = format!("reminder {}", record.due.map_or(0, |due| due.told - 1));
    }
    notice
}
