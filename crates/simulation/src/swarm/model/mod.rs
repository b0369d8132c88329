//! The providers' state, made from the seed. Every signal must match it.

mod api;
mod dispatches;
mod streams;

use jiff::{SignedDuration, Timestamp};

pub use self::{
    dispatches::dispatch_story,
    streams::{meter_story, power_story},
};
use self::{dispatches::storm_story, streams::stream_stories};
use super::scenario::{FaultKind, Scenario};
use crate::{
    Seed,
    history::{About, Name, Provider, ProviderTimeline, StreamStory},
};

/// How fast things change, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time within which the dispatches are announced.
    pub within_s: u64,
    /// The gaps between a dispatch's versions, equally frequent. At least a second: versions without a number are
    /// ordered by clocks.
    pub gaps_s: [u64; 5],
    /// The longest time from one happening to the next.
    pub later_s: u64,
}

impl Pace {
    /// The swarm's pace, over hours.
    const SWARM: Self = Self { within_s: 600, gaps_s: [1, 3, 20, 120, 400], later_s: 240 };
}

/// The token of every source.
pub(crate) const TOKEN: &str = "a-token-that-nobody-guesses";

/// The token for acknowledgements.
pub(crate) const ACK_TOKEN: &str = "another-token-that-nobody-guesses";

/// The texts that no message, mail or history line may contain. A provider's error may quote the key.
pub(crate) const SECRETS: [&str; 3] = [TOKEN, ACK_TOKEN, API_KEY];

/// The key that the providers accept.
pub(crate) const API_KEY: &str = "sk-live-that-nobody-reads";

/// How often, and when, a provider repeats a webhook that was not answered with 2xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redelivery {
    /// After twice as long each time, five times (Voltus).
    Doubling,
    /// Every minute, fifty times (Leap).
    EveryMinute,
    /// Every half minute, ten times (undocumented; other providers do so).
    EveryHalfMinute,
    /// Never: it is a stranger's.
    Never,
}

impl Redelivery {
    /// The time from attempt `attempt` (from 1) to the next.
    pub(crate) fn after(self, attempt: u32) -> Option<SignedDuration> {
        let (seconds, most) = match self {
            Self::Doubling => (10 << attempt.min(6), 5),
            Self::EveryMinute => (60, 50),
            Self::EveryHalfMinute => (30, 10),
            Self::Never => (0, 0),
        };
        (attempt <= most).then(|| SignedDuration::from_secs(seconds))
    }
}

/// A webhook that a provider sends.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) at: Timestamp,
    pub(crate) source: Name,
    pub(crate) token: &'static str,
    pub(crate) body: String,
    pub(crate) about: About,
    pub(crate) redelivery: Redelivery,
    /// How often it was sent.
    pub(crate) attempts: u32,
    /// When the receiver first queued it, whether or not the answer arrived.
    pub(crate) taken_at: Option<Timestamp>,
    /// When the provider first received a 2xx.
    pub(crate) accepted_at: Option<Timestamp>,
}

/// The providers' state, and the webhooks that they send.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) dispatches: Vec<ProviderTimeline>,
    pub(crate) streams: Vec<StreamStory>,
    pub(crate) posts: Vec<Post>,
}

impl Model {
    pub(crate) fn new(random: &mut Seed, begins_at: Timestamp, scenario: &Scenario) -> Self {
        let count = 1 + random.place(4);
        let dispatches = (0..count).map(|number| dispatch_story(random, number, begins_at, &Pace::SWARM));
        let dispatches = dispatches.collect::<Vec<_>>().into_iter().chain(storm(scenario, begins_at)).collect();
        let streams = stream_stories(random, begins_at);
        let mut model = Self { dispatches, streams, posts: Vec::new() };
        model.schedule(random, scenario);
        model
    }

    fn schedule(&mut self, random: &mut Seed, scenario: &Scenario) {
        let mut posts = Vec::new();
        for (number, story) in self.dispatches.iter().enumerate() {
            for (version, said) in story.versions.iter().enumerate() {
                let redelivery = match story.provider {
                    Provider::Voltus { .. } => Redelivery::Doubling,
                    Provider::Leap { .. } => Redelivery::EveryMinute,
                };
                if story.is_listed()
                    && scenario.poll_s > 0
                    && random.up_to(999) < 2 * scenario.rate(FaultKind::NeverSent)
                {
                    continue;
                }
                let body = story.webhook(version);
                posts.push(post(said.at, &story.source, body, About::Dispatch(number, version), redelivery));
            }
        }
        for (number, story) in self.streams.iter().enumerate() {
            for (place, happening) in story.happenings.iter().enumerate() {
                let about = About::Stream(number, place);
                let body = happening.body.clone();
                posts.push(post(happening.at, &story.source, body, about, Redelivery::EveryHalfMinute));
            }
        }
        let mut more = Vec::new();
        for post in &mut posts {
            if random.up_to(999) < 4 * scenario.rate(FaultKind::Late) {
                post.at += SignedDuration::from_secs(i64::try_from(random.up_to(300)).unwrap_or(0));
            } else {
                post.at += SignedDuration::from_millis(i64::try_from(random.up_to(3_000)).unwrap_or(0));
            }
            if random.up_to(999) < 4 * scenario.rate(FaultKind::Doubled) {
                let later_s = [0, 1, 30, 200][random.place(4)];
                more.push(Post { at: post.at + SignedDuration::from_secs(later_s), ..post.clone() });
            }
        }
        posts.extend(more);
        self.posts = posts;
        self.strangers(random, scenario);
    }

    /// Adds forged and unreadable bodies.
    fn strangers(&mut self, random: &mut Seed, scenario: &Scenario) {
        let span_s = 900;
        let begins_at = self.posts.iter().map(|post| post.at).min().unwrap_or_default();
        let mut at = || begins_at + SignedDuration::from_secs(i64::try_from(random.up_to(span_s)).unwrap_or(0));
        let mut made = Vec::new();
        if scenario.has(FaultKind::Forged) {
            for story in &self.dispatches {
                let mut other = story.clone();
                other.rename("forged");
                let mut forged = post(at(), &story.source, other.webhook(0), About::Forged, Redelivery::Never);
                forged.token = "a-wrong-token";
                made.push(forged);
            }
        }
        if scenario.has(FaultKind::Poison) {
            let bodies =
                ["[]", "null", "{}", "\"x\"", r#"{"event":{"name":"x"},"resource":"//evil/2022-04-15/dispatches/v0"}"#];
            for source in ["voltus-prod", "leap-prod", "dc-1", "openvolt-prod"] {
                let when = at();
                let place = usize::try_from(when.as_second().unsigned_abs()).unwrap_or(0) % bodies.len();
                made.push(post(
                    when,
                    &source.into(),
                    bodies[place].to_owned(),
                    About::Poison,
                    Redelivery::EveryHalfMinute,
                ));
            }
        }
        self.posts.extend(made);
    }
}

/// The dispatches of a storm, all announced in the fifth minute.
fn storm(scenario: &Scenario, begins_at: Timestamp) -> impl Iterator<Item = ProviderTimeline> {
    let count = scenario.storm;
    (0..count).map(move |number| {
        let after_ms = i64::try_from(240_000 + 60_000 * number / count).unwrap_or(0);
        storm_story(number, begins_at + SignedDuration::from_millis(after_ms))
    })
}

fn post(at: Timestamp, source: &Name, body: String, about: About, redelivery: Redelivery) -> Post {
    let source = source.clone();
    Post { at, source, token: TOKEN, body, about, redelivery, attempts: 0, taken_at: None, accepted_at: None }
}
