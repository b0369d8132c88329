//! The recipients of a mail, and the other incidents of the same dispatch that it names.

use std::collections::BTreeSet;

use dispatch::feed_id;
use futures_util::{StreamExt, stream};

use super::{AT_ONCE, Alert, Occasion, decide, notify::Ready};
use crate::{
    alerts::{
        condition::Condition,
        incident::{Incident, IncidentStatus},
    },
    ports::{Incidents, Ports},
};

/// SES accepts at most so many recipients of one mail.
const MOST_RECIPIENTS: usize = 50;

impl<P: Ports> Alert<'_, P> {
    /// A resolved mail goes to exactly the people who received an earlier one.
    pub(super) fn recipients(&self, ready: &Ready) -> Vec<String> {
        let is_resolved = ready.incident.waiting.as_ref().map(decide::occasion_of) == Some(Occasion::Resolved);
        if is_resolved {
            return ready.incident.notified.iter().cloned().collect();
        }
        let mut to = self.config.audience(ready.incident.source()).addresses(ready.level);
        to.extend(self.site_contacts(ready).into_iter().filter(|address| !to.contains(address)).collect::<Vec<_>>());
        if to.len() > MOST_RECIPIENTS {
            tracing::warn!(
                alert.incident = ready.incident.incident,
                recipients = to.len(),
                "a mail goes to 50 at most"
            );
            to.truncate(MOST_RECIPIENTS);
        }
        to
    }

    /// The contacts of the sites that a dispatch names, besides the source's contacts.
    fn site_contacts(&self, ready: &Ready) -> Vec<String> {
        let Some(record) = ready.record.as_ref().filter(|_| !self.config.sites.is_empty()) else { return Vec::new() };
        let source = &record.origin.source;
        let targets = record.state.published().map(|(_, terms)| terms.targets);
        let feed = record.state.ramps().map(|ramps| feed_id(ramps.feed.as_deref()).to_owned());
        let ids = targets.iter().flat_map(|targets| targets.iter().map(|target| target.id.as_str()));
        let sites = ids.chain(feed.as_deref()).filter_map(|id| self.config.site(source, id)?.contacts.as_ref());
        let addresses: BTreeSet<String> = sites.flat_map(|contacts| contacts.email.iter().cloned()).collect();
        addresses.into_iter().collect()
    }

    /// Other open incidents about the same dispatch. Unreadable ones are left out.
    pub(super) async fn still_open(&self, resolved: &Incident) -> Vec<String> {
        let Some(subject) = resolved.subject() else { return Vec::new() };
        let keys = Condition::all_about(&subject).map(|condition| condition.incident());
        let others = keys.into_iter().filter(|key| *key != resolved.incident);
        let reads = others.map(async |key| self.incidents.read(&key).await.ok().flatten());
        let known: Vec<Option<Incident>> = stream::iter(reads).buffered(AT_ONCE).collect().await;
        let open = known.into_iter().flatten().filter(|incident| incident.status != IncidentStatus::Resolved);
        open.map(|incident| incident.incident).collect()
    }
}
