//! SNS's `Publish`, as one signed call: its SDK would add a megabyte to the function.

use aws_types::{SdkConfig, region::Region};
use form_urlencoded::Serializer;
use pipeline::{
    alerts::channels::{ChannelMessage, sns_publication},
    ports::ChannelError,
};

use super::{MAX_SHOWN, WITHIN};
use crate::signed::{Call, CallError, Service};

const VERSION: &str = "2010-03-31";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Publishes a message to a topic, in the topic's own region.
pub(super) async fn publish(
    aws: &SdkConfig,
    http: &reqwest::Client,
    topic: &str,
    message: &ChannelMessage,
) -> Result<(), ChannelError> {
    let service = service(aws, http, topic);
    let call = Call { action: "sns:Publish", headers: &[("content-type", FORM)], body: form(topic, message) };
    match service.exchange("POST", "", &call, WITHIN, "").await {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(&error)),
    }
}

/// Whether the topic can be reached: its attributes can be read.
pub async fn reach(aws: &SdkConfig, http: &reqwest::Client, topic: &str) -> Result<(), CallError> {
    let body = Serializer::new(String::new())
        .extend_pairs([("Action", "GetTopicAttributes"), ("Version", VERSION), ("TopicArn", topic)])
        .finish();
    let call = Call { action: "sns:GetTopicAttributes", headers: &[("content-type", FORM)], body };
    service(aws, http, topic).post(&call).await.map(drop)
}

fn service(aws: &SdkConfig, http: &reqwest::Client, topic: &str) -> Service {
    let region = topic.split(':').nth(3).unwrap_or_default().to_owned();
    let aws = aws.clone().into_builder().region(Region::new(region)).build();
    Service::new(http.clone(), &aws, "sns")
}

fn form(topic: &str, message: &ChannelMessage) -> String {
    let publication = sns_publication(message);
    let mut form = Serializer::new(String::new());
    form.extend_pairs([
        ("Action", "Publish"),
        ("Version", VERSION),
        ("TopicArn", topic),
        ("MessageStructure", "json"),
        ("Subject", &publication.subject),
        ("Message", &publication.message),
    ]);
    for (number, (name, value)) in publication.attributes.iter().enumerate() {
        let entry = |rest: &str| format!("MessageAttributes.entry.{}.{rest}", number + 1);
        form.append_pair(&entry("Name"), name)
            .append_pair(&entry("Value.DataType"), "String")
            .append_pair(&entry("Value.StringValue"), value);
    }
    form.finish()
}

fn refused(error: &CallError) -> ChannelError {
    match error {
        CallError::Refused { status, body, .. } if *status < 500 => {
            ChannelError::Refused(format!("SNS answered {status}: {}", said(body)))
        }
        CallError::Credentials(_) => ChannelError::Refused(error.to_string()),
        CallError::Refused { .. } | CallError::Unreachable { .. } => ChannelError::Unanswered(error.to_string()),
    }
}

/// Code and message of SNS's XML; if there are none, its beginning.
fn said(body: &str) -> String {
    let of = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
    };
    let text = match (of("Code"), of("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => body.to_owned(),
    };
    dispatch::text::brief(&text, MAX_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sns_says_what_is_wrong() {
        let body =
            "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does not exist</Message>";
        assert_eq!(said(body), "NotFound: Topic does not exist");
        assert_eq!(said("nothing\n"), "nothing ");
    }
}
