//! Sends webhooks, and repeats them or gives up by the provider's rules.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    api::{Hook, Waiting},
    log::PlayId,
    rules::Rules,
    times,
};

/// A webhook. All attempts to send it have the same id.
pub type PostId = u64;

/// A webhook to send now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The id for [`crate::Simulator::answered`].
    pub id: PostId,
    /// The URL.
    pub url: String,
    /// The headers, including `content-type`.
    pub headers: Vec<(String, String)>,
    /// The body, as JSON.
    pub body: String,
    /// The time-out for its answer, in milliseconds.
    pub patience_ms: u64,
}

/// The answer to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookOutcome {
    /// The status; none without an answer.
    pub status: Option<u16>,
    /// The answer's headers.
    pub headers: Vec<(String, String)>,
    /// The answer's body, or its beginning.
    pub body: String,
    /// Why there was no answer.
    pub problem: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Why a webhook is sent.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    pub(crate) play: PlayId,
    pub(crate) says: String,
    /// The speed factor of its clock.
    pub(crate) speed: u32,
}

/// A webhook not yet delivered or given up.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) id: PostId,
    pub(crate) errand: Errand,
    hook: Hook,
    body: Value,
    /// How often it was sent.
    pub(crate) sent: u32,
    /// When to send it; none while waiting for an answer.
    due: Option<Timestamp>,
    /// The request that waits for its answer. Such a webhook is sent once.
    pub(crate) waiting: Option<Waiting>,
}

/// What happens to a webhook after an answer.
#[derive(Debug)]
pub(crate) enum Next {
    Delivered(Letter),
    Again(Timestamp),
    GivenUp(Letter),
}

/// The pending webhooks of a provider.
#[derive(Debug)]
pub(crate) struct Courier {
    rules: &'static Rules,
    letters: Vec<Letter>,
    made: PostId,
}

impl Courier {
    pub(crate) fn new(rules: &'static Rules) -> Self {
        Self { rules, letters: Vec::new(), made: 0 }
    }

    /// Queues a webhook to be sent at `at`.
    pub(crate) fn take(
        &mut self,
        errand: Errand,
        (hook, body): (Hook, Value),
        at: Timestamp,
        waiting: Option<Waiting>,
    ) -> PostId {
        self.made += 1;
        self.letters.push(Letter { id: self.made, errand, hook, body, sent: 0, due: Some(at), waiting });
        self.made
    }

    /// The webhooks to send by now, oldest first.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Post> {
        let patience_ms = u64::try_from(self.rules.patience.as_millis()).unwrap_or(u64::MAX);
        let mut due: Vec<&mut Letter> =
            self.letters.iter_mut().filter(|letter| letter.due.is_some_and(|due| due <= now)).collect();
        due.sort_by_key(|letter| (letter.due, letter.id));
        let post = |letter: &mut Letter| {
            (letter.sent, letter.due) = (letter.sent + 1, None);
            let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            headers.extend(letter.hook.headers.iter().cloned());
            Post { id: letter.id, url: letter.hook.url.clone(), headers, body: letter.body.to_string(), patience_ms }
        };
        due.into_iter().map(post).collect()
    }

    /// When the next webhook is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.letters.iter().filter_map(|letter| letter.due).min()
    }

    /// Whether no webhook is pending.
    pub(crate) fn is_idle(&self) -> bool {
        self.letters.is_empty()
    }

    /// Whether a play has pending webhooks.
    pub(crate) fn carries_for(&self, play: PlayId) -> bool {
        self.letters.iter().any(|letter| letter.errand.play == play)
    }

    pub(crate) fn letter(&self, id: PostId) -> Option<&Letter> {
        self.letters.iter().find(|letter| letter.id == id)
    }

    /// Handles an answer; none for an unknown webhook.
    pub(crate) fn settle(&mut self, id: PostId, status: Option<u16>, now: Timestamp) -> Option<Next> {
        let place = self.letters.iter().position(|letter| letter.id == id)?;
        if status.is_some_and(self.rules.delivered) {
            return Some(Next::Delivered(self.letters.remove(place)));
        }
        let letter = &mut self.letters[place];
        let pause = if letter.waiting.is_some() { None } else { (self.rules.pause)(letter.sent) };
        let Some(pause) = pause else { return Some(Next::GivenUp(self.letters.remove(place))) };
        let again = now.checked_add(times::sooner_span(pause, letter.errand.speed)).unwrap_or(now);
        letter.due = Some(again);
        Some(Next::Again(again))
    }

    /// What the provider does when it gives up.
    pub(crate) fn gives_up_how(&self) -> &'static str {
        self.rules.then
    }
}
