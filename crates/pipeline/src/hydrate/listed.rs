//! Passes the facts of a long list on in messages of bounded size, so that many invocations settle them at the same
//! time.

use dispatch::Fact;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::{
    AT_ONCE, Hydrate,
    poll::{For, ListedFact, Refused},
};
use crate::{
    job::{FailedJob, Failure, FailureKind, Job, JobKind, ListedFacts, MAX_MESSAGE_BYTES},
    messages::{ToHydrate, ToRetry},
    ports::{Clock, JobQueue, PortError, Ports},
};

/// The most facts in one message …
const FACTS: usize = 100;

/// … and their most bytes.
const BYTES: usize = 128 * 1_024;

impl<P: Ports> Hydrate<'_, P> {
    /// Sends facts of a list to other invocations. `number`: how many messages of that list were sent before.
    pub(super) async fn pass_on(&self, list: For<'_>, facts: Vec<Fact>, number: usize) -> Result<PassedOn, PortError> {
        let (groups, too_large) = groups(facts)?;
        let messages = groups.len();
        let sent = groups.into_iter().enumerate().map(|(place, facts)| async move {
            let job = list.job;
            // A key of its own: each message is retried alone.
            let delivery = format!("{}.{}", job.delivery, number + place + 1);
            let kind = JobKind::Listed(ListedFacts { facts, by: list.by });
            let job = Job { traceparent: job.traceparent, ..Job::fresh(&delivery, &job.source, job.received_at, kind) };
            self.job_queue.deliver(ToHydrate::Job(job), 0).await
        });
        let sent: Vec<Result<(), PortError>> = stream::iter(sent).buffer_unordered(AT_ONCE).collect().await;
        sent.into_iter().collect::<Result<(), PortError>>().map(|()| PassedOn { messages, too_large })
    }

    /// Settles facts that another invocation read. Returns the message's id if it must be delivered again.
    pub(super) async fn listed(&self, message: String, job: Job, listed: ListedFacts) -> Option<String> {
        let began_at = self.host.now();
        let failed = self.settle_listed(&job, &listed).await.err();
        let done = match failed {
            None => self.succeeded(&job, began_at).await,
            Some(failed) => {
                tracing::warn!(
                    delivery.id = job.delivery,
                    source.name = job.source,
                    failure.kind = ?failed.kind,
                    failure.detail = failed.detail,
                    "facts of a list not settled"
                );
                let job = Job { kind: JobKind::Listed(listed), ..job };
                self.job_queue.retry(&[ToRetry::Failed(FailedJob { failure: failed, job }).at_once()]).await
            }
        };
        done.err().map(|error| {
            tracing::error!(delivery.message = message, %error, "left to be delivered again");
            message
        })
    }

    async fn settle_listed(&self, job: &Job, listed: &ListedFacts) -> Result<(), Failure> {
        let now: Timestamp = self.host.now();
        let Some(bound) = self.bind(&job.source) else {
            return Err(Failure::new(FailureKind::Config, now, "the configuration does not know the source any more"));
        };
        let list = For { bound: &bound, job, by: listed.by };
        let facts = listed.facts.iter().map(|fact| ListedFact { list: 0, fact: fact.clone() }).collect();
        for refused in self.merge_list(list, facts).await.into_iter().filter_map(Result::err) {
            match refused {
                Refused::Now(failure) => return Err(failure),
                Refused::Never(diagnostic) => {
                    let noted = self.note_diagnostic(diagnostic, job, now).await;
                    noted.map_err(|error| self.storage(&error))?;
                }
            }
        }
        tracing::info!(delivery.id = job.delivery, source.name = job.source, facts = listed.facts.len(), "listed");
        Ok(())
    }
}

pub(super) struct PassedOn {
    /// How many messages carry them.
    pub(super) messages: usize,
    /// Facts too large for a message.
    pub(super) too_large: Vec<Fact>,
}

/// Groups facts for messages; also returns the facts too large for a message.
fn groups(facts: Vec<Fact>) -> Result<(Vec<Vec<Fact>>, Vec<Fact>), PortError> {
    let (mut groups, mut too_large, mut bytes): (Vec<Vec<Fact>>, _, _) = (Vec::new(), Vec::new(), 0);
    for fact in facts {
        let own = serde_json::to_string(&fact)
            .map_err(|error| PortError::Broken { port: "deliveries", reason: error.to_string() })?
            .len();
        if own > MAX_MESSAGE_BYTES / 2 {
            too_large.push(fact);
            continue;
        }
        if let Some(group) = groups.last_mut().filter(|group| group.len() < FACTS && bytes + own <= BYTES) {
            group.push(fact);
        } else {
            groups.push(vec![fact]);
            bytes = 0;
        }
        bytes += own;
    }
    Ok((groups, too_large))
}
