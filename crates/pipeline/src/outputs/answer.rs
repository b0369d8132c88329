//! The acknowledgement in the response of an HTTP output.

use serde_json::Value;

use crate::{dispatches::record::AckState, ingest::plain, job::clip, ports::ResponseAck};

/// The longest text of a controller that is stored, in characters.
const MAX_DETAIL: usize = 500;

/// The acknowledgement in the body of a 2xx response; none if the body is something else.
pub fn acknowledgement(body: &[u8]) -> Option<ResponseAck> {
    let said: Value = serde_json::from_slice(plain::unmarked(body)).ok()?;
    let state = match said.get("state")?.as_str()? {
        "accepted" => AckState::Accepted,
        "completed" => AckState::Completed,
        "failed" => AckState::Failed,
        _ => return None,
    };
    let detail = said.get("detail").and_then(Value::as_str).map(|detail| clip(detail, MAX_DETAIL));
    Some(ResponseAck { state, detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_state_of_the_contract_acknowledges() {
        let check = |body: &str, expected: Option<AckState>| {
            assert_eq!(acknowledgement(body.as_bytes()).map(|ack| ack.state), expected, "{body}");
        };
        check(r#"{"state":"accepted"}"#, Some(AckState::Accepted));
        check(r#"{"state":"completed","detail":7}"#, Some(AckState::Completed));
        check("\u{feff}{\"state\":\"failed\",\"detail\":\"no\"}", Some(AckState::Failed));
        check(r#"{"state":"Accepted"}"#, None);
        check(r#"{"status":"ok"}"#, None);
        check(r#"["accepted"]"#, None);
        check("ok", None);
        check("", None);
        let detail = acknowledgement(br#"{"state":"failed","detail":"breaker open"}"#).and_then(|ack| ack.detail);
        assert_eq!(detail.as_deref(), Some("breaker open"));
    }
}
