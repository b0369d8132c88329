//! Queues and tables that only the checks use, so that no function drains them.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableStatus,
};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_types::SdkConfig;

use crate::sqs::QueueUrls;

/// A sparse index: its name, its hash and range keys, and the projected attributes besides keys.
type Index = (&'static str, &'static str, &'static str, &'static [&'static str]);

const DISPATCHES: [Index; 4] = [
    ("unsent", "unsent", "changed_at", &[]),
    ("due", "due", "due_at", &[]),
    ("active", "active", "until", &["full_key", "summary", "summary_of", "summary_set"]),
    ("changes", "changed_in", "changed_at", &["full_key", "version", "active", "summary", "summary_of", "summary_set"]),
];
const DELIVERIES: [Index; 2] =
    [("watched", "watched", "watched_at", &["condition", "next_at"]), ("events", "incident", "watched_at", &["news"])];
const OUTPUTS: [Index; 1] = [("waiting", "waiting_for", "next_at", &["summary"])];
const ALERTS: [Index; 2] = [("open", "open", "opened_at", &[]), ("waiting", "waiting_in", "sorts_by", &[])];

/// The queues and tables of the checks.
#[derive(Debug)]
pub struct Resources {
    /// The inner queues.
    pub inner: QueueUrls,
    /// `signals`.
    pub signals: String,
    /// `dispatches`.
    pub dispatches: String,
    /// `deliveries`.
    pub deliveries: String,
    /// `alerts`.
    pub alerts: String,
    /// `config`.
    pub config: String,
    /// `outputs`.
    pub outputs: String,
}

impl Resources {
    /// How long a message stays hidden, in seconds: short, since the checks wait for it.
    pub const VISIBILITY_S: u64 = 3;

    /// How often a message of `deliveries` is received before it is redriven.
    pub const MAX_RECEIVES: u32 = 3;

    /// The account number of the credentials: creates a queue, reads the number from its URL, and deletes the queue.
    pub async fn account(aws: &SdkConfig, name: &str) -> String {
        let url = queue(aws, name, None).await;
        Box::pin(aws_sdk_sqs::Client::new(aws).delete_queue().queue_url(&url).send()).await.expect("deleted");
        url.rsplit('/').nth(1).unwrap_or_default().to_owned()
    }

    /// Deletes all of them; returns what could not be deleted.
    pub async fn delete(&self, aws: &SdkConfig) -> Vec<String> {
        let (sqs, dynamo) = (aws_sdk_sqs::Client::new(aws), aws_sdk_dynamodb::Client::new(aws));
        let mut left = Vec::new();
        let inner = [&self.inner.deliveries, &self.inner.retries, &self.inner.alerts, &self.inner.reviews];
        for url in inner.into_iter().flatten().chain([&self.signals]) {
            if Box::pin(sqs.delete_queue().queue_url(url).send()).await.is_err() {
                left.push(url.clone());
            }
        }
        for table in [&self.dispatches, &self.deliveries, &self.alerts, &self.config, &self.outputs] {
            if Box::pin(dynamo.delete_table().table_name(table).send()).await.is_err() {
                left.push(table.clone());
            }
        }
        left
    }

    /// Creates them, with the given prefix in their names.
    pub async fn create(aws: &SdkConfig, name: &str) -> Self {
        let retries = queue(aws, &format!("{name}-retries"), None).await;
        let inner = QueueUrls {
            deliveries: Some(queue(aws, &format!("{name}-deliveries"), Some(&retries)).await),
            retries: Some(retries),
            alerts: Some(queue(aws, &format!("{name}-alerts"), None).await),
            reviews: Some(queue(aws, &format!("{name}-reviews"), None).await),
        };
        Self {
            inner,
            signals: fifo(aws, &format!("{name}-signals.fifo")).await,
            dispatches: table(aws, &format!("{name}-dispatches"), "subject", &DISPATCHES).await,
            deliveries: table(aws, &format!("{name}-deliveries"), "delivery", &DELIVERIES).await,
            alerts: table(aws, &format!("{name}-alerts"), "incident", &ALERTS).await,
            config: table(aws, &format!("{name}-config"), "version", &[]).await,
            outputs: table(aws, &format!("{name}-outputs"), "lane_key", &OUTPUTS).await,
        }
    }
}

async fn queue(aws: &SdkConfig, name: &str, behind: Option<&str>) -> String {
    let client = aws_sdk_sqs::Client::new(aws);
    let mut request = client
        .create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::MaximumMessageSize, "1048576")
        .attributes(QueueAttributeName::VisibilityTimeout, Resources::VISIBILITY_S.to_string());
    if let Some(behind) = behind {
        let asked = client.get_queue_attributes().queue_url(behind).attribute_names(QueueAttributeName::QueueArn);
        let answer = Box::pin(asked.send()).await.expect("attributes").attributes.expect("the ARN");
        let policy = serde_json::json!({
            "deadLetterTargetArn": answer[&QueueAttributeName::QueueArn], "maxReceiveCount": Resources::MAX_RECEIVES,
        });
        request = request.attributes(QueueAttributeName::RedrivePolicy, policy.to_string());
    }
    Box::pin(request.send()).await.expect("a queue").queue_url.expect("its URL")
}

async fn fifo(aws: &SdkConfig, name: &str) -> String {
    let request = aws_sdk_sqs::Client::new(aws)
        .create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::MaximumMessageSize, "1048576")
        .attributes(QueueAttributeName::FifoQueue, "true")
        .attributes(QueueAttributeName::ContentBasedDeduplication, "false");
    Box::pin(request.send()).await.expect("a queue").queue_url.expect("its URL")
}

/// Waits until AWS has created a table.
async fn made(client: &aws_sdk_dynamodb::Client, name: &str) {
    for _ in 0..120 {
        let answer = Box::pin(client.describe_table().table_name(name).send()).await.expect("a description");
        if answer.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the table {name} is not there after a minute");
}

async fn table(aws: &SdkConfig, name: &str, key: &str, indexes: &[Index]) -> String {
    let attribute = |name: &str| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let client = aws_sdk_dynamodb::Client::new(aws);
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(element(key, KeyType::Hash));
    let mut keys = BTreeSet::from([key]);
    for (index, hash, range, further) in indexes {
        keys.extend([*hash, *range]);
        let projection = match *further {
            [] => Projection::builder().projection_type(ProjectionType::KeysOnly).build(),
            further => Projection::builder()
                .projection_type(ProjectionType::Include)
                .set_non_key_attributes(Some(further.iter().map(|name| (*name).to_owned()).collect()))
                .build(),
        };
        let index = GlobalSecondaryIndex::builder()
            .index_name(*index)
            .key_schema(element(hash, KeyType::Hash))
            .key_schema(element(range, KeyType::Range))
            .projection(projection);
        request = request.global_secondary_indexes(index.build().unwrap());
    }
    for key in keys {
        request = request.attribute_definitions(attribute(key));
    }
    Box::pin(request.send()).await.expect("a table");
    made(&client, name).await;
    name.to_owned()
}
