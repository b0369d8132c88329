//! The sweep of each minute decides which source's poll is due and sends it to the hydrator: only the hydrator has the
//! providers' keys.

use futures_util::future::join_all;

use crate::{
    alerts::review::OpenIncidents,
    config::{Config, Source},
    job::{Job, JobKind},
    messages::ToHydrate,
    ports::{Clock, Deliveries, JobQueue, PortError, Ports, Random},
    trace::Hop,
};

/// The polling part of the sweep.
#[derive(Debug)]
pub struct Polls<'a, P: Ports> {
    /// The sources.
    pub config: &'a Config,
    /// `deliveries`.
    pub deliveries: &'a P::Deliveries,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

impl<P: Ports> Polls<'_, P> {
    /// Sends the polls that are due, and hints for conditions without an open incident. Returns how many polls; a
    /// source that fails does not delay the others.
    pub async fn send_due(&self, open: &OpenIncidents) -> Result<usize, PortError> {
        let polled = self.config.sources.iter().filter(|(_, source)| source.is_polled());
        let sent = join_all(polled.map(|(name, source)| self.send(name, source, open))).await;
        sent.into_iter().try_fold(0, |count, sent| sent.map(|sent| count + usize::from(sent)))
    }

    async fn send(&self, name: &str, source: &Source, open: &OpenIncidents) -> Result<bool, PortError> {
        let now = self.host.now();
        let state = self.deliveries.poll_state(name).await?;
        if let Some(state) = &state {
            for condition in state.conditions(now).into_iter().filter(|condition| !open.covers(condition)) {
                self.job_queue.hint(condition, now, 0).await?;
            }
        }
        if state.is_some_and(|state| !state.is_due(source.poll_s, now)) {
            return Ok(false);
        }
        let job = Job::fresh(&format!("poll-{}", self.host.unique()), name, now, JobKind::Poll);
        let job = job.traced(Hop::after(None, self.host).context);
        self.job_queue.deliver(ToHydrate::Job(job), 0).await.map(|()| true)
    }
}
