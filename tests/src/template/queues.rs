//! Queues and their consumers: decisions about redrive, visibility and order.

use pipeline::{hydrate::WRITTEN_S, in_time::SWEEPS_FOR};
use serde_json::{Value, json};

use super::model::{Template, listed, strings, target};
use super::{Check, Findings, must, remove, set};

/// How long SQS deduplicates a FIFO message, in seconds.
const DEDUPLICATION_WINDOW: u64 = 300;
/// The longest retention in SQS, in seconds: 14 days.
const LONGEST_RETENTION: u64 = 1_209_600;
/// The largest SQS message, in bytes: 1 MiB.
const LARGEST_MESSAGE: u64 = 1_048_576;
/// The smallest receive limit: throttling also counts as a receive, so a healthy message may be received this often.
const FEWEST_RECEIVES: u64 = 5;
/// The smallest concurrency that AWS accepts for a mapping.
const FEWEST_AT_ONCE: u64 = 2;
/// The concurrency limit of a new account, for all functions; the receiver and the sweep need one each.
const NEW_ACCOUNT: u64 = 10;
const UNMAPPED: u64 = 2;
/// SQS may keep the receive count of a redriven message. If another function receives it then, its queue must allow
/// this multiple of the first queue's limit.
const RECEIVES_AFTER_REDRIVE: u64 = 2;
/// The longest duration of the last call, including the SDK's own retry, in seconds.
const LONGEST_CALL: u64 = 8;
/// AWS's recommended factor between a queue's visibility time-out and its consumer's timeout.
const VISIBILITY_OVER_TIMEOUT: u64 = 6;

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

/// Urgent messages for the alerter have a queue and a concurrency of their own, so they never wait behind others.
const MAPPED: [(&str, &str); 6] = [
    ("DeliveriesQueue", "HydratorFunction"),
    ("RetriesQueue", "RetrierFunction"),
    ("AlertsQueue", "AlerterFunction"),
    ("ReviewsQueue", "AlerterFunction"),
    // Only with a courier; without one, the operator's controller reads the signals through SignalsReaderPolicy.
    ("SignalsQueue", "CourierFunction"),
    ("OutputsQueue", "CourierFunction"),
];

/// What a reader of the signals may do.
const READER_ACTIONS: &str = "PolicyDocument/Statement/0/Action";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "a message stays hidden for six timeouts of its consumer",
        run: |template| {
            let mut diagnostics = Findings::new();
            for (_, queue, function) in template.mappings() {
                let hidden = number(template.property(queue, "VisibilityTimeout"));
                let timeout = number(template.function(function, "Timeout"));
                let holds = timeout > 0 && hidden >= VISIBILITY_OVER_TIMEOUT * timeout;
                must(&mut diagnostics, holds, || {
                    format!("{queue}: hidden for {hidden} s, {function} runs up to {timeout} s")
                });
            }
            diagnostics
        },
        saboteurs: || {
            vec![
                set("a short visibility", "/Resources/DeliveriesQueue/Properties/VisibilityTimeout", json!(119)),
                set("a long timeout", "/Resources/AlerterFunction/Properties/Timeout", json!(21)),
                remove("the default visibility of 30 s", "/Resources/RetriesQueue/Properties/VisibilityTimeout"),
                remove("a function without a timeout", "/Resources/RetrierFunction/Properties/Timeout"),
            ]
        },
    },
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
        name: "mappings report partial failures and bound their concurrency",
        run: mappings,
        saboteurs: || {
            vec![
                remove("whole batches fail", "/Resources/RetrierMapping/Properties/FunctionResponseTypes"),
                remove("no bound", "/Resources/HydratorMapping/Properties/ScalingConfig"),
                set("below what AWS takes", "/Parameters/AlerterConcurrency/MinValue", json!(1)),
                set("one at a time", "/Parameters/AlerterConcurrency/Default", json!(1)),
                set("more than a new account runs", "/Parameters/HydratorConcurrency/Default", json!(3)),
                set(
                    "the newest code instead of the alias",
                    "/Resources/HydratorMapping/Properties/FunctionName",
                    json!({ "Ref": "HydratorFunction" }),
                ),
                set(
                    "a number without a parameter",
                    "/Resources/AlerterMapping/Properties/ScalingConfig/MaximumConcurrency",
                    json!(2),
                ),
                set("a reservation", "/Resources/HydratorFunction/Properties/ReservedConcurrentExecutions", json!(5)),
                set(
                    "a queue in its place",
                    "/Resources/AlerterMapping/Properties/EventSourceArn",
                    json!({ "Ref": "Api" }),
                ),
                remove("a mapping less", "/Resources/AlerterMapping"),
                remove("reviews without a consumer", "/Resources/ReviewsMapping"),
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
        name: "a stalled sender cannot outlive the deduplication of its signals",
        run: |template| {
            let mut diagnostics = Findings::new();
            for function in template.functions() {
                let timeout = number(template.function(function, "Timeout"));
                let holds = timeout > 0 && timeout * 5 <= DEDUPLICATION_WINDOW;
                must(&mut diagnostics, holds, || format!("{function}: a timeout of {timeout} s"));
            }
            diagnostics
        },
        saboteurs: || {
            vec![
                set("two minutes", "/Resources/HydratorFunction/Properties/Timeout", json!(120)),
                remove("no timeout stated", "/Resources/ReceiverFunction/Properties/Timeout"),
            ]
        },
    },
    Check {
        name: "what is booked for when a hydrator has written finds it done",
        run: |template| {
            let mut diagnostics = Findings::new();
            let timeout = number(template.function("HydratorFunction", "Timeout"));
            let holds = timeout > 0 && timeout < u64::from(WRITTEN_S);
            must(&mut diagnostics, holds, || {
                format!("HydratorFunction: a timeout of {timeout} s, of less than {WRITTEN_S} s")
            });
            diagnostics
        },
        saboteurs: || vec![set("half a minute", "/Resources/HydratorFunction/Properties/Timeout", json!(30))],
    },
    Check {
        name: "a sweep ends within its invocation, and before the next one begins",
        run: |template| {
            let mut diagnostics = Findings::new();
            let timeout = number(template.function("RetrierFunction", "Timeout"));
            let sweeps_for = SWEEPS_FOR.as_secs().unsigned_abs();
            must(&mut diagnostics, timeout >= sweeps_for + LONGEST_CALL && timeout < 60, || {
                format!("RetrierFunction: {timeout} s for a sweep that begins something new for {sweeps_for} s")
            });
            diagnostics
        },
        saboteurs: || {
            vec![
                set("no time for its last call", "/Resources/RetrierFunction/Properties/Timeout", json!(15)),
                set("as long as the schedule", "/Resources/RetrierFunction/Properties/Timeout", json!(60)),
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

fn mappings(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let found: Vec<_> = template.mappings().into_iter().map(|(_, queue, function)| (queue, function)).collect();
    let mut together = 0;
    must(&mut diagnostics, found == MAPPED, || format!("the mappings are {found:?}"));
    for (mapping, ..) in template.mappings() {
        let types = strings(template.property(mapping, "FunctionResponseTypes"));
        must(&mut diagnostics, types == ["ReportBatchItemFailures"], || {
            format!("{mapping}: one failure fails the batch")
        });
        let parameter = mapping.replace("Mapping", "Concurrency");
        let bound = target(template.property(mapping, "ScalingConfig/MaximumConcurrency"));
        must(&mut diagnostics, bound == Some(&parameter), || format!("{mapping}: its concurrency is {bound:?}"));
        let least = number(template.at(&format!("/Parameters/{parameter}/MinValue")));
        must(&mut diagnostics, least == FEWEST_AT_ONCE, || {
            format!("{parameter}: from {least} on; AWS takes 2 to 1000")
        });
        let usual = number(template.at(&format!("/Parameters/{parameter}/Default")));
        must(&mut diagnostics, usual >= FEWEST_AT_ONCE, || format!("{parameter}: {usual} at once"));
        // A stack with a courier needs a higher limit, which infra/README.md says.
        let is_always = template.at(&format!("/Resources/{mapping}/Condition")).is_null();
        together += if is_always { usual } else { 0 };
    }
    must(&mut diagnostics, together + UNMAPPED <= NEW_ACCOUNT, || {
        format!("{together} invocations of mappings at once: a new account runs {NEW_ACCOUNT} in all")
    });
    for function in template.functions() {
        let reserved = template.function(function, "ReservedConcurrentExecutions");
        must(&mut diagnostics, reserved.is_null(), || {
            format!("{function}: a reservation throttles, and throttling eats receives")
        });
    }
    diagnostics
}

/// How long a queue keeps a message, in seconds; SQS's default is 4 days.
fn retention(template: &Template, queue: &str) -> u64 {
    template.property(queue, "MessageRetentionPeriod").as_u64().unwrap_or(345_600)
}

/// The number, or 0 if there is none.
fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}
