//! The retrier function: failures from `retries`, the sweep of every minute, and acknowledgements from the HTTP API.

use aws_lambda_events::event::sqs::SqsBatchResponse;
use futures_util::future::join4;
use pipeline::{acknowledge::Acknowledge, poll::Polls, pulse::Pulse, retry::Retry, sweep::Sweep, watch::Watch};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    client,
    dynamo::{DeliveriesTable, DispatchesTable},
    environment::{Queue, Table},
    lambda::{self, ApiRequest, ApiResponse, Error, batch},
    sqs::{InnerQueues, SignalsQueue, WatchedQueues},
    world::World,
};

/// What the retrier is invoked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Call {
    /// Messages of `retries`.
    Batch,
    /// The schedule.
    Sweep,
    /// A request of the HTTP API.
    Request(Box<ApiRequest>),
}

#[derive(Deserialize)]
struct Scheduled {
    #[serde(default)]
    sweep: bool,
    #[serde(default)]
    source: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Response {
    Batch(SqsBatchResponse),
    Request(ApiResponse),
    Swept { owing: usize, sent: usize, failed: usize },
}

impl Call {
    /// Tells an event's kind by its content; none where it is of no known kind.
    pub fn parse(event: &RawValue) -> Option<Self> {
        if batch::is_batch(event) {
            return Some(Self::Batch);
        }
        if let Some(request) = ApiRequest::parse(event) {
            return Some(Self::Request(Box::new(request)));
        }
        let scheduled: Scheduled = serde_json::from_str(event.get()).ok()?;
        (scheduled.sweep || scheduled.source == "aws.events").then_some(Self::Sweep)
    }
}

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), Error> {
    let (config, table, stream, deliveries, outlet, queues) = lambda::cold_start(|environment| {
        let aws = client::shared(environment.access()?);
        Ok((
            environment.config()?,
            DispatchesTable::new(&aws, environment.table(Table::Dispatches)?),
            SignalsQueue::new(&aws, environment.queue(Queue::Signals)?),
            DeliveriesTable::new(&aws, environment.table(Table::Deliveries)?),
            InnerQueues::new(&aws, environment.inner_queues()?),
            WatchedQueues::new(&aws, environment.watched_queues()?),
        ))
    })?;
    let retry = &Retry { config: &config, table: &table, deliveries: &deliveries, outlet: &outlet, world: &World };
    let sweep = &Sweep { config: &config, table: &table, stream: &stream, outlet: &outlet, world: &World };
    let watch = &Watch { config: &config, table: &table, stream: &stream, outlet: &outlet, world: &World };
    let pulse = &Pulse { health: &deliveries, queues: &queues, outlet: &outlet, world: &World };
    let polls = &Polls { config: &config, deliveries: &deliveries, outlet: &outlet, world: &World };
    let acknowledge = &Acknowledge { config: &config, table: &table, outlet: &outlet, world: &World };
    lambda::serve(|event: Box<RawValue>| async move {
        match Call::parse(&event).ok_or("the event is neither a batch, a schedule nor a request")? {
            Call::Batch => {
                let answer = batch::handle(&event, async |messages| {
                    let (messages, mut failed) = pulse.batch(messages).await;
                    let (failures, left) = watch.batch(messages).await;
                    failed.extend(left);
                    failed.extend(retry.batch(failures).await);
                    failed
                });
                answer.await.map(Response::Batch)
            }
            Call::Sweep => {
                // None waits for another that fails.
                let (armed, polls, pulse, swept) =
                    join4(watch.arm_due(), polls.send_due(), pulse.minute(), sweep.run()).await;
                let swept = swept?;
                tracing::info!(
                    sweep.owing = swept.owing,
                    sweep.sent = swept.sent,
                    sweep.failed = swept.failed,
                    sweep.armed = armed.as_ref().ok(),
                    sweep.polls = polls.as_ref().ok(),
                    "sweep"
                );
                armed?;
                pulse?;
                polls?;
                Ok(Response::Swept { owing: swept.owing, sent: swept.sent, failed: swept.failed })
            }
            Call::Request(request) => {
                let token = match request.below("acks") {
                    Some([token]) => token.as_str(),
                    _ => "",
                };
                let answer = acknowledge.handle(&request.method, token, &request.body).await;
                tracing::info!(http.status = answer.status, outcome = answer.outcome, "acknowledgement");
                Ok(Response::Request(answer.into()))
            }
        }
    })
    .await
}
