//! AWS's list prices in us-east-1: the first tier of each, and the free tier that does not expire after a year.

use serde::Serialize;

/// The date of these prices.
pub const AS_OF: &str = "2026-11-22";
/// The region of these prices.
pub const REGION: &str = "us-east-1";

/// A line of the bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Requests to an HTTP API; a Function URL has no price of its own.
    HttpApi,
    /// Invocations.
    LambdaRequests,
    /// GB-seconds on arm64.
    LambdaTime,
    /// Requests to standard queues, of up to 64 KB each.
    SqsStandard,
    /// Requests to FIFO queues, of up to 64 KB each.
    SqsFifo,
    /// Write units of on-demand tables.
    DynamoWrites,
    /// Read units of on-demand tables.
    DynamoReads,
    /// Mails.
    Mails,
    /// Bytes of ingested logs.
    Logs,
}

/// The price of one line.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    /// The line.
    pub line: Line,
    /// Its name for people.
    pub name: &'static str,
    /// Dollars …
    pub dollars: f64,
    /// … for this amount.
    pub per: f64,
    /// The amount that is free each month, for ever.
    pub free: f64,
    /// The source of the price.
    pub source: &'static str,
}

/// All prices, in the order of the bill.
pub const PRICES: [Price; 9] = [
    Price {
        line: Line::HttpApi,
        name: "HTTP API, requests",
        dollars: 1.00,
        per: 1e6,
        free: 0.0,
        source: "https://aws.amazon.com/api-gateway/pricing/",
    },
    Price {
        line: Line::LambdaRequests,
        name: "Lambda, requests",
        dollars: 0.20,
        per: 1e6,
        free: 1e6,
        source: "https://aws.amazon.com/lambda/pricing/",
    },
    Price {
        line: Line::LambdaTime,
        name: "Lambda arm64, GB-seconds",
        dollars: 0.000_013_333_4,
        per: 1.0,
        free: 400_000.0,
        source: "https://aws.amazon.com/lambda/pricing/",
    },
    Price {
        line: Line::SqsStandard,
        name: "SQS standard, requests",
        dollars: 0.40,
        per: 1e6,
        free: 1e6,
        source: "https://aws.amazon.com/sqs/pricing/",
    },
    Price {
        line: Line::SqsFifo,
        name: "SQS FIFO, requests",
        dollars: 0.50,
        per: 1e6,
        free: 0.0,
        source: "https://aws.amazon.com/sqs/pricing/",
    },
    Price {
        line: Line::DynamoWrites,
        name: "DynamoDB, write units",
        dollars: 0.625,
        per: 1e6,
        free: 0.0,
        source: "https://aws.amazon.com/dynamodb/pricing/on-demand/",
    },
    Price {
        line: Line::DynamoReads,
        name: "DynamoDB, read units",
        dollars: 0.125,
        per: 1e6,
        free: 0.0,
        source: "https://aws.amazon.com/dynamodb/pricing/on-demand/",
    },
    Price {
        line: Line::Mails,
        name: "SES, mails",
        dollars: 0.10,
        per: 1e3,
        free: 0.0,
        source: "https://aws.amazon.com/ses/pricing/",
    },
    Price {
        line: Line::Logs,
        name: "CloudWatch Logs, bytes",
        dollars: 0.50,
        per: 1_073_741_824.0,
        free: 5.0 * 1_073_741_824.0,
        source: "https://aws.amazon.com/cloudwatch/pricing/",
    },
];
