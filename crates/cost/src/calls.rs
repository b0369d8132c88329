//! What each step consumes. `cargo run -p bench` counts it with the real functions; its `gate` fails if the numbers
//! differ.

/// What AWS bills for one invocation, besides the invocation itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Requests to standard queues, without those that a mapping makes to receive and delete.
    pub standard: u32,
    /// Requests to the FIFO queue.
    pub fifo: u32,
    /// Write units.
    pub writes: u32,
    /// Half read units.
    pub half_reads: u32,
    /// Mails.
    pub mails: u32,
    /// Bytes that the function logs.
    pub logged: u32,
}

/// One step of a delivery, or of an idle minute.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The step's name in the bench.
    pub what: &'static str,
    /// For a single delivery.
    pub alone: Count,
    /// For a batch of ten; none if there are no batches.
    pub ten: Option<Count>,
}

const NOTHING: Count = Count { standard: 0, fifo: 0, writes: 0, half_reads: 0, mails: 0, logged: 0 };

/// All billed steps.
pub const STEPS: [Step; 17] = [
    Step { what: "a webhook is accepted", alone: Count { standard: 1, logged: 277, ..NOTHING }, ten: None },
    Step {
        what: "a new thin dispatch",
        alone: Count { fifo: 1, writes: 7, half_reads: 1, logged: 432, ..NOTHING },
        ten: Some(Count { fifo: 2, writes: 70, half_reads: 1, logged: 2757, ..NOTHING }),
    },
    Step {
        what: "an unchanged redelivery of it",
        alone: Count { half_reads: 2, logged: 432, ..NOTHING },
        ten: Some(Count { half_reads: 20, logged: 2757, ..NOTHING }),
    },
    Step {
        what: "an update",
        alone: Count { fifo: 1, writes: 10, half_reads: 3, logged: 432, ..NOTHING },
        ten: Some(Count { fifo: 2, writes: 100, half_reads: 21, logged: 2757, ..NOTHING }),
    },
    Step {
        what: "an unchanged redelivery of that",
        alone: Count { half_reads: 2, logged: 432, ..NOTHING },
        ten: Some(Count { half_reads: 20, logged: 2757, ..NOTHING }),
    },
    Step {
        what: "a sweep with nothing due",
        alone: Count { standard: 6, half_reads: 49, logged: 251, ..NOTHING },
        ten: None,
    },
    Step { what: "a heartbeat is answered", alone: Count { writes: 1, logged: 175, ..NOTHING }, ten: None },
    Step { what: "… and checked", alone: Count { half_reads: 2, logged: 175, ..NOTHING }, ten: None },
    Step {
        what: "a poll that finds nothing new",
        alone: Count { writes: 2, half_reads: 2, logged: 379, ..NOTHING },
        ten: None,
    },
    Step { what: "an unknown event", alone: Count { standard: 1, half_reads: 2, logged: 432, ..NOTHING }, ten: None },
    Step { what: "… is quarantined", alone: Count { standard: 1, writes: 5, logged: 416, ..NOTHING }, ten: None },
    Step {
        what: "… becomes an incident",
        alone: Count { standard: 1, writes: 4, half_reads: 5, logged: 344, ..NOTHING },
        ten: None,
    },
    Step {
        what: "… and is mailed",
        alone: Count { writes: 4, half_reads: 11, mails: 1, logged: 369, ..NOTHING },
        ten: None,
    },
    Step {
        what: "a signal to an HTTP output",
        alone: Count { writes: 2, half_reads: 2, logged: 379, ..NOTHING },
        ten: Some(Count { writes: 20, half_reads: 2, logged: 2215, ..NOTHING }),
    },
    Step {
        what: "… a newer version of it",
        alone: Count { writes: 2, half_reads: 4, logged: 379, ..NOTHING },
        ten: Some(Count { writes: 20, half_reads: 22, logged: 2215, ..NOTHING }),
    },
    Step {
        what: "a signal to a FIFO queue as output",
        alone: Count { fifo: 1, writes: 2, half_reads: 2, logged: 379, ..NOTHING },
        ten: Some(Count { fifo: 10, writes: 20, half_reads: 2, logged: 2215, ..NOTHING }),
    },
    Step {
        what: "a signal waits for an output that fails",
        alone: Count { writes: 2, half_reads: 2, logged: 175, ..NOTHING },
        ten: Some(Count { writes: 20, half_reads: 2, logged: 176, ..NOTHING }),
    },
];
