//! Reads the evidence of a condition from tables and queues.

use jiff::Timestamp;

use super::Alert;
use crate::{
    alerts::{
        channels::ChannelHealth,
        condition::Condition,
        conditions::{Evidence, QUIET},
    },
    ports::{Deliveries, Depths, Dispatches, Health, Incidents, PortError, Ports, Watched},
};

impl<P: Ports> Alert<'_, P> {
    pub(super) async fn evidence(&self, condition: &Condition, now: Timestamp) -> Result<Evidence, PortError> {
        let mut evidence = Evidence::default();
        if let Some(subject) = condition.subject() {
            evidence.record = self.table.read(&subject).await?;
        }
        match condition {
            Condition::Failing { key, .. } => evidence.retry = self.deliveries.retry_state(key).await?,
            Condition::KeyRefused { source } => {
                evidence.refusal = self.deliveries.refusal(source).await?;
                evidence.poll = self.deliveries.poll_state(source).await?;
            }
            Condition::SourceDown { source } => evidence.poll = self.deliveries.poll_state(source).await?,
            Condition::Quarantined { source, about } => {
                if about.is_none() {
                    evidence.poll = self.deliveries.poll_state(source).await?;
                }
                evidence.events = self.deliveries.events(condition, since(now)).await?;
            }
            Condition::KeysRotated { .. } | Condition::UnknownEvent { .. } | Condition::GivenUp { .. } => {
                evidence.events = self.deliveries.events(condition, since(now)).await?;
            }
            Condition::NotAcknowledged { dispatch } => {
                let published = evidence.record.as_ref().and_then(|record| record.state.published());
                let programs = published.map(|(_, terms)| terms.programs).unwrap_or_default();
                let deadlines = self.config.deadlines_for(dispatch.source(), &programs);
                evidence.has_acknowledgements = deadlines.acknowledge;
                if !deadlines.acknowledge {
                    evidence.backlog = Some(self.queues.depth(Watched::Signals).await?);
                }
            }
            Condition::DeliveriesUnread => {
                evidence.answered = self.deliveries.answered().await?.map(|answered| answered.sent_at);
                evidence.backlog = self.queues.depth(Watched::Deliveries).await.ok();
            }
            Condition::DeadLetters { queue } => evidence.backlog = Some(self.queues.depth(*queue).await?),
            Condition::ChannelFailing { channel } => {
                evidence.channel = self.incidents.channel(&ChannelHealth::key(channel)).await?;
            }
            Condition::PartsUnsent { .. }
            | Condition::ControllerFailed { .. }
            | Condition::NoEnd { .. }
            | Condition::MissedDelivery { .. }
            | Condition::NotCompliant { .. } => {}
        }
        Ok(evidence)
    }
}

fn since(now: Timestamp) -> Timestamp {
    now.saturating_sub(QUIET).unwrap_or(Timestamp::MIN)
}
