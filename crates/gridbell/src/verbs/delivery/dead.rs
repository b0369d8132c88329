//! Dead letters: messages that a function failed on five times without a word, so that SQS took them out of its way.

use anyhow::{Result, bail};
use aws::console::DeadLetter;
use dispatch::Subject;
use jiff::Timestamp;
use pipeline::{
    incident::Notice,
    work::{Check, Failed, Task, Work},
};

use super::view::{Kind, View};
use crate::{console::Console, show::word};

/// What their ids begin with.
pub(super) const DEAD: &str = "dead#";

/// A dead-letter queue, and the one whose messages end up there.
const QUEUES: [(&str, &str); 2] = [("retries_dead", "retries"), ("alerts_dead", "alerts")];

/// One of them.
#[derive(Debug)]
pub(super) struct Dead {
    /// Where it would go back to.
    home: &'static str,
    /// Where it lies.
    queue: &'static str,
    letter: DeadLetter,
    pub(super) holds: Holds,
}

/// What it holds.
#[derive(Debug, PartialEq)]
pub(super) enum Holds {
    /// A delivery's body to be read, or a look at the provider.
    Work(Box<Work>),
    /// A deadline to be looked at.
    Check(Subject),
    /// Something that a person is to be told.
    Notice(Box<Notice>),
    /// An errand of one minute (a poll, a probe of the hydrator), which others have done since; or none of ours.
    Stale,
}

/// All that lie in the stack's dead-letter queues.
pub(super) async fn all(console: &Console) -> Result<Vec<Dead>> {
    let mut all = Vec::new();
    for (queue, home) in QUEUES {
        let Some(url) = console.queues.get(queue) else { continue };
        let letters = console.counting().dead_letters(url).await.map_err(|error| console.refusal(error))?;
        let read = |letter: DeadLetter| Dead { home, queue, holds: Holds::read(&letter), letter };
        all.extend(letters.into_iter().map(read));
    }
    Ok(all)
}

impl Holds {
    fn read(letter: &DeadLetter) -> Self {
        let body = &letter.body;
        if let Ok(Failed { work, .. }) = Failed::parse(body, letter.sent_at) {
            return if work.task == Task::Poll { Self::Stale } else { Self::Work(Box::new(work)) };
        }
        if let Ok(check) = serde_json::from_str::<Check>(body) {
            return Self::Check(check.subject);
        }
        serde_json::from_str(body).map_or(Self::Stale, |notice| Self::Notice(Box::new(notice)))
    }
}

impl Dead {
    pub(super) fn id(&self) -> String {
        format!("{DEAD}{}", self.letter.id)
    }

    /// The message as it lies there.
    pub(super) fn body(&self) -> &str {
        &self.letter.body
    }

    /// What would come of putting it back, where it is no work; none where nothing would.
    pub(super) fn outcome(&self) -> Option<String> {
        match &self.holds {
            Holds::Check(subject) => Some(format!("the deadline of {subject} is looked at once more")),
            Holds::Notice(notice) => Some(format!("a person is told of it: {}, {}", word(&notice.kind), notice.about)),
            Holds::Work(_) | Holds::Stale => None,
        }
    }

    /// Puts it back: work as the delivery that `fresh` is, anything else as it was.
    pub(super) async fn put_back(&self, console: &Console, fresh: Option<&Work>) -> Result<()> {
        let (to, body) = match fresh {
            Some(work) => ("deliveries", serde_json::to_string(work)?),
            None => (self.home, self.letter.body.clone()),
        };
        let (Some(from), Some(to)) = (console.queues.get(self.queue), console.queues.get(to)) else {
            bail!("the stack does not name its queue {to}");
        };
        let went = console.counting().put_back(from, &self.letter.id, &body, to).await;
        if !went.map_err(|error| console.refusal(error))? {
            bail!("{} is not there any more: somebody else has put it back or taken it away", self.id());
        }
        Ok(())
    }
}

impl From<&Dead> for View {
    fn from(dead: &Dead) -> Self {
        let (source, about, what): (String, Option<String>, String) = match &dead.holds {
            Holds::Work(work) => {
                let last =
                    work.troubles.last().map(|trouble| format!("; before: {}", trouble.detail)).unwrap_or_default();
                (work.source.clone(), work.subject().map(ToString::to_string), format!("its work{last}"))
            }
            Holds::Check(subject) => (source_of(subject), Some(subject.to_string()), "its deadline".to_owned()),
            Holds::Notice(notice) => (
                notice.source.clone(),
                Some(notice.about.clone()),
                format!("what a person is to be told ({})", word(&notice.kind)),
            ),
            Holds::Stale => (String::new(), None, "an errand that others have done since, or none of ours".to_owned()),
        };
        let function = if dead.home == "alerts" { "alerter" } else { "retrier" };
        let received_at: Timestamp = match &dead.holds {
            Holds::Work(work) => work.received_at,
            _ => dead.letter.sent_at,
        };
        Self {
            id: dead.id(),
            kind: Kind::DeadLetter,
            source,
            received_at,
            at: dead.letter.sent_at,
            trouble: dead.queue.to_owned(),
            reason: format!("the {function} failed five times on {what}"),
            about,
            attempt: None,
            next_at: None,
            replayed_as: None,
        }
    }
}

fn source_of(subject: &Subject) -> String {
    subject.as_str().split('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dead_letter_is_told_by_what_it_holds() {
        let at: Timestamp = "2026-03-01T12:00:00Z".parse().expect("an instant");
        let work = json!({"delivery": "d-1", "source": "leap-prod", "received_at": at, "task": {"body": "{}"}});
        let poll = json!({"delivery": "d-1", "source": "leap-prod", "received_at": at, "task": "poll"});
        let trouble = json!({"at": at, "kind": "storage", "detail": "the table said no"});
        let notice = json!({"kind": "quarantined", "source": "leap-prod", "about": "leap-prod", "gather": "leap-prod", "at": at,
            "news": {"over": {"detail": "well again"}}});
        let check = |body: &serde_json::Value, expected: &str| {
            let letter = DeadLetter::of("m-1", &body.to_string(), at);
            let dead = Dead { home: "retries", queue: "retries_dead", holds: Holds::read(&letter), letter };
            let view = View::from(&dead);
            assert_eq!(
                (view.id.as_str(), format!("{}: {}", view.source, view.reason).as_str()),
                ("dead#m-1", expected)
            );
        };
        check(&work, "leap-prod: the retrier failed five times on its work");
        check(&json!({"failed": trouble, "work": work}), "leap-prod: the retrier failed five times on its work");
        check(&json!({"check": "voltus-prod/dkmq"}), "voltus-prod: the retrier failed five times on its deadline");
        check(&notice, "leap-prod: the retrier failed five times on what a person is to be told (quarantined)");
        for stale in [poll, json!({"probe": at}), json!(7)] {
            check(&stale, ": the retrier failed five times on an errand that others have done since, or none of ours");
        }
    }
}
