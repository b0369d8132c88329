//! Sending what a record owes, then taking note that it is sent: in that order, so that a crash repeats rather than loses.

use crate::{
    dispatches::record::SubjectRecord,
    ports::{Dispatches, PortError, SignalStream},
};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishOutcome {
    /// Nothing was owed.
    Nothing,
    /// All is sent, and noted.
    Sent,
    /// All is sent; somebody else wrote meanwhile and owes the note.
    Overtaken,
}

/// Publishes the outbox of a record as it is stored.
pub async fn publish(
    table: &impl Dispatches,
    stream: &impl SignalStream,
    record: &SubjectRecord,
) -> Result<PublishOutcome, PortError> {
    if record.outbox.is_empty() {
        return Ok(PublishOutcome::Nothing);
    }
    stream.publish(&record.outbox).await?;
    let noted = table.sent(&record.subject, record.revision).await?;
    Ok(if noted { PublishOutcome::Sent } else { PublishOutcome::Overtaken })
}
