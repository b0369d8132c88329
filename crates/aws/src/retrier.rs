//! The retrier function: handles failures from `retries`, the sweep of every minute, and acknowledgements from the HTTP
//! API.

use std::cell::OnceCell;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use dispatch::TraceParent;
use pipeline::{
    ingest::acknowledge::Acknowledge,
    retrier::{CourierPorts, Retrier},
    trace::Hop,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracing::Instrument;

use crate::{
    client,
    dynamo::{DeliveriesTable, DispatchesTable, IncidentsTable},
    environment::{Queue, Table},
    host::Host,
    lambda::{self, Configured, Error, GatewayRequest, GatewayResponse, TRACEPARENT, batch, serve_configured},
    ports::AwsPorts,
    sqs::{InnerQueues, SignalsQueue, WatchedQueues},
};

/// Why the retrier was invoked.
#[derive(Debug, PartialEq, Eq)]
pub enum Call {
    /// Messages of `retries`.
    Batch,
    /// The schedule.
    Sweep,
    /// A request of the HTTP API.
    Request(Box<GatewayRequest>),
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
    Request(GatewayResponse),
    Swept { owing: usize, sent: usize, failed: usize },
}

impl Call {
    /// Recognises an event's kind by its content; none if unknown.
    pub fn parse(event: &RawValue) -> Option<Self> {
        if batch::is_batch(event) {
            return Some(Self::Batch);
        }
        if let Some(request) = GatewayRequest::parse(event) {
            return Some(Self::Request(Box::new(request)));
        }
        let scheduled: Scheduled = serde_json::from_str(event.get()).ok()?;
        (scheduled.sweep || scheduled.source == "aws.events").then_some(Self::Sweep)
    }
}

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), Error> {
    let (current, table, stream, deliveries, incidents, job_queue, queues, courier) =
        lambda::cold_start(|environment| {
            let aws = client::shared(environment.access()?);
            Ok((
                environment.configuration(&aws)?,
                DispatchesTable::new(&aws, environment.table(Table::Dispatches)?),
                SignalsQueue::new(&aws, environment.queue(Queue::Signals)?),
                DeliveriesTable::new(&aws, environment.table(Table::Deliveries)?),
                IncidentsTable::new(&aws, environment.table(Table::Alerts)?),
                InnerQueues::new(&aws, environment.inner_queues()?),
                WatchedQueues::new(&aws, environment.swept_queues()?),
                environment.outputs_table(&aws).zip(environment.outputs_queue(&aws)?),
            ))
        })?;
    let configured = Configured::read("retrier", current, |_| Ok(())).await;
    // Created with the first event that finds a configuration, then reused.
    let (retrier, acknowledge) = (&OnceCell::new(), &OnceCell::new());
    let (table, stream, deliveries, job_queue) = (&table, &stream, &deliveries, &job_queue);
    let (incidents, queues) = (&incidents, &queues);
    let courier = courier.as_ref().map(|(outputs, queue)| CourierPorts { outputs, queue });
    serve_configured(&configured, lambda::failed, |config, event| async move {
        let host = &Host;
        let retrier = retrier.get_or_init(|| Retrier::<AwsPorts> {
            config,
            table,
            stream,
            deliveries,
            incidents,
            queues,
            courier,
            job_queue,
            host,
        });
        let acknowledge = acknowledge.get_or_init(|| Acknowledge::<AwsPorts> { config, table, job_queue, host });
        match Call::parse(&event).ok_or("the event is neither a batch, a schedule nor a request")? {
            Call::Batch => {
                batch::handle(&event, async |messages| retrier.batch(messages).await).await.map(Response::Batch)
            }
            Call::Sweep => {
                let minute = Box::pin(retrier.sweep()).await;
                tracing::info!(
                    sweep.owing = minute.swept.as_ref().ok().map(|swept| swept.owing),
                    sweep.sent = minute.swept.as_ref().ok().map(|swept| swept.sent),
                    sweep.failed = minute.swept.as_ref().ok().map(|swept| swept.failed),
                    sweep.armed = minute.armed.as_ref().ok(),
                    sweep.polls = minute.polls.as_ref().ok(),
                    sweep.open = minute.open,
                    sweep.hinted = minute.hinted.as_ref().ok(),
                    sweep.beat = minute.beat.as_ref().is_ok_and(|sent| *sent).then_some(true),
                    sweep.lanes = minute.found.as_ref().ok(),
                    "sweep"
                );
                let swept = minute.outcome()?;
                Ok(Response::Swept { owing: swept.owing, sent: swept.sent, failed: swept.failed })
            }
            Call::Request(request) => {
                let token = match request.below("acks") {
                    Some([token]) => token.as_str(),
                    _ => "",
                };
                // A controller may go on with the trace of the signal that it answers.
                let traceparent = request.header(TRACEPARENT).and_then(|header| TraceParent::parse(header).ok());
                let acknowledged = async {
                    let answer = acknowledge.handle(&request.method, token, &request.body).await;
                    tracing::info!(http.status = answer.status, outcome = answer.outcome, "acknowledgement");
                    Ok(Response::Request(answer.into()))
                };
                acknowledged.instrument(Hop::after(traceparent, host).span("acknowledge", "", "")).await
            }
        }
    })
    .await
}
