//! What a mail is written for.

/// The stage of the mail that says that it is resolved.
pub(super) const RESOLVED: &str = "resolved";

/// The stage of the mail at a dispatch's start.
pub(super) const START: &str = "start";

/// The end of a mail's detail when it is sent long after its deadline.
pub(super) const LATE_WORDS: &str = ": gridbell could not send this mail before";

/// What a mail is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It began, or there is news of it.
    First,
    /// The dispatch starts.
    Start,
    /// It goes on, and no person has acknowledged it.
    Reminder(usize),
    /// The same, and others are notified as well.
    Escalation(usize),
    /// It is resolved.
    Resolved,
}

impl Occasion {
    /// By the name of a stage.
    pub fn of(stage: &str) -> Self {
        let number = |prefix| stage.strip_prefix(prefix).and_then(|rest: &str| rest.parse().ok());
        match (number("reminder "), number("escalation ")) {
            (Some(n), _) => Self::Reminder(n),
            (_, Some(n)) => Self::Escalation(n),
            _ if stage == START => Self::Start,
            _ if stage == RESOLVED => Self::Resolved,
            // An alert group holds reminders, and steps of the escalation, whatever their number.
            _ if stage == "reminder" => Self::Reminder(0),
            _ if stage == "escalation" => Self::Escalation(0),
            _ => Self::First,
        }
    }

    /// Which of several a mail is written for.
    pub(super) fn weight(self) -> u8 {
        match self {
            Self::Reminder(_) => 0,
            Self::First => 1,
            Self::Start => 2,
            Self::Escalation(_) => 3,
            Self::Resolved => 4,
        }
    }

    /// What groups mails of one sort.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Start => "start",
            Self::Reminder(_) => "reminder",
            Self::Escalation(_) => "escalation",
            Self::Resolved => "resolved",
        }
    }
}
