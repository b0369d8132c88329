//! Dead letters: messages that SQS moved away after a function failed on them five times without an error report.

use anyhow::{Result, bail};
use dispatch::{Subject, sendable};
use jiff::Timestamp;
use pipeline::{
    conditions::Condition,
    job::{FailedJob, Job, JobKind},
    messages::{self, Deadline, Hint, OutputAck, ToAlert, ToHydrate, ToRetry},
    ports::Lane,
};
use stack_client::DeadLetter;

use super::view::{DeliveryKind, DeliveryView};
use crate::console::Console;

/// The prefix of their ids.
pub(super) const DEAD: &str = "dead#";

/// The dead-letter queues, each with the function that failed on its messages.
const QUEUES: [(&str, &str); 2] = [(RETRIES_DEAD, "retrier"), (ALERTS_DEAD, "alerter")];
const RETRIES_DEAD: &str = "retries_dead";
const ALERTS_DEAD: &str = "alerts_dead";

/// A dead letter.
#[derive(Debug)]
pub(super) struct Dead {
    /// Its queue.
    queue: &'static str,
    /// The function that failed on it.
    function: &'static str,
    letter: DeadLetter,
    pub(super) holds: Holds,
}

/// Its content.
#[derive(Debug, PartialEq)]
pub(super) enum Holds {
    /// A delivery's body to read, or a request to the provider.
    Job(Box<Job>),
    /// A deadline to check.
    Deadline(Subject),
    /// A condition to evaluate; people may have to be notified of it.
    Hint(Condition),
    /// A message that others have replaced since (a poll, a heartbeat, a review, a flush), or a foreign one.
    Stale,
}

/// All dead letters of the stack.
pub(super) async fn all(console: &Console) -> Result<Vec<Dead>> {
    let mut all = Vec::new();
    for (queue, function) in QUEUES {
        let Some(url) = console.queues.get(queue) else { continue };
        let letters = console.counting().dead_letters(url).await.map_err(|error| console.refusal(error))?;
        let read = |letter: DeadLetter| Dead { queue, function, holds: Holds::read(queue, &letter.body), letter };
        all.extend(letters.into_iter().map(read));
    }
    Ok(all)
}

impl Holds {
    fn read(queue: &str, body: &str) -> Self {
        if queue == ALERTS_DEAD {
            return match messages::read(body) {
                Ok(ToAlert::Hint(Hint { condition, .. })) => Self::Hint(condition),
                Ok(ToAlert::Review { .. } | ToAlert::Flush { .. }) | Err(_) => Self::Stale,
            };
        }
        match messages::read(body) {
            Ok(ToRetry::Failed(FailedJob { job, .. }) | ToRetry::Job(job)) if job.kind != JobKind::Poll => {
                Self::Job(Box::new(job))
            }
            Ok(ToRetry::Deadline(Deadline { subject, .. }) | ToRetry::Acknowledged(OutputAck { subject, .. })) => {
                Self::Deadline(subject)
            }
            Ok(ToRetry::Failed(_) | ToRetry::Job(_) | ToRetry::Heartbeat(_) | ToRetry::HeartbeatCheck(_)) | Err(_) => {
                Self::Stale
            }
        }
    }
}

impl Dead {
    pub(super) fn id(&self) -> String {
        format!("{DEAD}{}", self.letter.id)
    }

    /// The message as stored.
    pub(super) fn body(&self) -> &str {
        &self.letter.body
    }

    /// What a replay would do if it is no job; none if a replay would do nothing.
    pub(super) fn outcome(&self) -> Option<String> {
        match &self.holds {
            Holds::Deadline(subject) => Some(format!("the deadline of {subject} is checked once more")),
            Holds::Hint(condition) => {
                Some(format!("{condition} is judged once more, and people are notified where it goes on"))
            }
            Holds::Job(_) | Holds::Stale => None,
        }
    }

    /// Replays it: a job as the new delivery `fresh`, anything else unchanged.
    pub(super) async fn put_back(&self, console: &Console, fresh: Option<&Job>) -> Result<()> {
        let (to, body) = match (fresh, &self.holds) {
            (Some(job), _) => ("deliveries", messages::to_json(&ToHydrate::Job(job.clone()))?),
            (None, Holds::Hint(condition)) => (queue_of(Lane::of(condition)), self.letter.body.clone()),
            (None, _) => ("retries", self.letter.body.clone()),
        };
        let (Some(from), Some(to)) = (console.queues.get(self.queue), console.queues.get(to)) else {
            bail!("the stack does not name its queue {to}");
        };
        let went = console.counting().put_back(from, &self.letter.id, &sendable(&body), to).await;
        if !went.map_err(|error| console.refusal(error))? {
            bail!("{} is not there any more: it has been put back or taken away since", self.id());
        }
        Ok(())
    }
}

impl From<&Dead> for DeliveryView {
    fn from(dead: &Dead) -> Self {
        let (source, about, what): (String, Option<String>, String) = match &dead.holds {
            Holds::Job(job) => {
                let last =
                    job.failures.last().map(|failure| format!("; before: {}", failure.detail)).unwrap_or_default();
                (job.source.clone(), job.subject().map(ToString::to_string), format!("its work{last}"))
            }
            Holds::Deadline(subject) => (source_of(subject), Some(subject.to_string()), "its deadline".to_owned()),
            Holds::Hint(condition) => (
                condition.source().to_owned(),
                condition.subject().map(|subject| subject.to_string()),
                format!("what people may have to be notified of ({condition})"),
            ),
            Holds::Stale => {
                (String::new(), None, "an errand that others have done since, or none of gridbell's".to_owned())
            }
        };
        let function = dead.function;
        let received_at: Timestamp = match &dead.holds {
            Holds::Job(job) => job.received_at,
            _ => dead.letter.sent_at,
        };
        Self {
            id: dead.id(),
            kind: DeliveryKind::DeadLetter,
            source,
            received_at,
            at: dead.letter.sent_at,
            failure: dead.queue.to_owned(),
            reason: format!("the {function} failed five times on {what}"),
            about,
            attempt: None,
            next_at: None,
            replayed_as: None,
        }
    }
}

fn queue_of(lane: Lane) -> &'static str {
    match lane {
        Lane::Urgent => "alerts",
        Lane::CanWait => "reviews",
    }
}

fn source_of(subject: &Subject) -> String {
    subject.as_str().split('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use pipeline::{
        job::{Failure, FailureKind},
        messages::{Heartbeat, to_json},
    };

    use super::*;

    #[test]
    fn a_dead_letter_is_told_by_what_it_holds() {
        let at: Timestamp = "2026-03-01T12:00:00Z".parse().expect("an instant");
        let job = |kind| Job::fresh("d-1", "leap-prod", at, kind);
        let body = || job(JobKind::Body("{}".to_owned()));
        let check = |queue: &'static str, body: String, expected: &str| {
            let function = if queue == ALERTS_DEAD { "alerter" } else { "retrier" };
            let letter = DeadLetter::of("m-1", &body, at);
            let dead = Dead { queue, function, holds: Holds::read(queue, &body), letter };
            let view = DeliveryView::from(&dead);
            let shown = format!("{}: {}", view.source, view.reason);
            assert_eq!((view.id.as_str(), shown.as_str()), ("dead#m-1", expected));
        };
        let json = |message: ToRetry| to_json(&message).expect("JSON");
        let failed = FailedJob { failure: Failure::new(FailureKind::Storage, at, "the table said no"), job: body() };
        let its_job = "leap-prod: the retrier failed five times on its work";
        check(RETRIES_DEAD, json(ToRetry::Job(body())), its_job);
        check(RETRIES_DEAD, json(ToRetry::Failed(failed)), its_job);
        let deadline = Deadline::of(Subject::dispatch("voltus-prod", "dkmq"));
        let its_deadline = "voltus-prod: the retrier failed five times on its deadline";
        check(RETRIES_DEAD, json(ToRetry::Deadline(deadline)), its_deadline);
        let condition = Condition::Quarantined { source: "leap-prod".to_owned(), about: None };
        let hint = to_json(&ToAlert::Hint(Hint::new(condition, at))).expect("JSON");
        let its_hint = "leap-prod: the alerter failed five times on what people may have to be notified of (quarantined/leap-prod)";
        check(ALERTS_DEAD, hint.clone(), its_hint);
        let stale = ": the retrier failed five times on an errand that others have done since, or none of gridbell's";
        let heartbeat = json(ToRetry::Heartbeat(Heartbeat { at }));
        for letter in [json(ToRetry::Job(job(JobKind::Poll))), heartbeat, hint, "7".to_owned()] {
            check(RETRIES_DEAD, letter, stale);
        }
    }
}
