//! What the console reads of a stack, and what it does there. The opened stack implements it as the verbs do; tests implement it with
//! fixed data.

use anyhow::Result;
use aws::dynamo::{Kept, Listed, Wanted};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use pipeline::{
    config::Config, incident::Incident, ingest::acknowledge::Acknowledgement, polling::state::PollState,
    record::SubjectRecord,
};

pub use crate::verbs::{
    delivery::{Contents, DeliveryKind, DeliveryView, Preview, Replayed},
    doctor::{CheckResult, Verdict},
};

/// An answer of the stack. An error is one line for a person.
pub type Answer<'a, T> = BoxFuture<'a, Result<T>>;

/// Takes each line that a test of a source says.
pub type Lines = crate::show::Lines;

/// What came of asking a provider for a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tested {
    /// The test was sent and followed to its end.
    Done,
    /// A person must agree first: what would be done.
    Asks(String),
}

/// A stack as the console sees it.
pub trait StackAccess: Send + Sync + 'static {
    /// The stack's name.
    fn name(&self) -> &str;
    /// Whether it runs in AWS.
    fn is_deployed(&self) -> bool;
    /// The time.
    fn now(&self) -> Timestamp;
    /// The configuration that its functions run with.
    fn config(&self) -> Answer<'_, Config>;
    /// The dispatches that are wanted.
    fn dispatches(&self, wanted: Wanted) -> Answer<'_, Listed<SubjectRecord>>;
    /// What is on and not over, of one source or of all, and is none of those that are known.
    fn active_others<'a>(
        &'a self,
        source: Option<&'a str>,
        known: &'a [SubjectRecord],
    ) -> Answer<'a, Vec<SubjectRecord>>;
    /// What is stored under a key: a dispatch or another subject.
    fn record<'a>(&'a self, key: &'a str) -> Answer<'a, Option<SubjectRecord>>;
    /// All incidents.
    fn incidents(&self) -> Answer<'_, Listed<Incident>>;
    /// Deliveries that fail or are quarantined, of one source or of all.
    fn kept<'a>(&'a self, source: Option<&'a str>) -> Answer<'a, Listed<Kept>>;
    /// Dead letters.
    fn dead_letters(&self) -> Answer<'_, Vec<DeliveryView>>;
    /// A delivery with its body.
    fn delivery<'a>(&'a self, id: &'a str) -> Answer<'a, Contents>;
    /// How the polling of a source stands.
    fn poll_state<'a>(&'a self, source: &'a str) -> Answer<'a, Option<PollState>>;
    /// All checks of `doctor`.
    fn doctor(&self) -> Answer<'_, Vec<CheckResult>>;
    /// `dispatch ack`: what was noted.
    fn acknowledge<'a>(&'a self, said: &'a Acknowledgement) -> Answer<'a, String>;
    /// `alert ack`: what was noted.
    fn acknowledge_incident<'a>(&'a self, incident: &'a str, by: &'a str) -> Answer<'a, String>;
    /// `delivery replay --dry-run`.
    fn previews<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<Preview>>;
    /// `delivery replay --yes`.
    fn replay<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<Replayed>>;
    /// `webhook test`; `agreed`: a person has agreed to what it asks.
    fn test<'a>(&'a self, source: &'a str, agreed: bool, lines: Lines) -> Answer<'a, Tested>;
}
