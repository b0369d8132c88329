//! The alerter function: notices into incidents and mails.

use pipeline::alert::Alert;
use serde_json::value::RawValue;

use crate::{
    client,
    dynamo::{DispatchesTable, IncidentsTable},
    environment::{Queue, Table},
    lambda::{self, Error, batch},
    ses::Ses,
    sqs::{InnerQueues, QueueUrls},
    world::World,
};

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), Error> {
    let (config, incidents, table, mailer, outlet) = lambda::cold_start(|environment| {
        let aws = client::shared(environment.access()?);
        let alerts = QueueUrls { alerts: Some(environment.queue(Queue::Alerts)?), ..QueueUrls::default() };
        Ok((
            environment.config()?,
            IncidentsTable::new(&aws, environment.table(Table::Alerts)?),
            DispatchesTable::new(&aws, environment.table(Table::Dispatches)?),
            Ses::new(&aws),
            InnerQueues::new(&aws, alerts),
        ))
    })?;
    let alert = &Alert {
        config: &config,
        incidents: &incidents,
        table: &table,
        mailer: &mailer,
        outlet: &outlet,
        world: &World,
    };
    lambda::serve(|event: Box<RawValue>| async move {
        batch::handle(&event, async |messages| alert.batch(messages).await).await
    })
    .await
}
