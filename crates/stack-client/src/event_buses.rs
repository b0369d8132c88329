//! The one question about `EventBridge`: whether a bus exists.

use aws::signed::{Call, CallError, Service};
use aws_config::SdkConfig;
use serde_json::json;

/// `EventBridge` in one region.
#[derive(Debug, Clone)]
pub struct EventBuses(Service);

impl EventBuses {
    pub(crate) fn new(http: reqwest::Client, aws: &SdkConfig) -> Self {
        Self(Service::new(http, aws, "events"))
    }

    /// Whether there is a bus of that name or ARN.
    ///
    /// # Errors
    /// AWS refused, or does not answer.
    pub async fn exists(&self, bus: &str) -> Result<bool, CallError> {
        let headers = &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AWSEvents.DescribeEventBus")];
        let call = Call { action: "events:DescribeEventBus", headers, body: json!({ "Name": bus }).to_string() };
        match self.0.post(&call).await {
            Ok(_) => Ok(true),
            Err(CallError::Refused { body, .. }) if body.contains("ResourceNotFoundException") => Ok(false),
            Err(error) => Err(error),
        }
    }
}
