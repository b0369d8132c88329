//! Checks of the alarms: one exists for everything that can fall silent, notifies a person, and says what to do.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use super::model::{Template, listed, strings, target};
use super::{Check, Findings, must, remove, set};

/// What runs every minute: the alarm that notices its silence, the metric's namespace and the measured resource.
const HEARTBEATS: [(&str, &str, &str); 3] = [
    ("SweepSilentAlarm", "AWS/Events", "SweepRule"),
    ("RetrierSilentAlarm", "AWS/Lambda", "RetrierFunction"),
    ("HydratorSilentAlarm", "AWS/Lambda", "HydratorFunction"),
];

/// The silence after which an alarm fires, in seconds: three runs of a schedule of one minute.
const SILENCE: u64 = 180;

/// `CloudWatch`'s limit of an alarm's description, in characters.
const LONGEST_DESCRIPTION: usize = 1024;

/// The longest time that a message may wait for a function, in seconds; signals have a deadline's usual lead.
const LONGEST_WAIT: u64 = 300;
const LONGEST_UNREAD: u64 = 600;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "every alarm acts on the topic, where somebody watches",
        run: actions,
        saboteurs: || {
            vec![
                remove("no action", "/Resources/AlerterFailingAlarm/Properties/AlarmActions"),
                remove("an end that nobody hears of", "/Resources/AlertsDeadAlarm/Properties/OKActions"),
                set(
                    "another action",
                    "/Resources/EndpointFailingAlarm/Properties/AlarmActions",
                    json!([{ "Ref": "Api" }]),
                ),
                set("switched off", "/Resources/SweepSilentAlarm/Properties/ActionsEnabled", json!(false)),
                remove("on without a watcher", "/Resources/AlertsDeadAlarm/Condition"),
            ]
        },
    },
    Check {
        name: "an alarm may publish to the topic, and its mail passes neither our code nor SES",
        run: topic,
        saboteurs: || {
            vec![
                set(
                    "a key that CloudWatch may not use",
                    "/Resources/WatchTopic/Properties/KmsMasterKeyId",
                    json!("alias/aws/sns"),
                ),
                remove("in the clear", "/Resources/WatchTopic/Properties/KmsMasterKeyId"),
                remove("a key without users", "/Resources/WatchKey/Properties/KeyPolicy/Statement/1"),
                set("to a function", "/Resources/WatchSubscription/Properties/Protocol", json!("lambda")),
                set("to an empty address", "/Resources/WatchSubscription/Condition", json!("Watching")),
            ]
        },
    },
    Check {
        name: "each function has an alarm on its errors; all share one on throttling and one on stopped loops",
        run: functions,
        saboteurs: || {
            vec![
                remove("a function that fails alone", "/Resources/AlerterFailingAlarm"),
                remove("one that is throttled alone", "/Resources/ThrottledAlarm/Properties/Metrics/2"),
                remove("loops that are stopped unseen", "/Resources/RecursionStoppedAlarm"),
                remove("one whose loops are stopped unseen", "/Resources/RecursionStoppedAlarm/Properties/Metrics/4"),
                set(
                    "the wrong function",
                    "/Resources/ReceiverFailingAlarm/Properties/Dimensions/0/Value",
                    json!({ "Ref": "RetrierFunction" }),
                ),
                set("an average of errors", "/Resources/HydratorFailingAlarm/Properties/Statistic", json!("Average")),
            ]
        },
    },
    Check {
        name: "each queue has an alarm on what waits in it",
        run: queues,
        saboteurs: || {
            vec![
                remove("signals without a reader", "/Resources/SignalsWaitingAlarm"),
                remove("dead letters", "/Resources/RetriesDeadAlarm"),
                remove("reviews without a consumer", "/Resources/ReviewsWaitingAlarm"),
                set("an hour", "/Resources/AlertsWaitingAlarm/Properties/Threshold", json!(3600)),
                set("within a redelivery", "/Resources/DeliveriesWaitingAlarm/Properties/Threshold", json!(120)),
                set(
                    "what is delayed on purpose",
                    "/Resources/RetriesWaitingAlarm/Properties/Metrics/0/Expression",
                    json!("age"),
                ),
                set("a queue more", "/Resources/OtherQueue", json!({ "Type": "AWS::SQS::Queue" })),
            ]
        },
    },
    Check {
        name: "an alarm fires after three silent minutes of what runs every minute, and for no other silence",
        run: heartbeats,
        saboteurs: || {
            vec![
                set("nine minutes", "/Resources/SweepSilentAlarm/Properties/Period", json!(180)),
                set("one minute", "/Resources/HydratorSilentAlarm/Properties/EvaluationPeriods", json!(1)),
                set(
                    "silence is golden",
                    "/Resources/RetrierSilentAlarm/Properties/TreatMissingData",
                    json!("notBreaching"),
                ),
                set(
                    "an idle endpoint",
                    "/Resources/EndpointFailingAlarm/Properties/TreatMissingData",
                    json!("breaching"),
                ),
                remove("no heartbeat", "/Resources/SweepSilentAlarm"),
            ]
        },
    },
    Check {
        name: "what the alerter logs as an error is counted, and costs nothing while there is none",
        run: |template| {
            let mut diagnostics = Findings::new();
            let group = target(template.property("AlerterErrorLines", "LogGroupName"));
            must(&mut diagnostics, group == Some("AlerterLogGroup"), || format!("counted in {group:?}"));
            let counted = template.property("AlerterErrorLines", "MetricTransformations/0");
            for (of_filter, of_alarm) in [("MetricNamespace", "Namespace"), ("MetricName", "MetricName")] {
                let watched = template.property("MailRefusedAlarm", of_alarm);
                must(&mut diagnostics, &counted[of_filter] == watched, || format!("{of_alarm} is {watched}"));
            }
            must(&mut diagnostics, counted["DefaultValue"].is_null(), || "paid for every hour".to_owned());
            diagnostics
        },
        saboteurs: || {
            vec![
                set("another metric", "/Resources/MailRefusedAlarm/Properties/MetricName", json!("Errors")),
                set(
                    "another log",
                    "/Resources/AlerterErrorLines/Properties/LogGroupName",
                    json!({ "Ref": "ApiLogGroup" }),
                ),
                set("zeros", "/Resources/AlerterErrorLines/Properties/MetricTransformations/0/DefaultValue", json!(0)),
            ]
        },
    },
    Check {
        name: "an alarm says what to do, and the runbook says it at length",
        run: descriptions,
        saboteurs: || {
            vec![
                set(
                    "no word of the runbook",
                    "/Resources/SweepSilentAlarm/Properties/AlarmDescription",
                    json!("The sweep is silent."),
                ),
                set(
                    "an alarm that the runbook does not know",
                    "/Resources/EndpointFailingAlarm/Properties/AlarmName",
                    json!({ "Fn::Sub": "${AWS::StackName}-endpoint" }),
                ),
                set(
                    "a name that another stack bears",
                    "/Resources/AlertsDeadAlarm/Properties/AlarmName",
                    json!("alerts-dead"),
                ),
                remove("one that only the runbook knows", "/Resources/ThrottledAlarm"),
            ]
        },
    },
];

fn alarms(template: &Template) -> Vec<&str> {
    template.resources(Some("AWS::CloudWatch::Alarm"))
}

/// The metrics of an alarm, each with its statistic; its own or those of its expression.
fn metrics<'t>(template: &'t Template, alarm: &str) -> Vec<(&'t Value, &'t Value)> {
    let own = template.at(&format!("/Resources/{alarm}/Properties"));
    match listed(&own["Metrics"]) {
        [] => vec![(own, &own["Statistic"])],
        several => {
            let several = several.iter().map(|metric| &metric["MetricStat"]).filter(|metric| !metric.is_null());
            several.map(|metric| (&metric["Metric"], &metric["Stat"])).collect()
        }
    }
}

/// The alarms on this metric of this resource.
fn alarms_on<'t>(template: &'t Template, metric: &str, resource: &str) -> Vec<&'t str> {
    let fetches = |alarm: &&str| {
        metrics(template, alarm).iter().any(|(found, _)| {
            found["MetricName"] == metric && target(&found["Dimensions"][0]["Value"]) == Some(resource)
        })
    };
    alarms(template).into_iter().filter(fetches).collect()
}

fn actions(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    for alarm in alarms(template) {
        for when in ["AlarmActions", "OKActions"] {
            let acts = template.property(alarm, when);
            let holds = *acts == json!([{ "Ref": "WatchTopic" }]);
            must(&mut diagnostics, holds, || format!("{alarm}: {when} are {acts}"));
        }
        let enabled = template.property(alarm, "ActionsEnabled");
        must(&mut diagnostics, enabled != false, || format!("{alarm}: does not act"));
    }
    let watching = [
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::SNS::Topic",
        "AWS::KMS::Key",
        "AWS::Logs::MetricFilter",
    ];
    for resource in watching.iter().flat_map(|kind| template.resources(Some(kind))) {
        let condition = template.at(&format!("/Resources/{resource}/Condition"));
        let is_of_courier = resource.starts_with("Courier") || resource.starts_with("Outputs");
        let expected = if is_of_courier { "WatchingCourier" } else { "Watching" };
        must(&mut diagnostics, condition == expected, || format!("{resource}: made if {condition}"));
    }
    diagnostics
}

fn topic(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let key = template.property("WatchTopic", "KmsMasterKeyId");
    must(&mut diagnostics, target(key) == Some("WatchKey"), || format!("WatchTopic: encrypted by {key}"));
    let terms = listed(template.property("WatchKey", "KeyPolicy/Statement"));
    let alarms = terms.iter().find(|terms| terms["Principal"]["Service"] == "cloudwatch.amazonaws.com");
    let may = alarms.map(|terms| strings(&terms["Action"])).unwrap_or_default();
    must(&mut diagnostics, may == ["kms:Decrypt", "kms:GenerateDataKey*"], || format!("WatchKey: alarms may {may:?}"));
    for (property, expected) in [
        ("Protocol", json!("email")),
        ("TopicArn", json!({ "Ref": "WatchTopic" })),
        ("Endpoint", json!({ "Ref": "WatchEmail" })),
    ] {
        let found = template.property("WatchSubscription", property);
        must(&mut diagnostics, *found == expected, || format!("WatchSubscription: {property} is {found}"));
    }
    let condition = template.at("/Resources/WatchSubscription/Condition");
    must(&mut diagnostics, condition == "WatchedByMail", || format!("WatchSubscription: made if {condition}"));
    diagnostics
}

fn functions(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    for function in template.functions() {
        for metric in ["Errors", "Throttles", "RecursiveInvocationsDropped"] {
            let alarms = alarms_on(template, metric, function);
            must(&mut diagnostics, alarms.len() == 1, || format!("{function}: alarms on {metric}: {alarms:?}"));
        }
    }
    for alarm in alarms(template) {
        for (metric, statistic) in metrics(template, alarm) {
            let counted = metric["Namespace"] != "AWS/Lambda" || statistic == "Sum";
            must(&mut diagnostics, counted, || format!("{alarm}: the {statistic} of a count"));
        }
    }
    diagnostics
}

fn queues(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let mapped: Vec<_> = template.mappings().into_iter().map(|(_, queue, _)| queue).collect();
    for queue in template.queues() {
        let threshold = |alarm: &str| template.property(alarm, "Threshold").as_u64().unwrap_or(0);
        let age = alarms_on(template, "ApproximateAgeOfOldestMessage", queue);
        let depth = alarms_on(template, "ApproximateNumberOfMessagesVisible", queue);
        // A controller may read the signals in place of the courier.
        let most = if queue == "SignalsQueue" { LONGEST_UNREAD } else { LONGEST_WAIT };
        // A message that was received twice and failed is no backlog.
        let least = 2 * template.property(queue, "VisibilityTimeout").as_u64().unwrap_or(0);
        match (age.as_slice(), depth.as_slice()) {
            ([old], [deep]) if old == deep && mapped.contains(&queue) => {
                let expression = template.property(old, "Metrics/0/Expression");
                must(&mut diagnostics, expression == "IF(waiting > 0, age, 0)", || format!("{old}: {expression}"));
                must(&mut diagnostics, (least..=most).contains(&threshold(old)), || {
                    format!("{old}: {}", threshold(old))
                });
            }
            ([old], []) if queue == "SignalsQueue" => {
                must(&mut diagnostics, (least..=most).contains(&threshold(old)), || {
                    format!("{old}: {}", threshold(old))
                });
            }
            ([], [dead]) if !mapped.contains(&queue) => {
                must(&mut diagnostics, threshold(dead) == 1, || format!("{dead}: {} dead letters", threshold(dead)));
            }
            _ => diagnostics.push(format!("{queue}: alarms on its age {age:?}, on its depth {depth:?}")),
        }
    }
    diagnostics
}

fn heartbeats(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    for (alarm, namespace, runs) in HEARTBEATS {
        let number = |name: &str| template.property(alarm, name).as_u64().unwrap_or(0);
        let found = template.property(alarm, "Namespace");
        must(&mut diagnostics, found == namespace, || format!("{alarm}: measures in {found}"));
        let fetches = alarms_on(template, "Invocations", runs);
        must(&mut diagnostics, fetches == [alarm], || format!("{runs}: alarms on its invocations: {fetches:?}"));
        let silence = number("Period") * number("EvaluationPeriods");
        must(&mut diagnostics, silence == SILENCE, || format!("{alarm}: fires after {silence} s of silence"));
        let below = template.property(alarm, "ComparisonOperator") == "LessThanThreshold" && number("Threshold") == 1;
        must(&mut diagnostics, below, || format!("{alarm}: not raised below one"));
    }
    for alarm in alarms(template) {
        let silence = template.property(alarm, "TreatMissingData");
        let expected = if HEARTBEATS.iter().any(|(id, ..)| *id == alarm) { "breaching" } else { "notBreaching" };
        must(&mut diagnostics, silence == expected, || format!("{alarm}: silence is {silence}"));
    }
    diagnostics
}

fn descriptions(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let known: BTreeSet<_> = readme.lines().filter_map(|line| line.strip_prefix("#### Alarm ")).collect();
    let mut names = BTreeSet::new();
    for alarm in alarms(template) {
        let name = template.property(alarm, "AlarmName/Fn::Sub").as_str().unwrap_or_default();
        let name = name.strip_prefix("${AWS::StackName}-").unwrap_or_default();
        names.insert(name);
        let text = template.property(alarm, "AlarmDescription").as_str().unwrap_or_default();
        let points = text.ends_with(&format!(" Runbook: infra/README.md#alarm-{name}"));
        must(&mut diagnostics, points && !name.is_empty(), || format!("{alarm}: {name:?} is described as {text:?}"));
        must(&mut diagnostics, text.len() <= LONGEST_DESCRIPTION, || format!("{alarm}: {} characters", text.len()));
    }
    must(&mut diagnostics, names == known, || format!("the alarms are {names:?}, the runbook knows {known:?}"));
    for condition in ["Watching", "WatchingCourier"] {
        let is_made = |alarm: &&str| template.at(&format!("/Resources/{alarm}/Condition")) == condition;
        let made: Vec<&str> = alarms(template).into_iter().filter(is_made).collect();
        let watched: usize = made.iter().map(|alarm| metrics(template, alarm).len()).sum();
        let counted = format!("{} alarms on {watched} metrics", made.len());
        must(&mut diagnostics, readme.contains(&counted), || format!("the cost is not that of {counted}"));
    }
    diagnostics
}
