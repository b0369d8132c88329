//! The messages of the inner queues: one enum for each queue, with the version of its format. Each is parsed in one
//! place.

use dispatch::{Epoch, Subject, TraceParent, trace};
use jiff::Timestamp;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::value::RawValue;

use crate::{
    alerts::condition::{Condition, NotedEvent, StageReport},
    dispatches::record::AckState,
    job::{FOREIGN, FailedJob, Job},
    outputs::lane::LaneKey,
};

/// The format version of every message and stored item that this release writes. A release writes only what the
/// previous one reads: it first reads a new format ([`READS`]), and the next release writes it.
pub const FORMAT: u32 = 1;

/// The latest version that this release reads; it reads all earlier ones, too.
pub const READS: u32 = 1;

/// The longest delay of a message, in seconds.
pub const MAX_DELAY_S: u32 = 900;

/// A message without a version has the first.
fn first_format() -> u32 {
    1
}

/// A message of `deliveries`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "nearly every message is of the large variant, moved a few times")]
pub enum ToHydrate {
    /// A job: a webhook to read, a resource to fetch, a source to poll.
    Job(Job),
    /// A check whether the hydrator runs.
    Heartbeat(Heartbeat),
}

/// A message of `retries`. A redrive brings messages of `deliveries` unchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToRetry {
    /// A job failed; includes the reason.
    Failed(FailedJob),
    /// Redriven: the hydrator died over a job repeatedly.
    Job(Job),
    /// Redriven: a heartbeat that was never answered.
    Heartbeat(Heartbeat),
    /// A deadline may have passed.
    Deadline(Deadline),
    /// A heartbeat must have been answered by now.
    HeartbeatCheck(HeartbeatCheck),
    /// An output acknowledged in its response.
    Acknowledged(OutputAck),
}

/// An acknowledgement in the response of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputAck {
    /// The output.
    pub output: String,
    /// The dispatch.
    pub subject: Subject,
    /// The epoch of the version.
    pub epoch: Epoch,
    /// The version.
    pub version: u64,
    /// The state that the controller reports.
    pub state: AckState,
    /// Its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A message of `outputs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToCourier {
    /// Something may wait in a lane.
    Deliver(LaneKey),
    /// An output fails: a few lanes find out whether it works again.
    Probe {
        /// The output.
        output: String,
    },
    /// An output works again: what waits for it can be delivered.
    Release {
        /// The output.
        output: String,
    },
    /// A person wants what was kept to be delivered after all.
    Replay {
        /// The output.
        output: String,
        /// Only of this subject; none: of all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<Subject>,
    },
    /// A person wants to know whether an output works: a made-up event is sent to it.
    Test {
        /// The output.
        output: String,
        /// A unique name, under which the result is found ([`crate::outputs::state::TestResult`]).
        id: String,
    },
}

impl ToCourier {
    /// The message with a delay of so many seconds.
    pub fn after(self, delay_s: u32) -> DelayedToCourier {
        DelayedToCourier { message: self, delay_s }
    }
}

/// A message for the courier, and its delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayedToCourier {
    /// The message.
    pub message: ToCourier,
    /// In seconds; [`MAX_DELAY_S`] at most.
    pub delay_s: u32,
}

/// A check whether the hydrator runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When it becomes visible in the queue.
    pub at: Timestamp,
}

/// Check whether a heartbeat was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatCheck {
    /// When the heartbeat was sent.
    pub sent_at: Timestamp,
    /// An earlier check came too late.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// The messages in the queue at the first check, including those in flight; none: this is the first check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lay: Option<u64>,
}

impl HeartbeatCheck {
    /// The first check of a heartbeat.
    pub fn of(sent_at: Timestamp) -> Self {
        Self { sent_at, again: false, lay: None }
    }
}

/// A message for the retrier, and its delay.
#[derive(Debug, Clone, PartialEq)]
pub struct Delayed {
    /// The message.
    pub message: ToRetry,
    /// In seconds; [`MAX_DELAY_S`] at most.
    pub delay_s: u32,
}

impl ToRetry {
    /// The message with a delay of so many seconds.
    pub fn after(self, delay_s: u32) -> Delayed {
        Delayed { message: self, delay_s }
    }

    /// The message without a delay.
    pub fn at_once(self) -> Delayed {
        self.after(0)
    }
}

/// A message of `alerts` or of `reviews`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToAlert {
    /// A condition may have changed.
    Hint(Hint),
    /// A page of incidents that are open.
    Review {
        /// Their keys.
        incidents: Vec<String>,
    },
    /// An alert group is due.
    Flush {
        /// Its key.
        group: String,
        /// The span that scheduled it.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "trace::lenient")]
        traceparent: Option<TraceParent>,
    },
}

/// A condition may have changed. A component sends it as often as it likes; the alerter judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The condition.
    pub condition: Condition,
    /// When the sender saw it. It is judged as of then, or of now if that is later: clocks differ.
    pub at: Timestamp,
    /// How often its evidence could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// The alerter sent it as the timer of a stage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timer: bool,
    /// The span that sent it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "trace::lenient")]
    pub traceparent: Option<TraceParent>,
}

impl Hint {
    /// A first hint at a condition.
    pub fn new(condition: Condition, at: Timestamp) -> Self {
        Self { condition, at, attempt: 0, timer: false, traceparent: None }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(attempt: &u32) -> bool {
    *attempt == 0
}

/// A dispatch, or the ramp of a load target, may be due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The dispatch or load target.
    pub subject: Subject,
    /// How many unread signals an earlier check found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<u64>,
    /// A person has curtailed by hand; this is stored first. An earlier release ignores this field and checks the
    /// deadline as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<ByHand>,
    /// A chain of messages that `gridbell verify` began: it goes on instead of a check. An earlier release ignores this
    /// field and checks the deadline as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// The span that armed it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "trace::lenient")]
    pub traceparent: Option<TraceParent>,
}

impl Deadline {
    /// The deadline of a subject.
    pub fn of(subject: Subject) -> Self {
        Self { subject, unread: None, by_hand: None, chain: None, traceparent: None }
    }
}

/// A chain of messages, each sent by the invocation that handled the one before. Lambda stops such chains unless the
/// function allows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// How many messages it has.
    pub of: u32,
    /// How many follow this one.
    pub left: u32,
}

/// A person has curtailed a version of a dispatch by hand: it counts as accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// Who, if known.
    pub by: String,
    /// The epoch of the version.
    pub epoch: Epoch,
    /// The version that the person saw.
    pub version: u64,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// gridbell did not send it.
    #[error("the message is none of gridbell's: {0}")]
    Foreign(#[from] serde_json::Error),
    /// A later release wrote it.
    #[error("the message has format version {0}; this release reads up to {READS}")]
    Newer(u32),
}

/// Notifies people if a queue contains messages of a later release: a webhook may be among them, and the dead-letter
/// queue, where they end, would show it half an hour later.
pub(crate) fn newer_in(queue: &str, v: u32, now: Timestamp) -> NotedEvent {
    let about = format!("messages of a later release in {queue}");
    let detail = format!(
        "a message of format version {v} came; this release reads up to {READS}. It is kept and comes to the dead letters: deploy the \
         later release again, then redrive them; until then see the provider's portal for what it may say"
    );
    let condition = Condition::GivenUp { source: FOREIGN.to_owned(), about: about.clone() };
    NotedEvent { condition, at: now, news: StageReport { stage: format!("format {v}"), about, detail } }
}

#[derive(Serialize)]
struct Writing<'m, T> {
    v: u32,
    message: &'m T,
}

/// Later formats share only the version with this one.
#[derive(Deserialize)]
struct Envelope<'m> {
    #[serde(default = "first_format")]
    v: u32,
    #[serde(borrow, default)]
    message: Option<&'m RawValue>,
}

/// A message as the queue carries it.
pub fn to_json(message: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Writing { v: FORMAT, message })
}

/// Reads a message of a queue.
pub fn read<T: DeserializeOwned>(body: &str) -> Result<T, ReadError> {
    let Envelope { v, message } = serde_json::from_str(body)?;
    if v > READS {
        return Err(ReadError::Newer(v));
    }
    let message = message.ok_or_else(|| serde_json::Error::missing_field("message"))?;
    Ok(serde_json::from_str(message.get())?)
}

/// The delay until then in seconds, limited to one message.
pub fn hop_s(at: Timestamp, now: Timestamp) -> u32 {
    let whole_s = (at.duration_since(now).as_millis() + 999).div_euclid(1_000);
    u32::try_from(whole_s.clamp(0, i128::from(MAX_DELAY_S))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobKind;

    #[test]
    fn what_a_redrive_brings_is_read_as_it_is() {
        let job = Job::fresh("d-1", "voltus-prod", Timestamp::UNIX_EPOCH, JobKind::Body("{}".to_owned()));
        let sent = to_json(&ToHydrate::Job(job.clone())).unwrap();
        assert!(sent.starts_with(r#"{"v":1,"message":{"job":"#), "{sent}");
        assert_eq!(read::<ToRetry>(&sent).unwrap(), ToRetry::Job(job));
    }

    #[test]
    fn what_a_later_release_wrote_is_told_from_what_is_foreign() {
        let newer =
            to_json(&ToAlert::Flush { group: "g".to_owned(), traceparent: None }).unwrap().replacen(":1,", ":2,", 1);
        assert!(matches!(read::<ToAlert>(&newer), Err(ReadError::Newer(2))));
        // Only the version must stay as it is today.
        assert!(matches!(read::<ToAlert>(r#"{"v":3,"jobs":[]}"#), Err(ReadError::Newer(3))));
        let unsaid =
            to_json(&ToAlert::Flush { group: "g".to_owned(), traceparent: None }).unwrap().replacen(r#""v":1,"#, "", 1);
        assert_eq!(read::<ToAlert>(&unsaid).unwrap(), ToAlert::Flush { group: "g".to_owned(), traceparent: None });
        for foreign in ["{}", "null", "[1]", r#"{"v":1,"message":{"review":7}}"#, "not JSON"] {
            assert!(matches!(read::<ToAlert>(foreign), Err(ReadError::Foreign(_))), "{foreign}");
        }
    }
}
