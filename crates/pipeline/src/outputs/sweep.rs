//! Every minute: finds lanes whose message was lost, and outputs that a person must know of.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::{lane::LaneSummary, state::OutputState};
use crate::{
    alerts::{condition::Condition, review::OpenIncidents},
    config::Config,
    messages::ToCourier,
    ports::{Clock, CourierQueue, JobQueue, Outputs, PortError, Ports},
};

/// A lane that is overdue for longer has no message under way.
const OVERDUE: SignedDuration = SignedDuration::from_secs(30);

/// How many lanes of one output a sweep finds; the next minute finds the others.
const MOST_FOUND: usize = 2_000;

/// The sweep of the outputs.
#[derive(Debug)]
pub struct OutputSweep<'a, P: Ports> {
    /// The outputs.
    pub config: &'a Config,
    /// `outputs`.
    pub outputs: &'a P::Outputs,
    /// The queue `outputs`.
    pub courier_queue: &'a P::CourierQueue,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

impl<P: Ports> OutputSweep<'_, P> {
    /// Sends a message for each overdue lane, and a hint for each output that a person must know of and no open
    /// incident covers. Returns how many lanes.
    pub async fn run(&self, open: &OpenIncidents) -> Result<usize, PortError> {
        let each = self.config.outputs.keys().map(|output| self.output(output, open));
        join_all(each).await.into_iter().sum()
    }

    async fn output(&self, output: &str, open: &OpenIncidents) -> Result<usize, PortError> {
        let now = self.host.now();
        let state = self.outputs.output_state(output).await?.unwrap_or_else(|| OutputState::new(output));
        let lanes = self.outputs.lanes(output, Timestamp::MAX, MOST_FOUND).await?;
        let overdue = lanes.iter().filter(|lane| now.duration_since(lane.next_at) > OVERDUE);
        let messages: Vec<_> = match &state.failing {
            // Of a failing output, few lanes are tried at a time.
            Some(failing) if now.duration_since(failing.next_at) > OVERDUE => {
                vec![ToCourier::Probe { output: output.to_owned() }.after(0)]
            }
            Some(_) => Vec::new(),
            None => overdue.map(|lane| ToCourier::Deliver(lane.key.clone()).after(0)).collect(),
        };
        self.courier_queue.courier(&messages).await?;
        let condition = Condition::OutputFailing { output: output.to_owned() };
        if !open.covers(&condition) && (state.is_down(now) || lanes.iter().any(LaneSummary::is_stuck)) {
            self.job_queue.hint(condition, now, 0).await?;
        }
        Ok(messages.len())
    }
}
