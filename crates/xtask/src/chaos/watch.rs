//! The controller that reads the signals, and what the providers recorded about their webhooks.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use provider_sims::{LogEntry, What};
use serde_json::Value;
use simulation::history::{About, Event, Line, ProviderTimeline};
use tokio::task::JoinHandle;

use super::schedule::Post;
use local_stack::queue::{Message, Queue};
use provider_server::Simulators;

/// Reads the queue `signals` until it is dropped.
#[derive(Debug)]
pub(super) struct Controller {
    read: Arc<Mutex<Vec<Line>>>,
    reader: JoinHandle<()>,
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Controller {
    pub(super) fn read(queue: Queue) -> Self {
        let read = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&read);
        let reader = tokio::spawn(async move {
            let mut known = HashSet::new();
            loop {
                // While AWS is paused, no response arrives; messages that were not deleted come again.
                let Ok(messages) = queue.receive().await else {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                };
                let new = messages.iter().filter(|message| known.insert(message.id.clone()));
                into.lock().unwrap_or_else(PoisonError::into_inner).extend(new.map(signal));
                if !messages.is_empty() {
                    drop(queue.delete(&messages).await);
                }
            }
        });
        Self { read, reader }
    }

    /// All signals so far.
    pub(super) fn signals(&self) -> Vec<Line> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn signal(message: &Message) -> Line {
    let system = |name: &str| message.system.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let sent_at = system("SentTimestamp").parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let (group, deduplication) = (system("MessageGroupId"), system("MessageDeduplicationId"));
    let event = Event::Signal { group, deduplication, body: message.body.clone(), stored: None };
    Line { at: sent_at.unwrap_or_default(), event }
}

/// The webhook's name in the log.
pub(super) fn called(number: usize) -> String {
    format!("webhook {number}")
}

fn number(says: &str) -> Option<usize> {
    says.strip_prefix("webhook ")?.parse().ok()
}

/// The providers' logs, as far as they were read.
#[derive(Debug, Default)]
pub(super) struct Mailroom {
    read: BTreeMap<&'static str, u64>,
    /// Webhooks with or without a response, in the order of the logs.
    pub(super) answered: Vec<Line>,
    /// The numbers of the webhooks that got at least one 2xx.
    pub(super) accepted: HashSet<usize>,
    /// Number of repeated sends.
    pub(super) resent: usize,
    /// Number of lost acknowledgements.
    pub(super) lost: usize,
    /// Webhooks that the provider gave up.
    pub(super) given_up: usize,
}

impl Mailroom {
    /// Reads the new log entries; notes from when each version is valid.
    pub(super) fn read(&mut self, simulators: &Simulators, posts: &[Post], stories: &mut [ProviderTimeline]) {
        for provider in simulators.providers() {
            let read = self.read.entry(provider).or_default();
            for entry in simulators.log(provider, *read) {
                *read = entry.number;
                let line = take(&entry, posts, stories);
                match (&entry.what, line) {
                    (What::Webhook { says, attempt, status, problem, .. }, line) => {
                        self.answered.extend(line);
                        self.resent += usize::from(*attempt > 1);
                        self.lost +=
                            usize::from(status.is_none() && problem.as_deref().is_some_and(|why| why.contains("lost")));
                        if status.is_some_and(|status| (200..300).contains(&status)) {
                            self.accepted.extend(number(says));
                        }
                    }
                    (What::GaveUp { says, .. }, _) => {
                        let theirs = number(says).and_then(|number| posts.get(number));
                        self.given_up += usize::from(theirs.is_some_and(|post| post.about != About::Forged));
                    }
                    _ => {}
                }
            }
        }
    }
}

fn take(entry: &LogEntry, posts: &[Post], stories: &mut [ProviderTimeline]) -> Option<Line> {
    match &entry.what {
        What::Published { says } => {
            let post = posts.get(number(says)?)?;
            // A repetition publishes nothing; a test that is not searched is valid from its first webhook.
            if let About::Dispatch(story, version) = post.about {
                let said = stories.get_mut(story)?.versions.get_mut(version)?;
                if post.at == said.at {
                    said.at = entry.at;
                }
            }
            None
        }
        What::Webhook { says, status, .. } => {
            let post = posts.get(number(says)?)?;
            // If the function dies, the gateway responds, and it knows neither sources nor tokens.
            let status = status.filter(|status| post.about != About::Forged || *status < 500);
            let (source, about, body) = (post.source.clone(), post.about, post.body.to_string());
            Some(Line { at: entry.at, event: Event::Answered { source, about, body, status } })
        }
        _ => None,
    }
}
