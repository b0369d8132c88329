//! The retrier: failed jobs, deadlines and heartbeat checks from `retries`, and the sweep of each minute.

use std::fmt;

use futures_util::{
    future::{join_all, join3, join5},
    lock::Mutex,
};
use tracing::{Instrument, Span};

use crate::{
    alerts::review::{OpenIncidents, Review},
    config::Config,
    deadlines::DeadlineMonitor,
    health::{
        chain::Chains,
        heartbeat::Heartbeats,
        heartbeat_signal::HeartbeatSignals,
        sweep::{Sweep, Swept},
    },
    in_time::SWEEPS_FOR,
    ingest::acknowledge::Acknowledge,
    job::{FailedJob, Failure, FailureKind, Job, Message},
    messages::{self, Deadline, ReadError, ToRetry},
    outputs::{acknowledged::acknowledged, sweep::OutputSweep},
    polling::poll::Polls,
    ports::{Clock, Deliveries, JobQueue, PortError, Ports},
    retry::{NOTED_S, Retry},
    trace::Hop,
};

/// The retrier.
#[derive(Debug)]
pub struct Retrier<'a, P: Ports> {
    /// The sources and the deadlines.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a P::Dispatches,
    /// `signals`.
    pub stream: &'a P::SignalStream,
    /// `deliveries`.
    pub deliveries: &'a P::Deliveries,
    /// Which incidents are open.
    pub incidents: &'a P::Incidents,
    /// The depth of the queues.
    pub queues: &'a P::Depths,
    /// What waits for the outputs; none if the stack has no courier.
    pub courier: Option<CourierPorts<'a, P>>,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

/// The table and the queue of the courier.
pub struct CourierPorts<'a, P: Ports> {
    /// The table `outputs`.
    pub outputs: &'a P::Outputs,
    /// The queue `outputs`.
    pub queue: &'a P::CourierQueue,
}

impl<P: Ports> fmt::Debug for CourierPorts<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CourierPorts").finish_non_exhaustive()
    }
}

impl<P: Ports> Clone for CourierPorts<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Ports> Copy for CourierPorts<'_, P> {}

/// The results of a minute's sweep. No part waits for another that fails.
#[derive(Debug)]
pub struct Minute {
    /// How many incidents are open or have a mail to send.
    pub open: usize,
    /// How many deadlines were armed.
    pub armed: Result<usize, PortError>,
    /// How many polls were sent.
    pub polls: Result<usize, PortError>,
    /// The heartbeats and the check of the dead-letter queues.
    pub heartbeats: Result<(), PortError>,
    /// How many hints were sent for conditions without an open incident.
    pub hinted: Result<usize, PortError>,
    /// How many overdue jobs were sent again.
    pub resent: Result<usize, PortError>,
    /// Whether a heartbeat signal was sent.
    pub beat: Result<bool, PortError>,
    /// How many lanes of the outputs were found overdue.
    pub found: Result<usize, PortError>,
    /// The signals sent from outboxes.
    pub swept: Result<Swept, PortError>,
}

impl Minute {
    /// The signals sent from outboxes if all parts worked; otherwise the error of one part.
    pub fn outcome(self) -> Result<Swept, PortError> {
        let swept = self.swept?;
        self.armed?;
        self.heartbeats?;
        self.polls?;
        self.hinted?;
        self.resent?;
        self.beat?;
        self.found?;
        Ok(swept)
    }
}

impl<'a, P: Ports> Retrier<'a, P> {
    /// Handles a batch; returns the ids of the messages to deliver again.
    pub async fn batch(&self, messages: Vec<Message>) -> Vec<String> {
        let watch = &self.watch();
        let handled = messages.into_iter().map(|message| async move {
            let read = messages::read(&message.body);
            let (read, span) = self.next_hop(read);
            let handled = async {
                let Err(error) = self.one(&message, read, watch).await else { return None };
                tracing::error!(delivery.message = message.id, %error, "left to be delivered again");
                Some(message.id.clone())
            };
            handled.instrument(span).await
        });
        join_all(handled).await.into_iter().flatten().collect()
    }

    /// A message at this hop of its trace. The sweep's messages belong to none.
    fn next_hop(&self, read: Result<ToRetry, ReadError>) -> (Result<ToRetry, ReadError>, Span) {
        let next = |job: &mut Job| {
            let hop = Hop::after(job.traceparent, self.host);
            job.traceparent = Some(hop.context);
            hop.span("retry", &job.source, &job.delivery)
        };
        match read {
            Ok(ToRetry::Failed(mut failed)) => {
                let span = next(&mut failed.job);
                (Ok(ToRetry::Failed(failed)), span)
            }
            Ok(ToRetry::Job(mut job)) => {
                let span = next(&mut job);
                (Ok(ToRetry::Job(job)), span)
            }
            Ok(ToRetry::Deadline(deadline @ Deadline { traceparent: Some(_), .. })) => {
                let hop = Hop::after(deadline.traceparent, self.host);
                let span = hop.span("deadline", deadline.subject.source(), deadline.subject.as_str());
                (Ok(ToRetry::Deadline(Deadline { traceparent: Some(hop.context), ..deadline })), span)
            }
            read => (read, Span::none()),
        }
    }

    async fn one(
        &self,
        message: &Message,
        read: Result<ToRetry, ReadError>,
        watch: &DeadlineMonitor<'a, P>,
    ) -> Result<(), BatchError> {
        let now = self.host.now();
        // A message that is delivered again could not be booked or passed on before: a person must be notified in any
        // case.
        let comes_again = message.receives > 1;
        let (failed, is_again) = match read {
            Ok(ToRetry::Failed(failed)) => (failed, comes_again),
            // Redriven. SQS may or may not continue its receive count, so the job always counts as delivered again.
            Ok(ToRetry::Job(job)) => (FailedJob { failure: Failure::crash(now), job }, true),
            // The check of each heartbeat finds that it was not answered.
            Ok(ToRetry::Heartbeat(_)) => return Ok(()),
            Ok(ToRetry::Deadline(Deadline { subject, chain: Some(chain), .. })) => {
                return Ok(self.chains().pass(&subject, chain).await?);
            }
            Ok(ToRetry::Deadline(deadline)) => {
                if let Some(by_hand) = &deadline.by_hand {
                    self.acknowledge().by_hand(&deadline.subject, by_hand).await?;
                }
                return Ok(watch.fired(deadline).await?);
            }
            Ok(ToRetry::Acknowledged(ack)) => {
                let Some(CourierPorts { outputs, .. }) = self.courier else {
                    tracing::warn!(output.name = ack.output, "the stack has no courier any more");
                    return Ok(());
                };
                return Ok(acknowledged(&self.acknowledge(), outputs, self.config, ack).await?);
            }
            Ok(ToRetry::HeartbeatCheck(check)) => return Ok(self.heartbeats().check(check).await?),
            Err(ReadError::Foreign(_)) => {
                let failed = Failure::new(FailureKind::Unreadable, now, "the message is none of gridbell's");
                (FailedJob { failure: failed, job: Job::foreign(message, now) }, comes_again)
            }
            // A function of that release will process it.
            Err(error @ ReadError::Newer(v)) => {
                let event = messages::newer_in("retries", v, now);
                self.deliveries.note(&event).await?;
                self.job_queue.hint(event.condition, now, NOTED_S).await?;
                return Err(error.into());
            }
        };
        if is_again && failed.failure.kind.is_passing() {
            self.job_queue.hint_in(failed.job.traceparent, failed.job.condition(), now, 0).await?;
        }
        Ok(self.retry().failed(failed, is_again).await?)
    }

    /// The work of each minute.
    pub async fn sweep(&self) -> Minute {
        let until = self.host.now() + SWEEPS_FOR;
        let open = &self.open().await;
        let (polls, sweep, watch, heartbeats) = (self.polls(), self.sweeper(), self.watch(), self.heartbeats());
        let beats = self.heartbeat_signals();
        let (armed, polls, heartbeats, (hinted, resent, found), (beat, swept)) = join5(
            watch.arm_due(open, until),
            polls.send_due(open),
            heartbeats.minute(open),
            join3(
                sweep.hint(self.deliveries, open, until),
                sweep.resend(self.deliveries, until),
                self.find_overdue_lanes(open),
            ),
            async {
                // A heartbeat can name what was sent a moment before.
                let swept = sweep.run(until).await;
                (beats.send_due(until).await, swept)
            },
        )
        .await;
        Minute { open: open.len(), armed, polls, heartbeats, hinted, resent, found, beat, swept }
    }

    /// Sends the courier to the lanes whose message was lost. Returns how many.
    pub async fn find_overdue_lanes(&self, open: &OpenIncidents) -> Result<usize, PortError> {
        let Self { config, job_queue, host, courier, .. } = *self;
        let Some(CourierPorts { outputs, queue }) = courier else { return Ok(0) };
        OutputSweep::<P> { config, outputs, courier_queue: queue, job_queue, host }.run(open).await
    }

    /// Requests the review of open incidents, and lists them. If that fails, hints are sent for their conditions, too.
    pub async fn open(&self) -> OpenIncidents {
        let review = Review::<P> { incidents: self.incidents, queues: self.queues, job_queue: self.job_queue };
        review.send().await.unwrap_or_else(|error| {
            tracing::error!(%error, "the open incidents are not reviewed in this minute");
            OpenIncidents::default()
        })
    }

    /// Stores acknowledgements by people in place of a controller.
    pub fn acknowledge(&self) -> Acknowledge<'a, P> {
        let Self { config, table, job_queue, host, .. } = *self;
        Acknowledge { config, table, job_queue, host }
    }

    /// Handles failures.
    pub fn retry(&self) -> Retry<'a, P> {
        let Self { config, table, deliveries, job_queue, host, .. } = *self;
        Retry { config, table, deliveries, job_queue, host }
    }

    /// Handles deadlines.
    pub fn watch(&self) -> DeadlineMonitor<'a, P> {
        let Self { config, table, queues, job_queue, host, .. } = *self;
        let outputs = self.courier.map(|courier| courier.outputs);
        DeadlineMonitor { config, table, queues, outputs, backlog: Mutex::new(None), job_queue, host }
    }

    /// Handles the hydrator's heartbeat and the dead-letter queues.
    pub fn heartbeats(&self) -> Heartbeats<'a, P> {
        let Self { deliveries: health, queues, job_queue, host, .. } = *self;
        Heartbeats { health, queues, has_courier: self.courier.is_some(), job_queue, host }
    }

    /// Sends the heartbeat signals.
    pub fn heartbeat_signals(&self) -> HeartbeatSignals<'a, P> {
        let Self { config, table, stream, queues, host, .. } = *self;
        HeartbeatSignals { config, table, stream, queues, host }
    }

    /// Passes on the chains of `gridbell verify`.
    pub fn chains(&self) -> Chains<'a, P> {
        let Self { table, job_queue, host, .. } = *self;
        Chains { table, job_queue, host }
    }

    /// Sends the polls.
    pub fn polls(&self) -> Polls<'a, P> {
        let Self { config, deliveries, job_queue, host, .. } = *self;
        Polls { config, deliveries, job_queue, host }
    }

    /// Sends pending signals, and hints at conditions that may be firing.
    pub fn sweeper(&self) -> Sweep<'a, P> {
        let Self { config, table, stream, job_queue, host, .. } = *self;
        Sweep { config, table, stream, job_queue, host }
    }
}

/// Why a message must be delivered again.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Port(#[from] PortError),
}
