//! What a person is told: notices on their way to the alerter, and the incidents that they gather into.

use std::{collections::BTreeMap, fmt};

use dispatch::Subject;
use jiff::Timestamp;
use providers::Finding;
use serde::{Deserialize, Serialize};

use crate::work::clip;

/// What sort of thing a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A deadline is near and nobody acknowledged.
    DispatchAtRisk,
    /// What a webhook announced cannot be fetched.
    HydrationFailing,
    /// A body could not be read; it is kept.
    Quarantined,
    /// A type of event that we do not know.
    UnknownEvent,
    /// A data centre did not reach its target.
    NotCompliant,
    /// A provider refuses our key, or says that keys were rotated.
    Credentials,
    /// Polling found what no webhook brought.
    MissedDelivery,
    /// Something was given up; it is kept.
    DeadLetter,
    /// A provider does not say what it lists: what its webhooks do not bring is not seen.
    SourceDown,
}

impl Kind {
    /// As it stands in subjects and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DispatchAtRisk => "dispatch-at-risk",
            Self::HydrationFailing => "hydration-failing",
            Self::Quarantined => "quarantined",
            Self::UnknownEvent => "unknown-event",
            Self::NotCompliant => "not-compliant",
            Self::Credentials => "credentials",
            Self::MissedDelivery => "missed-delivery",
            Self::DeadLetter => "dead-letter",
            Self::SourceDown => "source-down",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The stage of an incident's first mail.
pub const FIRST_STAGE: &str = "first";

/// Something that a person may have to be told. What travels in `alerts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What sort.
    pub kind: Kind,
    /// The source.
    pub source: String,
    /// What it is about, as it stands in the mail's subject: a dispatch's key, an event's name, a source.
    pub about: String,
    /// What gathers notices into one incident; with the kind it is the incident's key.
    pub gather: String,
    /// When it happened.
    pub at: Timestamp,
    /// The dispatch whose sites and times the mail has to name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<Subject>,
    /// Its component notifies anew once a day: no reminder is sent in between, and acknowledging it changes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once_a_day: bool,
    /// What the notice says.
    pub news: News,
    /// How often the mail for it could not be sent.
    #[serde(default)]
    pub attempt: u32,
}

/// What a notice says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// It is happening.
    Happens {
        /// What failed, with its last error, in words.
        detail: String,
        /// Two notices of one stage are one mail.
        stage: String,
        /// It counts as over once this many seconds passed without another notice; none: somebody will say so.
        quiet_s: Option<u32>,
    },
    /// It is over.
    Over {
        /// Why, in words.
        detail: String,
    },
    /// Time to see whether it has gone quiet, and whether a person must be told again.
    Review,
    /// Time to send what a gate has gathered.
    Flush {
        /// The gate's key.
        gate: String,
    },
}

/// After this long without another of its kind, what nobody can call over counts as over.
const QUIET_S: u32 = 900;

impl Notice {
    /// The notice that a finding in a body or an answer calls for.
    pub fn of_finding(finding: Finding, source: &str, at: Timestamp) -> Self {
        // Each of them is a mail of the source's one incident, so that whoever holds its token cannot open thousands.
        let happens = |kind, about: String, dispatch: Option<Subject>, detail: String| {
            Self::happens(kind, source, about.clone(), at, detail).about_dispatch(dispatch).mailed_as(&about)
        };
        match finding {
            Finding::Unreadable { part, reason, about } => {
                Self::unreadable(about.as_ref(), source, at, format!("{part}: {reason}"))
            }
            Finding::UnknownEvent { name } => Self::unknown_event(source, &name, at),
            Finding::NotCompliant { subject, what } => happens(Kind::NotCompliant, subject.to_string(), None, what),
            // An incident for each event, whatever else is known of keys and whatever its delivery is called: one has but a few mails.
            Finding::KeysRotated { event } => happens(
                Kind::Credentials,
                source.to_owned(),
                None,
                "the provider says that API keys were rotated: the configured key may stop working".to_owned(),
            )
            .gathered_by(format!("{source}/rotated/{}", clip(&event, 16))),
        }
    }

    /// Something that cannot be read. A dispatch that is lost with it has an incident of its own: what else of its source cannot be
    /// read must not hide it.
    pub fn unreadable(about: Option<&Subject>, source: &str, at: Timestamp, detail: String) -> Self {
        let of = about.map_or_else(|| source.to_owned(), Subject::to_string);
        let notice = Self::happens(Kind::Quarantined, source, of.clone(), at, detail).gathered_by(of);
        if about.is_some() { notice.about_dispatch(about.cloned()).mailed_as("lost") } else { notice }
    }

    /// An event whose name we do not know: all of one source are one incident, each new name one mail of it.
    pub fn unknown_event(source: &str, name: &str, at: Timestamp) -> Self {
        let detail = format!(
            "the source sent an event of the unknown type {name:?}; what it means is not guessed, its body is kept"
        );
        Self::happens(Kind::UnknownEvent, source, format!("{source}: {name}"), at, detail).mailed_as(name)
    }

    /// Something that nobody will call over by itself: it gathers by source and is over once it has gone quiet.
    pub fn happens(kind: Kind, source: &str, about: String, at: Timestamp, detail: String) -> Self {
        Self {
            kind,
            source: source.to_owned(),
            about,
            gather: source.to_owned(),
            at,
            dispatch: None,
            once_a_day: false,
            news: News::Happens { detail, stage: FIRST_STAGE.to_owned(), quiet_s: Some(QUIET_S) },
            attempt: 0,
        }
    }

    /// Names the dispatch whose sites and times belong into the mail.
    #[must_use]
    pub fn about_dispatch(mut self, dispatch: Option<Subject>) -> Self {
        self.dispatch = dispatch;
        self
    }

    /// Has a mail of its own within the incident, once.
    #[must_use]
    pub fn mailed_as(mut self, name: &str) -> Self {
        if let News::Happens { stage, .. } = &mut self.news {
            name.clone_into(stage);
        }
        self
    }

    /// Gathers by something else than the source.
    #[must_use]
    pub fn gathered_by(mut self, gather: String) -> Self {
        self.gather = gather;
        self
    }

    /// Goes on until somebody says that it is over.
    #[must_use]
    pub fn until_over(mut self) -> Self {
        if let News::Happens { quiet_s, .. } = &mut self.news {
            *quiet_s = None;
        }
        self
    }

    /// People are notified of it anew once a day, without reminders.
    #[must_use]
    pub fn once_a_day(mut self) -> Self {
        self.once_a_day = true;
        self
    }

    /// That it is over.
    pub fn over(kind: Kind, source: &str, gather: &str, at: Timestamp, detail: String) -> Self {
        let news = News::Over { detail };
        Self {
            news,
            ..Self::happens(kind, source, gather.to_owned(), at, String::new()).gathered_by(gather.to_owned())
        }
    }

    /// The incident's key.
    pub fn incident(&self) -> String {
        format!("{}/{}", self.kind, self.gather)
    }
}

impl Incident {
    /// That it is resolved, where it is one that a dispatch's record ends: a restored record may not remember that a person was
    /// notified. What is still at risk in the new epoch begins anew.
    pub fn resolved_by_restore(&self, at: Timestamp) -> Option<Notice> {
        let is_of_a_record = matches!(self.kind, Kind::DispatchAtRisk | Kind::MissedDelivery | Kind::NotCompliant);
        let goes_on = self.status != IncidentStatus::Over && self.quiet_s.is_none();
        let gather = self.incident.strip_prefix(self.kind.as_str())?.strip_prefix('/')?;
        let detail =
            "the tables were restored and a new epoch began: people are notified anew of what is still at risk"
                .to_owned();
        let at = at.max(self.last_at.saturating_add(jiff::SignedDuration::from_millis(1)).unwrap_or(at));
        (is_of_a_record && goes_on).then(|| Notice::over(self.kind, &self.source, gather, at, detail))
    }

    /// That it is resolved, where the dispatch's record knows nothing of it any more. As of its last news: what happens from now on
    /// begins it anew, by whatever clock.
    pub(crate) fn resolved_by_record(&self) -> Notice {
        let gather = self.incident.split_once('/').map_or("", |(_, gather)| gather);
        let at = self.last_at.saturating_add(jiff::SignedDuration::from_millis(1)).unwrap_or(self.last_at);
        Notice::over(self.kind, &self.source, gather, at, "the dispatch is not at risk any more".to_owned())
    }
}

/// What is stored of one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// `<kind>/<gather>`.
    pub incident: String,
    /// Goes up by one with every write.
    pub revision: u64,
    /// Who wrote it last.
    pub write: String,
    /// What sort.
    pub kind: Kind,
    /// The source.
    pub source: String,
    /// What it is about.
    pub about: String,
    /// The dispatch, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<Subject>,
    /// See [`Notice::once_a_day`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once_a_day: bool,
    /// Open, acknowledged or over.
    pub status: IncidentStatus,
    /// When it began.
    pub opened_at: Timestamp,
    /// The latest notice.
    pub last_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_at: Option<Timestamp>,
    /// Who took it on, where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// How many steps of the escalation were told of it.
    #[serde(default)]
    pub level: usize,
    /// How many notices gathered into it.
    pub count: u64,
    /// The latest detail.
    pub detail: String,
    /// See [`News::Happens`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_s: Option<u32>,
    /// The mails: stage → when it was claimed, and when it was sent.
    pub mails: BTreeMap<String, MailState>,
}

/// A person took an incident on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who, as far as is known.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Whether an incident goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// It goes on.
    Open,
    /// It goes on, and a person has taken it on: nobody is reminded.
    Acknowledged,
    /// It is over.
    Over,
}

/// How far the mail of one stage is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailState {
    /// Who is sending it.
    pub owner: String,
    /// Since when.
    pub claimed_at: Timestamp,
    /// When SES took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
}
