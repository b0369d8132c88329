//! Reads the evidence of a condition from tables and queues.

use jiff::Timestamp;

use super::Alert;
use crate::{
    alerts::{
        channels::ChannelHealth,
        condition::Condition,
        conditions::{Evidence, OutputEvidence, QUIET},
    },
    outputs::reach::reach,
    ports::{Deliveries, Depths, Dispatches, Health, Incidents, Outputs, PortError, Ports, Watched},
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
                if let (Some(outputs), Some(record)) = (self.outputs, &evidence.record)
                    && !self.config.outputs.is_empty()
                {
                    evidence.reach = Some(reach(outputs, self.config, record).await?);
                } else if !deadlines.acknowledge {
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
            Condition::OutputFailing { output } => evidence.output = self.output(output).await?,
            Condition::PartsUnsent { .. }
            | Condition::ControllerFailed { .. }
            | Condition::NoEnd { .. }
            | Condition::MissedDelivery { .. }
            | Condition::NotCompliant { .. } => {}
        }
        Ok(evidence)
    }

    async fn output(&self, output: &str) -> Result<Option<OutputEvidence>, PortError> {
        let is_configured = self.config.outputs.contains_key(output);
        let Some(outputs) = self.outputs.filter(|_| is_configured) else {
            return Ok(Some(OutputEvidence { is_configured, ..OutputEvidence::default() }).filter(|_| !is_configured));
        };
        let state = outputs.output_state(output).await?;
        let lanes = outputs.lanes(output, Timestamp::MAX, MOST_LANES).await?;
        Ok(Some(OutputEvidence { is_configured, state, lanes }))
    }
}

/// How many lanes of an output are counted; those of a working output are few.
const MOST_LANES: usize = 2_000;

fn since(now: Timestamp) -> Timestamp {
    now.saturating_sub(QUIET).unwrap_or(Timestamp::MIN)
}
