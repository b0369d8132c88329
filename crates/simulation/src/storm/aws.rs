//! AWS's service times and scaling, from its documentation and public measurements. We measured none of them on AWS:
//! each figure is a parameter.

use crate::Function;

/// The duration of a call in milliseconds, evenly distributed: minimum, maximum.
pub type Range = (u64, u64);

/// AWS's service times and limits.
#[derive(Debug, Clone)]
pub struct Aws {
    /// `SendMessage` of a standard or FIFO queue: "tens of milliseconds in most cases"; FIFO takes a little more.
    /// <https://aws.amazon.com/sqs/faqs/>, <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-types.html>
    pub sqs_ms: Range,
    /// A read or a write of one item: "single-digit milliseconds".
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Introduction.html>
    pub dynamo_ms: Range,
    /// A page of an index, up to 1 MB: it moves more bytes than one item.
    pub query_ms: Range,
    /// `SendEmail`: AWS publishes no figure; some hundred milliseconds are usual.
    pub ses_ms: Range,
    /// A cold start of a Rust function on `provided.al2023` with 256 MB: 50 to 200 ms by <https://maxday.github.io/lambda-perf/>.
    pub cold_ms: Range,
    /// From the queue to a warm function: the mapping's poller and the invocation.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
    pub warm_ms: Range,
    /// CPU time of one call in a function of 256 MB (0.145 of a vCPU: 1,769 MB are one), in microseconds; calls do not
    /// overlap. BENCHMARKS.md measures some 0.2 ms of a whole vCPU for each.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
    pub cpu_us: u64,
    /// The initial concurrency of a mapping, and its growth in a second: 5, and 300 a minute.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
    pub begins_with: u64,
    /// See `begins_with`.
    pub grows_by: u64,
    /// The `MaximumConcurrency` of the mappings of `deliveries`, `retries`, `alerts`, `reviews`.
    pub most: [u64; 4],
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            sqs_ms: (8, 20),
            dynamo_ms: (3, 9),
            query_ms: (5, 20),
            ses_ms: (60, 200),
            cold_ms: (100, 200),
            warm_ms: (5, 15),
            cpu_us: 1_400,
            begins_with: 5,
            grows_by: 5,
            most: [10, 10, 5, 2],
        }
    }
}

impl Aws {
    /// The duration of a call of that port.
    pub(super) fn range(&self, port: &str) -> Range {
        match port {
            "jobs.deliver" | "jobs.retry" | "jobs.alert" | "deliveries.take" | "signals.send" | "queues.depth"
            | "signals.backlog" => self.sqs_ms,
            "mailer.send" => self.ses_ms,
            "dispatches.active" | "dispatches.due" | "dispatches.unsent" | "deliveries.firing"
            | "deliveries.overdue" | "deliveries.events" | "alerts.open" | "alerts.waiting" => self.query_ms,
            _ => self.dynamo_ms,
        }
    }
}

/// Write units of a call. A record has its item and three indexes; marking it as sent writes an item and an index. The
/// bench counts the same with the real functions (`gridbell cost`).
pub(super) fn write_units(port: &str) -> u64 {
    match port {
        "dispatches.write" | "alerts.write" => 4,
        "deliveries.quarantine" => 5,
        "dispatches.sent" | "deliveries.book" | "deliveries.settled" | "deliveries.note" => 2,
        "deliveries.write_poll_state"
        | "deliveries.refuse"
        | "deliveries.hasten"
        | "health.answer"
        | "alerts.write_group"
        | "alerts.write_link" => 1,
        _ => 0,
    }
}

/// Half read units of a call, without those that depend on the size read.
pub(super) fn half_reads(port: &str) -> u64 {
    match port {
        "dispatches.read"
        | "deliveries.poll_state"
        | "deliveries.retry_state"
        | "deliveries.refusal"
        | "alerts.read"
        | "alerts.group"
        | "alerts.link"
        | "health.answered" => 2,
        "dispatches.due" | "dispatches.unsent" | "deliveries.firing" | "deliveries.overdue" | "deliveries.events"
        | "alerts.open" | "alerts.waiting" => 1,
        _ => 0,
    }
}

/// Whether the function is called over HTTP.
pub(super) fn has_http(function: Function) -> bool {
    function == Function::Receiver
}
