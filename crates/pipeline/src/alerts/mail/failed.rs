//! What failed, in one plain sentence.

use super::{
    case::Case,
    subject::{is_late, is_missed},
    words::{sentence, tame},
};
use crate::{
    alerts::{condition::Condition, occasion::Occasion},
    job::clip,
};

/// The longest text of a controller that is shown, in characters.
const MAX_WORDS: usize = 300;

/// What failed, and whether the mail is late.
pub(super) fn failed(case: &Case<'_>, occasion: Occasion) -> Vec<String> {
    let mut lines = vec![what(case)];
    if is_late(case, occasion) {
        lines.push("This mail comes late: gridbell could not send it in time.".to_owned());
    }
    lines
}

fn what(case: &Case<'_>) -> String {
    let (provider, source) = (case.provider(), tame(case.incident.source()));
    match &case.incident.condition {
        Condition::NotAcknowledged { .. } => not_acknowledged(case).to_owned(),
        Condition::ControllerFailed { .. } => {
            let said = case.record.and_then(|record| record.ack.as_ref()?.detail.as_deref());
            let words = said.map(|said| format!(": {}", clip(&tame(said), MAX_WORDS))).unwrap_or_default();
            sentence(&format!("The controller answered that it cannot carry out this dispatch{words}"))
        }
        Condition::NoEnd { .. } => format!("{provider} has not stated when this dispatch ends."),
        Condition::PartsUnsent { .. } => {
            "Only some parts of the signal of this dispatch were sent, so no controller can act on it.".to_owned()
        }
        Condition::Failing { .. } if !case.announces_dispatches() => {
            format!("gridbell could not fetch from {provider} what a webhook announced.")
        }
        Condition::Failing { .. } if case.need().is_some() => {
            format!("{provider} announced a change of this dispatch, and gridbell could not fetch it.")
        }
        Condition::Failing { .. } if case.incident.subject().is_some() => {
            format!("{provider} announced this dispatch, and gridbell could not fetch it.")
        }
        Condition::Failing { .. } => format!("gridbell could not process a webhook of {source}."),
        Condition::DeliveriesUnread => "gridbell receives webhooks and does not process them.".to_owned(),
        Condition::KeyRefused { .. } => format!("{provider} refuses the API key of {source}."),
        Condition::KeysRotated { .. } => format!("{provider} says that the API keys of {source} were rotated."),
        Condition::MissedDelivery { .. } => {
            format!("gridbell found this by polling {provider}; no webhook has announced it.")
        }
        Condition::NotCompliant { .. } if is_missed(case.record) => "The load target is missed.".to_owned(),
        Condition::NotCompliant { .. } => "The end of a ramp was not reported in time.".to_owned(),
        Condition::SourceDown { .. } => format!("gridbell cannot read {provider}'s list of dispatches."),
        Condition::Quarantined { about: Some(_), .. } => "gridbell could not read a part of this dispatch.".to_owned(),
        Condition::Quarantined { about: None, .. } => {
            format!("gridbell could not read something that {provider} sent, and keeps it.")
        }
        Condition::UnknownEvent { .. } => {
            format!("{provider} sent an event of a type that gridbell does not know.")
        }
        Condition::GivenUp { .. } => "gridbell tried several times, gave up, and keeps what failed.".to_owned(),
        Condition::OutputFailing { output } => {
            sentence(&format!("The output {} does not take signals: {}", tame(output), tame(&case.incident.detail)))
        }
        Condition::DeadLetters { queue } => {
            format!("A function failed five times on messages, which lie in the queue {queue} now.")
        }
        Condition::ChannelFailing { .. } => format!(
            "gridbell could not send alerts to {}: people who rely on it alone do not hear of them.",
            clip(&tame(&case.incident.about), MAX_WORDS)
        ),
    }
}

fn not_acknowledged(case: &Case<'_>) -> &'static str {
    let is_over = case.need().is_some_and(|need| !need.is_active());
    if case.record.is_some_and(|record| !record.outbox.is_empty()) {
        return "gridbell could not send the signal of this dispatch to its queue yet.";
    }
    match (case.has_acknowledgements(), is_over) {
        (true, false) => "No controller has confirmed this dispatch.",
        (true, true) => "No controller confirmed this dispatch, and its time has passed.",
        (false, false) => "No controller reads the signals, so none knows of this dispatch.",
        (false, true) => "No controller read the signal of this dispatch, and its time has passed.",
    }
}
