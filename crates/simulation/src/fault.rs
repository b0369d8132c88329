//! What goes wrong, and where: faults are switched on per port call.

use jiff::Timestamp;

use crate::Function;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toxic {
    /// The service refuses it: an error, and no effect.
    Refuse,
    /// It takes effect and its answer is lost: an error all the same.
    LoseAnswer,
    /// It takes effect, its answer is lost and the client sends it again, as the SDK does: the second answer counts.
    Repeat,
    /// The process dies before it.
    CrashBefore,
    /// The process dies after it took effect.
    CrashAfter,
}

impl Toxic {
    /// All of them.
    pub const ALL: [Toxic; 5] =
        [Toxic::Refuse, Toxic::LoseAnswer, Toxic::Repeat, Toxic::CrashBefore, Toxic::CrashAfter];
}

/// How often a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The first so many matching calls.
    First(u32),
    /// Every matching call until the world is healed.
    Always,
}

/// One call that a function made of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When it began.
    pub at: Timestamp,
    /// Which function made it.
    pub function: Function,
    /// Which run of it, counted over all functions.
    pub invocation: u64,
    /// The port and what was asked of it, such as `dispatches.write`.
    pub port: &'static str,
    /// What went wrong with it.
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
    /// The call of that number, from 0.
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

    /// Notes a call and says what goes wrong with it.
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
