//! An output acknowledged in its response: the retrier stores it like `POST /acks`.

use super::reach::reach;
use crate::{
    config::Config,
    dispatches::record::AckState,
    ingest::acknowledge::{Acknowledge, Acknowledgement},
    messages::OutputAck,
    ports::{Dispatches, Outputs, PortError, Ports},
};

/// Stores an acknowledgement as that of the dispatch: `failed` at once, any other when every required output has
/// acknowledged. The deadline reads the same lanes, so a lost message delays nothing but the timeline.
pub(crate) async fn acknowledged<P: Ports>(
    acknowledge: &Acknowledge<'_, P>,
    outputs: &impl Outputs,
    config: &Config,
    ack: OutputAck,
) -> Result<(), PortError> {
    if !config.outputs.get(&ack.output).is_some_and(|output| output.required) {
        tracing::info!(output.name = ack.output, dispatch.subject = %ack.subject, "this output's answer does not count");
        return Ok(());
    }
    let state = match ack.state {
        AckState::Failed => Some(AckState::Failed),
        AckState::Accepted | AckState::Completed => match acknowledge.table.read(&ack.subject).await? {
            Some(record) => reach(outputs, config, &record).await?.acknowledged,
            None => None,
        },
    };
    // Other outputs may still have to answer. What answers a superseded version is not noted.
    let Some(state) = state else { return Ok(()) };
    let said = Acknowledgement {
        dispatch: ack.subject.to_string(),
        epoch: Some(ack.epoch),
        version: ack.version,
        state,
        detail: ack.detail,
        by: None,
    };
    let outcome = acknowledge.note(&said).await?;
    tracing::info!(output.name = ack.output, dispatch.subject = %ack.subject, outcome = ?outcome, "acknowledged in the response");
    Ok(())
}
