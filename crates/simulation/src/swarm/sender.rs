//! The providers' side: sends a webhook, and repeats it depending on the answer.

use dispatch::TraceParent;
use jiff::Timestamp;
use pipeline::ingest::receive::Incoming;
use serde_json::json;

use super::{
    Saboteur,
    driver::{Done, Driver, Event, Purpose},
    model::TOKEN,
    scenario::FaultKind,
};
use crate::{
    Function, Webhook,
    history::{self, About},
};

impl Driver<'_> {
    /// A provider, or a stranger, sends a webhook.
    pub(super) fn post(&mut self, number: usize, now: Timestamp) {
        let saboteur = self.live(|live| live.saboteur);
        let (source, mut token, body, thin) = self.live(|live| {
            let post = &mut live.model.posts[number];
            post.attempts += 1;
            let (source, token, body) = (post.source.clone(), post.token, post.body.clone());
            live.journal.note(now, "post", || json!({ "post": number, "source": source, "about": format!("{:?}", live.model.posts[number].about), "body": body }));
            let thin = source.starts_with("voltus");
            (source, token, body, thin)
        });
        let key = (source.clone(), body.clone());
        let remembers = match saboteur {
            Some(Saboteur::DeduplicateBeforeEnqueue) => !thin && !self.remembered.insert(key),
            Some(Saboteur::DeduplicateThinByBody) => thin && self.remembered.contains(&key),
            Some(Saboteur::AnyTokenAdmits) => {
                token = TOKEN;
                false
            }
            _ => false,
        };
        if remembers {
            return self.answered(number, Some(200), now);
        }
        self.start(Function::Receiver, Purpose::Post(number), move |invocation| {
            Box::pin(async move {
                let webhook = Incoming::from(Webhook { source: &source, token, body: &body });
                // Some callers have a trace of their own; another attempt continues it.
                let traceparent = TraceParent::begin([0, number as u64 + 1, 1]).to_string();
                let traceparent = (number % 3 == 0).then_some(traceparent.as_str());
                Done::Status(invocation.receive(Incoming { traceparent, ..webhook }).await.status)
            })
        });
    }

    /// Decides by the receiver's answer and the provider's rules whether the webhook is sent again.
    pub(super) fn answered(&mut self, number: usize, status: Option<u16>, now: Timestamp) {
        let again = self.live(|live| {
            let lost = status == Some(200) && live.strikes(FaultKind::LostAck);
            let post = &mut live.model.posts[number];
            let (source, about, body) = (post.source.clone(), post.about, post.body.clone());
            live.seen.push(history::Line { at: now, event: history::Event::Answered { source, about, body, status } });
            let post = &mut live.model.posts[number];
            if about == About::Forged {
                return None;
            }
            if status == Some(200) {
                post.taken_at.get_or_insert(now);
                if !lost {
                    post.accepted_at.get_or_insert(now);
                    return None;
                }
            }
            post.redelivery.after(post.attempts)
        });
        if status == Some(200) && self.live(|live| live.saboteur) == Some(Saboteur::DeduplicateThinByBody) {
            let key =
                self.live(|live| (live.model.posts[number].source.clone(), live.model.posts[number].body.clone()));
            self.remembered.insert(key);
        }
        if let Some(after) = again {
            self.at(now + after, Event::Post(number));
        }
    }
}
