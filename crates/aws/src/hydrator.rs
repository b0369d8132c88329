//! The hydrator function: `deliveries` into state and signals.

use pipeline::{budget::Shares, hydrate::Hydrate, view::Views};
use serde_json::value::RawValue;

use crate::{
    client,
    dynamo::{DeliveriesTable, DispatchesTable},
    environment::{Queue, Table},
    lambda::{self, Error, batch},
    sqs::{InnerQueues, SignalsQueue},
    world::World,
};

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), Error> {
    let (config, table, stream, api, deliveries, outlet) = lambda::cold_start(|environment| {
        let aws = client::shared(environment.access()?);
        Ok((
            environment.asking_config()?,
            DispatchesTable::new(&aws, environment.table(Table::Dispatches)?),
            SignalsQueue::new(&aws, environment.queue(Queue::Signals)?),
            environment.provider_api(&aws)?,
            DeliveriesTable::new(&aws, environment.table(Table::Deliveries)?),
            InnerQueues::new(&aws, environment.inner_queues()?),
        ))
    })?;
    let hydrate = &Hydrate {
        config: &config,
        table: &table,
        stream: &stream,
        api: &api,
        deliveries: &deliveries,
        outlet: &outlet,
        shares: &Shares::default(),
        world: &World,
        views: &Views::default(),
    };
    lambda::serve(|event: Box<RawValue>| async move {
        batch::handle(&event, async |messages| hydrate.batch(messages).await).await
    })
    .await
}
