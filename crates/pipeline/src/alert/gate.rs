//! Many mails of one cause become one: the first few pass by themselves, the rest is held for a moment and goes out as a list.
//!
//! What is held lies in the gate's item; the message that will send it is on its way before it lies there. Sent first and
//! cleared afterwards: who dies in between repeats a mail and loses none.

use dispatch::Status;
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{
    Alert, decide,
    stages::{self, Occasion, Rules},
};
use crate::{
    held::{BY_THEMSELVES, Gate, Held, MAX_LISTED, URGENT_S},
    incident::{Incident, Kind, News, Notice},
    mail::{self, Circumstances, Line},
    ports::{Chance, Clock, Dispatches, Incidents, Mailer, Outlet, PortError},
    record::Record,
    work::clip,
    written::{MAX_TRIES, always_overtaken, written},
};

/// Reads under way at once.
const AT_ONCE: usize = 16;

/// How much of a detail a list holds, in characters.
const MAX_DETAIL: usize = 160;

/// What starts sooner is urgent.
const SOON: SignedDuration = SignedDuration::from_mins(15);

/// A flush that comes this much too early is on time: clocks differ.
const EARLY: SignedDuration = SignedDuration::from_secs(5);

/// What the gate says of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Send it now.
    Go,
    /// The gate has it and will send it.
    Held,
}

/// What waits, as it stands now.
struct Gathered {
    held: Held,
    incident: Option<Incident>,
    line: Line,
}

impl<I: Incidents, T: Dispatches, M: Mailer, O: Outlet, C: Clock + Chance> Alert<'_, I, T, M, O, C> {
    /// Lets a mail through or keeps it.
    pub(super) async fn pass(&self, incident: &Incident, stage: &str, rules: Rules<'_>) -> Result<Pass, PortError> {
        let key = key(incident, stage, rules.test);
        let one = Held {
            incident: incident.incident.clone(),
            opened_at: incident.opened_at,
            stage: stage.to_owned(),
            about: clip(&incident.about, MAX_DETAIL),
            detail: clip(&incident.detail, MAX_DETAIL),
        };
        for _ in 0..MAX_TRIES {
            let known = self.incidents.gate(&key).await?;
            let expected = known.as_ref().map(|gate| gate.revision);
            let now = self.world.now();
            let mut gate = known.map_or_else(|| fresh(&key, incident, stage, rules.test, now), |gate| gate.rested(now));
            if gate.passed.contains(&one.id()) {
                return Ok(Pass::Go);
            }
            let pass = if gate.held.is_empty() && gate.passed.len() < BY_THEMSELVES {
                gate.passed.push(one.id());
                Pass::Go
            } else {
                let known = gate.held.iter().any(|held| held.id() == one.id());
                let wanted_s = gathering_s(&gate, incident, stage, rules, now);
                let wanted_at = now + SignedDuration::from_secs(i64::from(wanted_s));
                let ahead = gate.message_at.filter(|at| *at > now && *at <= wanted_at);
                if ahead.is_none() || known {
                    let at = ahead.unwrap_or(wanted_at);
                    self.flush_later(incident, &key, stages::hop_s(at, now)).await?;
                    gate.message_at = Some(at);
                    // What is due already has a message on its way, which must not find that it came too early.
                    gate.flush_at = Some(gate.flush_at.map_or(at, |due| due.min(at)));
                }
                if known {
                    return Ok(Pass::Held);
                }
                if gate.held.len() < MAX_LISTED {
                    gate.held.push(one.clone());
                } else {
                    gate.unlisted += 1;
                }
                Pass::Held
            };
            gate.last_at = now;
            if self.write_gate(&mut gate, expected).await? {
                return Ok(pass);
            }
        }
        Err(always_overtaken("alerts", &key))
    }

    /// False where another write came first.
    async fn write_gate(&self, gate: &mut Gate, expected: Option<u64>) -> Result<bool, PortError> {
        gate.revision = expected.map_or(1, |revision| revision + 1);
        gate.write = self.world.unique();
        let answer = self.incidents.write_gate(gate, expected).await;
        written(&*gate, answer).map(|written| written.is_done())
    }

    async fn flush_later(&self, of: &Incident, gate: &str, delay_s: u32) -> Result<(), PortError> {
        let (source, now) = (&of.source, self.world.now());
        let mut notice = Notice::happens(of.kind, source, source.clone(), now, String::new());
        notice.news = News::Flush { gate: gate.to_owned() };
        self.outlet.notice(&notice, delay_s).await
    }

    /// Sends what a gate has gathered.
    pub(super) async fn flush(&self, notice: &Notice, key: &str) -> Result<(), PortError> {
        for _ in 0..MAX_TRIES {
            let Some(mut gate) = self.incidents.gate(key).await? else { return Ok(()) };
            let (expected, now) = (gate.revision, self.world.now());
            // One that comes early belongs to a batch that went out; the present one has its own on its way.
            if gate.is_empty() || gate.flush_at.is_some_and(|at| at > now + EARLY) {
                return Ok(());
            }
            let busy = gate.claim.as_ref().map(|(_, at)| decide::CLAIM_LASTS_S - now.duration_since(*at).as_secs());
            if let Some(left_s) = busy.filter(|left_s| *left_s >= 0) {
                let delay_s = u32::try_from(left_s).unwrap_or(0) + 1;
                return self.outlet.notice(notice, delay_s).await;
            }
            gate.claim = Some((self.world.unique(), now));
            if self.write_gate(&mut gate, Some(expected)).await? {
                return self.send_gathered(notice, gate).await;
            }
        }
        Err(always_overtaken("alerts", key))
    }

    async fn send_gathered(&self, notice: &Notice, gate: Gate) -> Result<(), PortError> {
        let mut gathered: Vec<Gathered> = stream::iter(gate.held.iter().cloned())
            .map(async |held| self.look_up(&gate, held).await)
            .buffered(AT_ONCE)
            .collect()
            .await;
        let audience = self.config.audience(&gate.source);
        let level = gathered.iter().filter_map(|one| Some(one.incident.as_ref()?.level)).max().unwrap_or(0);
        let to = audience.addresses(level);
        let sent = if let ([Gathered { held, incident: Some(incident), .. }], 0) = (&gathered[..], gate.unlisted) {
            let record = self.dispatch(incident.dispatch.as_ref()).await.unwrap_or(None);
            self.send_one(incident, Occasion::of(&held.stage), record.as_ref(), to).await
        } else {
            gathered.sort_by_key(|one| one.line.sorts_by);
            self.send_list(&gate, gathered, to).await
        };
        if let Err(error) = &sent {
            tracing::error!(alert.gate = gate.gate, %error, "a gathered mail was not sent");
        }
        self.clear(&gate, sent.is_ok()).await?;
        if sent.is_err() { self.try_again(notice).await } else { Ok(()) }
    }

    async fn send_list(&self, gate: &Gate, gathered: Vec<Gathered>, to: Vec<String>) -> Result<(), PortError> {
        let awaited: Vec<(String, Timestamp)> = gathered
            .iter()
            .filter(|one| one.incident.as_ref().is_some_and(|incident| stages::is_awaited(incident, gate.test)))
            .map(|one| (one.held.incident.clone(), one.held.opened_at))
            .collect();
        let awaits = !awaited.is_empty();
        let lines: Vec<Line> = gathered.into_iter().map(|one| one.line).collect();
        let subject = mail::list_subject(gate, &lines);
        let link = if awaits { self.link(&awaited, &subject, &to).await } else { None };
        tracing::info!(alert.gate = gate.gate, alert.incidents = lines.len(), "mailed as one");
        let circumstances = Circumstances { to, now: self.world.now(), link, awaited: awaits };
        self.send(mail::compose_list(self.config, gate, &lines, circumstances)).await
    }

    /// What an incident is by now, and what its dispatch asks for. A list goes out without it rather than not at all.
    async fn look_up(&self, gate: &Gate, held: Held) -> Gathered {
        let incident = self.incidents.read(&held.incident).await.unwrap_or_else(|error| {
            tracing::warn!(alert.gate = gate.gate, %error, "an incident of a list cannot be read");
            None
        });
        let incident = incident.filter(|incident| incident.opened_at == held.opened_at);
        let subject = incident.as_ref().and_then(|incident| incident.dispatch.as_ref());
        let record: Option<Record> = self.dispatch(subject).await.unwrap_or(None);
        let line = mail::line(&held, incident.as_ref(), record.as_ref());
        Gathered { held, incident, line }
    }

    /// Takes out what was sent; what came meanwhile waits for the next batch.
    async fn clear(&self, sent: &Gate, done: bool) -> Result<(), PortError> {
        for _ in 0..MAX_TRIES {
            let Some(mut gate) = self.incidents.gate(&sent.gate).await? else { return Ok(()) };
            let (expected, now) = (gate.revision, self.world.now());
            if gate.claim != sent.claim {
                return Ok(()); // somebody else sends it by now
            }
            gate.claim = None;
            if done {
                gate.held.retain(|held| !sent.held.contains(held));
                gate.unlisted = gate.unlisted.saturating_sub(sent.unlisted);
                gate.batches = gate.batches.saturating_add(1);
                gate.flushed_at = Some(now);
                gate.flush_at = None;
                gate.message_at = None;
            }
            if done && !gate.is_empty() {
                let delay_s = gate.gathering_s(now);
                let mut notice = Notice::happens(gate.kind, &gate.source, gate.source.clone(), now, String::new());
                notice.news = News::Flush { gate: gate.gate.clone() };
                self.outlet.notice(&notice, delay_s).await?;
                gate.flush_at = Some(now + SignedDuration::from_secs(i64::from(delay_s)));
                gate.message_at = gate.flush_at;
            }
            if self.write_gate(&mut gate, Some(expected)).await? {
                return Ok(());
            }
        }
        Err(always_overtaken("alerts", &sent.gate))
    }
}

fn key(incident: &Incident, stage: &str, test: bool) -> String {
    let test = if test { "/test" } else { "" };
    format!("gate/{}/{}/{}{test}", incident.kind, incident.source, Occasion::of(stage).word())
}

fn fresh(key: &str, incident: &Incident, stage: &str, test: bool, now: Timestamp) -> Gate {
    Gate {
        gate: key.to_owned(),
        revision: 0,
        write: String::new(),
        kind: incident.kind,
        source: incident.source.clone(),
        occasion: Occasion::of(stage).word().to_owned(),
        test,
        last_at: now,
        passed: Vec::new(),
        held: Vec::new(),
        unlisted: 0,
        flush_at: None,
        message_at: None,
        batches: 0,
        flushed_at: None,
        claim: None,
    }
}

/// How long a mail may wait for others, in seconds. One that is urgent waits for nothing that anybody could miss.
fn gathering_s(gate: &Gate, incident: &Incident, stage: &str, rules: Rules<'_>, now: Timestamp) -> u32 {
    if is_urgent(incident, stage, rules, now) { URGENT_S } else { gate.gathering_s(now) }
}

/// Whether a person has to know of it now: the dispatch is due, it starts within a quarter of an hour or has begun, or its start
/// is not known. Reminders and what is over can wait, and so can tests.
fn is_urgent(incident: &Incident, stage: &str, rules: Rules<'_>, now: Timestamp) -> bool {
    let is_due = match Occasion::of(stage) {
        Occasion::First => incident.kind == Kind::DispatchAtRisk && !incident.once_a_day,
        Occasion::Start | Occasion::Escalation(_) => true,
        Occasion::Reminder(_) | Occasion::Over => return false,
    };
    let starts_soon = match rules.dispatch {
        Some((Status::Scheduled, statement)) => statement.start <= now + SOON,
        Some(_) => false,
        None => incident.kind == Kind::HydrationFailing && incident.dispatch.is_some() && rules.presses,
    };
    !rules.test && (is_due || starts_soon)
}
