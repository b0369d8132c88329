//! Outputs of the kind `sqs`: a queue, FIFO or standard, also of another account or region.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_sqs::{Client, config::Builder, types::MessageAttributeValue};
use aws_types::{SdkConfig, region::Region};
use dispatch::sendable;
use pipeline::ports::{SendError, SendFailure, Sending, fifo_id};

use super::aws_error::refused;
use crate::client::with_causes;

/// The clients, one for each region.
#[derive(Debug)]
pub(super) struct SqsTargets {
    aws: SdkConfig,
    clients: Mutex<HashMap<Option<String>, Client>>,
}

impl SqsTargets {
    pub(super) fn new(aws: &SdkConfig) -> Self {
        Self { aws: aws.clone(), clients: Mutex::default() }
    }

    fn client(&self, queue_url: &str) -> Client {
        // An emulator has all regions at one address.
        let region = region(queue_url).filter(|_| self.aws.endpoint_url().is_none());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || {
            let mut config = Builder::from(&self.aws);
            config.set_region(region.clone().map(Region::new).or_else(|| self.aws.region().cloned()));
            Client::from_conf(config.build())
        };
        clients.entry(region.clone()).or_insert_with(made).clone()
    }

    pub(super) async fn send(&self, queue_url: &str, sending: Sending<'_>, within: Duration) -> Result<(), SendError> {
        let head = sending.head;
        let mut request =
            self.client(queue_url).send_message().queue_url(queue_url).message_body(sendable(sending.body));
        let mut attributes =
            vec![("type", head.kind.clone()), ("source", head.source.clone()), ("test", head.test.to_string())];
        let parts = head.part().map(|part| [("part", part.number.to_string()), ("parts", part.of.to_string())]);
        attributes.extend(parts.into_iter().flatten());
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            request = request.message_attributes(name, value.map_err(|error| refused(error.to_string()))?);
        }
        if queue_url.ends_with(".fifo") {
            request =
                request.message_group_id(fifo_id(head.subject.as_str())).message_deduplication_id(fifo_id(&head.id));
        }
        match tokio::time::timeout(within, Box::pin(request.send())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refused(with_causes(error))),
            Err(_) => {
                let detail = format!("SQS did not answer within {} ms", within.as_millis());
                Err(SendError { kind: SendFailure::Output, retry_after_s: None, detail })
            }
        }
    }
}

/// The region in the URL of a queue: `https://sqs.REGION.amazonaws.com/…`.
pub fn region(queue_url: &str) -> Option<String> {
    let host = queue_url.split_once("://")?.1.split('/').next()?;
    let region = host.strip_prefix("sqs.")?.split_once(".amazonaws.com")?.0;
    (!region.is_empty() && !region.contains('.')).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_stands_in_the_url() {
        let check = |url: &str, expected: Option<&str>| assert_eq!(region(url).as_deref(), expected, "{url}");
        check("https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo", Some("eu-west-1"));
        check("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", Some("cn-north-1"));
        check("https://queue.amazonaws.com/123456789012/q", None);
        check("http://127.0.0.1:4566/000000000000/q", None);
    }
}
