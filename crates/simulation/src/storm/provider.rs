//! Voltus in a storm: its dispatches, rate limit, latency and outage.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use pipeline::ports::FetchError;
use provider_sims::bodies::{Window, voltus};
use providers::ApiRequest;
use serde_json::{Value, json};

/// A dispatch, and since when the provider knows it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) from: Timestamp,
    text: String,
}

/// The provider.
#[derive(Debug)]
pub(crate) struct Voltus {
    pub(crate) dispatches: Vec<Known>,
    by_id: HashMap<String, usize>,
    allowance: u32,
    pub(crate) outage: Option<(Timestamp, Timestamp)>,
    /// The time of each request, and whether it exceeded the rate limit.
    pub(crate) asked: Vec<(Timestamp, bool)>,
    lately: VecDeque<Timestamp>,
    pub(crate) lists: usize,
    /// The size of the longest list, in bytes.
    pub(crate) list_bytes: usize,
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

impl Voltus {
    pub(crate) fn new(allowance: u32, outage: Option<(Timestamp, Timestamp)>) -> Self {
        Self {
            dispatches: Vec::new(),
            by_id: HashMap::new(),
            allowance,
            outage,
            asked: Vec::new(),
            lately: VecDeque::new(),
            lists: 0,
            list_bytes: 0,
        }
    }

    /// Adds a dispatch at sites that no other dispatch has.
    pub(crate) fn adds(&mut self, from: Timestamp, start: Timestamp, sites: usize) -> String {
        let number = self.dispatches.len();
        let id = format!("d{number:05}");
        let site = |place: usize| {
            let name = format!("Cold store {place} of {number}");
            voltus::site(&format!("{id}-{place}"), &name, &format!("site-{number}-{place}"), 55)
        };
        let sites: Vec<Value> = (0..sites.max(1)).map(site).collect();
        let window = Window::new(start, start + SignedDuration::from_hours(2));
        let mut dispatch = voltus::dispatch(&id, Some(0), &window, &sites);
        dispatch["creation_time"] = json!(from);
        dispatch["metadata"] = json!({});
        self.by_id.insert(id.clone(), number);
        self.dispatches.push(Known { from, text: dispatch.to_string() });
        id
    }

    pub(crate) fn answers(&mut self, now: Timestamp, request: &ApiRequest) -> Result<String, FetchError> {
        while self.lately.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            self.lately.pop_front();
        }
        let is_too_much = self.lately.len() >= usize::try_from(self.allowance).unwrap_or(usize::MAX);
        self.lately.push_back(now);
        self.asked.push((now, is_too_much));
        if is_too_much {
            return Err(FetchError::Status { status: 429, retry_after_s: Some(10), a_minute: None });
        }
        if self.outage.is_some_and(|(from, to)| (from..to).contains(&now)) {
            return Err(FetchError::Status { status: 503, retry_after_s: None, a_minute: None });
        }
        let shown = |known: &&Known| known.from <= now;
        let Some(id) = request.path.as_str().strip_prefix("/2022-04-15/dispatches/") else {
            let texts: Vec<&str> = self.dispatches.iter().filter(shown).map(|known| known.text.as_str()).collect();
            let list = format!("{{\"dispatches\":[{}],\"page\":0,\"perPage\":0}}", texts.join(","));
            self.lists += 1;
            self.list_bytes = self.list_bytes.max(list.len());
            return Ok(list);
        };
        let known = self.by_id.get(id).and_then(|number| self.dispatches.get(*number)).filter(shown);
        known.map(|known| known.text.clone()).ok_or(FetchError::Missing)
    }

    /// The most requests in any sixty seconds.
    pub(crate) fn most_in_a_minute(&self) -> usize {
        let (mut most, mut first) = (0, 0);
        for (place, (at, _)) in self.asked.iter().enumerate() {
            while at.duration_since(self.asked[first].0) >= MINUTE {
                first += 1;
            }
            most = most.max(place - first + 1);
        }
        most
    }
}
