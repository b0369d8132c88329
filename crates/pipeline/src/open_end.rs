//! A dispatch whose end the provider has not stated stays active. Once a day a person is asked whether it still is.

use dispatch::{Statement, Status};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    incident::{Kind, Notice},
    ports::{Chance, Clock, Dispatches, Outlet, PortError, SignalStream},
    record::{Entry, Record, over_at},
    watch::Watch,
};

/// From a dispatch's start to the first question, and from each question to the next.
const EVERY: SignedDuration = SignedDuration::from_hours(24);

/// When a person is asked whether a dispatch without an end is still on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenEnd {
    /// When a person is asked next. Once nothing is open any more: when the incident is resolved.
    pub ask_at: Timestamp,
    /// How often a person was asked, or is about to be.
    pub asked: u64,
    /// It is stored that a person is about to be asked, and not yet that it is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asking: bool,
    /// When a person was last asked, or is about to be. The notice bears this instant, and the one that resolves it a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
}

impl OpenEnd {
    /// What follows from a change of the state. What was asked is kept until it is resolved.
    pub(crate) fn following(
        known: Option<Self>,
        published: Option<&(Status, Statement)>,
        first_seen_at: Timestamp,
        now: Timestamp,
    ) -> Option<Self> {
        let Some(statement) = published.and_then(open) else {
            return known.filter(|known| known.asked > 0).map(|known| Self { ask_at: now, ..known });
        };
        let known = known.unwrap_or(Self { ask_at: now, asked: 0, asking: false, asked_at: None });
        if known.asking {
            return Some(known);
        }
        let from = known.asked_at.unwrap_or(Timestamp::MIN).max(statement.start).max(first_seen_at);
        Some(Self { ask_at: from.saturating_add(EVERY).unwrap_or(Timestamp::MAX), ..known })
    }

    /// After the question: a whole number of days later, however late it was asked.
    fn asked(self, now: Timestamp) -> Self {
        let days = now.duration_since(self.ask_at).as_secs().div_euclid(EVERY.as_secs()) + 1;
        let ask_at = self.ask_at.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX);
        Self { ask_at, asking: false, ..self }
    }
}

/// The dispatch's statement, where it is on, real, and has no end.
fn open((status, statement): &(Status, Statement)) -> Option<&Statement> {
    let is_open = *status == Status::Scheduled && statement.end.is_none() && statement.test_reason.is_none();
    is_open.then_some(statement)
}

impl<T: Dispatches, S: SignalStream, O: Outlet, C: Clock + Chance> Watch<'_, T, S, O, C> {
    /// It is time to ask, or to say that there is nothing to ask any more. One step towards it: the caller reads the record anew.
    pub(crate) async fn ask_whether_on(&self, record: Record, open_end: OpenEnd) -> Result<(), PortError> {
        let now = self.world.now();
        let published = record.state.published();
        let entry = |what: String| Entry { at: now, delivery: String::new(), what };
        let (open_end, entry) = match published.as_ref().and_then(open) {
            Some(_) if !open_end.asking => {
                // Stored first: asked first and then overtaken by an end, the question would stay open.
                let asked = open_end.asked + 1;
                (Some(OpenEnd { asking: true, asked, asked_at: Some(now), ..open_end }), None)
            }
            Some(statement) => {
                self.outlet.notice(&question(&record, statement, open_end, now), 0).await?;
                let what = "asked a person whether it is still on: the provider states no end".to_owned();
                (Some(open_end.asked(now)), Some(entry(what)))
            }
            None => {
                if let Some(asked_at) = open_end.asked_at {
                    let why = match published {
                        Some((Status::Scheduled, _)) => "the provider states its end now",
                        _ => "the dispatch is no longer on",
                    };
                    let at = over_at(asked_at, now);
                    let (source, key) = (&record.origin.source, incident(&record));
                    let over = Notice::over(Kind::DispatchAtRisk, source, &key, at, why.to_owned());
                    self.outlet.notice(&over, 0).await?;
                }
                (None, None)
            }
        };
        // Where another write came first, the caller sees it.
        self.write(Record { open_end, ..record.noting(entry, self.world.unique()) }).await.map(drop)
    }
}

/// What gathers the questions about one dispatch, apart from what else may be at risk about it.
fn incident(record: &Record) -> String {
    format!("{}/open", record.subject)
}

fn question(record: &Record, statement: &Statement, open_end: OpenEnd, now: Timestamp) -> Notice {
    let subject = &record.subject;
    let start = statement.start;
    let hours = now.duration_since(start).as_hours();
    let detail = format!(
        "it has been on since {start:.0}, for {hours} hours, and the provider has never stated an end; the controller goes on \
         curtailing until an end comes"
    );
    let about = format!("{subject} has no end: is it still on?");
    Notice::happens(Kind::DispatchAtRisk, &record.origin.source, about, open_end.asked_at.unwrap_or(now), detail)
        .gathered_by(incident(record))
        .about_dispatch(Some(subject.clone()))
        .mailed_as(&format!("day {}", open_end.asked))
        .until_over()
        .once_a_day()
}
