//! The minute's review: every open incident is judged anew, so that a lost hint costs a minute.

use std::collections::BTreeSet;

use crate::{
    alerts::condition::Condition,
    messages::ToAlert,
    ports::{Depths, JobQueue, Lane, OpenIncidentIndex, PortError, Ports, Watched},
};

/// Fewer messages than this in `reviews` are most likely being read right now.
const FEW: u64 = 10;

/// The incidents that are open, or have a mail to send, by their keys.
#[derive(Debug, Clone, Default)]
pub struct OpenIncidents(BTreeSet<String>);

impl OpenIncidents {
    /// Whether the condition has an open incident, which is judged anew each minute.
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
    /// Lists what is open, and sends a message for each page of it, unless earlier reviews still wait.
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
