//! Whether the controller has acknowledged the current version of a dispatch.

use dispatch::Status;
use jiff::{SignedDuration, Timestamp};

use super::{Evidence, Firing, Resolved, Verdict};
use crate::{
    dispatches::record::{Ack, AckState, SubjectRecord},
    outputs::reach::Reach,
};

/// A dispatch without a known end counts as at risk for this long after its start. [`super::Condition::NoEnd`] covers
/// the time after.
const WITHOUT_END: SignedDuration = SignedDuration::from_hours(24);

/// An incident is not resolved while the next deadline is nearer than this: a version that is published right before
/// its start, or later, is due after a minute.
const MOMENT: SignedDuration = SignedDuration::from_secs(75);

/// A signal younger than this is probably being sent.
const SENDING: SignedDuration = SignedDuration::from_secs(5);

/// The deadline has passed, and no controller has acknowledged. Without acknowledgements: a required output has not
/// taken the signal, or, without outputs, the signals queue is not read.
pub(super) fn not_acknowledged(record: Option<&SubjectRecord>, evidence: &Evidence, now: Timestamp) -> Verdict {
    let &Evidence { backlog, has_acknowledgements, ref reach, .. } = evidence;
    let Some(record) = record else { return Verdict::resolved(now, "the dispatch is not known any more") };
    let Some((Status::Scheduled, terms)) = record.state.published() else {
        return Verdict::resolved(now, "the dispatch is no longer active");
    };
    if let Some(ack) = record.ack.as_ref().filter(|_| record.is_acknowledged()) {
        return Verdict::resolved(ack.at, answered(ack));
    }
    if record.has_failed() {
        return Verdict::resolved(now, "the controller answered that it failed, which is an incident of its own");
    }
    let Some(due) = record.due.or(record.lapsed) else {
        let why = match reach {
            Some(_) => "every required output has taken its signal",
            None => "its signal was read from the queue",
        };
        return Verdict::resolved(now, why);
    };
    if now < due && due.duration_since(now) <= MOMENT {
        // A further version of a dispatch at risk belongs to the same incident, unless its deadline is later than that.
        return Verdict::Undecided;
    }
    if now < due {
        return Verdict::resolved(
            now,
            format!("version {} has more time: it is due at {due:.0}", record.state.version),
        );
    }
    let what = match backlog.filter(|_| !has_acknowledgements) {
        // The deadline monitor found that before it closed the deadline.
        _ if record.lapsed.is_some() => "no controller acknowledged it in time".to_owned(),
        _ if !record.outbox.is_empty() && now.duration_since(record.changed_at) < SENDING => return Verdict::Undecided,
        _ if !record.outbox.is_empty() => "its signal could not be sent to the queue yet".to_owned(),
        None if has_acknowledgements => match unacknowledged(reach.as_ref()) {
            Ok(detail) => detail,
            Err(why) => return Verdict::resolved(now, why),
        },
        None => match reach {
            Some(reach) if reach.is_delivered() => {
                return Verdict::resolved(now, "every required output has taken its signal");
            }
            Some(reach) => reach.detail(),
            None => return Verdict::Undecided,
        },
        Some(backlog) if backlog.waiting == 0 => {
            return Verdict::resolved(now, "its signal was read from the queue");
        }
        // A consumer is reading the queue and will reach this dispatch.
        Some(backlog) if backlog.in_hand > 0 => return Verdict::Undecided,
        Some(backlog) => format!("the queue of signals is not read: {} wait there", backlog.waiting),
    };
    let detail =
        format!("version {}, to start at {:.0}, is not acknowledged: {what}", record.state.version, terms.start);
    let firing = Firing::new(due, record.subject.as_str(), detail);
    match ends_at(record) {
        Some(end) if end <= now => {
            let why = if terms.end.is_some() {
                "its time has passed, and no controller acknowledged it"
            } else {
                "no controller acknowledged it within a day; a person is asked once a day whether it is still active"
            };
            Verdict::Resolved(Resolved { at: now, why: why.to_owned(), lapsed: Some(firing) })
        }
        _ => Verdict::Firing(firing),
    }
}

/// What is missing for an acknowledgement, or why nothing is.
fn unacknowledged(reach: Option<&Reach>) -> Result<String, &'static str> {
    match reach {
        Some(reach) if reach.acknowledged.is_some() => Err("every required output has acknowledged it"),
        Some(reach) if !reach.is_delivered() => Ok(reach.detail()),
        _ => Ok("no controller has acknowledged it".to_owned()),
    }
}

/// The controller answered `failed` to the current version.
pub(super) fn failed(record: Option<&SubjectRecord>, now: Timestamp) -> Verdict {
    let Some(record) = record else { return Verdict::resolved(now, "the dispatch is not known any more") };
    let Some(ack) = record.ack.as_ref() else {
        return Verdict::resolved(now, "the controller has not answered to the current version");
    };
    if ack.version != record.state.version {
        return Verdict::resolved(now, format!("version {} was published since", record.state.version));
    }
    if ack.state != AckState::Failed {
        return Verdict::resolved(ack.at, answered(ack));
    }
    if ends_at(record).is_some_and(|end| end <= now && ack.at <= end) {
        return Verdict::resolved(now, "the time of the dispatch has passed");
    }
    let words = ack.detail.as_deref().unwrap_or("it gave no reason");
    let detail = format!("the controller answered that it failed to carry out version {}: {words}", ack.version);
    Verdict::firing(ack.at, record.subject.as_str(), detail)
}

/// The controller's answer, or that of a person in its place.
fn answered(ack: &Ack) -> String {
    match &ack.by {
        Some(by) => format!("{by} answered {} to version {}, by hand", ack.state.word(), ack.version),
        None => format!("the controller answered {} to version {}", ack.state.word(), ack.version),
    }
}

/// The instant from which no action on the current version is possible.
pub(crate) fn ends_at(record: &SubjectRecord) -> Option<Timestamp> {
    let (_, terms) = record.state.published()?;
    terms.end.or_else(|| terms.start.checked_add(WITHOUT_END).ok())
}
