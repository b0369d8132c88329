//! The sleeping invocations, by wake-up time.

use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use jiff::Timestamp;

use crate::Invocation;

/// Timers, each with the invocation that waits for it.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    set: BTreeMap<(Timestamp, u64), (u64, Waker)>,
    order: u64,
}

impl Timers {
    /// The earliest timer.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.set.keys().next().map(|(at, _)| *at)
    }

    /// Removes the earliest timer if it is due, and returns its invocation.
    pub(crate) fn ring(&mut self, now: Timestamp) -> Option<(u64, Waker)> {
        let first = self.set.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}

/// Sleeps in virtual time.
pub(crate) struct Sleep<'a> {
    pub(crate) invocation: &'a Invocation<'a>,
    pub(crate) until: Timestamp,
    pub(crate) order: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (until, order, number) = (self.until, self.order, self.invocation.number());
        if self.invocation.is_dead() {
            return Poll::Pending;
        }
        let slept = self.invocation.sim.with(|state| {
            let (now, timers) = (state.now, &mut state.timers);
            if now >= until {
                if let Some(order) = order {
                    timers.set.remove(&(until, order));
                }
                return None;
            }
            let order = order.unwrap_or_else(|| {
                timers.order += 1;
                timers.order
            });
            timers.set.insert((until, order), (number, context.waker().clone()));
            Some(order)
        });
        self.order = slept;
        if slept.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}
