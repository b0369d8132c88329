//! Queues: where failures go, the order of the signals, who reads, who may, and how long a message is kept.

use serde_json::{Value, json};

use super::model::{Template, listed, number, target};
use super::{Check, Findings, must, remove, set};

/// The longest retention in SQS, in seconds: 14 days.
const LONGEST_RETENTION: u64 = 1_209_600;
/// The largest SQS message, in bytes: 1 MiB.
const LARGEST_MESSAGE: u64 = 1_048_576;
/// The smallest receive limit: throttling also counts as a receive, so a healthy message may be received this often.
const FEWEST_RECEIVES: u64 = 5;
/// SQS may keep the receive count of a redriven message. If another function receives it then, its queue must allow
/// this multiple of the first queue's limit.
const RECEIVES_AFTER_REDRIVE: u64 = 2;

/// The destination of messages received too often. A delivery that crashed its consumer is one more failure for the
/// retrier. The signals have no such queue, because removing a message from a group breaks its order.
const REDRIVES: [(&str, Option<&str>); 9] = [
    ("DeliveriesQueue", Some("RetriesQueue")),
    ("RetriesQueue", Some("RetriesDeadQueue")),
    ("AlertsQueue", Some("AlertsDeadQueue")),
    ("ReviewsQueue", Some("AlertsDeadQueue")),
    ("SignalsQueue", None),
    ("OutputsQueue", Some("OutputsDeadQueue")),
    ("RetriesDeadQueue", None),
    ("AlertsDeadQueue", None),
    ("OutputsDeadQueue", None),
];

/// The queues that no function consumes, and their consumers.
const READ_BY_OTHERS: [(&str, &str); 3] = [
    ("OutputsDeadQueue", "a person, by the runbook in infra/README.md"),
    ("RetriesDeadQueue", "a person, by the runbook in infra/README.md"),
    ("AlertsDeadQueue", "a person, by the runbook in infra/README.md"),
];

/// What a reader of the signals may do.
const READER_ACTIONS: &str = "PolicyDocument/Statement/0/Action";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "what fails goes where it should, and not too soon",
        run: redrives,
        saboteurs: || {
            vec![
                set("two receives", "/Resources/AlertsQueue/Properties/RedrivePolicy/maxReceiveCount", json!(2)),
                set(
                    "retries as often as deliveries",
                    "/Resources/RetriesQueue/Properties/RedrivePolicy/maxReceiveCount",
                    json!(5),
                ),
                set(
                    "deliveries as often as retries",
                    "/Resources/DeliveriesQueue/Properties/RedrivePolicy/maxReceiveCount",
                    json!(10),
                ),
                remove("no redrive", "/Resources/DeliveriesQueue/Properties/RedrivePolicy"),
                remove("reviews for ever", "/Resources/ReviewsQueue/Properties/RedrivePolicy"),
                set(
                    "deliveries that pass the retrier by",
                    "/Resources/DeliveriesQueue/Properties/RedrivePolicy/deadLetterTargetArn",
                    json!({ "Fn::GetAtt": ["RetriesDeadQueue", "Arn"] }),
                ),
                set(
                    "a dead-letter queue for the signals",
                    "/Resources/SignalsQueue/Properties/RedrivePolicy",
                    json!({ "deadLetterTargetArn": { "Fn::GetAtt": ["AlertsDeadQueue", "Arn"] }, "maxReceiveCount": 5 }),
                ),
                set("an unknown queue", "/Resources/OtherQueue", json!({ "Type": "AWS::SQS::Queue" })),
            ]
        },
    },
    Check {
        name: "a dead-letter queue keeps at least as long as its source",
        run: |template| {
            let mut diagnostics = Findings::new();
            for queue in template.queues() {
                let Some(dead) = target(template.property(queue, "RedrivePolicy/deadLetterTargetArn")) else {
                    continue;
                };
                let (source, kept) = (retention(template, queue), retention(template, dead));
                must(&mut diagnostics, kept >= source, || format!("{dead} keeps {kept} s, {queue} keeps {source} s"));
            }
            diagnostics
        },
        saboteurs: || {
            vec![
                set("a short memory", "/Resources/AlertsDeadQueue/Properties/MessageRetentionPeriod", json!(86_400)),
                remove("the default of 4 days", "/Resources/RetriesDeadQueue/Properties/MessageRetentionPeriod"),
            ]
        },
    },
    Check {
        name: "the signals are ordered, and deduplicated by their own id",
        run: |template| {
            let mut diagnostics = Findings::new();
            for queue in template.queues() {
                let fifo = template.property(queue, "FifoQueue") == true;
                let signals = queue == "SignalsQueue";
                must(&mut diagnostics, fifo == signals, || format!("{queue}: only the signals are FIFO, and they are"));
            }
            let by_content = template.property("SignalsQueue", "ContentBasedDeduplication");
            must(&mut diagnostics, by_content == false, || "SignalsQueue: equal bodies are two signals".to_owned());
            diagnostics
        },
        saboteurs: || {
            vec![
                remove("a standard queue", "/Resources/SignalsQueue/Properties/FifoQueue"),
                set("by content", "/Resources/SignalsQueue/Properties/ContentBasedDeduplication", json!(true)),
                set("FIFO inside", "/Resources/RetriesQueue/Properties/FifoQueue", json!(true)),
            ]
        },
    },
    Check {
        name: "every queue has a reader",
        run: |template| {
            let mut diagnostics = Findings::new();
            let mappings = template.mappings();
            for queue in template.queues() {
                let mapped = mappings.iter().any(|(_, consumed, _)| *consumed == queue);
                let other = READ_BY_OTHERS.iter().find(|(id, _)| *id == queue);
                must(&mut diagnostics, mapped != other.is_some(), || {
                    format!("{queue}: mapped {mapped}, else {other:?}")
                });
            }
            let readable = template.property("SignalsReaderPolicy", "PolicyDocument/Statement/0/Resource");
            let holds = target(readable) == Some("SignalsQueue");
            must(&mut diagnostics, holds, || "SignalsReaderPolicy does not open the signals".to_owned());
            diagnostics
        },
        saboteurs: || {
            vec![
                remove("alerts without a consumer", "/Resources/AlerterMapping"),
                remove("signals that no one may read", "/Resources/SignalsReaderPolicy"),
                set("a queue more", "/Resources/OtherQueue", json!({ "Type": "AWS::SQS::Queue" })),
            ]
        },
    },
    Check {
        name: "a queue refuses what is not encrypted on its way, and only the signals are open to other accounts",
        run: |template| {
            let mut diagnostics = Findings::new();
            for queue in template.queues() {
                let policy = format!("{queue}Policy");
                let queues = template.property(&policy, "Queues");
                must(&mut diagnostics, *queues == json!([{ "Ref": queue }]), || format!("{policy}: of {queues}"));
                let expected = json!({
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sqs:*",
                    "Resource": { "Fn::GetAtt": [queue, "Arn"] },
                    "Condition": { "Bool": { "aws:SecureTransport": "false" } },
                });
                let terms = listed(template.property(&policy, "PolicyDocument/Statement"));
                must(&mut diagnostics, terms.first() == Some(&expected), || format!("{policy}: {terms:?}"));
                let readers = terms.get(1).map(|terms| &terms["Fn::If"]);
                let holds = match readers {
                    None => queue != "SignalsQueue",
                    Some(readers) => {
                        queue == "SignalsQueue"
                            && readers[0] == "ReadElsewhere"
                            && readers[1]["Principal"] == json!({ "AWS": { "Ref": "SignalsReaders" } })
                            && readers[1]["Action"] == *template.property("SignalsReaderPolicy", READER_ACTIONS)
                    }
                };
                must(&mut diagnostics, holds && terms.len() <= 2, || format!("{policy}: readers: {readers:?}"));
            }
            diagnostics
        },
        saboteurs: || {
            vec![
                remove("in the clear over the wire", "/Resources/RetriesQueuePolicy"),
                set(
                    "only in the clear",
                    "/Resources/AlertsQueuePolicy/Properties/PolicyDocument/Statement/0/Condition/Bool/aws:SecureTransport",
                    json!("true"),
                ),
                set(
                    "another's policy",
                    "/Resources/ReviewsQueuePolicy/Properties/Queues/0",
                    json!({ "Ref": "AlertsQueue" }),
                ),
                set(
                    "anybody reads the signals",
                    "/Resources/SignalsQueuePolicy/Properties/PolicyDocument/Statement/1/Fn::If/1/Principal",
                    json!("*"),
                ),
                set(
                    "other accounts send signals",
                    "/Resources/SignalsQueuePolicy/Properties/PolicyDocument/Statement/1/Fn::If/1/Action/-",
                    json!("sqs:SendMessage"),
                ),
            ]
        },
    },
    Check {
        name: "queues are encrypted, keep for 14 days and take 1 MiB",
        run: |template| {
            let mut diagnostics = Findings::new();
            for queue in template.queues() {
                for (by, with_own_key, otherwise) in [
                    ("SqsManagedSseEnabled", json!({ "Ref": "AWS::NoValue" }), json!(true)),
                    ("KmsMasterKeyId", json!({ "Ref": "KmsKeyArn" }), json!({ "Ref": "AWS::NoValue" })),
                ] {
                    let encrypted = json!({ "Fn::If": ["OwnKey", with_own_key, otherwise] });
                    let found = template.property(queue, by);
                    must(&mut diagnostics, *found == encrypted, || format!("{queue}: encrypted with {by} {found}"));
                }
                let kept = retention(template, queue);
                must(&mut diagnostics, kept == LONGEST_RETENTION, || format!("{queue}: keeps {kept} s"));
                let size = number(template.property(queue, "MaximumMessageSize"));
                must(&mut diagnostics, size == LARGEST_MESSAGE, || format!("{queue}: takes {size} bytes"));
            }
            diagnostics
        },
        saboteurs: || {
            vec![
                remove("in the clear", "/Resources/SignalsQueue/Properties/SqsManagedSseEnabled"),
                remove("in the clear with one's own key", "/Resources/RetriesQueue/Properties/KmsMasterKeyId"),
                set("a day", "/Resources/DeliveriesQueue/Properties/MessageRetentionPeriod", json!(86_400)),
                set("a quarter", "/Resources/RetriesQueue/Properties/MaximumMessageSize", json!(262_144)),
            ]
        },
    },
];

fn redrives(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    for queue in template.queues() {
        let Some((_, expected)) = REDRIVES.iter().find(|(id, _)| *id == queue) else {
            diagnostics.push(format!("{queue}: the destination of its failures is not decided"));
            continue;
        };
        let found = target(template.property(queue, "RedrivePolicy/deadLetterTargetArn"));
        must(&mut diagnostics, found == *expected, || format!("{queue}: redrives to {found:?}, not {expected:?}"));
        let receives = number(template.property(queue, "RedrivePolicy/maxReceiveCount"));
        let holds = expected.is_none() || receives >= FEWEST_RECEIVES;
        must(&mut diagnostics, holds, || format!("{queue}: gives up after {receives} receives"));
        let behind = expected.map_or(&Value::Null, |behind| template.property(behind, "RedrivePolicy/maxReceiveCount"));
        let goes_on = behind.is_null() || number(behind) >= RECEIVES_AFTER_REDRIVE * receives;
        must(&mut diagnostics, goes_on, || format!("{queue}: {receives} receives, {behind} in the queue behind"));
    }
    diagnostics
}

/// How long a queue keeps a message, in seconds; SQS's default is 4 days.
fn retention(template: &Template, queue: &str) -> u64 {
    template.property(queue, "MessageRetentionPeriod").as_u64().unwrap_or(345_600)
}
