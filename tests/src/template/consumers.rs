//! Consumers of the queues: how many run at once, how long each may take, and what depends on that.

use pipeline::{hydrate::WRITTEN_S, in_time::SWEEPS_FOR};
use serde_json::json;

use super::model::{Template, number, strings, target};
use super::{Check, Findings, must, remove, set};

/// How long SQS deduplicates a FIFO message, in seconds.
const DEDUPLICATION_WINDOW: u64 = 300;
/// The smallest concurrency that AWS accepts for a mapping.
const FEWEST_AT_ONCE: u64 = 2;
/// The concurrency limit of a new account, for all functions; the receiver and the sweep need one each.
const NEW_ACCOUNT: u64 = 10;
const UNMAPPED: u64 = 2;
/// The longest duration of the last call, including the SDK's own retry, in seconds.
const LONGEST_CALL: u64 = 8;
/// AWS's recommended factor between a queue's visibility time-out and its consumer's timeout.
const VISIBILITY_OVER_TIMEOUT: u64 = 6;

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
];

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
