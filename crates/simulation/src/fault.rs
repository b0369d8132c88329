//! Faults, switched on per port call.

use jiff::Timestamp;

use crate::Function;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toxic {
    /// The service refuses it: it returns an error and has no effect.
    Refuse,
    /// It takes effect, but its answer is lost: the caller sees an error.
    LoseAnswer,
    /// It takes effect, its answer is lost and the SDK sends it again: the caller sees the second answer.
    Repeat,
    /// The process dies before it.
    CrashBefore,
    /// The process dies after it took effect.
    CrashAfter,
}

impl Toxic {
    /// Every kind.
    pub const ALL: [Toxic; 5] =
        [Toxic::Refuse, Toxic::LoseAnswer, Toxic::Repeat, Toxic::CrashBefore, Toxic::CrashAfter];
}

/// How often a fault occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// On the first N matching calls.
    First(u32),
    /// On every matching call until the faults are healed.
    Always,
}

/// One port call of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When it started.
    pub at: Timestamp,
    /// Which function made it.
    pub function: Function,
    /// The number of the invocation, counted over all functions.
    pub invocation: u64,
    /// The port and its method, such as `dispatches.write`.
    pub port: &'static str,
    /// The fault that it met.
    pub toxic: Option<Toxic>,
}

/// The faults that are switched on, and the calls so far.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    calls: Vec<Call>,
    planned: Vec<Planned>,
}

#[derive(Debug)]
struct Planned {
    at: Match,
    toxic: Toxic,
    times: Times,
}

#[derive(Debug)]
enum Match {
    /// The call with that number, from 0.
    Number(usize),
    /// Any call of that port.
    Port(&'static str),
}

impl Faults {
    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(crate) fn on_port(&mut self, port: &'static str, toxic: Toxic, times: Times) {
        self.planned.push(Planned { at: Match::Port(port), toxic, times });
    }

    pub(crate) fn at_call(&mut self, number: usize, toxic: Toxic) {
        self.planned.push(Planned { at: Match::Number(number), toxic, times: Times::First(1) });
    }

    pub(crate) fn heal(&mut self) {
        self.planned.clear();
    }

    /// Records a call and returns the fault that it meets.
    pub(crate) fn strike(&mut self, call: Call) -> Option<Toxic> {
        let number = self.calls.len();
        let planned = self.planned.iter_mut().find(|planned| {
            let matches = match planned.at {
                Match::Number(at) => at == number,
                Match::Port(port) => port == call.port,
            };
            matches && planned.times != Times::First(0)
        });
        let toxic = planned.map(|planned| {
            if let Times::First(left) = &mut planned.times {
                *left -= 1;
            }
            planned.toxic
        });
        self.calls.push(Call { toxic, ..call });
        toxic
    }
}
