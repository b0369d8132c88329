//! The invariants, checked after every step and at the end.

mod deadlines;
mod end;
mod mails;
mod signals;

use jiff::Timestamp;

use self::{mails::Mails, signals::Signals};
use super::{consumer::Consumer, live::Live};
use crate::World;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    signals: Signals,
    mails: Mails,
}

/// Something that does not hold: which invariant, of what, and what was seen.
type Broken = (&'static str, String, String);

impl Monitor {
    /// Looks at what the last step changed.
    pub(super) fn step(&mut self, world: &World) {
        let broken = world.with(|state| {
            let now = state.now;
            let live = state.swarm.take()?;
            let mut broken = self.signals.look(&state.signals, &state.dispatches, &live.model, now);
            let (incidents, written) = (&mut state.incidents, &state.mails);
            broken = broken.or_else(|| self.mails.look(incidents, written, &live, now));
            state.swarm = Some(live);
            broken
        });
        report(world, broken);
    }

    /// Looks at what is left when nothing more is to be done.
    pub(super) fn at_the_end(&self, world: &World, consumer: &Consumer) {
        let broken = world.with(|state| {
            let live = state.swarm.take()?;
            let broken = end::look(self, state, &live).or_else(|| deadlines::look(self, state, &live, consumer));
            state.swarm = Some(live);
            broken
        });
        report(world, broken);
    }
}

fn report(world: &World, broken: Option<Broken>) {
    let Some((invariant, subject, detail)) = broken else { return };
    world.with(|state| {
        let now: Timestamp = state.now;
        if let Some(live) = &mut state.swarm {
            let live: &mut Live = live;
            live.violated(now, invariant, &subject, detail);
        }
    });
}
