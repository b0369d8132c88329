//! Faults on request.

use std::{fmt, str::FromStr};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{Response, nvgrid};

/// How long a slow answer takes.
const SLOW: SignedDuration = SignedDuration::from_secs(7);

/// A fault of a provider. `FromStr` reads its name and `Display` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Misbehaviour {
    /// The answer takes 7 s: longer than any client waits.
    Slow,
    /// 429 without `Retry-After`.
    TooMany,
    /// 429 with `Retry-After: 2`.
    TooManyRetryAfter,
    /// That status, such as 500, 403, or 404 for a resource that is not readable yet.
    Status(u16),
    /// 200 with a body that is not JSON.
    Garbage,
    /// 200 with truncated JSON.
    Truncated,
    /// 200 with more than a mebibyte.
    Huge,
    /// 302 to another host.
    Redirect,
    /// The same answer in its alternative shape.
    OtherShape,
    /// The answer from before the latest change.
    Stale,
    /// `NvGrid`: the session has expired. The next login works.
    SessionExpired,
    /// `NvGrid`: the registration of a URL is refused.
    NotWhitelisted,
    /// A webhook is sent twice.
    Duplicate,
    /// A webhook is sent after the next one.
    Reorder,
    /// A webhook's acknowledgement is lost, so the webhook is sent again.
    LostAcknowledgement,
}

/// The names and descriptions of all faults but the statuses.
const NAMES: [(&str, Misbehaviour, &str); 14] = [
    ("slow", Misbehaviour::Slow, "answers after 7 s"),
    ("429", Misbehaviour::TooMany, "answers 429"),
    ("429-retry-after", Misbehaviour::TooManyRetryAfter, "answers 429 with Retry-After: 2"),
    ("garbage", Misbehaviour::Garbage, "answers 200 with what is no JSON"),
    ("truncated", Misbehaviour::Truncated, "answers with half of the JSON"),
    ("huge", Misbehaviour::Huge, "answers with 2 MiB"),
    ("redirect", Misbehaviour::Redirect, "answers 302 to another host"),
    ("other-shape", Misbehaviour::OtherShape, "answers in the other shape that occurs"),
    ("stale", Misbehaviour::Stale, "answers as it was one change ago"),
    ("session-expired", Misbehaviour::SessionExpired, "NvGrid: takes a login for expired"),
    ("not-whitelisted", Misbehaviour::NotWhitelisted, "NvGrid: refuses to register an address"),
    ("duplicate", Misbehaviour::Duplicate, "sends a webhook twice"),
    ("reorder", Misbehaviour::Reorder, "sends a webhook after the next one"),
    ("lost-acknowledgement", Misbehaviour::LostAcknowledgement, "does not hear the acknowledgement, so sends again"),
];

impl Misbehaviour {
    /// The names and their descriptions, for people.
    pub fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
        NAMES.iter().map(|(name, _, says)| (*name, *says)).chain([("STATUS", "answers with it: 401, 403, 404, 500, …")])
    }

    /// Whether the fault affects the answer to a request with those ids, and not only webhooks.
    pub(crate) fn is_of_answers_about(self, about: &[String]) -> bool {
        let asks = |name: &str| about.iter().any(|one| one == name);
        match self {
            Self::Duplicate | Self::Reorder | Self::LostAcknowledgement => false,
            Self::SessionExpired => asks(nvgrid::SESSION_CALL),
            Self::NotWhitelisted => asks(nvgrid::REGISTER),
            _ => true,
        }
    }

    /// Applies the fault to an answer.
    pub(crate) fn spoil(self, mut response: Response) -> Response {
        match self {
            Self::Slow => response.delay = SLOW,
            Self::Garbage => response.body = b"<html>Service under maintenance</html>".to_vec(),
            Self::Truncated => response.body.truncate(response.body.len() / 2),
            Self::Huge => response.body.extend(std::iter::repeat_n(b' ', 5 * 1_048_576)),
            Self::Redirect => {
                (response.status, response.body) = (302, Vec::new());
                response.headers = vec![("location", "https://elsewhere.invalid/".to_owned())];
            }
            _ => {}
        }
        response
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, NAMES.iter().find(|(_, one, _)| one == self)) {
            (Self::Status(status), _) => write!(f, "{status}"),
            (_, named) => f.write_str(named.map_or("", |(name, ..)| name)),
        }
    }
}

impl FromStr for Misbehaviour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, found, _)) = NAMES.iter().find(|(name, ..)| *name == text) {
            return Ok(*found);
        }
        match text.parse() {
            Ok(status) if (400..=599).contains(&status) => Ok(Self::Status(status)),
            _ => {
                let names: Vec<_> = NAMES.iter().map(|(name, ..)| *name).collect();
                Err(format!("unknown misbehaviour; known: {}, or a status from 400 to 599", names.join(", ")))
            }
        }
    }
}

impl From<Misbehaviour> for String {
    fn from(misbehaviour: Misbehaviour) -> Self {
        misbehaviour.to_string()
    }
}

impl TryFrom<String> for Misbehaviour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A fault to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which fault.
    pub what: Misbehaviour,
    /// The id of the dispatch, event or meter that it affects; none: all.
    #[serde(default)]
    pub about: Option<String>,
    /// How often; none: always.
    #[serde(default)]
    pub times: Option<u32>,
}

impl FromStr for Fault {
    type Err = String;

    /// Reads `500`, or `500*3` for three times.
    fn from_str(text: &str) -> Result<Self, String> {
        let (what, times) = match text.split_once('*') {
            None => (text, None),
            Some((what, times)) => {
                (what, Some(times.parse().map_err(|_| "write how often after the *: 500*3".to_owned())?))
            }
        };
        Ok(Self { what: what.parse()?, about: None, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_what_writes_it() {
        for (name, what, _) in NAMES {
            assert_eq!((name.parse(), what.to_string().as_str()), (Ok(what), name));
        }
        let three = Fault { what: Misbehaviour::Status(500), about: None, times: Some(3) };
        assert_eq!("500*3".parse(), Ok(three));
        for wrong in ["", "200", "600", "slow*", "slow*x", "Slow"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }
}
