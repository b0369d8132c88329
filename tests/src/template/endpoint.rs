//! The API, the schedule and the outputs: how callers outside reach a function, and what they read of the stack.

use serde_json::{Value, json};

use super::model::{Template, alias_of, target};
use super::{Check, Findings, must, remove, set};

/// The longest time that an HTTP API waits for a function, in milliseconds.
const LONGEST_INTEGRATION: u64 = 30_000;

const ROUTES: [(&str, &str); 3] = [
    ("ANY /hooks/{proxy+}", "ReceiverFunction"),
    ("ANY /acks/{proxy+}", "RetrierFunction"),
    ("ANY /alerts/{proxy+}", "AlerterFunction"),
];

/// Who may invoke which function, and on whose behalf.
const PERMISSIONS: [(&str, &str, &str); 4] = [
    ("ReceiverFunction", "apigateway.amazonaws.com", "${Api}/*/*/hooks/*"),
    ("RetrierFunction", "apigateway.amazonaws.com", "${Api}/*/*/acks/*"),
    ("AlerterFunction", "apigateway.amazonaws.com", "${Api}/*/*/alerts/*"),
    ("RetrierFunction", "events.amazonaws.com", "SweepRule"),
];

/// The outputs that the command line and the local stack read.
const OUTPUTS: [&str; 24] = [
    "WebhookUrl",
    "DomainTarget",
    "ApiId",
    "SignalsReaderPolicyArn",
    "DeliveriesQueueUrl",
    "RetriesQueueUrl",
    "AlertsQueueUrl",
    "ReviewsQueueUrl",
    "SignalsQueueUrl",
    "RetriesDeadQueueUrl",
    "AlertsDeadQueueUrl",
    "OutputsQueueUrl",
    "OutputsDeadQueueUrl",
    "DispatchesTableName",
    "DeliveriesTableName",
    "AlertsTableName",
    "OutputsTableName",
    "ConfigTableName",
    "ReceiverFunctionName",
    "HydratorFunctionName",
    "RetrierFunctionName",
    "AlerterFunctionName",
    "CourierFunctionName",
    "WatchTopicArn",
];

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "every route reaches its function, and waits for it",
        run: routes,
        saboteurs: || {
            vec![
                set("posts alone", "/Resources/HooksRoute/Properties/RouteKey", json!("POST /hooks/{proxy+}")),
                set(
                    "no slash at the end",
                    "/Resources/HooksRoute/Properties/RouteKey",
                    json!("ANY /hooks/{source}/{token}"),
                ),
                set(
                    "acknowledgements to the receiver",
                    "/Resources/AcksRoute/Properties/Target",
                    json!({ "Fn::Sub": "integrations/${HooksIntegration}" }),
                ),
                set("the old format", "/Resources/HooksIntegration/Properties/PayloadFormatVersion", json!("1.0")),
                set("an early end", "/Resources/AcksIntegration/Properties/TimeoutInMillis", json!(10_000)),
                set("too long for AWS", "/Resources/HooksIntegration/Properties/TimeoutInMillis", json!(60_000)),
                set(
                    "the newest code instead of the alias",
                    "/Resources/HooksIntegration/Properties/IntegrationUri",
                    json!({ "Fn::GetAtt": ["ReceiverFunction", "Arn"] }),
                ),
                remove("a route less", "/Resources/AcksRoute"),
            ]
        },
    },
    Check {
        name: "no other service may invoke a function",
        run: permissions,
        saboteurs: || {
            vec![
                remove("from any API", "/Resources/HooksPermission/Properties/SourceArn"),
                set("anybody", "/Resources/AcksPermission/Properties/Principal", json!("*")),
                set(
                    "not for the alias",
                    "/Resources/HooksPermission/Properties/FunctionName",
                    json!({ "Ref": "ReceiverFunction" }),
                ),
                remove("a schedule that may not", "/Resources/SweepPermission"),
            ]
        },
    },
    Check {
        name: "the endpoint is bounded, logged, and logs no token",
        run: stage,
        saboteurs: || {
            vec![
                remove("no bound", "/Resources/Stage/Properties/DefaultRouteSettings/ThrottlingRateLimit"),
                set("a bound of nothing", "/Parameters/ThrottleRate/MinValue", json!(0)),
                remove("no log", "/Resources/Stage/Properties/AccessLogSettings"),
                set(
                    "the path, token and all",
                    "/Resources/Stage/Properties/AccessLogSettings/Format",
                    json!("{\"route\":\"$context.routeKey\",\"path\":\"$context.path\"}"),
                ),
                set("a stage in the path", "/Resources/Stage/Properties/StageName", json!("v1")),
            ]
        },
    },
    Check {
        name: "the retrier sweeps every minute",
        run: |template| {
            let mut diagnostics = Findings::new();
            let mut is = |pointer: &str, expected: Value| {
                let found = template.property("SweepRule", pointer);
                must(&mut diagnostics, *found == expected, || {
                    format!("SweepRule: {pointer} is {found}, not {expected}")
                });
            };
            is("ScheduleExpression", json!("rate(1 minute)"));
            is("State", Value::Null);
            is("Targets/0/Arn", json!({ "Ref": "RetrierFunction.Alias" }));
            is("Targets/0/Input", json!("{\"sweep\":true}"));
            diagnostics
        },
        saboteurs: || {
            vec![
                set("every hour", "/Resources/SweepRule/Properties/ScheduleExpression", json!("rate(1 hour)")),
                set("asleep", "/Resources/SweepRule/Properties/State", json!("DISABLED")),
                remove("an event that says nothing", "/Resources/SweepRule/Properties/Targets/0/Input"),
                set(
                    "another's sweep",
                    "/Resources/SweepRule/Properties/Targets/0/Arn",
                    json!({ "Ref": "AlerterFunction.Alias" }),
                ),
                set(
                    "the newest code instead of the alias",
                    "/Resources/SweepRule/Properties/Targets/0/Arn",
                    json!({ "Fn::GetAtt": ["RetrierFunction", "Arn"] }),
                ),
            ]
        },
    },
    Check {
        name: "the outputs are those that others read",
        run: outputs,
        saboteurs: || {
            vec![
                remove("an output less", "/Outputs/SignalsQueueUrl"),
                set("a wrong one", "/Outputs/AlertsQueueUrl/Value", json!({ "Ref": "AlertsDeadQueue" })),
                set("one that is not read", "/Outputs/Other", json!({ "Value": "x" })),
            ]
        },
    },
];

fn routes(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let mut found = Vec::new();
    for route in template.resources(Some("AWS::ApiGatewayV2::Route")) {
        let key = template.property(route, "RouteKey").as_str().unwrap_or_default();
        let to = template.property(route, "Target/Fn::Sub").as_str().unwrap_or_default();
        let integration =
            to.strip_prefix("integrations/${").and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        let function = alias_of(template.property(integration, "IntegrationUri")).unwrap_or_default();
        found.push((key, function));
        let format = template.property(integration, "PayloadFormatVersion");
        must(&mut diagnostics, format == "2.0", || format!("{integration}: payload format {format}"));
        let waits = template.property(integration, "TimeoutInMillis").as_u64().unwrap_or(LONGEST_INTEGRATION);
        let runs = template.function(function, "Timeout").as_u64().unwrap_or(0) * 1000;
        let holds = runs < waits && waits <= LONGEST_INTEGRATION;
        must(&mut diagnostics, holds, || format!("{integration}: waits {waits} ms, {function} runs up to {runs} ms"));
    }
    must(&mut diagnostics, found == ROUTES, || format!("the routes are {found:?}"));
    diagnostics
}

fn permissions(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let mut found = Vec::new();
    for permission in template.resources(Some("AWS::Lambda::Permission")) {
        let function = alias_of(template.property(permission, "FunctionName")).unwrap_or_default();
        let principal = template.property(permission, "Principal").as_str().unwrap_or_default();
        let source = template.property(permission, "SourceArn");
        let written = source["Fn::Sub"].as_str().and_then(|arn| arn.rsplit(':').next());
        found.push((function, principal, target(source).or(written).unwrap_or_default()));
    }
    must(&mut diagnostics, found == PERMISSIONS, || format!("the permissions are {found:?}"));
    diagnostics
}

fn stage(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    for limit in ["ThrottlingBurstLimit", "ThrottlingRateLimit"] {
        let parameter = target(template.property("Stage", &format!("DefaultRouteSettings/{limit}")));
        let least = template.at(&format!("/Parameters/{}/MinValue", parameter.unwrap_or_default())).as_u64();
        must(&mut diagnostics, least == Some(1), || format!("Stage: {limit} is {parameter:?}, from {least:?} on"));
    }
    let name = template.property("Stage", "StageName");
    must(&mut diagnostics, name == "$default", || format!("Stage: {name} would stand in every URL"));
    let group = target(template.property("Stage", "AccessLogSettings/DestinationArn"));
    must(&mut diagnostics, group == Some("ApiLogGroup"), || format!("Stage: logs into {group:?}"));
    let format = template.property("Stage", "AccessLogSettings/Format").as_str().unwrap_or_default();
    let secret = ["$context.path", "$context.customDomain", "$context.authorizer", "$context.identity.apiKey"];
    let logged = secret.into_iter().find(|variable| format.contains(variable));
    must(&mut diagnostics, logged.is_none(), || format!("Stage: logs {logged:?}, which can contain a token"));
    let parsed = serde_json::from_str::<Value>(format);
    must(&mut diagnostics, parsed.is_ok_and(|line| line["route"] == "$context.routeKey"), || {
        "Stage: logs no JSON".to_owned()
    });
    diagnostics
}

fn outputs(template: &Template) -> Findings {
    let mut diagnostics = Findings::new();
    let found = template.at("/Outputs").as_object().expect("outputs");
    let names: Vec<_> = found.keys().collect();
    must(&mut diagnostics, names == OUTPUTS, || format!("the outputs are {names:?}"));
    for (name, output) in found {
        // Such an output is named after its resource: `SignalsQueueUrl` is the URL of `SignalsQueue`.
        let Some(resource) = ["Url", "Name", "Arn"].iter().find_map(|end| name.strip_suffix(end)) else { continue };
        let holds = name == "WebhookUrl" || target(&output["Value"]) == Some(resource);
        must(&mut diagnostics, holds, || format!("{name} is {}", output["Value"]));
    }
    diagnostics
}
