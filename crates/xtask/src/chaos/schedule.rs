//! The schedule of one seed: when each webhook is sent, and which faults happen in between.

use jiff::{SignedDuration, Timestamp};
use provider_sims::{LEAP, NVGRID, OPENVOLT, VOLTUS};
use serde_json::{Value, json};
use simulation::{
    Seed,
    history::{About, Event, Line, Name, Oddity, Provider as Whose, ProviderTimeline, Said, StreamStory},
    swarm::{Pace, dispatch_story, meter_story, power_story},
};

use super::harm::{Blow, blows};

/// Average webhooks per second; they are sent in bursts.
const EACH_SECOND: usize = 20;

/// Time between bursts, in seconds.
const BURSTS_S: u64 = 5;

/// Dispatches per site; one of them governs the site.
const TO_A_SITE: usize = 4;

/// A webhook.
#[derive(Debug, Clone)]
pub(super) struct Post {
    pub(super) at: Timestamp,
    pub(super) source: Name,
    pub(super) about: About,
    pub(super) body: Value,
    /// The provider's data from then on.
    pub(super) holds: Option<Value>,
}

impl Post {
    /// The simulated provider that sends it. A forged webhook goes through one that does not retry.
    pub(super) fn sender(&self) -> &'static str {
        match (self.about, self.source.split('-').next()) {
            (About::Forged, _) | (_, Some("dc")) => NVGRID.name,
            (_, Some("leap")) => LEAP.name,
            (_, Some("openvolt")) => OPENVOLT.name,
            _ => VOLTUS.name,
        }
    }
}

/// Everything in one run.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) dispatches: Vec<ProviderTimeline>,
    pub(super) streams: Vec<StreamStory>,
    /// Numbered by their order.
    pub(super) posts: Vec<Post>,
    /// The earliest first.
    pub(super) blows: Vec<(Timestamp, Blow)>,
    pub(super) ends_at: Timestamp,
}

impl Schedule {
    pub(super) fn new(seed: u64, webhooks: usize, begins_at: Timestamp) -> Self {
        let mut random = Seed::new(seed ^ 0x6368_616f_7300);
        let window_s = (webhooks / EACH_SECOND).clamp(10, 100);
        let ends_at = begins_at + seconds(u64::try_from(window_s).unwrap_or(100));
        let within_s = u64::try_from(window_s).unwrap_or(100).saturating_sub(10);
        let pace = Pace { within_s, gaps_s: [1, 1, 2, 4, 8], later_s: 8 };
        let mut schedule =
            Self { dispatches: Vec::new(), streams: Vec::new(), posts: Vec::new(), blows: Vec::new(), ends_at };
        while schedule.posts.len() < webhooks {
            schedule.more(&mut random, begins_at, &pace);
        }
        schedule.blows = blows(&mut random, begins_at, ends_at);
        schedule
    }

    /// Adds a timeline with its repetitions.
    fn more(&mut self, random: &mut Seed, begins_at: Timestamp, pace: &Pace) {
        let before = self.posts.len();
        let late = begins_at + seconds(random.up_to(pace.within_s));
        match random.up_to(19) {
            0 => self.stream(power_story(random, self.streams.len(), late, pace)),
            1 => {
                let name = format!("dlv{}", self.streams.len());
                self.stream(meter_story(random, &name, late, pace));
            }
            2 => self.stranger(random, late),
            3 => self.poison(random, late),
            _ => {
                let number = self.dispatches.len();
                let mut story = dispatch_story(random, number, begins_at, pace);
                into_burst(&mut story, begins_at);
                at_sites_of_its_own(&mut story, number / TO_A_SITE);
                self.dispatch(story);
            }
        }
        for number in before..self.posts.len() {
            if random.up_to(3) == 0 {
                let at = self.posts[number].at + seconds([0, 0, 1, 6][random.place(4)]);
                self.posts.push(Post { at, holds: None, ..self.posts[number].clone() });
            }
        }
    }

    fn dispatch(&mut self, mut story: ProviderTimeline) {
        // The simulated providers accept only JSON; a malformed text is not JSON.
        story.oddity = Oddity::None;
        let number = self.dispatches.len();
        for (version, said) in story.versions.iter().enumerate() {
            let body = parsed(&story.webhook(version));
            let holds = match story.provider {
                Whose::Voltus { .. } => Some(story.answer(version, &story.id)),
                Whose::Leap { searched: true } => Some(body.clone()),
                Whose::Leap { searched: false } => None,
            };
            let (source, about) = (story.source.clone(), About::Dispatch(number, version));
            self.posts.push(Post { at: said.at, source, about, body, holds });
        }
        self.dispatches.push(story);
    }

    fn stream(&mut self, story: StreamStory) {
        let number = self.streams.len();
        for (place, happening) in story.happenings.iter().enumerate() {
            let (source, about) = (story.source.clone(), About::Stream(number, place));
            self.posts.push(Post { at: happening.at, source, about, body: parsed(&happening.body), holds: None });
        }
        self.streams.push(story);
    }

    fn stranger(&mut self, random: &mut Seed, at: Timestamp) {
        let made_up = json!({ "event": { "name": "dispatch.create" }, "resource": "/2022-04-15/dispatches/forged" });
        let source = ["voltus-prod", "leap-prod", "openvolt-prod"][random.place(3)].into();
        self.posts.push(Post { at, source, about: About::Forged, body: made_up, holds: None });
    }

    fn poison(&mut self, random: &mut Seed, at: Timestamp) {
        let body = [
            json!([]),
            json!({}),
            json!("x"),
            json!({ "event": { "name": "dispatch.create" }, "resource": "//evil/x" }),
        ][random.place(4)]
        .clone();
        let source = ["voltus-prod", "leap-prod", "dc-1", "openvolt-prod"][random.place(4)].into();
        self.posts.push(Post { at, source, about: About::Poison, body, holds: None });
    }

    /// What the providers state, at the start of the history.
    pub(super) fn stories(&self, at: Timestamp) -> Vec<Line> {
        let dispatches = self.dispatches.iter().cloned().map(|story| Event::Dispatch { story });
        let streams = self.streams.iter().cloned().map(|story| Event::Stream { story });
        dispatches.chain(streams).map(|event| Line { at, event }).collect()
    }

    /// Openvolt's responses about the meters.
    pub(super) fn readings(&self) -> impl Iterator<Item = &Value> {
        let happenings = self.streams.iter().flat_map(|story| &story.happenings);
        let answers = happenings.flat_map(|happening| &happening.readings);
        answers.flat_map(|(_, answer)| answer["data"].as_array().into_iter().flatten())
    }
}

#[expect(clippy::expect_used, reason = "a default would send an empty webhook")]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("the stories hold JSON")
}

fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))
}

/// Moves a timeline to the start of a burst.
fn into_burst(story: &mut ProviderTimeline, begins_at: Timestamp) {
    let Some(first) = story.versions.first() else { return };
    let since_s = u64::try_from(first.at.duration_since(begins_at).as_secs()).unwrap_or(0);
    let by = seconds(since_s % BURSTS_S);
    for Said { at, start, end, .. } in &mut story.versions {
        (*at, *start, *end) = (*at - by, *start - by, end.map(|end| end - by));
    }
}

fn at_sites_of_its_own(story: &mut ProviderTimeline, place: usize) {
    for (target, _) in story.versions.iter_mut().flat_map(|said| &mut said.targets) {
        *target = format!("{target}-{place}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_plan_and_has_some_of_everything() {
        let schedule = |seed| Schedule::new(seed, 2_000, Timestamp::UNIX_EPOCH);
        let (once, again) = (schedule(7), schedule(7));
        assert_eq!(format!("{once:?}"), format!("{again:?}"));
        assert_ne!(format!("{once:?}"), format!("{:?}", schedule(8)));
        assert!((2_000..2_020).contains(&once.posts.len()), "{}", once.posts.len());
        let of = |provider| once.posts.iter().filter(|post| post.sender() == provider).count();
        for whom in provider_sims::SIMULATED {
            assert!(of(whom.name) > 50, "{whom:?} sends {}", of(whom.name));
        }
        assert!(once.posts.iter().any(|post| post.about == About::Poison));
        assert!(once.posts.iter().all(|post| post.at < once.ends_at + SignedDuration::from_mins(1)));
        let updates = once.posts.iter().filter(|post| matches!(post.about, About::Dispatch(_, 1..))).count();
        assert!(updates > 500, "{updates}");
    }
}
