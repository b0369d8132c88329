//! The body of a webhook.

use serde_json::json;

use super::ChannelMessage;

/// The JSON that a webhook gets: `{"id", "type", "time", "text", "test", "severity", "alerts": […]}`.
pub fn body(message: &ChannelMessage) -> String {
    json!({
        "id": message.id,
        "type": "gridbell.alert.v1",
        "time": message.time,
        "text": message.text,
        "test": message.test,
        "severity": message.severity,
        "alerts": message.alerts,
    })
    .to_string()
}
