//! The occasion of a mail.

/// The stage of the mail that reports the end.
pub(super) const RESOLVED: &str = "resolved";

/// The stage of the mail at a dispatch's start.
pub(super) const START: &str = "start";

/// The end of a mail's detail if it is sent long after its deadline.
pub(super) const LATE_WORDS: &str = ": gridbell could not send this mail before";

/// The occasion of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The incident opened, or there is news of it.
    First,
    /// The dispatch starts.
    Start,
    /// It is still open, and no person has acknowledged it.
    Reminder(usize),
    /// The same, and further people are notified.
    Escalation(usize),
    /// It is resolved.
    Resolved,
}

impl Occasion {
    /// The occasion of a stage, by its name.
    pub fn of(stage: &str) -> Self {
        let number = |prefix| stage.strip_prefix(prefix).and_then(|rest: &str| rest.parse().ok());
        match (number("reminder "), number("escalation ")) {
            (Some(n), _) => Self::Reminder(n),
            (_, Some(n)) => Self::Escalation(n),
            _ if stage == START => Self::Start,
            _ if stage == RESOLVED => Self::Resolved,
            // An alert group contains reminders or escalation steps without their number.
            _ if stage == "reminder" => Self::Reminder(0),
            _ if stage == "escalation" => Self::Escalation(0),
            _ => Self::First,
        }
    }

    /// If a mail has several occasions, the greatest weight decides.
    pub(super) fn weight(self) -> u8 {
        match self {
            Self::Reminder(_) => 0,
            Self::First => 1,
            Self::Start => 2,
            Self::Escalation(_) => 3,
            Self::Resolved => 4,
        }
    }

    /// The word by which mails are grouped.
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
