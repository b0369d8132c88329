//! The courier function: takes signals from `signals` in order and delivers them to the outputs; tries again what
//! waits, as messages of `outputs` ask for it.

use std::cell::OnceCell;

use pipeline::outputs::courier::Courier;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    client,
    dynamo::OutputsTable,
    environment::{Queue, Table},
    host::Host,
    lambda::{self, Configured, Error, batch, serve_configured},
    ports::AwsPorts,
    sqs::{InnerQueues, OutputsQueue, QueueUrls},
    targets,
};

/// The queue that a batch came from. A batch comes from one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Signals,
    Outputs,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventSourceARN", default)]
    queue: String,
}

impl From {
    /// Only `signals` is a FIFO queue.
    fn of(event: &RawValue) -> Self {
        let event = serde_json::from_str::<Event>(event.get());
        let is_fifo = event.is_ok_and(|event| event.records.iter().any(|record| record.queue.ends_with(".fifo")));
        if is_fifo { Self::Signals } else { Self::Outputs }
    }
}

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), Error> {
    let (current, outputs, courier_queue, job_queue, targets) = lambda::cold_start(|environment| {
        let aws = client::shared(environment.access()?);
        let urls = QueueUrls {
            retries: Some(environment.queue(Queue::Retries)?),
            alerts: Some(environment.queue(Queue::Alerts)?),
            reviews: Some(environment.queue(Queue::Reviews)?),
            ..QueueUrls::default()
        };
        Ok((
            environment.configuration(&aws)?,
            OutputsTable::new(&aws, environment.table(Table::Outputs)?),
            OutputsQueue::new(&aws, environment.queue(Queue::Outputs)?),
            InnerQueues::new(&aws, urls),
            environment.output_targets(&aws)?,
        ))
    })?;
    let configured = Configured::read("courier", current, targets::check_all).await;
    let courier = &OnceCell::new();
    let (outputs, courier_queue, job_queue, targets) = (&outputs, &courier_queue, &job_queue, &targets);
    serve_configured(&configured, lambda::failed, |config, event| async move {
        let host = &Host;
        let courier =
            courier.get_or_init(|| Courier::<AwsPorts> { config, outputs, targets, courier_queue, job_queue, host });
        let from = From::of(&event);
        batch::handle(&event, async |messages| match from {
            From::Signals => courier.signals(messages).await,
            From::Outputs => courier.batch(messages).await,
        })
        .await
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fifo_queue_brings_signals() {
        let check = |arn: &str, expected: From| {
            let event = format!(r#"{{"Records":[{{"messageId":"m","eventSourceARN":"{arn}","body":"{{}}"}}]}}"#);
            assert_eq!(From::of(&RawValue::from_string(event).unwrap()), expected, "{arn}");
        };
        check("arn:aws:sqs:eu-west-1:1:stack-SignalsQueue-X.fifo", From::Signals);
        check("arn:aws:sqs:eu-west-1:1:stack-OutputsQueue-X", From::Outputs);
    }
}
