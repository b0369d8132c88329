//! The hydrator function: turns `deliveries` into state and signals.

use std::cell::OnceCell;

use pipeline::{
    hydrate::{Hydrate, overlap_view::OverlapViews},
    polling::budget::LocalBudgets,
};

use crate::{
    client,
    dynamo::{DeliveriesTable, DispatchesTable},
    environment::{Queue, Table},
    host::Host,
    http,
    lambda::{self, Configured, Error, batch, serve_configured},
    ports::AwsPorts,
    sqs::{InnerQueues, SignalsQueue},
};

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), Error> {
    let (current, table, stream, api, deliveries, job_queue, local_budgets) = lambda::cold_start(|environment| {
        let aws = client::shared(environment.access()?);
        Ok((
            environment.configuration(&aws)?,
            DispatchesTable::new(&aws, environment.table(Table::Dispatches)?),
            SignalsQueue::new(&aws, environment.queue(Queue::Signals)?),
            environment.provider_api(&aws)?,
            DeliveriesTable::new(&aws, environment.table(Table::Deliveries)?),
            InnerQueues::new(&aws, environment.inner_queues()?),
            environment.hydrators()?.map(LocalBudgets::among).unwrap_or_default(),
        ))
    })?;
    let configured = Configured::read("hydrator", current, http::check_all).await;
    // Created with the first event that finds a configuration, then reused.
    let hydrate = &OnceCell::new();
    let (table, stream, api, deliveries, job_queue) = (&table, &stream, &api, &deliveries, &job_queue);
    let (local_budgets, views) = (&local_budgets, &OverlapViews::default());
    serve_configured(&configured, lambda::failed, |config, event| async move {
        let hydrate = hydrate.get_or_init(|| Hydrate::<AwsPorts> {
            config,
            table,
            stream,
            api,
            deliveries,
            job_queue,
            local_budgets,
            host: &Host,
            views,
        });
        batch::handle(&event, async |messages| hydrate.batch(messages).await).await
    })
    .await
}
