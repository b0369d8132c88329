//! What gridbell knows of itself: one item of the table `deliveries`, of which everybody writes attributes of their own.

use aws_sdk_dynamodb::{
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::AttributeValue,
};
use jiff::Timestamp;
use pipeline::ports::{Health, PortError, Vitals, Watched};

use super::{
    DeliveriesTable, Store,
    item::{self, instant},
    text,
};
use crate::client::unavailable;

/// No delivery is called so: their ids hold no `#`.
const KEY: &str = "pulse#hydrator";

const ANSWERED: &str = "answered";

impl Health for DeliveriesTable {
    async fn answered(&self, probe_at: Timestamp) -> Result<(), PortError> {
        let update = update(self.store())
            .update_expression("SET answered = :at, kind = :kind")
            .condition_expression("attribute_not_exists(answered) OR answered < :at")
            .expression_attribute_values(":at", instant(probe_at))
            .expression_attribute_values(":kind", text("pulse"));
        send(self.store(), update).await
    }

    async fn vitals(&self) -> Result<Vitals, PortError> {
        let Some(item) = self.store().get(KEY).await? else { return Ok(Vitals::default()) };
        let at = |name: &str| match item.get(name) {
            None => Ok(None),
            Some(_) => item::timestamp(&item, name).map(Some).map_err(|reason| self.store().broken(reason)),
        };
        let mut vitals = Vitals { answered: at(ANSWERED)?, ..Vitals::default() };
        for of in Watched::ALL {
            vitals.told.extend(at(told(of))?.map(|since| (of, since)));
        }
        Ok(vitals)
    }

    async fn told(&self, of: Watched, since: Timestamp) -> Result<(), PortError> {
        let update = update(self.store())
            .update_expression("SET #told = if_not_exists(#told, :since)")
            .expression_attribute_names("#told", told(of))
            .expression_attribute_values(":since", instant(since));
        send(self.store(), update).await
    }

    async fn over(&self, of: Watched, since: Timestamp) -> Result<(), PortError> {
        let update = update(self.store())
            .update_expression("REMOVE #told")
            .condition_expression("#told = :since")
            .expression_attribute_names("#told", told(of))
            .expression_attribute_values(":since", instant(since));
        send(self.store(), update).await
    }
}

fn told(of: Watched) -> &'static str {
    match of {
        Watched::Deliveries => "told_deliveries",
        Watched::RetriesDead => "told_retries_dead",
        Watched::AlertsDead => "told_alerts_dead",
    }
}

fn update(store: &Store) -> UpdateItemFluentBuilder {
    store.client.update_item().table_name(&store.table).key(store.key, AttributeValue::S(KEY.to_owned()))
}

/// A condition that does not hold says that it has been done, or that it is too late for it.
async fn send(store: &Store, update: UpdateItemFluentBuilder) -> Result<(), PortError> {
    let Err(error) = Box::pin(update.send()).await else { return Ok(()) };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
        _ => Err(unavailable(store.port, error)),
    }
}
