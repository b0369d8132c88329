//! A chain of messages, to verify that Lambda does not stop one: retries and deadlines are such chains. Only
//! `gridbell verify` begins one, and only about a dispatch of its own source.

use dispatch::Subject;

use crate::{
    config::VERIFY,
    dispatches::timeline::{Event, TimelineEvent},
    messages::{Chain, Deadline, ToRetry},
    ports::{Clock, JobQueue, PortError, Ports, Random},
    update::{Change, From, Records, update},
};

/// The longest chain that is passed on: Lambda stops one after some 16 invocations.
pub const MAX_CHAIN: u32 = 32;

/// Passes on chains.
#[derive(Debug)]
pub struct Chains<'a, P: Ports> {
    /// `dispatches`.
    pub table: &'a P::Dispatches,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

impl<P: Ports> Chains<'_, P> {
    /// Sends the next message of a chain; the last one leaves an event in the dispatch's timeline.
    pub async fn pass(&self, subject: &Subject, chain: Chain) -> Result<(), PortError> {
        let Chain { of, left } = chain;
        if subject.source() != VERIFY || of > MAX_CHAIN || left >= of {
            tracing::warn!(dispatch.subject = %subject, "a chain that `gridbell verify` did not begin is dropped");
            return Ok(());
        }
        if let Some(left) = left.checked_sub(1) {
            let next = Deadline { chain: Some(Chain { of, left }), ..Deadline::of(subject.clone()) };
            return self.job_queue.retry(&[ToRetry::Deadline(next).at_once()]).await;
        }
        let noted = update(Records(self.table), subject, From::Stored, async |record| {
            let Some(record) = record else { return Ok::<_, PortError>(Change::Keep(())) };
            let event = TimelineEvent::new(self.host.now(), Event::ChainPassed { messages: of });
            Ok(Change::Write(Box::new(record.noting(event, self.host.unique())), ()))
        });
        noted.await.map(drop)
    }
}
