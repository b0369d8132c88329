//! One simulated provider: keys, faults, answers, plays, webhooks.

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

/// How many log entries are stored.
const KEPT: usize = 10_000;

/// How long after the webhook that overtook it an overtaken one is sent.
const OVERTAKEN_BY: SignedDuration = SignedDuration::from_secs(1);

/// The play of everything posted through the provider's own API.
const POSTED: PlayId = 0;

/// Why an exercise cannot be played.
#[derive(Debug, PartialEq, Eq)]
pub enum PlayError {
    /// The provider has no such exercise.
    Unknown,
    /// No hook is registered or given.
    NoHook,
}

/// A step to come.
#[derive(Debug)]
struct Planned {
    play: PlayId,
    speed: u32,
    act: Act,
    /// None: the registered hooks.
    hook: Option<Hook>,
}

/// The simulator of one provider.
pub struct Simulator {
    exercises: &'static [Exercise],
    api: Box<dyn Api>,
    script: Script,
    courier: Courier,
    speed: u32,
    ids: Ids,
    planned: Vec<Planned>,
    plays: PlayId,
    /// Plays that have not ended.
    open: Vec<PlayId>,
    /// Webhooks to be overtaken by the next one.
    overtaken: Vec<(Errand, Hook, Value)>,
    /// Faults of answers that wait for a webhook.
    spoils: Vec<(PostId, Misbehaviour)>,
    log: VecDeque<LogEntry>,
    entries: u64,
    window: Window,
    is_limited: bool,
}

/// A state that a provider publishes at a given time.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// When.
    pub at: Timestamp,
    /// Its description in the log.
    pub says: String,
    /// The state that the provider stores.
    pub holds: Option<Value>,
    /// The webhook, sent again by the provider's rules.
    pub sends: Value,
    /// Where the webhook is sent.
    pub hook: Hook,
    /// The speed factor of the rules' clock.
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

    /// Stores a resource: a dispatch, a notification's time slots, a reading.
    pub fn hold(&mut self, content: &Value) {
        self.api.hold(content);
    }

    /// Publishes a state at its time.
    pub fn announce(&mut self, Publication { at, says, holds, sends, hook, speed }: Publication) {
        let act = Act { at, says, holds, sends: Some(sends) };
        self.planned.push(Planned { play: POSTED, speed, act, hook: Some(hook) });
    }

    /// Removes the rate limit, as for a customer with a higher limit.
    pub fn lift_limit(&mut self) {
        self.is_limited = false;
    }

    /// Whether everything is published, and every webhook delivered or given up.
    pub fn is_idle(&self) -> bool {
        self.planned.is_empty() && self.overtaken.is_empty() && self.courier.is_idle()
    }

    /// Registers a hook as the provider's dashboard does.
    pub fn register(&mut self, hook: Hook) {
        self.api.register(hook);
    }

    /// Adds a fault.
    pub fn misbehave(&mut self, fault: Fault) {
        self.script.add(fault);
    }

    /// Ends all faults.
    pub fn mend(&mut self) {
        self.script.mend();
    }

    /// The requests so far, oldest first.
    pub fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.script.seen.iter()
    }

    /// The keys in the requests.
    pub fn keys_seen(&self) -> &std::collections::BTreeSet<String> {
        &self.script.keys_seen
    }

    /// The log entries after that number.
    pub fn log(&self, after: u64) -> Vec<LogEntry> {
        self.log.iter().filter(|entry| entry.number > after).cloned().collect()
    }

    /// Starts an exercise. `hook` receives its webhooks; none: the registered hooks. `speed` replaces the simulator's.
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
        let no_hook = || acts.iter().filter_map(|act| act.sends.as_ref()).all(|body| self.api.hooks(body).is_empty());
        if hook.is_none() && no_hook() {
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

    /// Publishes what is due, and returns the webhooks to send now.
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

    /// When the next step is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.planned.iter().map(|planned| planned.act.at).chain(self.courier.next()).min()
    }

    /// Handles the answer to a webhook. Returns the answer for the request that waited for it, if any.
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

    /// Handles a request.
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
        let with_headers = |reply| limit::with_headers(reply, standing.as_ref());
        if standing.as_ref().is_some_and(|standing| standing.is_over) {
            return with_headers(self.refuse(&Refusal(429, "too many requests")));
        }
        let fault = self.script.meets(about, |what| what.is_of_answers_about(about));
        match fault {
            Some(Misbehaviour::Status(status)) => {
                return with_headers(self.refuse(&Refusal(status, "as it was told to")));
            }
            Some(Misbehaviour::SessionExpired) => return self.refuse(&Refusal(401, "the token is expired")),
            Some(Misbehaviour::TooMany | Misbehaviour::TooManyRetryAfter) => {
                let mut reply = with_headers(self.refuse(&Refusal(429, "too many requests")));
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
        let reply = with_headers(self.finish(done, now));
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

    /// Logs the plays that have ended.
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

/// Leaves out the keys.
impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("speed", &self.speed).field("script", &self.script).finish_non_exhaustive()
    }
}
