//! A body too large for one message arrives in parts. Each part is stored, and the invocation that stores the last one
//! reads the body.

use super::Hydrate;
use crate::{
    job::{BodyPart, Failure, FailureKind, Job, JobKind, StoredBody},
    messages::ToHydrate,
    ports::{Clock, Deliveries, JobQueue, PortError, Ports},
};

/// How long to wait for the parts of a body, in seconds: they were sent within one invocation.
const AWAITED_S: u32 = 60;

impl<P: Ports> Hydrate<'_, P> {
    /// The body to read, if the job does not carry it. None also if only a part was stored and others are missing.
    pub(super) async fn body(&self, job: &mut Job) -> Result<Option<String>, Failure> {
        match job.kind.clone() {
            JobKind::Part(part) => self.keep(job, part).await,
            JobKind::Stored(stored) => self.whole(&stored).await?.ok_or_else(|| self.incomplete(&stored)).map(Some),
            // The invocation that stored the last part reads the body.
            JobKind::Awaited(stored) => {
                job.kind = JobKind::Stored(stored.clone());
                match self.whole(&stored).await? {
                    Some(_) => {
                        job.kind = JobKind::Awaited(stored);
                        Ok(None)
                    }
                    None => Err(self.incomplete(&stored)),
                }
            }
            JobKind::Body(_) | JobKind::Packed(_) | JobKind::Fetch(_) | JobKind::Poll | JobKind::Listed(_) => Ok(None),
        }
    }

    async fn keep(&self, job: &mut Job, part: BodyPart) -> Result<Option<String>, Failure> {
        let now = self.host.now();
        let storage = |error: PortError| self.storage(&error);
        self.deliveries.keep_part(&job.delivery, &part, now).await.map_err(storage)?;
        let stored = StoredBody { delivery: job.delivery.clone(), chunks: part.of };
        if let Some(body) = self.whole(&stored).await? {
            // From here on a failed job is retried from the table.
            job.kind = JobKind::Stored(stored);
            return Ok(Some(body));
        }
        let awaited = Job { kind: JobKind::Awaited(stored), ..job.clone() };
        self.job_queue.deliver(ToHydrate::Job(awaited), AWAITED_S).await.map_err(storage)?;
        Ok(None)
    }

    async fn whole(&self, stored: &StoredBody) -> Result<Option<String>, Failure> {
        self.deliveries.body(stored).await.map_err(|error| self.storage(&error))
    }

    fn incomplete(&self, stored: &StoredBody) -> Failure {
        let detail = format!(
            "its body came in parts of {} chunks, and not all of them came: the provider was not answered 200 and sends it again",
            stored.chunks
        );
        Failure::new(FailureKind::Incomplete, self.host.now(), detail)
    }
}
