//! A body that no single message carries comes in parts: each is kept, and the invocation that keeps the last one reads the body.

use super::Hydrate;
use crate::{
    messages::ToHydrate,
    ports::{Clock, Deliveries, Outlet, PortError},
    work::{BodyPart, StoredBody, Task, Trouble, TroubleKind, Work},
};

/// How long the parts of a body may take to come, in seconds: they were sent within one invocation.
const AWAITED_S: u32 = 60;

impl<T, S, F, D: Deliveries, O: Outlet, C: Clock> Hydrate<'_, T, S, F, D, O, C> {
    /// The body that is to be read, where it does not travel along with the work. None also where a part was only kept, because
    /// others are still to come.
    pub(super) async fn body(&self, work: &mut Work) -> Result<Option<String>, Trouble> {
        match work.task.clone() {
            Task::Part(part) => self.keep(work, part).await,
            Task::Stored(stored) => self.whole(&stored).await?.ok_or_else(|| self.incomplete(&stored)).map(Some),
            // The invocation that kept the last part has it in hand.
            Task::Awaited(stored) => {
                work.task = Task::Stored(stored.clone());
                match self.whole(&stored).await? {
                    Some(_) => {
                        work.task = Task::Awaited(stored);
                        Ok(None)
                    }
                    None => Err(self.incomplete(&stored)),
                }
            }
            Task::Body(_) | Task::Packed(_) | Task::Look(_) | Task::Poll | Task::Listed(_) => Ok(None),
        }
    }

    async fn keep(&self, work: &mut Work, part: BodyPart) -> Result<Option<String>, Trouble> {
        let now = self.world.now();
        let storage = |error: PortError| self.storage(&error);
        self.deliveries.keep_part(&work.delivery, &part, now).await.map_err(storage)?;
        let stored = StoredBody { delivery: work.delivery.clone(), chunks: part.of };
        if let Some(body) = self.whole(&stored).await? {
            // What fails from here on is retried from the table.
            work.task = Task::Stored(stored);
            return Ok(Some(body));
        }
        let awaited = Work { task: Task::Awaited(stored), ..work.clone() };
        self.outlet.deliver(ToHydrate::Work(awaited), AWAITED_S).await.map_err(storage)?;
        Ok(None)
    }

    async fn whole(&self, stored: &StoredBody) -> Result<Option<String>, Trouble> {
        self.deliveries.body(stored).await.map_err(|error| self.storage(&error))
    }

    fn incomplete(&self, stored: &StoredBody) -> Trouble {
        let detail = format!(
            "its body came in parts of {} chunks, and not all of them came: the provider was not answered 200 and sends it again",
            stored.chunks
        );
        Trouble::new(TroubleKind::Incomplete, self.world.now(), detail)
    }
}
