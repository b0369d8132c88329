//! One provider, simulated: keys, faults, answers, plays, webhooks.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    Exercise, Fault, Hook, Keys, LogEntry, Misbehaviour, PlayId, Post, PostId, Reply, Request, Response, Seen,
    WebhookOutcome, What,
    api::{Api, Asked, Done, Refusal, ResponseStyle},
    courier::{Courier, Errand, Letter, Next},
    ids::Ids,
    limit::{self, Window},
    plan::{self, Act, ExerciseSetup},
    script::Script,
    simulated::Simulated,
};

/// How many log entries are kept.
const KEPT: usize = 10_000;

/// How long after the webhook that overtook it one is sent.
const OVERTAKEN_BY: SignedDuration = SignedDuration::from_secs(1);

/// The play that everything posted through the provider's own API belongs to.
const POSTED: PlayId = 0;

/// Why an exercise is not played.
#[derive(Debug, PartialEq, Eq)]
pub enum PlayError {
    /// It is none of this provider's.
    Unknown,
    /// There is no hook to send to: neither registered nor named.
    NoHook,
}

/// A step that is still to come.
#[derive(Debug)]
struct Planned {
    play: PlayId,
    speed: u32,
    act: Act,
    /// None: to those that are registered.
    hook: Option<Hook>,
}

/// The machine.
pub struct Simulator {
    exercises: &'static [Exercise],
    api: Box<dyn Api>,
    script: Script,
    courier: Courier,
    speed: u32,
    ids: Ids,
    planned: Vec<Planned>,
    plays: PlayId,
    /// Plays that are not over.
    open: Vec<PlayId>,
    /// Webhooks that the next one overtakes.
    overtaken: Vec<(Errand, Hook, Value)>,
    /// What is to be made of answers that wait for a webhook.
    spoils: Vec<(PostId, Misbehaviour)>,
    log: VecDeque<LogEntry>,
    entries: u64,
    window: Window,
    is_limited: bool,
}

/// Something that a provider states at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// When.
    pub at: Timestamp,
    /// What the log calls it.
    pub says: String,
    /// What it holds from then on.
    pub holds: Option<Value>,
    /// The webhook, sent again by the provider's own rules.
    pub sends: Value,
    /// Where that goes.
    pub hook: Hook,
    /// How many times as fast the rules' clock runs.
    pub speed: u32,
}

impl Simulator {
    /// A simulator. `speed`: how many times as fast its clock runs. `run`: no two runs against one stack may share it.
    pub fn new(whom: &Simulated, keys: Keys, speed: u32, run: u64) -> Self {
        let api = (whom.api)();
        Self {
            exercises: whom.exercises,
            courier: Courier::new(api.rules()),
            api,
            script: Script::new(keys),
            speed: speed.max(1),
            ids: Ids::new(run),
            planned: Vec::new(),
            plays: POSTED,
            open: Vec::new(),
            overtaken: Vec::new(),
            spoils: Vec::new(),
            log: VecDeque::new(),
            entries: 0,
            window: Window::new(),
            is_limited: true,
        }
    }

    /// Holds a resource from now on: a dispatch, a notification's time slots, a reading.
    pub fn hold(&mut self, content: &Value) {
        self.api.hold(content);
    }

    /// Publishes something once its time has come.
    pub fn announce(&mut self, Publication { at, says, holds, sends, hook, speed }: Publication) {
        let act = Act { at, says, holds, sends: Some(sends) };
        self.planned.push(Planned { play: POSTED, speed, act, hook: Some(hook) });
    }

    /// Takes any number of requests in a minute from now on, as from a customer with a limit of its own.
    pub fn lift_limit(&mut self) {
        self.is_limited = false;
    }

    /// Whether everything was published, and every webhook delivered or given up.
    pub fn is_idle(&self) -> bool {
        self.planned.is_empty() && self.overtaken.is_empty() && self.courier.is_idle()
    }

    /// Registers a hook as the provider's dashboard does.
    pub fn register(&mut self, hook: Hook) {
        self.api.register(hook);
    }

    /// Misbehaves from now on.
    pub fn misbehave(&mut self, fault: Fault) {
        self.script.add(fault);
    }

    /// Behaves again.
    pub fn mend(&mut self) {
        self.script.mend();
    }

    /// The requests so far, the oldest first.
    pub fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.script.seen.iter()
    }

    /// The keys that requests carried.
    pub fn keys_seen(&self) -> &std::collections::BTreeSet<String> {
        &self.script.keys_seen
    }

    /// What happened after the entry of that number.
    pub fn log(&self, after: u64) -> Vec<LogEntry> {
        self.log.iter().filter(|entry| entry.number > after).cloned().collect()
    }

    /// Begins an exercise. `hook` takes its webhooks; none: those that are registered. `speed`: another than the simulator's.
    ///
    /// # Errors
    /// See [`PlayError`].
    pub fn play(
        &mut self,
        exercise: &str,
        hook: Option<&Hook>,
        speed: Option<u32>,
        now: Timestamp,
    ) -> Result<PlayId, PlayError> {
        let exercise = self.exercises.iter().find(|known| known.name == exercise).ok_or(PlayError::Unknown)?;
        let mut acts = (exercise.acts)(&mut ExerciseSetup { now, ids: &mut self.ids });
        let nobody = || acts.iter().filter_map(|act| act.sends.as_ref()).all(|body| self.api.hooks(body).is_empty());
        if hook.is_none() && nobody() {
            return Err(PlayError::NoHook);
        }
        let speed = speed.unwrap_or(self.speed);
        plan::bring_nearer(&mut acts, now, speed);
        self.plays += 1;
        let play = self.plays;
        self.open.push(play);
        self.planned.extend(acts.into_iter().map(|act| Planned { play, speed, act, hook: hook.cloned() }));
        Ok(play)
    }

    /// The webhooks to be sent now; what was to be published by now has been.
    pub fn due(&mut self, now: Timestamp) -> Vec<Post> {
        let mut due: Vec<Planned> = self.planned.extract_if(.., |planned| planned.act.at <= now).collect();
        due.sort_by_key(|planned| planned.act.at);
        for planned in due {
            self.publish(planned, now);
        }
        let posts = self.courier.due(now);
        self.close(now);
        posts
    }

    /// When there is something to do next.
    pub fn next(&self) -> Option<Timestamp> {
        self.planned.iter().map(|planned| planned.act.at).chain(self.courier.next()).min()
    }

    /// Takes a webhook's answer. Some: the answer for the request that waited for it.
    pub fn answered(&mut self, id: PostId, outcome: &WebhookOutcome, now: Timestamp) -> Option<Response> {
        let letter = self.courier.letter(id)?;
        let (Errand { play, says, .. }, attempt) = (letter.errand.clone(), letter.sent);
        let lost = outcome.status.is_some()
            && self.script.meets(&[], |what| what == Misbehaviour::LostAcknowledgement).is_some();
        let status = if lost { None } else { outcome.status };
        let problem = if lost { Some("the acknowledgement was lost".to_owned()) } else { outcome.problem.clone() };
        let next = self.courier.settle(id, status, now)?;
        let again = if let Next::Again(at) = next { Some(at) } else { None };
        let took_ms = outcome.took_ms;
        self.note(play, now, What::Webhook { says: says.clone(), attempt, status, problem, took_ms, again });
        let answer = match next {
            Next::Again(_) => None,
            Next::Delivered(Letter { waiting, .. }) => waiting,
            Next::GivenUp(Letter { waiting, .. }) => {
                if waiting.is_none() {
                    self.note(play, now, What::GaveUp { says, then: self.courier.gives_up_how().to_owned() });
                }
                waiting
            }
        };
        self.close(now);
        let done = self.api.concludes(answer?, outcome, now, &mut self.ids);
        let spoil = self.spoils.extract_if(.., |(post, _)| *post == id).next();
        match self.finish(done, now) {
            Reply::Now(response) => Some(match spoil {
                Some((_, fault)) => fault.spoil(response),
                None => response,
            }),
            Reply::After(_) => None,
        }
    }

    /// Takes a request.
    pub fn handle(&mut self, request: &Request, now: Timestamp) -> Reply {
        let about = self.api.about(request);
        let reply = self.reply(request, &about, now);
        let status = match &reply {
            Reply::Now(response) => Some(response.status),
            Reply::After(_) => None,
        };
        self.script.saw(Seen { at: now, method: request.method.clone(), path: request.path.clone(), about, status });
        reply
    }

    fn reply(&mut self, request: &Request, about: &[String], now: Timestamp) -> Reply {
        if let Err(refusal) = self.api.admits(request, &mut self.script, now) {
            return self.refuse(&refusal);
        }
        let standing = self.api.limit().filter(|_| self.is_limited).map(|most| self.window.count(most, now));
        let told = |reply| limit::told(reply, standing.as_ref());
        if standing.as_ref().is_some_and(|standing| standing.is_over) {
            return told(self.refuse(&Refusal(429, "too many requests")));
        }
        let fault = self.script.meets(about, |what| what.is_of_answers_about(about));
        match fault {
            Some(Misbehaviour::Status(status)) => {
                return told(self.refuse(&Refusal(status, "as it was told to")));
            }
            Some(Misbehaviour::SessionExpired) => return self.refuse(&Refusal(401, "the token is expired")),
            Some(Misbehaviour::TooMany | Misbehaviour::TooManyRetryAfter) => {
                let mut reply = told(self.refuse(&Refusal(429, "too many requests")));
                if let (Reply::Now(response), Some(Misbehaviour::TooManyRetryAfter)) = (&mut reply, fault) {
                    response.headers.push(("retry-after", "2".to_owned()));
                }
                return reply;
            }
            _ => {}
        }
        let is = |what| fault == Some(what);
        let view = ResponseStyle {
            other_shape: is(Misbehaviour::OtherShape),
            stale: is(Misbehaviour::Stale),
            unlisted: is(Misbehaviour::NotWhitelisted),
        };
        let done = self.api.answer(&Asked { request, body: request.json(), view, now }, &mut self.ids);
        let reply = told(self.finish(done, now));
        match (reply, fault) {
            (Reply::Now(response), Some(fault)) => Reply::Now(fault.spoil(response)),
            (Reply::After(id), Some(fault)) => {
                self.spoils.push((id, fault));
                Reply::After(id)
            }
            (reply, _) => reply,
        }
    }

    fn finish(&mut self, done: Result<Done, Refusal>, now: Timestamp) -> Reply {
        match done {
            Err(refusal) => self.refuse(&refusal),
            Ok(Done::Answer(status, body)) => Reply::Now(Response::json(status, &body)),
            Ok(Done::Empty(status)) => Reply::Now(Response::empty(status)),
            Ok(Done::Posts { hook, body, says, waiting }) => Reply::After(self.courier.take(
                Errand { play: POSTED, says: says.to_owned(), speed: self.speed },
                (hook, body),
                now,
                Some(waiting),
            )),
            Ok(Done::Plays { mut acts, answer, anew }) => {
                if anew {
                    self.planned.retain(|planned| planned.play != POSTED);
                }
                plan::bring_nearer(&mut acts, now, self.speed);
                self.planned.extend(acts.into_iter().map(|act| Planned {
                    play: POSTED,
                    speed: self.speed,
                    act,
                    hook: None,
                }));
                Reply::Now(Response::json(200, &answer))
            }
        }
    }

    fn refuse(&self, Refusal(status, message): &Refusal) -> Reply {
        Reply::Now(Response::json(*status, &self.api.error(*status, message)))
    }

    fn publish(&mut self, Planned { play, speed, act, hook }: Planned, now: Timestamp) {
        if let Some(content) = &act.holds {
            self.api.hold(content);
        }
        self.note(play, now, What::Published { says: act.says.clone() });
        let Some(body) = act.sends else { return };
        let hooks = hook.map_or_else(|| self.api.hooks(&body), |hook| vec![hook]);
        let more = self.planned.iter().any(|planned| planned.play == play && planned.act.sends.is_some());
        let reorder = more && self.script.meets(&[], |what| what == Misbehaviour::Reorder).is_some();
        let twice = self.script.meets(&[], |what| what == Misbehaviour::Duplicate).is_some();
        let errand = Errand { play, says: act.says, speed };
        for hook in hooks {
            if reorder {
                self.overtaken.push((errand.clone(), hook, body.clone()));
                continue;
            }
            for _ in 0..=u8::from(twice) {
                self.courier.take(errand.clone(), (hook.clone(), body.clone()), now, None);
            }
        }
        if !reorder {
            let later = now.checked_add(OVERTAKEN_BY).unwrap_or(now);
            for (errand, hook, body) in self.overtaken.extract_if(.., |(whose, ..)| whose.play == play) {
                self.courier.take(errand, (hook, body), later, None);
            }
        }
    }

    /// Notes the plays of which nothing more comes.
    fn close(&mut self, now: Timestamp) {
        let over = |play: &mut PlayId| {
            !self.courier.carries_for(*play) && !self.planned.iter().any(|planned| planned.play == *play)
        };
        let over: Vec<PlayId> = self.open.extract_if(.., over).collect();
        for play in over {
            self.note(play, now, What::Over);
        }
    }

    fn note(&mut self, play: PlayId, at: Timestamp, what: What) {
        self.entries += 1;
        if self.log.len() >= KEPT {
            self.log.pop_front();
        }
        self.log.push_back(LogEntry { number: self.entries, at, play, what });
    }
}

/// Keys stay out of it.
impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("speed", &self.speed).field("script", &self.script).finish_non_exhaustive()
    }
}
