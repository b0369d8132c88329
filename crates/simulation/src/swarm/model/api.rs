//! The providers' APIs: the true answer at the time of the request, or a faulty one.

use jiff::{SignedDuration, Timestamp};
use pipeline::ports::FetchError;
use provider_sims::bodies::{leap, voltus};
use providers::ApiRequest;
use serde_json::{Value, json};

use super::{API_KEY, Model};
use crate::{
    Seed,
    history::{Provider, ProviderTimeline, wire},
    swarm::scenario::{FaultKind, Outage, Scenario},
};

/// A provider's answer, and the fault that spoiled it.
pub(crate) type Reply = (Result<String, FetchError>, Option<FaultKind>);

/// How long a new dispatch may be missing.
const NOT_YET: SignedDuration = SignedDuration::from_secs(20);

impl Model {
    /// Answers a request. `shown`: whether the current version of that dispatch is already stored. Then an older answer
    /// is a step back, and not the first read of a lagging replica.
    pub(crate) fn answer(
        &self,
        (scenario, random): (Option<&Scenario>, &mut Seed),
        now: Timestamp,
        source: &str,
        request: &ApiRequest,
        shown: impl Fn(&ProviderTimeline, usize) -> bool,
    ) -> Reply {
        let Some(scenario) = scenario else { return (self.truth(now, source, request), None) };
        let within = |outages: &[Outage]| outages.iter().any(|outage| outage.of == source && outage.covers(now));
        if within(&scenario.down) {
            return (
                Err(FetchError::Status { status: 503, retry_after_s: None, a_minute: None }),
                Some(FaultKind::Down),
            );
        }
        if within(&scenario.refused) {
            let unread = random.up_to(3) == 0;
            let error =
                if unread { FetchError::Key("throttled".to_owned()) } else { FetchError::Refused { status: 401 } };
            return (Err(error), Some(FaultKind::KeyRefused));
        }
        let mut strikes = |kind: FaultKind| random.up_to(999) < 2 * scenario.rate(kind);
        if strikes(FaultKind::Failing) {
            let error = match random.up_to(2) {
                0 => FetchError::Answer("no answer within 5 s".to_owned()),
                1 => FetchError::Answer("the provider redirects, which is not followed".to_owned()),
                _ => FetchError::Status { status: 502, retry_after_s: None, a_minute: None },
            };
            return (Err(error), Some(FaultKind::Failing));
        }
        if strikes(FaultKind::RateLimit) {
            let retry_after_s = [None, Some(1), Some(20), Some(60)][random.place(4)];
            return (
                Err(FetchError::Status { status: 429, retry_after_s, a_minute: None }),
                Some(FaultKind::RateLimit),
            );
        }
        let about = self.asked(source, request);
        if let Some((story, current)) = about.and_then(|story| Some((story, story.current(now)?))) {
            let age = now.duration_since(story.versions[0].at);
            // A test that the search does not know is decided by its latest push, so no replica can lag.
            let pushed = matches!(story.provider, Provider::Leap { .. }) && story.test.is_some();
            if scenario.has(FaultKind::NotYet) && age < NOT_YET && !pushed {
                return (Err(FetchError::Missing), Some(FaultKind::NotYet));
            }
            if strikes(FaultKind::OtherId) && !pushed {
                let other = wire(&story.answer(current, "another")).replace(&story.id, "another");
                return (Ok(other), Some(FaultKind::OtherId));
            }
            let numbered = story.provider == Provider::Voltus { numbered: true };
            if numbered && current > 0 && strikes(FaultKind::Stale) && shown(story, current) {
                return (Ok(wire(&story.answer(random.place(current), &story.id))), Some(FaultKind::Stale));
            }
        }
        let answer = self.truth(now, source, request);
        if answer.is_ok() && strikes(FaultKind::Garbage) {
            let garbage = match (random.up_to(3), answer) {
                (0, Ok(whole)) => whole.get(..whole.len() / 2).unwrap_or_default().to_owned(),
                (1, _) => json!({ "message": format!("the key {} is fine", &API_KEY[..3]) }).to_string(),
                (2, _) => "[]".to_owned(),
                _ => "null".to_owned(),
            };
            return (Ok(garbage), Some(FaultKind::Garbage));
        }
        (answer, None)
    }

    fn asked(&self, source: &str, request: &ApiRequest) -> Option<&ProviderTimeline> {
        let id = match &request.body {
            None => request.path.as_str().strip_prefix("/2022-04-15/dispatches/")?.to_owned(),
            Some(body) => body["meter_event_ids"][0].as_str()?.to_owned(),
        };
        self.dispatches.iter().find(|story| story.source == source && story.id == id)
    }

    /// The answer of a provider without faults.
    fn truth(&self, now: Timestamp, source: &str, request: &ApiRequest) -> Result<String, FetchError> {
        let path = request.path.as_str();
        if path == "/v1/interval-data" {
            let meter = request.query.iter().find(|(name, _)| *name == "meter_id").map(|(_, value)| value.as_str());
            let happened = self.streams.iter().flat_map(|story| &story.happenings).filter(|one| one.at <= now);
            let mut readings = happened.flat_map(|one| &one.readings);
            let found = readings.find(|(id, _)| Some(id.as_str()) == meter);
            return found.map(|(_, data)| data.to_string()).ok_or(FetchError::Missing);
        }
        if let Some(story) = self.asked(source, request) {
            return match (story.provider, story.current(now)) {
                (Provider::Voltus { .. } | Provider::Leap { searched: true }, Some(current)) => {
                    Ok(wire(&story.answer(current, &story.id)))
                }
                (Provider::Leap { .. }, _) => Ok(leap::found(&[]).to_string()),
                (Provider::Voltus { .. }, None) => Err(FetchError::Missing),
            };
        }
        self.listed(now, source, path)
    }

    /// The list of a source as of now.
    fn listed(&self, now: Timestamp, source: &str, path: &str) -> Result<String, FetchError> {
        let stories = || self.dispatches.iter().filter(|story| story.source == source);
        let shown = stories().filter_map(|story| Some((story, story.current(now)?)));
        match path {
            "/2022-04-15/dispatches" => {
                let list: Vec<Value> = shown.map(|(story, current)| story.answer(current, &story.id)).collect();
                Ok(wire(&voltus::answer(&list)))
            }
            "/dispatch/meter/search" => {
                let searched = shown.filter(|(story, _)| story.provider == Provider::Leap { searched: true });
                let answers = searched.map(|(story, current)| story.answer(current, &story.id));
                let items = answers.filter_map(|mut answer| answer["meter_dispatches"].take().as_array().cloned());
                let items: Vec<Value> = items.flatten().collect();
                Ok(wire(&leap::found(&items)))
            }
            "/dispatch/group/search" => Ok(json!({ "results": [], "next_page_token": null }).to_string()),
            _ => Err(FetchError::Missing),
        }
    }
}
