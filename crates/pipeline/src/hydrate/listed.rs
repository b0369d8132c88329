//! Facts of a long list, passed on in messages of bounded size, so that many invocations settle them at the same time.

use dispatch::Fact;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::{
    AT_ONCE, Hydrate,
    poll::{For, Refused},
};
use crate::{
    messages::ToHydrate,
    ports::{Chance, Clock, Deliveries, Dispatches, Health, Outlet, PortError, ProviderApi, SignalStream},
    work::{Failed, ListedFacts, MAX_MESSAGE_BYTES, Task, Trouble, TroubleKind, Work},
};

/// So many facts travel in one message …
const FACTS: usize = 100;

/// … or fewer that are so many bytes together.
const BYTES: usize = 128 * 1_024;

impl<T, S, F, D, O, C> Hydrate<'_, T, S, F, D, O, C>
where
    T: Dispatches,
    S: SignalStream,
    F: ProviderApi,
    D: Deliveries + Health,
    O: Outlet,
    C: Clock + Chance,
{
    /// Sends facts of a list to other invocations. `number`: how many messages of that list there are already.
    pub(super) async fn pass_on(&self, list: For<'_>, facts: Vec<Fact>, number: usize) -> Result<PassedOn, PortError> {
        let (shares, too_large) = shares(facts)?;
        let messages = shares.len();
        let sent = shares.into_iter().enumerate().map(|(place, facts)| async move {
            let work = list.work;
            // A key of its own: each fails and is tried again alone.
            let delivery = format!("{}.{}", work.delivery, number + place + 1);
            let task = Task::Listed(ListedFacts { facts, by: list.by });
            let work = Work::fresh(&delivery, &work.source, work.received_at, task);
            self.outlet.deliver(ToHydrate::Work(work), 0).await
        });
        let sent: Vec<Result<(), PortError>> = stream::iter(sent).buffer_unordered(AT_ONCE).collect().await;
        sent.into_iter().collect::<Result<(), PortError>>().map(|()| PassedOn { messages, too_large })
    }

    /// Settles facts that another invocation read. Returns the message's id where it must come again.
    pub(super) async fn listed(&self, message: String, work: Work, listed: ListedFacts) -> Option<String> {
        let began_at = self.world.now();
        let failed = self.settle_listed(&work, &listed).await.err();
        let done = match failed {
            None => self.succeeded(&work, began_at).await,
            Some(failed) => {
                tracing::warn!(
                    delivery.id = work.delivery,
                    source.name = work.source,
                    trouble.kind = ?failed.kind,
                    trouble.detail = failed.detail,
                    "facts of a list not settled"
                );
                let work = Work { task: Task::Listed(listed), ..work };
                self.outlet.retry(&[(crate::messages::ToRetry::Failed(Failed { failed, work }), 0)]).await
            }
        };
        done.err().map(|error| {
            tracing::error!(delivery.message = message, %error, "left to be delivered again");
            message
        })
    }

    async fn settle_listed(&self, work: &Work, listed: &ListedFacts) -> Result<(), Trouble> {
        let now: Timestamp = self.world.now();
        let Some(bound) = self.bind(&work.source) else {
            return Err(Trouble::new(TroubleKind::Config, now, "the configuration does not know the source any more"));
        };
        let list = For { bound: &bound, work, by: listed.by };
        let facts = listed.facts.iter().map(|fact| (0, fact.clone())).collect();
        for refused in self.merge_list(list, facts).await.into_iter().filter_map(Result::err) {
            match refused {
                Refused::Now(trouble) => return Err(trouble),
                Refused::Never(finding) => {
                    let noted = self.note_finding(finding, &work.source, now).await;
                    noted.map_err(|error| self.storage(&error))?;
                }
            }
        }
        tracing::info!(delivery.id = work.delivery, source.name = work.source, facts = listed.facts.len(), "listed");
        Ok(())
    }
}

/// What became of facts that were to be passed on.
pub(super) struct PassedOn {
    /// So many messages carry them.
    pub(super) messages: usize,
    /// No message carries these.
    pub(super) too_large: Vec<Fact>,
}

/// Facts in shares that a message carries, and those that none carries.
fn shares(facts: Vec<Fact>) -> Result<(Vec<Vec<Fact>>, Vec<Fact>), PortError> {
    let (mut shares, mut too_large, mut bytes): (Vec<Vec<Fact>>, _, _) = (Vec::new(), Vec::new(), 0);
    for fact in facts {
        let own = serde_json::to_string(&fact)
            .map_err(|error| PortError::Broken { port: "deliveries", reason: error.to_string() })?
            .len();
        if own > MAX_MESSAGE_BYTES / 2 {
            too_large.push(fact);
            continue;
        }
        if let Some(share) = shares.last_mut().filter(|share| share.len() < FACTS && bytes + own <= BYTES) {
            share.push(fact);
        } else {
            shares.push(vec![fact]);
            bytes = 0;
        }
        bytes += own;
    }
    Ok((shares, too_large))
}
