//! One invocation of a function: its ports, and the point at which it dies.

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    task::Poll,
};

use jiff::Timestamp;
use pipeline::ports::PortError;

use crate::{Call, Function, Simulation, Toxic, sim::State, swarm::live::Side, timers::Sleep};

/// One invocation of a function. It implements every port. Each call waits for its turn before and after its effect, so
/// that the seed decides how concurrent invocations interleave, and a crash can come before or after the effect.
#[derive(Debug)]
pub struct Invocation<'w> {
    pub(crate) sim: &'w Simulation,
    pub(crate) function: Function,
    number: u64,
    /// How many invocations led to this one through messages.
    pub(crate) chain: u32,
    /// When Lambda ends it, finished or not.
    pub(crate) ends_at: Timestamp,
    dead: Cell<bool>,
}

/// How many turns, at most, a call gives to others before and after its effect.
const MOST_TURNS: u64 = 2;

impl<'w> Invocation<'w> {
    pub(crate) fn new(sim: &'w Simulation, function: Function) -> Self {
        Self::following(sim, function, 0)
    }

    /// An invocation started by messages, with the length of their chain.
    pub(crate) fn following(sim: &'w Simulation, function: Function, chain: u32) -> Self {
        let (number, now) = sim.with(|state| {
            state.invocations += 1;
            (state.invocations, state.now)
        });
        Self { sim, function, number, chain, ends_at: now + function.timeout(), dead: Cell::new(false) }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the process died.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.get()
    }

    /// Calls a port, with the fault that applies.
    pub(crate) async fn call<T>(&self, port: &'static str, effect: impl Fn(&mut State) -> T) -> Result<T, PortError> {
        self.wait(port, Side::Before).await;
        let toxic = self.strike(port);
        match toxic {
            Some(Toxic::Refuse) => return Err(unavailable(port, "refused")),
            Some(Toxic::CrashBefore) => self.die().await,
            _ => {}
        }
        if toxic == Some(Toxic::Repeat) {
            self.sim.with(&effect);
            self.wait(port, Side::After).await;
        }
        let result = self.sim.with(&effect);
        if toxic == Some(Toxic::CrashAfter) {
            self.die().await;
        }
        self.wait(port, Side::After).await;
        self.sim.with(|state| {
            state.pass_some_time();
            state.now += state.rules.slow.get(port).copied().unwrap_or_default();
        });
        if toxic == Some(Toxic::LoseAnswer) { Err(unavailable(port, "the answer was lost")) } else { Ok(result) }
    }

    fn strike(&self, port: &'static str) -> Option<Toxic> {
        let (function, invocation) = (self.function, self.number);
        self.sim.with(|state| {
            state.pass_some_time();
            let call = Call { at: state.now, function, invocation, port, toxic: None };
            state.strike(call)
        })
    }

    /// Stops the whole process, with everything that it does concurrently.
    async fn die(&self) {
        self.dead.set(true);
        pending::<()>().await;
    }

    async fn wait(&self, port: &'static str, side: Side) {
        if let Some(until) = self.sim.with(|state| state.rests_until(self.number, port, side)) {
            return Sleep { invocation: self, until, order: None }.await;
        }
        let mut turns = self.sim.with(|state| state.seed.up_to(MOST_TURNS));
        poll_fn(|context| {
            if self.dead.get() {
                return Poll::Pending;
            }
            if turns == 0 {
                return Poll::Ready(());
            }
            turns -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

fn unavailable(port: &'static str, reason: &str) -> PortError {
    PortError::Unavailable { port, reason: reason.to_owned() }
}
