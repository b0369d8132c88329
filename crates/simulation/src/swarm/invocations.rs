//! The life of an invocation: it starts or not, takes its turns, and ends or dies.

use std::{
    rc::Rc,
    task::{Context, Poll, Waker},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    driver::{Done, Driver, Event, Purpose, Running, Task},
    scenario::FaultKind,
};
use crate::{
    Function, Inner, Invocation,
    history::{self, Line},
};

/// With a larger clock difference, an alerter may repeat a mail: better twice than never.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(5);

/// How long a mapping waits after its function was throttled.
const BACKS_OFF: SignedDuration = SignedDuration::from_secs(1);

/// The reason recorded when an invocation times out.
pub(super) const TIME_OUT: &str = "time-out";

impl<'w> Driver<'w> {
    /// Starts an invocation, unless it dies before it begins.
    pub(super) fn start(
        &mut self,
        function: Function,
        purpose: Purpose,
        task: impl FnOnce(Rc<Invocation<'w>>) -> Task<'w>,
    ) {
        let now = self.sim.now();
        if self.is_throttled() {
            return self.throttled(purpose, now);
        }
        let chain = match &purpose {
            Purpose::Batch(_, messages) => self.sim.chain_of(messages),
            _ => 0,
        };
        let invocation = Rc::new(Invocation::following(self.sim, function, chain));
        let number = invocation.number();
        let stillborn = self.live(|live| {
            live.journal.note(
                now,
                "start",
                || json!({ "function": format!("{function:?}"), "invocation": number, "for": format!("{purpose:?}") }),
            );
            // With a clock this wrong, another invocation's claim seems expired and its mail overdue.
            if function == Function::Alerter && live.skew(number).abs() > CLOCKS_DIFFER {
                live.seen.push(Line { at: now, event: history::Event::MailRepeats { invocation: Some(number) } });
            }
            live.strikes(FaultKind::ColdStart)
        });
        let task = task(Rc::clone(&invocation));
        self.running.insert(number, Running { invocation, task, purpose });
        if stillborn {
            return self.dies(number, now, "cold start");
        }
        self.at(now + function.timeout(), Event::TimeOut(number));
        self.turn(number);
    }

    /// Whether the account has reached its concurrency limit.
    fn is_throttled(&self) -> bool {
        let most = self.live(|live| live.scenario.account.filter(|_| !live.healed));
        most.is_some_and(|most| self.running.len() >= most)
    }

    /// Lambda throttles an invocation. The messages that the mapping received stay hidden and count as received.
    fn throttled(&mut self, purpose: Purpose, now: Timestamp) {
        self.live(|live| live.journal.note(now, "throttled", || json!({ "for": format!("{purpose:?}") })));
        if let Purpose::Batch(queue, _) = purpose {
            self.asks_at.insert(queue, now + BACKS_OFF);
        }
        self.ended(purpose, None, now);
    }

    /// The number of running batches of a queue.
    pub(super) fn batches_of(&self, queue: Inner) -> usize {
        let of = |running: &&Running<'_>| matches!(running.purpose, Purpose::Batch(its, _) if its == queue);
        self.running.values().filter(of).count()
    }

    /// Polls an invocation once.
    pub(super) fn turn(&mut self, number: u64) {
        let Some(running) = self.running.get_mut(&number) else { return };
        let polled = running.task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let now = self.sim.now();
        match polled {
            Poll::Ready(done) => {
                if let Some(Running { purpose, .. }) = self.running.remove(&number) {
                    self.live(|live| {
                        live.journal.note(now, "end", || json!({ "invocation": number, "with": format!("{done:?}") }));
                    });
                    self.ended(purpose, Some(done), now);
                }
            }
            Poll::Pending if running.invocation.is_dead() => self.dies(number, now, "crash"),
            Poll::Pending => {}
        }
    }

    pub(super) fn dies(&mut self, number: u64, now: Timestamp, why: &str) {
        let Some(Running { purpose, .. }) = self.running.remove(&number) else { return };
        self.live(|live| {
            live.journal.note(now, "died", || json!({ "invocation": number, "why": why }));
            let time_out = (why == TIME_OUT).then_some(history::Event::TimeOut);
            let alerter = matches!(purpose, Purpose::Batch(Inner::Alerts | Inner::Reviews, _))
                .then_some(history::Event::MailRepeats { invocation: Some(number) });
            live.seen.extend(time_out.into_iter().chain(alerter).map(|event| Line { at: now, event }));
        });
        self.ended(purpose, None, now);
    }

    fn ended(&mut self, purpose: Purpose, done: Option<Done>, now: Timestamp) {
        match (purpose, done) {
            (Purpose::Batch(queue, messages), Some(Done::Batch(failed))) => {
                self.worked_off(queue, &messages, &failed, now);
            }
            (Purpose::Signals(batch), done) => {
                let failed = if let Some(Done::Batch(failed)) = done { Some(failed) } else { None };
                self.signals_worked_off(&batch, failed.as_deref());
            }
            (Purpose::Post(post), done) => {
                let status = if let Some(Done::Status(status)) = done { Some(status) } else { None };
                self.answered(post, status, now);
            }
            (Purpose::Ack(said), done) => {
                let status = if let Some(Done::Status(status)) = done { Some(status) } else { None };
                self.acknowledged(said, status, now);
            }
            (Purpose::Follow(follows), done) => {
                let status = if let Some(Done::Status(status)) = done { Some(status) } else { None };
                self.followed(follows, status, now);
            }
            _ => {}
        }
    }
}
