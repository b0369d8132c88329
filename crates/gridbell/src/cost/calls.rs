//! What each step consumes, as `cargo run -p bench` counts it with the real functions: its `gate` fails where the two differ.

/// What AWS bills of one invocation, beside the invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Requests to standard queues; what a mapping receives and deletes is not in it.
    pub standard: u32,
    /// Requests to the FIFO queue.
    pub fifo: u32,
    /// Write units.
    pub writes: u32,
    /// Halves of read units.
    pub half_reads: u32,
    /// Mails.
    pub mails: u32,
    /// Bytes that the function logs.
    pub logged: u32,
}

/// One step of a delivery's way, or of an idle minute.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The step, as the bench names it.
    pub what: &'static str,
    /// For one delivery alone.
    pub alone: Count,
    /// For ten in one batch; none where there are no batches.
    pub ten: Option<Count>,
}

/// All of them.
pub const STEPS: [Step; 0] = [];
