//! The review of each minute judges every open incident again, so that a lost hint delays a mail by a minute at most.

use std::collections::BTreeSet;

use crate::{
    alerts::condition::Condition,
    messages::ToAlert,
    ports::{Depths, JobQueue, Lane, OpenIncidentIndex, PortError, Ports, Watched},
};

/// Fewer messages than this in `reviews` are probably being read now.
const FEW: u64 = 10;

/// The keys of incidents that are open or have a mail to send.
#[derive(Debug, Clone, Default)]
pub struct OpenIncidents(BTreeSet<String>);

impl OpenIncidents {
    /// Whether the condition has an open incident, which is reviewed each minute.
    pub fn covers(&self, condition: &Condition) -> bool {
        self.0.contains(&condition.incident())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<String> for OpenIncidents {
    fn from_iter<I: IntoIterator<Item = String>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// The review.
#[derive(Debug)]
pub struct Review<'a, P: Ports> {
    /// Which incidents are open.
    pub incidents: &'a P::Incidents,
    /// The depth of `reviews`.
    pub queues: &'a P::Depths,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
}

impl<P: Ports> Review<'_, P> {
    /// Lists the open incidents and sends a message for each page of them, unless earlier reviews are still waiting.
    pub async fn send(&self) -> Result<OpenIncidents, PortError> {
        let (mut open, mut pages, mut after) = (BTreeSet::new(), Vec::new(), None);
        loop {
            let page = self.incidents.open(after.as_deref()).await?;
            open.extend(page.incidents.iter().cloned());
            if !page.incidents.is_empty() {
                pages.push(page.incidents);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if !pages.is_empty() && self.queues.depth(Watched::Reviews).await?.waiting < FEW {
            for incidents in pages {
                self.job_queue.alert(&ToAlert::Review { incidents }, Lane::CanWait, 0).await?;
            }
        }
        Ok(OpenIncidents(open))
    }
}
