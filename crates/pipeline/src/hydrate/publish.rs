//! Sends a record's outbox, then stores that it is sent: in that order, so that a crash repeats signals and loses none.

use tracing::Instrument;

use crate::{
    dispatches::record::SubjectRecord,
    ports::{Dispatches, PortError, SignalStream},
    trace::{self, Hop},
};

/// The result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The outbox was empty.
    Nothing,
    /// All is sent, and stored as sent.
    Sent,
    /// All is sent. Another write came first, and its writer must store that.
    Overtaken,
}

/// Publishes the outbox of a stored record, as that hop of a trace.
pub async fn publish(
    table: &impl Dispatches,
    stream: &impl SignalStream,
    record: &SubjectRecord,
    hop: Hop,
) -> Result<PublishOutcome, PortError> {
    if record.outbox.is_empty() {
        return Ok(PublishOutcome::Nothing);
    }
    let sent = async {
        stream.publish(&record.outbox).await?;
        let noted = table.sent(&record.subject, record.revision).await?;
        Ok(if noted { PublishOutcome::Sent } else { PublishOutcome::Overtaken })
    };
    let sent = async { sent.await.inspect_err(|error: &PortError| trace::failed(&error.to_string())) };
    sent.instrument(hop.span("publish", &record.origin.source, record.subject.as_str())).await
}
