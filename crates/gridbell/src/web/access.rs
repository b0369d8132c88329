//! What the console reads and does in a stack. The opened stack implements it with the verbs' functions; tests
//! implement it with fixed data.

use anyhow::Result;
use aws::dynamo::{Listed, StoredJob, Wanted};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use pipeline::{
    config::Config, incident::Incident, ingest::acknowledge::Acknowledgement, polling::state::PollState,
    record::SubjectRecord,
};

pub use crate::verbs::{
    delivery::{Contents, DeliveryKind, DeliveryView, Preview, Replayed},
    doctor::{CheckResult, Verdict},
    output::{OutputStatus, OutputView, ReplayedSignal, SignalCount, SignalPreview},
};

/// A result of the stack. An error is one line for a person.
pub type Answer<'a, T> = BoxFuture<'a, Result<T>>;

/// Receives each line that a source's test prints.
pub type Lines = crate::show::Lines;

/// The result of a test of a source or of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tested {
    /// The test was sent and followed to its end.
    Done,
    /// A person must first agree to this action.
    Asks(String),
}

/// A stack as the console sees it.
pub trait StackAccess: Send + Sync + 'static {
    /// The stack's name.
    fn name(&self) -> &str;
    /// Whether it is deployed in AWS.
    fn is_deployed(&self) -> bool;
    /// The current time.
    fn now(&self) -> Timestamp;
    /// The configuration that its functions run with.
    fn config(&self) -> Answer<'_, Config>;
    /// The matching dispatches.
    fn dispatches(&self, wanted: Wanted) -> Answer<'_, Listed<SubjectRecord>>;
    /// The records that are active and not over, of one source or of all, without those already known.
    fn active_others<'a>(
        &'a self,
        source: Option<&'a str>,
        known: &'a [SubjectRecord],
    ) -> Answer<'a, Vec<SubjectRecord>>;
    /// The record of a subject.
    fn record<'a>(&'a self, key: &'a str) -> Answer<'a, Option<SubjectRecord>>;
    /// All incidents.
    fn incidents(&self) -> Answer<'_, Listed<Incident>>;
    /// Deliveries that fail or are quarantined, of one source or of all.
    fn jobs<'a>(&'a self, source: Option<&'a str>) -> Answer<'a, Listed<StoredJob>>;
    /// Dead letters.
    fn dead_letters(&self) -> Answer<'_, Vec<DeliveryView>>;
    /// A delivery with its body.
    fn delivery<'a>(&'a self, id: &'a str) -> Answer<'a, Contents>;
    /// The polling state of a source.
    fn poll_state<'a>(&'a self, source: &'a str) -> Answer<'a, Option<PollState>>;
    /// The outputs; an error if there are some and the stack has no courier.
    fn outputs(&self) -> Answer<'_, Vec<OutputView>>;
    /// `output replay NAME --dry-run`.
    fn kept_signals<'a>(&'a self, output: &'a str) -> Answer<'a, Vec<SignalPreview>>;
    /// `output replay NAME --yes`.
    fn replay_output<'a>(&'a self, output: &'a str) -> Answer<'a, Vec<ReplayedSignal>>;
    /// `output test`; `agreed`: a person has agreed to the action.
    fn test_output<'a>(&'a self, output: &'a str, agreed: bool, lines: Lines) -> Answer<'a, Tested>;
    /// All checks of `doctor`.
    fn doctor(&self) -> Answer<'_, Vec<CheckResult>>;
    /// `dispatch ack`; returns a confirmation.
    fn acknowledge<'a>(&'a self, said: &'a Acknowledgement) -> Answer<'a, String>;
    /// `alert ack`; returns a confirmation.
    fn acknowledge_incident<'a>(&'a self, incident: &'a str, by: &'a str) -> Answer<'a, String>;
    /// `alert snooze`, until that instant; returns a confirmation.
    fn snooze_incident<'a>(&'a self, incident: &'a str, until: Timestamp, by: &'a str) -> Answer<'a, String>;
    /// `delivery replay --dry-run`.
    fn previews<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<Preview>>;
    /// `delivery replay --yes`.
    fn replay<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<Replayed>>;
    /// `webhook test`; `agreed`: a person has agreed to the action.
    fn test<'a>(&'a self, source: &'a str, agreed: bool, lines: Lines) -> Answer<'a, Tested>;
}
