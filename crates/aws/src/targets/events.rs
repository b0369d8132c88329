//! Outputs of the kind `eventbridge`: `PutEvents` onto a bus.

use std::time::Duration;

use aws_types::SdkConfig;
use pipeline::{
    outputs::event::EventHead,
    ports::{SendError, Sending},
};
use serde::Deserialize;
use serde_json::json;

use super::aws_error::refused;
use crate::signed::{Call, Service};

/// The size limit of an entry: detail, source, type, and 14 bytes for the time.
const MAX_ENTRY_BYTES: usize = 256 * 1_024;

/// What is left free besides: for the time and the name of the bus.
const RESERVE_BYTES: usize = 512;

/// `EventBridge`, through signed calls: its SDK would serve for one of its actions.
#[derive(Debug)]
pub(super) struct EventTargets(Service);

/// The parts of the answer that are used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    failed_entry_count: u32,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    error_message: Option<String>,
}

/// The size limit of an event's text on a bus.
pub(super) fn limit_bytes(head: &EventHead) -> usize {
    MAX_ENTRY_BYTES - RESERVE_BYTES - (head.source.len() + head.kind.len()).min(MAX_ENTRY_BYTES / 2)
}

impl EventTargets {
    pub(super) fn new(client: reqwest::Client, aws: &SdkConfig) -> Self {
        Self(Service::new(client, aws, "events"))
    }

    pub(super) async fn send(&self, bus: &str, sending: Sending<'_>, within: Duration) -> Result<(), SendError> {
        let head = sending.head;
        let entry = json!({
            "Source": head.source, "DetailType": head.kind, "Detail": sending.body, "EventBusName": bus,
            "Time": head.time.as_second(),
        });
        let headers = &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AWSEvents.PutEvents")];
        let call = Call { action: "events:PutEvents", headers, body: json!({ "Entries": [entry] }).to_string() };
        let answer = self.0.exchange("POST", "", &call, within, "").await;
        let answer = answer.map_err(|error| refused(error.to_string()))?;
        outcome(&answer.body)
    }
}

/// A 200 of `PutEvents` may contain refused entries.
fn outcome(body: &str) -> Result<(), SendError> {
    let answer: PutEvents =
        serde_json::from_str(body).map_err(|_| refused("events:PutEvents answered with something else".to_owned()))?;
    if answer.failed_entry_count == 0 {
        return Ok(());
    }
    let entry = answer.entries.into_iter().next();
    let (code, message) = entry.map(|entry| (entry.error_code, entry.error_message)).unwrap_or_default();
    Err(refused(format!("{}: {}", code.unwrap_or_default(), message.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use pipeline::ports::SendFailure;

    use super::*;

    #[test]
    fn an_entry_can_be_refused_with_a_200() {
        assert_eq!(outcome(r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}"#), Ok(()));
        let check = |code: &str, expected: SendFailure| {
            let body = format!(r#"{{"FailedEntryCount":1,"Entries":[{{"ErrorCode":"{code}","ErrorMessage":"m"}}]}}"#);
            let error = outcome(&body).unwrap_err();
            assert_eq!((error.kind, error.detail), (expected, format!("{code}: m")));
        };
        check("ThrottlingException", SendFailure::Output);
        check("MalformedDetail", SendFailure::Event);
        assert!(outcome("<html>").is_err());
    }
}
