//! The simulation's state while a seed runs: pace, faults and clocks of invocations, and their timers.

use std::collections::BTreeMap;

use dispatch::Rank;
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    conditions::Condition,
    incident::{Incident, IncidentStatus},
    job::Job,
    polling::state::PollState,
    ports::FetchError,
};
use providers::ApiRequest;
use serde_json::json;

use super::{
    Violation,
    journal::Journal,
    model::{API_KEY, Model, SECRETS},
    sabotage::Saboteur,
    scenario::{FaultKind, Scenario},
};
use crate::{
    Call, Function, Inner, Seed, Toxic,
    history::{Event, Line, ProviderTimeline},
    sim::State,
};

/// The part of a seed's run that the ports use.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) scenario: Scenario,
    pub(crate) model: Model,
    pub(crate) random: Seed,
    pub(crate) journal: Journal,
    pub(crate) saboteur: Option<Saboteur>,
    /// The faults have ended.
    pub(crate) healed: bool,
    /// Until when polling can find something new.
    pub(crate) polled_until: Timestamp,
    pub(crate) violations: Vec<Violation>,
    /// The lines that the checker gets next.
    pub(crate) seen: Vec<Line>,
    paces: BTreeMap<u64, Pace>,
}

/// The longest time that a channel may take for a message, in milliseconds.
const SLOWEST_CHANNEL_MS: u64 = 3_000;

/// The time from the schedule through the queue to the end of a poll, including one delayed by `Retry-After`.
const POLL_TAKES: SignedDuration = SignedDuration::from_mins(4);

/// The speed of an invocation and the error of its clock.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// The longest time that a call waits, before and after its effect, in milliseconds.
    slowest_ms: u64,
    skew: SignedDuration,
}

/// Before or after a call's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

impl Live {
    pub(crate) fn new(
        scenario: Scenario,
        model: Model,
        random: Seed,
        journal: Journal,
        saboteur: Option<Saboteur>,
    ) -> Self {
        let paces = BTreeMap::new();
        let polled_until = polled_until(&scenario, &model);
        Self {
            scenario,
            model,
            random,
            journal,
            saboteur,
            healed: false,
            polled_until,
            violations: Vec::new(),
            seen: Vec::new(),
            paces,
        }
    }

    /// The scenario, until the faults end.
    fn hurting(&self) -> Option<&Scenario> {
        (!self.healed).then_some(&self.scenario)
    }

    /// Whether a fault of that kind occurs now.
    pub(crate) fn strikes(&mut self, kind: FaultKind) -> bool {
        let rate = self.hurting().map_or(0, |scenario| scenario.rate(kind));
        rate > 0 && self.random.up_to(999) < rate
    }

    fn pace(&mut self, invocation: u64) -> Pace {
        let (healed, random, scenario) = (self.healed, &mut self.random, &self.scenario);
        *self.paces.entry(invocation).or_insert_with(|| {
            let skewed = !healed && scenario.has(FaultKind::Skew);
            let skew_ms = i64::try_from(random.up_to(2 * scenario.skew_ms)).unwrap_or(0);
            let middle_ms = i64::try_from(scenario.skew_ms).unwrap_or(0);
            let skew = SignedDuration::from_millis(if skewed { skew_ms - middle_ms } else { 0 });
            Pace { slowest_ms: if scenario.by_priority && !healed { by_priority(random) } else { 8 }, skew }
        })
    }

    /// The error of that invocation's clock.
    pub(crate) fn skew(&mut self, invocation: u64) -> SignedDuration {
        self.pace(invocation).skew
    }

    /// Until when a call waits on that side of its effect.
    fn rests_until(&mut self, now: Timestamp, invocation: u64, port: &str, side: Side) -> Timestamp {
        let mut slowest_ms = self.pace(invocation).slowest_ms;
        if self.scenario.by_priority && !self.healed && self.random.up_to(30) == 0 {
            // PCT finds races by a change of priority during a run.
            slowest_ms = by_priority(&mut self.random);
            self.paces.entry(invocation).and_modify(|pace| pace.slowest_ms = slowest_ms);
        }
        let mut rest_ms = 1 + self.random.up_to(slowest_ms);
        if port == "api.fetch" && side == Side::After {
            let most_ms = if self.strikes(FaultKind::Slow) { 4_900 } else { 300 };
            rest_ms = 20 + self.random.up_to(most_ms);
        }
        if port.starts_with("channel.") && side == Side::Before && self.strikes(FaultKind::ChannelSlow) {
            rest_ms += self.random.up_to(SLOWEST_CHANNEL_MS);
        }
        if self.strikes(FaultKind::Stall) {
            rest_ms += [1_000, 5_000, 15_000, 25_000][self.random.place(4)];
        }
        now + SignedDuration::from_millis(i64::try_from(rest_ms).unwrap_or(1))
    }

    /// The fault of a call.
    pub(crate) fn strike(&mut self, call: &Call) -> Option<Toxic> {
        let toxic = self.toxic(call);
        if toxic.is_some() && call.function == Function::Alerter {
            let invocation = Some(call.invocation);
            self.seen.push(Line { at: call.at, event: Event::MailRepeats { invocation } });
        }
        toxic
    }

    fn toxic(&mut self, call: &Call) -> Option<Toxic> {
        let scenario = self.hurting()?;
        // The heartbeat is stored in the table `deliveries`.
        let table = |port: &'static str| if port.starts_with("health") { "deliveries" } else { port };
        let out =
            scenario.outages.iter().any(|outage| table(call.port).starts_with(outage.of) && outage.covers(call.at));
        if out {
            return Some(Toxic::Refuse);
        }
        if let Some((index, writes)) = scenario.hot_index.as_ref().filter(|(index, _)| index.covers(call.at)) {
            // AWS throttles a write to the table if the index cannot keep up.
            if call.port == index.of || (writes.contains(&call.port) && self.random.up_to(1) == 0) {
                return Some(Toxic::Refuse);
            }
        }
        let side = self.random.up_to(1) == 0;
        let toxics = [
            (FaultKind::Crash, if side { Toxic::CrashBefore } else { Toxic::CrashAfter }),
            (FaultKind::LostAnswer, Toxic::LoseAnswer),
            (FaultKind::Repeat, Toxic::Repeat),
            (FaultKind::Throttle, Toxic::Refuse),
        ];
        // An invocation makes several calls, so each call fails less often.
        let hits = toxics.into_iter().find(|(kind, _)| self.strikes(*kind) && self.random.up_to(2) == 0);
        hits.map(|(_, toxic)| toxic)
    }

    /// Records a message of an internal queue.
    pub(crate) fn message(&mut self, at: Timestamp, queue: Inner, id: &str, body: &str, delay_s: u32) {
        self.no_secret(at, "a message of an internal queue", body);
        self.journal.note(
            at,
            "message",
            || json!({ "queue": format!("{queue:?}"), "id": id, "delay_s": delay_s, "body": body }),
        );
    }

    /// Checks that a text contains no secret.
    pub(crate) fn no_secret(&mut self, at: Timestamp, place: &str, text: &str) {
        if SECRETS.iter().any(|secret| text.contains(secret)) {
            self.violated(at, "no-secret", place, "it contains a token or a key".to_owned());
        }
    }

    /// Records a violated invariant.
    pub(crate) fn violated(&mut self, at: Timestamp, invariant: &'static str, subject: &str, detail: String) {
        self.journal.note(at, "VIOLATION", || json!({ "invariant": invariant, "subject": subject, "detail": detail }));
        let (step, subject) = (self.journal.step(), subject.to_owned());
        self.violations.push(Violation { invariant, step, at, subject, detail });
    }
}

/// Whether the incident resolves once the faults have ended, and not after a day or by a person.
fn resolves(condition: &Condition) -> bool {
    condition.awaits_a_person() && !matches!(condition, Condition::NotCompliant { .. } | Condition::DeadLetters { .. })
}

/// When each source has been polled successfully after the last change.
fn polled_until(scenario: &Scenario, model: &Model) -> Timestamp {
    let said = model.dispatches.iter().flat_map(|story| &story.versions).map(|said| said.at);
    let last = said.chain([scenario.heals_at]).max().filter(|_| scenario.poll_s > 0);
    last.map_or(Timestamp::MIN, |last| last + SignedDuration::from_secs(i64::from(scenario.poll_s)) + POLL_TAKES)
}

/// The pace of a priority: the lowest gets a turn very rarely.
fn by_priority(random: &mut Seed) -> u64 {
    [1, 2, 4, 20, 100, 500, 2_500][random.place(7)]
}

impl State {
    /// Records a call and returns the fault that it meets.
    pub(crate) fn strike(&mut self, call: Call) -> Option<Toxic> {
        if let Some(storm) = &mut self.storm {
            storm.counts(&call);
            return None;
        }
        let Some(live) = &mut self.swarm else { return self.faults.strike(call) };
        let toxic = live.strike(&call);
        live.journal.note(call.at, "call", || {
            let (function, toxic) = (format!("{:?}", call.function), toxic.map(|toxic| format!("{toxic:?}")));
            json!({ "function": function, "invocation": call.invocation, "port": call.port, "fault": toxic })
        });
        toxic
    }

    /// Tells the checker of a delivery that is queued, or of a poll that is sent.
    pub(crate) fn begins_trace(&mut self, job: &Job) {
        let (Some(live), Some(traceparent)) = (&mut self.swarm, job.traceparent) else { return };
        let body = job.body().and_then(Result::ok);
        let event = Event::Began { traceparent: traceparent.to_string(), source: job.source.clone(), body };
        live.seen.push(Line { at: self.now, event });
    }

    /// Whether no poll fails, no mail waits, and no open incident is about to resolve.
    pub(crate) fn is_well(&self) -> bool {
        self.ails().is_none()
    }

    /// The failing poll, or the incident that waits for a mail or is open although its condition should resolve.
    pub(crate) fn ails(&self) -> Option<String> {
        let fails = |poll: &&PollState| poll.under_way || poll.failing.is_some();
        let is_open = |row: &&Incident| {
            row.waiting.is_some()
                || row.has_message_waiting()
                || row.status != IncidentStatus::Resolved && resolves(&row.condition)
        };
        let poll = self.polls.rows().find(fails).map(|poll| format!("polls of {}", poll.source));
        poll.or_else(|| self.incidents.rows().find(is_open).map(|row| row.incident.clone()))
    }

    /// The error of that invocation's clock.
    pub(crate) fn skew(&mut self, invocation: u64) -> SignedDuration {
        self.swarm.as_mut().map_or(SignedDuration::ZERO, |live| live.skew(invocation))
    }

    /// Until when a call waits, if a swarm decides; none: turns decide.
    pub(crate) fn rests_until(&mut self, invocation: u64, port: &str, side: Side) -> Option<Timestamp> {
        let now = self.now;
        if let Some(storm) = &mut self.storm {
            return Some(storm.rests_until(now, invocation, port, side));
        }
        Some(self.swarm.as_mut()?.rests_until(now, invocation, port, side))
    }

    /// The answer of a provider of the swarm; none if a test scripts the providers.
    pub(crate) fn swarm_answers(&mut self, source: &str, request: &ApiRequest) -> Option<Result<String, FetchError>> {
        let Self { swarm, dispatches, now, .. } = self;
        let live = swarm.as_mut()?;
        let Live { scenario, model, random, journal, healed, saboteur, .. } = &mut **live;
        let shown = |story: &ProviderTimeline, current: usize| {
            let number = dispatches.get(&story.subject).and_then(|record| record.state.rank()).and_then(Rank::number);
            number.is_some_and(|number| number >= current as u64)
        };
        let (mut answer, fault) = model.answer(((!*healed).then_some(scenario), random), *now, source, request, shown);
        if *saboteur == Some(Saboteur::KeyInFailure) && answer.is_err() {
            answer = Err(FetchError::Answer(format!("the provider did not like {API_KEY}")));
        }
        journal.note(*now, "fetch", || {
            let said = answer.as_ref().map_or_else(|error| format!("error: {error}"), Clone::clone);
            json!({ "source": source, "ask": crate::provider::line(request), "answer": said, "fault": fault.map(FaultKind::name) })
        });
        Some(answer)
    }
}
