//! When a pending mail is sent: in which group, and by which flush.

use dispatch::TraceParent;
use jiff::Timestamp;

use super::{Alert, decide, occasion::Occasion, stages::Rules};
use crate::{
    alerts::{
        channels::Ring,
        group::{AlertGroup, Urgency},
        incident::Incident,
    },
    messages::{ToAlert, hop_s},
    ports::{JobQueue, Lane, PortError, Ports, Random},
    update::{Change, From, Groups, update},
};

/// What a mail is scheduled for.
pub(super) struct Schedule<'a> {
    pub(super) occasion: Occasion,
    pub(super) rules: Rules<'a>,
    pub(super) now: Timestamp,
    pub(super) traceparent: Option<TraceParent>,
}

impl<P: Ports> Alert<'_, P> {
    /// Chooses the group of a pending mail, and ensures that a flush is under way before it stores the mail. Returns
    /// the group if its mail must be sent now.
    pub(super) async fn schedule(
        &self,
        incident: &mut Incident,
        Schedule { occasion, rules, now, traceparent }: Schedule<'_>,
    ) -> Result<Option<String>, PortError> {
        let urgency = decide::urgency(incident, occasion, rules, now);
        let key = group_key(incident, occasion, rules.test);
        let mut sent_for: Option<Timestamp> = None;
        let scheduled = update(Groups(self.incidents), &key, From::Stored, async |known| {
            let is_stored = known.is_some();
            let group = known.unwrap_or_else(|| fresh_group(&key, incident, occasion, rules.test, now));
            let send_at = group.sends_at(urgency, &self.config.contacts, now);
            if group.is_under_way(send_at, now) {
                return Ok::<_, PortError>(Change::Keep(group.flush_at.unwrap_or(send_at)));
            }
            if send_at > now && sent_for.replace(send_at) != Some(send_at) {
                self.flush_later(&key, urgency, hop_s(send_at, now), traceparent).await?;
            }
            let flush_at = group.next_flush(send_at, now);
            // Of many concurrent mails, few write the group.
            if is_stored && group.flush_at == Some(flush_at) {
                return Ok(Change::Keep(send_at));
            }
            let (revision, write) = (group.revision + 1, self.host.unique());
            let next = AlertGroup { revision, write, flush_at: Some(flush_at), last_at: now, ..group };
            Ok(Change::Write(Box::new(next), send_at))
        });
        let send_at = scheduled.await?.result;
        if let Some(waiting) = &mut incident.waiting {
            (waiting.group, waiting.send_at) = (key.clone(), send_at);
        }
        // What was just added to the channels is sent with the mail.
        let fresh = |ring: &&mut Ring| ring.failures == 0 && ring.claim.is_none() && ring.since == now;
        let rings = incident.channels.iter_mut().filter_map(|log| log.waiting.as_mut()).filter(fresh);
        rings.for_each(|ring| ring.next_at = send_at);
        Ok((send_at <= now).then_some(key))
    }

    pub(super) async fn flush_later(
        &self,
        group: &str,
        urgency: Urgency,
        delay_s: u32,
        traceparent: Option<TraceParent>,
    ) -> Result<(), PortError> {
        let lane = if urgency == Urgency::CanWait { Lane::CanWait } else { Lane::Urgent };
        self.job_queue.alert(&ToAlert::Flush { group: group.to_owned(), traceparent }, lane, delay_s).await
    }
}

pub(super) fn group_key(incident: &Incident, occasion: Occasion, test: bool) -> String {
    let test = if test { "/test" } else { "" };
    format!("group/{}/{}/{}{test}", incident.kind(), incident.source(), occasion.word())
}

pub(super) fn fresh_group(
    key: &str,
    incident: &Incident,
    occasion: Occasion,
    test: bool,
    now: Timestamp,
) -> AlertGroup {
    AlertGroup {
        group: key.to_owned(),
        revision: 0,
        write: String::new(),
        kind: incident.kind(),
        source: incident.source().to_owned(),
        occasion: occasion.word().to_owned(),
        test,
        flush_at: None,
        flushed_at: None,
        storm_since: None,
        failures: 0,
        claim: None,
        last_at: now,
    }
}
