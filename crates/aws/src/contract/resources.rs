//! Queues and tables of the checks' own, so that no function drains them.

use aws_sdk_dynamodb::{
    operation::create_table::builders::CreateTableFluentBuilder,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType,
    },
};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_types::SdkConfig;

use crate::sqs::QueueUrls;

/// Where the checks work.
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
}

impl Resources {
    /// Makes them, with names that begin with the given one.
    pub async fn create(aws: &SdkConfig, name: &str) -> Self {
        let inner = QueueUrls {
            deliveries: Some(queue(aws, &format!("{name}-deliveries"), false).await),
            retries: Some(queue(aws, &format!("{name}-retries"), false).await),
            alerts: Some(queue(aws, &format!("{name}-alerts"), false).await),
        };
        Self {
            inner,
            signals: queue(aws, &format!("{name}-signals.fifo"), true).await,
            dispatches: table(aws, &format!("{name}-dispatches"), "subject", true).await,
            deliveries: table(aws, &format!("{name}-deliveries"), "delivery", false).await,
            alerts: table(aws, &format!("{name}-alerts"), "incident", false).await,
        }
    }
}

async fn queue(aws: &SdkConfig, name: &str, fifo: bool) -> String {
    let mut request = aws_sdk_sqs::Client::new(aws)
        .create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::MaximumMessageSize, "1048576");
    if fifo {
        request = request
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::ContentBasedDeduplication, "false");
    }
    Box::pin(request.send()).await.expect("a queue").queue_url.expect("its URL")
}

async fn table(aws: &SdkConfig, name: &str, key: &str, indexed: bool) -> String {
    let attribute = |name: &str| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let mut request = aws_sdk_dynamodb::Client::new(aws)
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(key))
        .key_schema(element(key, KeyType::Hash));
    if indexed {
        let index = |name: &str, range: &str, projection: Projection| {
            GlobalSecondaryIndex::builder()
                .index_name(name)
                .key_schema(element(name, KeyType::Hash))
                .key_schema(element(range, KeyType::Range))
                .projection(projection)
                .build()
                .unwrap()
        };
        let keys = || Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        let plan = Projection::builder().projection_type(ProjectionType::Include).non_key_attributes("plan").build();
        let keyed_by = ["unsent", "changed_at", "due", "due_at", "active", "until"].map(attribute);
        request = keyed_by
            .into_iter()
            .fold(request, CreateTableFluentBuilder::attribute_definitions)
            .global_secondary_indexes(index("unsent", "changed_at", keys()))
            .global_secondary_indexes(index("due", "due_at", keys()))
            .global_secondary_indexes(index("active", "until", plan));
    }
    Box::pin(request.send()).await.expect("a table");
    name.to_owned()
}
